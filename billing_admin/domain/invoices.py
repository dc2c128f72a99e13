"""Documents made of groups of charges.

Each line is rounded once, and the tax once per rate.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from billing_admin.domain.document_hash import hash_data
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import (
    LARGEST_MINOR,
    currency_code,
    exact_sum,
    included_tax,
    minor_units,
    nets_without_tax,
    percentage,
    plain_decimal,
)
from billing_admin.domain.translation import Phrase


class TaxRate(NamedTuple):
    """An EN 16931 category code and a percentage, such as S 19."""

    category: str
    percent: Decimal


class ChargeGroup(NamedTuple):
    """The charges of one line: of one service, price and period, or one charge.

    `charge_id` is set if a rule puts the charge on its own line. `service_code` and `charge_id` order
    the lines. `included_percent` is the tax that the prices include, None for net prices; the
    customer's own rate can differ. `tax_note` is the reason to print if no tax is charged, and `vatex` its code.

    `period_from` and `period_to` are the period of all its charges, or without one their first and last day.
    `has_period` tells which. A charge with `period_of_days` is on its own line.
    `unit` and `unit_code` are those of the service, or empty. `purchase_order` is that of the charges, or empty.
    """

    service_id: UUID | None
    service_code: str
    unit_price: Decimal | None
    charge_id: UUID | None
    description: str
    quantity: Decimal
    amount: Decimal
    charges: int
    period_from: date
    period_to: date
    tax: TaxRate
    included_percent: Decimal | None = None
    tax_note: str = ""
    has_period: bool = False
    period_of_days: int | None = None
    unit: str = ""
    purchase_order: str = ""
    unit_code: str = ""
    vatex: str = ""

    @property
    def service_period(self) -> tuple[date | None, date | None]:
        """First and last day of the line as stored: None if its charges have no period."""
        return (self.period_from, self.period_to) if self.has_period else (None, None)


class Line(NamedTuple):
    """A line of a document, with its group's exact sum.

    The sum is rounded to `net`, or to `gross` if prices include tax.
    """

    position: int
    group: ChargeGroup
    net: int
    gross: int | None = None


class TaxTotal(NamedTuple):
    """The tax at one rate, added or `included` in prices, in minor units.

    `note` is the reason to print if no tax is charged, and `vatex` its code.
    """

    rate: TaxRate
    base: int
    tax: int
    included: bool = False
    note: str = ""
    vatex: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """The lines, taxes and totals of a document, in minor units.

    Raises:
        Invalid: The numbers do not add up.
    """

    currency: str
    lines: tuple[Line, ...]
    taxes: tuple[TaxTotal, ...]
    net: int
    tax: int
    total: int

    def __post_init__(self) -> None:
        currency_code(self.currency)
        adds_up = (
            self.net == sum(line.net for line in self.lines) == sum(tax.base for tax in self.taxes)
            and self.tax == sum(tax.tax for tax in self.taxes)
            and self.total == self.net + self.tax
        )
        if not adds_up:
            raise Invalid("does_not_add_up", Phrase("The lines, taxes and totals of the document do not add up."))

    @property
    def charges(self) -> int:
        """The number of charges."""
        return sum(line.group.charges for line in self.lines)

    @property
    def amount(self) -> Decimal:
        """The exact sum of the charges."""
        return exact_sum(line.group.amount for line in self.lines)

    @property
    def period_from(self) -> date:
        """The first day of the earliest charge or period."""
        return min(line.group.period_from for line in self.lines)

    @property
    def period_to(self) -> date:
        """The last day of the latest charge or period."""
        return max(line.group.period_to for line in self.lines)

    @property
    def purchase_order(self) -> str:
        """The purchase order that all charges are for, "" if they are for several or none."""
        orders = {line.group.purchase_order for line in self.lines}
        return orders.pop() if len(orders) == 1 else ""

    def digest(self) -> str:
        """Return the SHA-256 of the document in a preview.

        Every visible change of the document changes it.
        """
        # Frozen: a confirmed preview is compared with this digest. The columns of a line are service
        # id, charge id, description, unit price, charges, quantity, amount, net, tax category, tax
        # percent, gross, first day, last day; only if a charge has a period: `period_of_days`;
        # only if the service has one: the unit; only if the charges have one: the purchase order; only if
        # the service has one: the unit code.
        content = [
            self.currency,
            self.total,
            [
                [
                    *(str(line.group.service_id), str(line.group.charge_id), line.group.description),
                    None if line.group.unit_price is None else plain_decimal(line.group.unit_price),
                    *(
                        line.group.charges,
                        plain_decimal(line.group.quantity),
                        plain_decimal(line.group.amount),
                        line.net,
                    ),
                    *(line.group.tax.category, plain_decimal(line.group.tax.percent), line.gross),
                    *(line.group.period_from.isoformat(), line.group.period_to.isoformat()),
                    *((line.group.period_of_days,) if line.group.has_period else ()),
                    *(({"unit": line.group.unit},) if line.group.unit else ()),
                    *(({"purchase_order": line.group.purchase_order},) if line.group.purchase_order else ()),
                    *(({"unit_code": line.group.unit_code},) if line.group.unit_code else ()),
                ]
                for line in self.lines
            ],
        ]
        return hash_data(content)


def make_document(currency: str, groups: Iterable[ChargeGroup]) -> Document:
    """Return the document of some groups in one currency, with its lines in order."""
    return make_document_in_order(currency, sorted(groups, key=_line_order))


def make_document_in_order(currency: str, groups: Sequence[ChargeGroup]) -> Document:
    """Return the document with a line for each group, in the given order."""
    lines = _lines(currency, groups)
    taxes = _with_notes(_taxes(lines), groups)
    net, tax = sum(line.net for line in lines), sum(total.tax for total in taxes)
    return Document(currency, tuple(lines), tuple(taxes), net, tax, net + tax)


def _lines(currency: str, groups: Sequence[ChargeGroup]) -> list[Line]:
    lines = [Line(position, group, minor_units(group.amount, currency)) for position, group in enumerate(groups, 1)]
    has_included_tax = any(group.included_percent is not None for group in groups)
    return _with_grosses(lines) if has_included_tax else lines


def _with_grosses(lines: list[Line]) -> list[Line]:
    """Return the lines with grosses and nets instead of rounded sums.

    The sums are those of prices that include tax; the nets are computed per rate.
    """
    lines_by_tax: dict[tuple[TaxRate, Decimal], list[Line]] = defaultdict(list)
    for line in lines:
        if line.group.included_percent is not None:
            lines_by_tax[line.group.tax, line.group.included_percent].append(line)
    for (_, percent), taxed_lines in lines_by_tax.items():
        nets = nets_without_tax([line.net for line in taxed_lines], percent)
        for line, net in zip(taxed_lines, nets, strict=True):
            lines[line.position - 1] = line._replace(net=net, gross=line.net)
    return lines


def _taxes(lines: Sequence[Line]) -> list[TaxTotal]:
    with_tax = [line for line in lines if includes_tax(line.gross, line.group.tax)]
    if not with_tax:
        return tax_totals((line.group.tax, line.net) for line in lines)
    without_tax = (line for line in lines if not includes_tax(line.gross, line.group.tax))
    totals = [
        *tax_totals((line.group.tax, line.net) for line in without_tax),
        *included_tax_totals((line.group.tax, line.gross or 0) for line in with_tax),
    ]
    return sorted(totals, key=lambda total: (total.rate, total.included))


def includes_tax(gross: int | None, rate: TaxRate) -> bool:
    """Return whether a line's gross includes its tax.

    A customer who is charged no tax pays only the net of a price with tax.
    """
    return gross is not None and rate.percent != 0


def _with_notes(taxes: list[TaxTotal], groups: Sequence[ChargeGroup]) -> list[TaxTotal]:
    """Return the taxes with their reasons, and the VATEX code if all lines agree."""
    reasons = {(group.tax, group.tax_note, group.vatex) for group in groups}
    if not any(note or vatex for _, note, vatex in reasons):
        return taxes
    return [_with_reasons(total, [reason[1:] for reason in reasons if reason[0] == total.rate]) for total in taxes]


def _with_reasons(total: TaxTotal, reasons: Sequence[tuple[str, str]]) -> TaxTotal:
    notes, codes = {note for note, _ in reasons if note}, {vatex for _, vatex in reasons}
    return total._replace(note="; ".join(sorted(notes)), vatex=codes.pop() if len(codes) == 1 else "")


def _line_order(group: ChargeGroup) -> tuple[object, ...]:
    """Return the sort key of a line.

    Services come first, by code, price and first day, then charges without a service, by day. The others
    break ties, so that the order is the same on both databases. Frozen: it is hashed.
    """
    return (
        group.service_id is None,
        group.service_code,
        group.unit_price is None,
        group.unit_price or 0,
        group.period_from,
        group.description,
        str(group.charge_id),
        group.tax,
        group.included_percent is not None,
        group.included_percent or 0,
        group.purchase_order,
        group.period_to,
        group.has_period,
    )


def tax_totals(nets: Iterable[tuple[TaxRate, int]]) -> list[TaxTotal]:
    """Return the tax per rate on the sum of its line nets, in minor units."""
    totals = []
    for rate, lines in groupby(sorted(nets), key=lambda pair: pair[0]):
        base = sum(net for _, net in lines)
        totals.append(TaxTotal(rate, base, percentage(base, rate.percent)))
    return totals


def included_tax_totals(grosses: Iterable[tuple[TaxRate, int]]) -> list[TaxTotal]:
    """Return the tax per rate in the sum of its line grosses, in minor units."""
    totals = []
    for rate, lines in groupby(sorted(grosses), key=lambda pair: pair[0]):
        gross = sum(amount for _, amount in lines)
        tax = included_tax(gross, rate.percent)
        totals.append(TaxTotal(rate, gross - tax, tax, included=True))
    return totals


def reason_to_leave_out(document: Document) -> str | None:
    """Return the reason why a document cannot be an invoice, or None if it can.

    The reason is a key of NO_INVOICE_REASONS. The total must be above zero, and every amount must fit the
    database's integers.
    """
    amounts = (abs(line.net if line.gross is None else line.gross) for line in document.lines)
    if max(abs(document.total), document.net, *amounts) > LARGEST_MINOR:
        return "too_large"
    if document.total > 0:
        return None
    return "zero_total" if document.total == 0 else "negative_total"


NO_INVOICE_REASONS = {
    "zero_total": Phrase("The total is zero"),
    "negative_total": Phrase("The total is negative"),
    "too_large": Phrase("An amount is too large for an invoice"),
}
