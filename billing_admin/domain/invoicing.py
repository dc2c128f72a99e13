"""From groups of charges to a document: lines rounded once, tax once per rate, and what may follow in a document's life."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Protocol
from uuid import UUID

from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.money import (
    LARGEST_MINOR,
    currency_code,
    included_tax,
    minor_units,
    percentage,
    plain,
    plain_or_none,
    without_tax,
)
from billing_admin.domain.text import NUMBER_PART

# A row of a table by its columns' names.
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class TaxRate:
    """An EN 16931 category code and a percentage, such as S 19."""

    category: str
    percent: Decimal


@dataclass(frozen=True, slots=True)
class ChargeGroup:
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


@dataclass(frozen=True, slots=True)
class Line:
    """An invoice line: its group's exact sum rounded once, to `net`, or to `gross` where prices include tax. Minor units."""

    position: int
    group: ChargeGroup
    net: int
    gross: int | None = None


@dataclass(frozen=True, slots=True)
class TaxTotal:
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
                    None if line.group.unit_price is None else plain(line.group.unit_price),
                    *(line.group.charges, plain(line.group.quantity), plain(line.group.amount), line.net),
                    *(line.group.tax.category, plain(line.group.tax.percent), line.gross),
                    *(line.group.period_from.isoformat(), line.group.period_to.isoformat()),
                ]
                for line in self.lines
            ],
        ]
        return sha256(seen)


