"""Messages to customers: listed and read."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from billing_admin.api.frame.fields import Day, Flag, Listing, Paging, Parameters, ResponseModel, enumeration
from billing_admin.api.frame.routing import Reply, list_reply, parse_id, route
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.domain.messages import PURPOSES, RECIPIENT_KINDS, RECIPIENT_RESULTS, STATES
from billing_admin.models import Message
from billing_admin.queries.messages.messages import MessageFilter, message, messages


class RecipientOut(ResponseModel):
    """A recipient of a message, with the outcome for it.

    `result` is empty until the mail server has answered. `code` and `response` are its answer, or that of a bounce.
    """

    name: str
    address: str
    kind: Annotated[str, enumeration(*RECIPIENT_KINDS)]
    result: Annotated[str, enumeration(*RECIPIENT_RESULTS)]
    code: int | None
    response: str
    at: datetime | None


class MessageDocumentOut(ResponseModel):
    """A document that a message sends, or reminds of.

    `level` is that of the reminder; it is 0 if the document is sent.
    """

    id: UUID
    number: str
    level: int


class MessageOut(ResponseModel):
    """A message to a customer.

    `reason` says why it is in its state. A person or script marked it as sent if `marked_as_sent`. `again_of` is the
    message that this one repeats. Statements have a period.
    """

    id: UUID
    customer: str
    purpose: Annotated[str, enumeration(*PURPOSES)]
    state: Annotated[str, enumeration(*STATES)]
    reason: str
    marked_as_sent: bool
    documents: list[MessageDocumentOut]
    period_from: date | None
    period_to: date | None
    currency: str
    language: str
    subject: str
    text: str
    attachments: list[str]
    recipients: list[RecipientOut]
    attempts: int
    next_attempt_at: datetime | None
    response: str
    again_of: UUID | None
    again_reason: str
    created_at: datetime
    created_by: str
    finished_at: datetime | None


class MessageFilters(Parameters):
    """Filters of messages.

    The state `attention` is failed or uncertain, and not sent again. `document` is a number or ID. `undelivered` messages
    have a recipient that was refused or bounced, and were not sent again. `from` and `to` are days on which messages were
    made, both included.
    """

    customer: str = ""
    state: Literal["", "attention", "waiting", "sending", "sent", "failed", "uncertain", "cancelled", "dropped"] = ""
    purpose: Literal["", "document", "reminder", "statement"] = ""
    document: str = ""
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    undelivered: Flag | None = None

    def to_filter(self) -> MessageFilter:
        """Return the filter for the queries."""
        return MessageFilter(**self.filters())


class MessageQuery(MessageFilters, Paging):
    """A page of messages."""


def message_out(row: Message) -> MessageOut:
    """Return a message with its parts."""
    return MessageOut(
        id=row.id,
        customer=row.customer.reference,
        purpose=row.purpose,
        state=row.state,
        reason=row.reason,
        marked_as_sent=row.by_hand,
        documents=[
            MessageDocumentOut(id=part.invoice_id, number=part.invoice.number or "", level=part.level)
            for part in row.documents
        ],
        period_from=row.period_from,
        period_to=row.period_to,
        currency=row.currency,
        language=row.language,
        subject=row.subject,
        text=row.text,
        attachments=[attachment.get("name") or attachment["file"] for attachment in row.attachments],
        recipients=[RecipientOut.model_validate(recipient) for recipient in row.recipients],
        attempts=row.tries,
        next_attempt_at=row.next_attempt_at,
        response=row.response,
        again_of=row.again_of,
        again_reason=row.again_reason,
        created_at=row.created_at,
        created_by=row.created_by,
        finished_at=row.finished_at,
    )


@route("GET", "/messages", scope="read", query=MessageQuery, response=Listing[MessageOut])
def list_messages(query: MessageQuery) -> Reply:
    """List messages to customers, newest first."""
    session = db.session()
    return list_reply(page(session, messages(session, query.to_filter()), query.limit, query.after), message_out)


@route("GET", "/messages/{id}", scope="read", response=MessageOut)
def get_message(id: str) -> Reply:
    """Read one message with its recipients and the outcome for each."""
    return Reply(message_out(message(db.session(), parse_id(id))))
