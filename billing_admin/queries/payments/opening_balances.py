"""Opening balances: those of a number, the cut-over day, and all of them.

Money is in minor units.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Select, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from billing_admin.db.lookup import has_id_or_name
from billing_admin.db.paging import Record
from billing_admin.domain.errors import NotFound
from billing_admin.domain.opening_balances import OPENING_CREDIT, OPENING_INVOICE
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer, Invoice, Payment

Rows: TypeAlias = Select[*tuple[Any, ...]]


def is_opening_invoice() -> ColumnElement[bool]:
    """Return the condition of the index of opening invoices."""
    return Invoice.kind == OPENING_INVOICE


def is_opening_credit() -> ColumnElement[bool]:
    """Return the condition of the index of opening credits."""
    return Payment.method == OPENING_CREDIT


def cut_over_day(session: Session) -> date | None:
    """Return the first day of the opening balances that count, or None without any."""
    days = (
        select(func.min(Invoice.issue_date)).where(is_opening_invoice(), Invoice.status == "issued"),
        select(func.min(Payment.received_on)).where(is_opening_credit(), Payment.status == "recorded"),
    )
    return min(filter(None, (session.scalar(query) for query in days)), default=None)


def has_credit(session: Session, customer_id: UUID, number: str) -> bool:
    """Return whether a customer has an unreversed opening credit of a number."""
    query = select(Payment.id).where(
        is_opening_credit(),
        Payment.customer_id == customer_id,
        Payment.reference == number,
        Payment.status == "recorded",
    )
    return session.scalar(query.limit(1)) is not None


def has_invoice(session: Session, customer_id: UUID, number: str) -> bool:
    """Return whether a customer has an opening invoice of a number that is not void."""
    query = select(Invoice.id).where(is_opening_invoice(), Invoice.customer_id == customer_id, Invoice.number == number)
    return session.scalar(query.limit(1)) is not None


def void_numbers(session: Session, number: str) -> Sequence[str]:
    """Return the numbers of void opening invoices that begin with a number."""
    is_void = (
        is_opening_invoice(),
        Invoice.status == "void",
        Invoice.number.startswith(f"{number} (void", autoescape=True),
    )
    return [name for name in session.scalars(select(Invoice.number).where(*is_void)) if name is not None]


def opening_rows() -> Rows:
    """Select the opening balances, void and reversed ones included; for `paging.page`.

    The last recorded one is first. `id` is that of the document or the payment; `amount` is below zero for a credit.
    Invoices have the columns of a `Receivable`.
    """
    rows = union_all(
        select(
            Invoice.id,
            literal("invoice").label("type"),
            Invoice.customer_id,
            Invoice.currency,
            Invoice.number,
            Invoice.original_date,
            Invoice.due_date,
            Invoice.issue_date.label("opened_on"),
            Invoice.total.label("amount"),
            (Invoice.total - Invoice.paid - Invoice.credited).label("balance"),
            Invoice.status,
            Invoice.created_at,
            Invoice.kind,
            Invoice.total,
            Invoice.paid,
            Invoice.credited,
        ).where(is_opening_invoice()),
        select(
            Payment.id,
            literal("credit"),
            Payment.customer_id,
            Payment.currency,
            Payment.reference,
            Payment.original_date,
            cast(null(), Date),
            Payment.received_on,
            -Payment.amount,
            Payment.allocated - Payment.amount,
            Payment.status,
            Payment.created_at,
            *(cast(null(), column.type) for column in (Invoice.kind, Invoice.total, Invoice.paid, Invoice.credited)),
        ).where(is_opening_credit()),
    ).subquery()
    row = rows.c
    query: Rows = select(*row, Customer.reference.label("customer"), Customer.name.label("customer_name"))
    return query.join(Customer, Customer.id == row.customer_id).order_by(row.created_at.desc(), row.id.desc())


def opening_balance(session: Session, id: UUID) -> Record:
    """Return one opening balance, as `opening_rows` does.

    Raises:
        NotFound: No opening balance has this id.
    """
    query = opening_rows()
    row = session.execute(query.where(query.selected_columns.id == id)).one_or_none()
    if row is None:
        raise NotFound("unknown_opening_balance", Phrase("There is no opening balance {id}.", id=id), "id")
    return row


def opening_balance_id(session: Session, customer_name: str, number: str) -> UUID | None:
    """Return the id of a customer's opening balance that counts, by its number.

    The customer is an id or a reference; the result is None for an unknown one.
    """
    named = has_id_or_name(Customer.id, Customer.reference, customer_name)
    invoice = select(Invoice.id).join(Customer, Customer.id == Invoice.customer_id)
    credit = select(Payment.id).join(Customer, Customer.id == Payment.customer_id)
    is_recorded = (is_opening_credit(), Payment.reference == number, Payment.status == "recorded")
    return session.scalar(invoice.where(named, is_opening_invoice(), Invoice.number == number)) or session.scalar(
        credit.where(named, *is_recorded)
    )
