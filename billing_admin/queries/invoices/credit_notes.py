"""What credit notes took back of an invoice, and what is left of it. Money is in minor units."""

from collections.abc import Sequence
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
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import Money, exact_decimal
from billing_admin.models import Invoice, InvoiceLine, InvoiceTax


@dataclass(frozen=True, slots=True)
class CreditSpec:
    """What to credit of an invoice, and why: net amounts by line, or one amount with its tax; all in major units."""

    reason: str
    amount: Decimal | None = None
    lines: Sequence[tuple[UUID, Decimal]] = field(default=())
    issue_date: date | None = None
    id: UUID | None = None


def creditable(session: Session, invoice_id: UUID) -> Creditable:
    """An invoice with what was credited of each of its lines and rates, or raise NotFound."""
    invoice = session.execute(select(Invoice.number, Invoice.currency).where(Invoice.id == invoice_id)).one_or_none()
    if invoice is None:
        raise NotFound("unknown_invoice", f"There is no invoice {invoice_id}.", "id")
    return Creditable(invoice.number, invoice.currency, _lines(session, invoice_id), _taxes(session, invoice_id))


def _lines(session: Session, invoice_id: UUID) -> tuple[CreditableLine, ...]:
    back = aliased(InvoiceLine)
    credited = (
        select(func.coalesce(func.sum(back.net), 0)).where(back.corrects_line_id == InvoiceLine.id).scalar_subquery()
    )
    query = (
        select(
            InvoiceLine.id,
            InvoiceLine.position,
            InvoiceLine.tax_category,
            InvoiceLine.tax_percent,
            InvoiceLine.gross,
            InvoiceLine.net,
            credited,
        )
        .where(InvoiceLine.invoice_id == invoice_id)
        .order_by(InvoiceLine.position)
    )
    return tuple(
        CreditableLine(id, position, TaxRate(category, percent), gross is not None and bool(percent), net, int(before))
        for id, position, category, percent, gross, net, before in session.execute(query)
    )


def _taxes(session: Session, invoice_id: UUID) -> tuple[CreditableTax, ...]:
    columns = (InvoiceTax.category, InvoiceTax.percent, InvoiceTax.included)
    notes = select(Invoice.id).where(Invoice.corrects_id == invoice_id)
    back = (
        select(*columns, func.sum(InvoiceTax.base), func.sum(InvoiceTax.tax))
        .where(InvoiceTax.invoice_id.in_(notes))
        .group_by(*columns)
    )
    credited = {tuple(row[:3]): (int(row[3]), int(row[4])) for row in session.execute(back)}
    own = select(*columns, InvoiceTax.base, InvoiceTax.tax).where(InvoiceTax.invoice_id == invoice_id)
    return tuple(
        CreditableTax(
            TaxRate(category, percent), included, base, tax, *credited.get((category, percent, included), (0, 0))
        )
        for category, percent, included, base, tax in session.execute(own.order_by(InvoiceTax.position))
    )


def compute_credit(invoice: Creditable, spec: CreditSpec) -> Credit:
    """What a credit note would take back. Raises Invalid unless lines or an amount are given, and as `domain.crediting` does."""
    if (spec.amount is None) == (not spec.lines):
        raise Invalid("amount_or_lines", "Give either an amount, or lines with their net amounts.", "amount")
    if spec.amount is not None:
        return credit_amount(invoice, to_minor_units(spec.amount, invoice.currency, "amount"))
    asked = [
        (id, to_minor_units(net, invoice.currency, "lines", place, "amount"))
        for place, (id, net) in enumerate(spec.lines)
    ]
    if len(dict(asked)) != len(asked):
        raise Invalid("line_twice", "Name each line once.", "lines")
    return credit_lines(invoice, dict(asked))


def to_minor_units(amount: Decimal, currency: str, *field: str | int) -> int:
    """An amount in minor units. Raises Invalid when it has more digits than the currency."""
    return Money.exactly(exact_decimal(amount, *field), currency, *field).minor


def credit_notes(session: Session, invoice_id: UUID) -> Sequence[Invoice]:
    """The credit notes of an invoice, in the order of their numbers."""
    query = select(Invoice).where(Invoice.corrects_id == invoice_id)
    return session.scalars(query.order_by(Invoice.issue_date, Invoice.number)).all()
