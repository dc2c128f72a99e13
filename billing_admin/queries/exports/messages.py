"""The export of messages to customers, with a row for each recipient."""

from typing import Any

from sqlalchemy import ColumnElement, func, null, select
from sqlalchemy.orm import Session

from billing_admin.models import Customer, Invoice, Message, MessageDocument, MessageRecipient
from billing_admin.queries.exports.columns import Export, Kind, column
from billing_admin.queries.messages.messages import MessageFilter, conditions

_NO_CURRENCY: ColumnElement[Any] = null()
_NUMBERS = (
    select(Invoice.number)
    .join(MessageDocument, MessageDocument.invoice_id == Invoice.id)
    .where(MessageDocument.message_id == Message.id)
    .order_by(Invoice.number)
    .correlate(Message)
    .subquery()
)
_DOCUMENTS = select(func.aggregate_strings(_NUMBERS.c.number, " ")).scalar_subquery()
MESSAGES = (
    column("id", Kind.WORD, Message.id),
    column("created_at", Kind.MOMENT, Message.created_at),
    column("created_by", Kind.TEXT, Message.created_by),
    column("customer", Kind.TEXT, Customer.reference),
    column("purpose", Kind.WORD, Message.purpose),
    column("documents", Kind.TEXT, _DOCUMENTS),
    column("period_from", Kind.DAY, Message.period_from),
    column("period_to", Kind.DAY, Message.period_to),
    column("subject", Kind.TEXT, Message.subject),
    column("state", Kind.WORD, Message.state),
    column("reason", Kind.TEXT, Message.reason),
    column("marked_as_sent", Kind.FLAG, Message.by_hand),
    column("attempts", Kind.WHOLE, Message.tries),
    column("finished_at", Kind.MOMENT, Message.finished_at),
    column("recipient", Kind.TEXT, MessageRecipient.address),
    column("recipient_name", Kind.TEXT, MessageRecipient.name),
    column("kind", Kind.WORD, MessageRecipient.kind),
    column("result", Kind.WORD, func.nullif(MessageRecipient.result, "")),
    column("code", Kind.WHOLE, MessageRecipient.code),
    column("response", Kind.TEXT, MessageRecipient.response),
    column("again_of", Kind.WORD, Message.again_of),
    column("again_reason", Kind.TEXT, Message.again_reason),
)


def messages(session: Session, filters: MessageFilter) -> Export:
    """Return the export of messages that match a filter, newest first.

    A message without recipients, which was sent by other means, has one row.
    """
    rows = (
        select()
        .select_from(Message)
        .join(Customer, Customer.id == Message.customer_id)
        .outerjoin(MessageRecipient, MessageRecipient.message_id == Message.id)
        .where(*conditions(session, filters))
        .order_by(Message.created_at.desc(), Message.id.desc(), MessageRecipient.position)
    )
    return Export(MESSAGES, rows, _NO_CURRENCY)
