"""From groups of charges to a document: lines rounded once, tax once per rate, and what may follow in a document's life."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Protocol
from uuid import UUID

from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.money import LARGEST_MINOR, currency_code, minor_units, percentage, plain, plain_or_none
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


@dataclass(frozen=True, slots=True)
class Line:
    """An invoice line: its group's exact sum rounded once. `net` is in minor units."""

    position: int
    group: ChargeGroup
    net: int


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """The tax at one rate: base and tax in minor units, rounded once."""

    rate: TaxRate
    base: int
    tax: int


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
                    *(line.group.tax.category, plain(line.group.tax.percent)),
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
    ordered = sorted(groups, key=_line_order)
    lines = tuple(
        Line(position, group, minor_units(group.amount, currency)) for position, group in enumerate(ordered, 1)
    )
    taxes = tuple(tax_totals((line.group.tax, line.net) for line in lines))
    net, tax = sum(line.net for line in lines), sum(total.tax for total in taxes)
    return Document(currency, lines, taxes, net, tax, net + tax)


def _line_order(group: ChargeGroup) -> tuple[object, ...]:
    """Services by code and price; then charges without a service by day. The id settles ties, so that every run agrees."""
    return (
        group.service_id is None,
        group.service_code,
        group.unit_price is None,
        group.unit_price or 0,
        group.period_from,
        group.description,
        str(group.charge_id),
    )


def tax_totals(nets: Iterable[tuple[TaxRate, int]]) -> list[TaxTotal]:
    """Sum line nets (minor units) per rate and compute each rate's tax once."""
    totals = []
    for rate, lines in groupby(sorted(nets), key=lambda pair: pair[0]):
        base = sum(net for _, net in lines)
        totals.append(TaxTotal(rate, base, percentage(base, rate.percent)))
    return totals


def reason_to_leave_out(document: Document) -> str | None:
    """Say why a document is not made, or None: an invoice must ask for money, and for no more than can be stored."""
    if max(abs(document.total), document.net, *(abs(line.net) for line in document.lines)) > LARGEST_MINOR:
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
            ]
            for line in document.lines
        ],
        [[tax["category"], plain(tax["percent"]), tax["base"], tax["tax"]] for tax in document.taxes],
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