def sha256(content: object) -> str:
    """Hex SHA-256 of plain data, written as compact JSON."""
    return hashlib.sha256(json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def make_document(currency: str, groups: Iterable[ChargeGroup]) -> Document:
    """Make an invoice of groups of one currency: each group's sum rounded once, tax per rate on the sum of its lines."""
    return set_out(currency, sorted(groups, key=_line_order))


def set_out(currency: str, groups: Sequence[ChargeGroup]) -> Document:
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
        nets = without_tax([line.net for line in inclusive], percent)
        for line, net in zip(inclusive, nets, strict=True):
            lines[line.position - 1] = replace(line, net=net, gross=line.net)
    return lines


def _taxes(lines: Sequence[Line]) -> list[TaxTotal]:
    within = [line for line in lines if has_tax_within(line.gross, line.group.tax)]
    if not within:
        return tax_totals((line.group.tax, line.net) for line in lines)
    added = (line for line in lines if not has_tax_within(line.gross, line.group.tax))
    totals = [
        *tax_totals((line.group.tax, line.net) for line in added),
        *included_tax_totals((line.group.tax, line.gross or 0) for line in within),
    ]
    return sorted(totals, key=lambda total: (total.rate, total.included))


def has_tax_within(gross: int | None, rate: TaxRate) -> bool:
    """Whether a line's tax is part of its gross. Who is charged no tax pays the net of such a price and nothing more."""
    return gross is not None and rate.percent != 0


def _with_notes(taxes: list[TaxTotal], groups: Sequence[ChargeGroup]) -> list[TaxTotal]:
    noted = {(group.tax, group.tax_note) for group in groups if group.tax_note}
    if not noted:
        return taxes
    return [
        replace(total, note="; ".join(sorted(note for rate, note in noted if rate == total.rate))) for total in taxes
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
}


class Receivable(Protocol):
    """What the state of a document is read off; money in minor units."""

    @property
    def kind(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def total(self) -> int: ...
    @property
    def paid(self) -> int: ...
    @property
    def credited(self) -> int: ...
    @property
    def due_date(self) -> date | None: ...


def balance(invoice: Receivable) -> int:
    """What is still owed, in minor units: nothing before issue and nothing after void, and never anything on a credit note."""
    owes = invoice.status == "issued" and invoice.kind == "invoice"
    return invoice.total - invoice.paid - invoice.credited if owes else 0


def payment_status(invoice: Receivable, today: date) -> str | None:
    """Read paid, credited, overdue, part_paid or unpaid off the balance and the due date; None unless issued.

    A credit note is not paid, it reduces what is.
    """
    if invoice.status != "issued" or invoice.kind != "invoice":
        return None
    if balance(invoice) <= 0:
        return "credited" if invoice.credited and not invoice.paid else "paid"
    if invoice.due_date is not None and invoice.due_date < today:
        return "overdue"
    return "part_paid" if invoice.paid or invoice.credited else "unpaid"


def due_date(issue_date: date, payment_terms_days: int) -> date:
    """The day by which to pay."""
    return issue_date + timedelta(days=payment_terms_days)


def usual_cut_off(today: date) -> date:
    """The month's end that is billed on this day: of this month in its last three days, else of the month before."""
    soon = today + timedelta(days=3)
    first_of_month = (soon if soon.month != today.month else today).replace(day=1)
    return first_of_month - timedelta(days=1)


def may_issue(status: str, number: str | None) -> bool:
    """Whether there is something to do: True for a draft, False when it is issued already. Raises Conflict otherwise."""
    if status == "void":
        raise Conflict("already_void", f"{number} is void and cannot be issued.")
    return status == "draft"


def editable(status: str, number: str | None, what: str) -> None:
    """Raise Conflict unless it is a draft; `what` is the deed, such as `changed`."""
    if status != "draft":
        said = f"{number} is {status}: only a draft can be {what}."
        raise Conflict("not_a_draft", f"{said} Credit it, or void it." if status == "issued" else said, "status")


def may_void(invoice: Row) -> bool:
    """Whether there is something to do: True for an issued invoice, False when it is void already.

    Raises Conflict for a draft, for a credit note, and for what is paid or credited even in part.
    """
    if invoice["status"] == "void":
        return False
    if invoice["kind"] == "credit_note":
        raise Conflict(
            "is_credit_note",
            f"{invoice['number']} is a credit note and stands: to take it back, bill its amount again.",
        )
    if invoice["status"] == "draft":
        raise Conflict("is_draft", "A draft has no number that must stay: discard it.", "status")
    if invoice["paid"] or invoice["credited"]:
        what = "paid" if invoice["paid"] else "credited"
        said = f"{invoice['number']} is {what} in part or in full: it cannot be voided. Credit what is left of it."
        raise Conflict("has_payments_or_credits", said, "status")
    return True


def may_credit(invoice: Row) -> None:
    """Raise Conflict unless it is an issued invoice."""
    if invoice["kind"] == "credit_note":
        raise Conflict("is_credit_note", f"{invoice['number']} is a credit note itself: it cannot be credited.")
    if invoice["status"] == "void":
        raise Conflict("already_void", f"{invoice['number']} is void: nothing is left to credit.", "status")
    if invoice["status"] == "draft":
        raise Conflict("is_draft", "A draft is not owed yet: change or discard it.", "status")


def document_number(format: str, issue_date: date, sequence: int) -> str:
    """A number as people read it: `INV-{year}-{number:5}` makes INV-2026-00042 (see `text.number_format`)."""
    parts = {"year": f"{issue_date.year:04d}", "month": f"{issue_date.month:02d}"}
    return NUMBER_PART.sub(lambda part: parts.get(part[1]) or str(sequence).zfill(int(part[2] or 1)), format)


def chained(previous: str, number: str, content: Sequence[object]) -> str:
    """The hash stored at issue: over the number, the document's content, and the hash before it in its series."""
    return sha256([previous, number, content])


@dataclass(frozen=True, slots=True)
class Written:
    """A document as its tables hold it: whole rows, lines and taxes in their order."""

    invoice: Row
    lines: Sequence[Row]
    taxes: Sequence[Row]


COPIES = [
    "customer_reference",
    "customer_name",
    "customer_address",
    "customer_tax_id",
    "seller_name",
    "seller_address",
    "seller_tax_id",
    "footer",
]


def content(document: Written) -> list[Any]:
    """The canonical content of an issued document: what its hash covers, in a fixed order.

    What was added to documents later counts only where it says something, so that hashes of before stay true.
    """
    invoice, more = document.invoice, _said(document)
    days = [invoice[name].isoformat() for name in ("issue_date", "due_date", "period_from", "period_to")]
    return [
        str(invoice["id"]),
        [invoice[name] for name in ("kind", "currency", "net", "tax", "total")],
        days,
        [invoice[name] for name in COPIES],
        [
            [
                *(line["position"], str(line["service_id"]), line["description"], plain(line["quantity"])),
                *(plain_or_none(line["unit_price"]), plain(line["amount"]), line["net"]),
                *(line["tax_category"], plain(line["tax_percent"]), line["charges"]),
                *(() if line["gross"] is None else (line["gross"], plain(line["included_percent"]))),
            ]
            for line in document.lines
        ],
        [
            [
                *(tax["category"], plain(tax["percent"]), tax["base"], tax["tax"]),
                *((True,) if tax["included"] else ()),
                *((tax["note"],) if tax["note"] else ()),
            ]
            for tax in document.taxes
        ],
        *([more] if more else []),
    ]


def _said(document: Written) -> dict[str, Any]:
    """A void invoice's reason came after its issue: only a credit note's is part of what was issued."""
    invoice = document.invoice
    names = ["note", "purchase_order", "corrects_id", "replaces_id"]
    said = {name: str(invoice[name]) for name in names if invoice[name]}
    if invoice["kind"] == "credit_note":
        said["reason"] = invoice["reason"]
        return said | {"corrected_lines": [str(line["corrects_line_id"]) for line in document.lines]}
    return said
