"""From groups of charges to a document: lines rounded once, tax once per rate."""

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


class TaxRate(NamedTuple):
    """An EN 16931 category code and a percentage, such as S 19."""

    category: str
    percent: Decimal


class ChargeGroup(NamedTuple):
    """The charges that become one line: one service and unit price, summed exactly, or one charge alone.

    `charge_id` is set where a line holds a single charge by rule; `service_code` and `charge_id` order the lines.
    `included_percent` is the tax that prices include, None where they are net; it need not be what the customer is taxed.
    `tax_note` is the reason to print where no tax is charged.
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


class Line(NamedTuple):
    """An invoice line: its group's exact sum rounded once, to `net`, or to `gross` where prices include tax. Minor units."""

    position: int
    group: ChargeGroup
    net: int
    gross: int | None = None


class TaxTotal(NamedTuple):
    """The tax at one rate, rounded once; or that which is included in prices at this rate. Minor units.

    `note` is the reason to print where no tax is charged.
    """

    rate: TaxRate
    base: int
    tax: int
    included: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """What an invoice says, in minor units of its one currency. Refuses parts that do not add up."""

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
            raise Invalid("does_not_add_up", "Lines, taxes and totals of the document disagree.")

    @property
    def charges(self) -> int:
        """How many charges are on it."""
        return sum(line.group.charges for line in self.lines)

    @property
    def amount(self) -> Decimal:
        """The exact sum of the charges on it, unrounded."""
        return exact_sum(line.group.amount for line in self.lines)

    @property
    def period_from(self) -> date:
        """The earliest day of a charge on it."""
        return min(line.group.period_from for line in self.lines)

    @property
    def period_to(self) -> date:
        """The latest day of a charge on it."""
        return max(line.group.period_to for line in self.lines)

    def digest(self) -> str:
        """SHA-256 of what a person sees in the preview: it changes when anything on the document does."""
        seen = [
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
                ]
                for line in self.lines
            ],
        ]
        return hash_data(seen)


def make_document(currency: str, groups: Iterable[ChargeGroup]) -> Document:
    """Make an invoice of groups of one currency: each group's sum rounded once, tax per rate on the sum of its lines."""
    return make_document_in_order(currency, sorted(groups, key=_line_order))


def make_document_in_order(currency: str, groups: Sequence[ChargeGroup]) -> Document:
    """Make an invoice with a line for each group, in the order they come in."""
    lines = _lines(currency, groups)
    taxes = _with_notes(_taxes(lines), groups)
    net, tax = sum(line.net for line in lines), sum(total.tax for total in taxes)
    return Document(currency, tuple(lines), tuple(taxes), net, tax, net + tax)


def _lines(currency: str, groups: Sequence[ChargeGroup]) -> list[Line]:
    lines = [Line(position, group, minor_units(group.amount, currency)) for position, group in enumerate(groups, 1)]
    inclusive = any(group.included_percent is not None for group in groups)
    return _split(lines) if inclusive else lines


def _split(lines: list[Line]) -> list[Line]:
    """Where prices include tax, the rounded sum is the gross: take the tax out, per rate and percentage once."""
    priced: dict[tuple[TaxRate, Decimal], list[Line]] = defaultdict(list)
    for line in lines:
        if line.group.included_percent is not None:
            priced[line.group.tax, line.group.included_percent].append(line)
    for (_, percent), inclusive in priced.items():
        nets = nets_without_tax([line.net for line in inclusive], percent)
        for line, net in zip(inclusive, nets, strict=True):
            lines[line.position - 1] = line._replace(net=net, gross=line.net)
    return lines


def _taxes(lines: Sequence[Line]) -> list[TaxTotal]:
    within = [line for line in lines if includes_tax(line.gross, line.group.tax)]
    if not within:
        return tax_totals((line.group.tax, line.net) for line in lines)
    added = (line for line in lines if not includes_tax(line.gross, line.group.tax))
    totals = [
        *tax_totals((line.group.tax, line.net) for line in added),
        *included_tax_totals((line.group.tax, line.gross or 0) for line in within),
    ]
    return sorted(totals, key=lambda total: (total.rate, total.included))


def includes_tax(gross: int | None, rate: TaxRate) -> bool:
    """Whether a line's tax is part of its gross. Who is charged no tax pays the net of such a price and nothing more."""
    return gross is not None and rate.percent != 0


def _with_notes(taxes: list[TaxTotal], groups: Sequence[ChargeGroup]) -> list[TaxTotal]:
    noted = {(group.tax, group.tax_note) for group in groups if group.tax_note}
    if not noted:
        return taxes
    return [
        total._replace(note="; ".join(sorted(note for rate, note in noted if rate == total.rate))) for total in taxes
    ]


def _line_order(group: ChargeGroup) -> tuple[object, ...]:
    """Services by code and price; then charges without a service by day. The id and the tax settle ties: every run agrees."""
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
    )


def tax_totals(nets: Iterable[tuple[TaxRate, int]]) -> list[TaxTotal]:
    """Sum line nets (minor units) per rate and compute each rate's tax once."""
    totals = []
    for rate, lines in groupby(sorted(nets), key=lambda pair: pair[0]):
        base = sum(net for _, net in lines)
        totals.append(TaxTotal(rate, base, percentage(base, rate.percent)))
    return totals


def included_tax_totals(grosses: Iterable[tuple[TaxRate, int]]) -> list[TaxTotal]:
    """Sum line grosses (minor units) per rate and take each rate's tax out once."""
    totals = []
    for rate, lines in groupby(sorted(grosses), key=lambda pair: pair[0]):
        gross = sum(one for _, one in lines)
        tax = included_tax(gross, rate.percent)
        totals.append(TaxTotal(rate, gross - tax, tax, included=True))
    return totals


def reason_to_leave_out(document: Document) -> str | None:
    """Say why a document is not made, or None: an invoice must ask for money, and for no more than can be stored."""
    amounts = (abs(line.net if line.gross is None else line.gross) for line in document.lines)
    if max(abs(document.total), document.net, *amounts) > LARGEST_MINOR:
        return "too_large"
    if document.total > 0:
        return None
    return "zero_total" if document.total == 0 else "negative_total"


LEFT_OUT_REASONS = {
    "zero_total": "The total is zero",
    "negative_total": "The total is negative",
    "too_large": "An amount is too large for an invoice",
    "after_cut_off": "After the cut-off date",
    "held": "Held",
    "changed": "Changed since the preview",
    "customer_tax_id_missing": "Reverse charge, and the customer's tax ID is missing",
}
