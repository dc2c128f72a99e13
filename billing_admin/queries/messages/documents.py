"""The messages of documents, and the facts that decide whether one may be sent."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, and_, case, cast, exists, func, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.document_hash import hash_data
from billing_admin.domain.messages import DOCUMENT, FirstMessage, SendingFacts
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.models import Customer, Invoice, Message, MessageDocument
from billing_admin.queries.invoices.invoices import InvoiceFilter, conditions, is_sent
from billing_admin.queries.master_data.organisation import day_of, organisation
from billing_admin.queries.messages.recipients import load_recipients


def was_sent(session: Session, invoice_id: UUID) -> bool:
    """Return whether a customer has a document, or may have it.

    A message with it or about it is being sent, was sent or marked as sent, or it is uncertain whether it was.
    """
    return bool(session.scalar(select(is_sent(invoice_id))))


def load_sending_facts(session: Session, invoice_ids: Collection[UUID]) -> list[SendingFacts]:
    """Return the facts that decide whether documents may be sent, in order."""
    first = and_(MessageDocument.invoice_id == Invoice.id, MessageDocument.purpose == DOCUMENT, MessageDocument.current)
    query = (
        select(
            Invoice.id,
            Invoice.number,
            Invoice.kind,
            Invoice.status,
            Invoice.currency,
            Invoice.total,
            Invoice.customer_id,
            Customer.name,
            Customer.archived_at,
            Message.id.label("message_id"),
            Message.state,
            Message.by_hand,
            func.coalesce(Message.finished_at, Message.created_at).label("at"),
        )
        .join(Customer, Customer.id == Invoice.customer_id)
        .outerjoin(MessageDocument, first)
        .outerjoin(Message, Message.id == MessageDocument.message_id)
        .where(is_any_of(Invoice.id, invoice_ids))
    )
    rows = {row.id: row for row in session.execute(query)}
    recipients = load_recipients(session, {row.customer_id for row in rows.values()}, DOCUMENT)
    time_zone = organisation(session).time_zone
    return [
        SendingFacts(
            invoice_id=row.id,
            number=row.number,
            status=row.status,
            customer_id=row.customer_id,
            customer_name=row.name,
            archived=row.archived_at is not None,
            recipients=recipients.get(row.customer_id, ()),
            first=FirstMessage(row.message_id, row.state, day_of(row.at, time_zone), row.by_hand)
            if row.message_id
            else None,
            currency=row.currency,
            total=row.total,
            is_opening=row.kind == OPENING_INVOICE,
        )
        for row in (rows[id] for id in invoice_ids if id in rows)
    ]


def document_languages(session: Session, ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the languages of issued documents by id."""
    query = select(Invoice.id, Invoice.details).where(is_any_of(Invoice.id, ids))
    return {row.id: details_from_json(row.details).language for row in session.execute(query)}


def document_levels(session: Session, message_id: UUID) -> list[tuple[UUID, int]]:
    """Return the documents of a message, each with its level, by id."""
    query = select(MessageDocument.invoice_id, MessageDocument.level).where(MessageDocument.message_id == message_id)
    return [(row.invoice_id, row.level) for row in session.execute(query.order_by(MessageDocument.invoice_id))]


def unsent_ids(session: Session, filters: InvoiceFilter) -> list[UUID]:
    """Return issued documents of a filter without a message, by series and number.

    Messages that were cancelled or dropped do not count. Invoices with nothing left to pay are left out unless the filter
    is about them (`includes_settled`): people have sent them long ago, by other means.
    """
    query = select(Invoice.id).where(*unsent_conditions(session, filters))
    return list(session.scalars(query.order_by(Invoice.series_id, Invoice.sequence)))


def unmarked_digest(session: Session, filters: InvoiceFilter) -> str:
    """Return the digest of issued documents of a filter without a message.

    Settled ones are among them. Their ids are read as texts, since they may be all documents of years.
    """
    conditions = unsent_conditions(session, filters, with_settled=True)
    query = select(cast(Invoice.id, Text)).where(*conditions).order_by(Invoice.series_id, Invoice.sequence)
    return hash_data(session.connection().execute(query).scalars().all())


def count_unsent(session: Session, filters: InvoiceFilter) -> int:
    """Count the documents that `unsent_ids` returns."""
    query = select(func.count()).select_from(Invoice).where(*unsent_conditions(session, filters))
    return session.scalar(query) or 0


def unsent_sums(session: Session, filters: InvoiceFilter) -> dict[str, tuple[int, int]]:
    """Return number and sum of the documents of `unmarked_digest`, by currency.

    Credit notes count as negative.
    """
    amount = case((Invoice.kind == "credit_note", -Invoice.total), else_=Invoice.total)
    columns = (Invoice.currency, func.count(), cast(func.sum(amount), BigInteger))
    query = select(*columns).where(*unsent_conditions(session, filters, with_settled=True))
    rows = session.execute(query.group_by(Invoice.currency).order_by(Invoice.currency))
    return {currency: (count, int(amount)) for currency, count, amount in rows}


def includes_settled(filters: InvoiceFilter) -> bool:
    """Return whether a filter names documents so that their settled ones are sent too."""
    return bool(filters.selection or filters.run or filters.issued_from or filters.issued_to or filters.status)


def unsent_conditions(
    session: Session, filters: InvoiceFilter, *, with_settled: bool = False
) -> list[ColumnElement[bool]]:
    """Return the conditions of issued documents of a filter without a message."""
    first = exists().where(
        MessageDocument.invoice_id == Invoice.id, MessageDocument.purpose == DOCUMENT, MessageDocument.current
    )
    settled = and_(Invoice.kind != "credit_note", Invoice.total == Invoice.paid + Invoice.credited)
    return [
        *conditions(session, filters),
        Invoice.status == "issued",
        Invoice.kind != OPENING_INVOICE,
        ~first,
        *([] if with_settled or includes_settled(filters) else [~settled]),
    ]
