"""The part of an invoice that is credited, and the part that still can be.

Money is in minor units.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.credit_notes import (
    Credit,
    Creditable,
    CreditableLine,
    CreditableTax,
    credit_amount,
    credit_lines,
)
from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import Money, exact_decimal
from billing_admin.domain.readiness import NO_E_INVOICE
from billing_admin.domain.translation import Phrase
from billing_admin.models import Invoice, InvoiceLine, InvoiceTax


@dataclass(frozen=True, slots=True)
class CreditSpec:
    """A request to credit an invoice: net amounts by line, or one amount with tax.

    Amounts are in major units. `by_quantity` are the places of the lines whose net is that of a quantity.
    """

    reason: str
    amount: Decimal | None = None
    lines: Sequence[tuple[UUID, Decimal]] = field(default=())
    issue_date: date | None = None
    id: UUID | None = None
    by_quantity: Collection[int] = frozenset()


def creditable(session: Session, invoice_id: UUID) -> Creditable:
    """Return an invoice with the credited amounts of its lines and rates.

    Raises NotFound.
    """
    columns = (Invoice.number, Invoice.currency, Invoice.details)
    invoice = session.execute(select(*columns).where(Invoice.id == invoice_id)).one_or_none()
    if invoice is None:
        raise NotFound("unknown_invoice", Phrase("There is no invoice {invoice_id}.", invoice_id=invoice_id), "id")
    return Creditable(
        invoice.number,
        invoice.currency,
        _lines(session, invoice_id),
        _taxes(session, invoice_id),
        details_from_json(invoice.details).e_invoice != NO_E_INVOICE,
    )


def _lines(session: Session, invoice_id: UUID) -> tuple[CreditableLine, ...]:
    credit_line = aliased(InvoiceLine)
    credited = (
        select(func.coalesce(func.sum(credit_line.net), 0))
        .where(credit_line.corrects_line_id == InvoiceLine.id)
        .scalar_subquery()
    )
    query = (
        select(
            InvoiceLine.id,
            InvoiceLine.position,
            InvoiceLine.tax_category,
            InvoiceLine.tax_percent,
            InvoiceLine.gross,
            InvoiceLine.net,
            InvoiceLine.quantity,
            InvoiceLine.unit_price,
            credited.label("credited"),
        )
        .where(InvoiceLine.invoice_id == invoice_id)
        .order_by(InvoiceLine.position)
    )
    return tuple(
        CreditableLine(
            row.id,
            row.position,
            TaxRate(row.tax_category, row.tax_percent),
            row.gross is not None and bool(row.tax_percent),
            row.net,
            int(row.credited),
            None if row.unit_price is None else row.quantity,
        )
        for row in session.execute(query)
    )


def _taxes(session: Session, invoice_id: UUID) -> tuple[CreditableTax, ...]:
    columns = (InvoiceTax.category, InvoiceTax.percent, InvoiceTax.included)
    notes = select(Invoice.id).where(Invoice.corrects_id == invoice_id)
    credit_taxes = (
        select(*columns, func.sum(InvoiceTax.base), func.sum(InvoiceTax.tax))
        .where(InvoiceTax.invoice_id.in_(notes))
        .group_by(*columns)
    )
    # Base and tax credited, by (category, percent, included).
    credited = {tuple(row[:3]): (int(row[3]), int(row[4])) for row in session.execute(credit_taxes)}
    invoice_taxes = select(*columns, InvoiceTax.base, InvoiceTax.tax).where(InvoiceTax.invoice_id == invoice_id)
    return tuple(
        CreditableTax(
            TaxRate(category, percent), included, base, tax, *credited.get((category, percent, included), (0, 0))
        )
        for category, percent, included, base, tax in session.execute(invoice_taxes.order_by(InvoiceTax.position))
    )


def compute_credit(invoice: Creditable, spec: CreditSpec) -> Credit:
    """Return what a credit note would credit.

    Raises Invalid unless either lines or an amount are given, and as `domain.credit_notes` does.
    """
    if (spec.amount is None) == (not spec.lines):
        raise Invalid("amount_or_lines", Phrase("Enter either an amount, or lines with their net amounts."), "amount")
    if spec.amount is not None:
        return credit_amount(invoice, to_minor_units(spec.amount, invoice.currency, "amount"))
    amounts = [
        (
            id,
            to_minor_units(
                net, invoice.currency, "lines", place, "quantity" if place in spec.by_quantity else "amount"
            ),
        )
        for place, (id, net) in enumerate(spec.lines)
    ]
    if len(dict(amounts)) != len(amounts):
        raise Invalid("line_twice", Phrase("Enter each line only once."), "lines")
    return credit_lines(invoice, dict(amounts), spec.by_quantity)


def to_minor_units(amount: Decimal, currency: str, *field: str | int) -> int:
    """Return an amount in minor units.

    Raises Invalid for more decimal places than the currency has.
    """
    return Money.exactly(exact_decimal(amount, *field), currency, *field).minor


def credit_notes(session: Session, invoice_id: UUID) -> Sequence[Invoice]:
    """Return the credit notes of an invoice, in the order of their numbers."""
    query = select(Invoice).where(Invoice.corrects_id == invoice_id)
    return session.scalars(query.order_by(Invoice.issue_date, Invoice.number)).all()
