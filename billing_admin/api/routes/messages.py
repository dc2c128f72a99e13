"""Messages to customers: sent, listed, cancelled, marked as sent, sent again."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import current_app
from pydantic import Field

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Day,
    Flag,
    Key,
    Listing,
    Name,
    Paging,
    Parameters,
    ReasonText,
    ResponseModel,
    ShortText,
    enumeration,
    many_lines,
    one_line,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.clock import now
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.messages import (
    MAX_MESSAGE_LENGTH,
    MAX_RECIPIENTS,
    MAX_SUBJECT_LENGTH,
    PURPOSES,
    RECIPIENT_KINDS,
    RECIPIENT_RESULTS,
    STATES,
    Recipient,
)
from billing_admin.models import Message
from billing_admin.operations.messages import documents, messages as operations
from billing_admin.operations.messages.deliveries import resume_sending
from billing_admin.operations.messages.documents import SendSpec
from billing_admin.queries.messages.messages import MessageFilter, message, messages
from billing_admin.queries.messages.outbox import can_send
from billing_admin.queries.object_ids import invoice_id

MessageSubject = Annotated[str, one_line(MAX_SUBJECT_LENGTH, named=True)]
MessageBody = Annotated[str, many_lines(MAX_MESSAGE_LENGTH)]


class RecipientIn(Body):
    """A recipient of a message, as To or Cc."""

    address: Name
    name: ShortText = ""
    kind: Literal["to", "cc"] = "to"


Recipients = Annotated[list[RecipientIn], Field(max_length=MAX_RECIPIENTS)]


class SendIn(Body):
    """A message with a document.

    Without `recipients`, it goes to the contacts that get invoices. Without `subject` and `text`, it has those of the
    settings.
    """

    id: Key = OMITTED
    recipients: Recipients = OMITTED
    subject: MessageSubject = OMITTED
    text: MessageBody = OMITTED

    def spec(self) -> SendSpec:
        """Return the request as a spec."""
        return SendSpec(read_recipients(self.recipients), self.subject, self.text, self.id)


class AgainIn(Body):
    """The reason for sending a message again.

    Without `recipients`, it goes to the contacts that get such messages today.
    """

    id: Key = OMITTED
    reason: ReasonText
    recipients: Recipients = OMITTED


class MarkSentIn(Body):
    """How a document was sent, such as “By letter”."""

    id: Key = OMITTED
    reason: ReasonText


class MessageReasonIn(Body):
    """The reason for a change of a message."""

    reason: ReasonText


def read_recipients(rows: list[RecipientIn] | None) -> list[Recipient] | None:
    """Return the recipients of a request; None if it has none."""
    return None if rows is None else [Recipient(row.name, row.address, row.kind) for row in rows]


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


class OutboxResumption(Body):
    """The request to send waiting messages now; it has no fields."""


class ResumedOut(ResponseModel):
    """The number of messages that are sent now."""

    messages: int


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


@route(
    "POST",
    "/invoices/{number}/send",
    scope="messages:write",
    body=SendIn,
    body_optional=True,
    response=MessageOut,
    statuses=(201, 200),
)
def send_invoice(actor: Actor, number: str, body: SendIn) -> Reply:
    """Send an issued invoice or credit note to its customer, once.

    The message waits in the outbox. A document that was sent before is refused; send its message again instead.
    """
    return created_reply(*transaction(_send, number, body.spec(), _mail_on(), actor, now()))


def _send(
    session: Session, name: str, spec: SendSpec, mail_on: bool, actor: Actor, at: datetime
) -> tuple[MessageOut, bool]:
    id, is_new = documents.send_document(session, invoice_id(session, name), spec, mail_on, actor, at)
    return message_out(message(session, id)), is_new


@route(
    "POST",
    "/invoices/{number}/mark-sent",
    scope="messages:write",
    body=MarkSentIn,
    response=MessageOut,
)
def mark_invoice_sent(actor: Actor, number: str, body: MarkSentIn) -> Reply:
    """Mark a document as sent by other means, such as letter post.

    A message for it that failed, waits or is uncertain is marked; otherwise it gets one.
    """
    return Reply(transaction(_mark_document, number, body, actor, now()))


def _mark_document(session: Session, name: str, body: MarkSentIn, actor: Actor, at: datetime) -> MessageOut:
    document = invoice_id(session, name)
    id = documents.mark_document_sent(session, document, body.reason, body.id, actor, at)
    return message_out(message(session, id))


@route(
    "POST",
    "/messages/{id}/again",
    scope="messages:write",
    body=AgainIn,
    response=MessageOut,
    statuses=(201, 200),
)
def send_message_again(actor: Actor, id: str, body: AgainIn) -> Reply:
    """Send a message again, and return the new one.

    The first one was sent, failed or is uncertain.
    """
    return created_reply(*transaction(_again, parse_id(id), body, _mail_on(), actor, now()))


def _again(
    session: Session, id: UUID, body: AgainIn, mail_on: bool, actor: Actor, at: datetime
) -> tuple[MessageOut, bool]:
    recipients = read_recipients(body.recipients)
    new_id, is_new = operations.send_again(session, id, body.reason, recipients, body.id, mail_on, actor, at)
    return message_out(message(session, new_id)), is_new


@route("POST", "/messages/{id}/cancel", scope="messages:write", body=MessageReasonIn, response=MessageOut)
def cancel_message(actor: Actor, id: str, body: MessageReasonIn) -> Reply:
    """Cancel a waiting message; its documents can then be sent in another one."""
    return Reply(transaction(_act, operations.cancel_message, parse_id(id), body.reason, actor, now()))


@route("POST", "/messages/{id}/mark-sent", scope="messages:write", body=MessageReasonIn, response=MessageOut)
def mark_message_sent(actor: Actor, id: str, body: MessageReasonIn) -> Reply:
    """Mark a message as sent by other means, or as known to have arrived."""
    return Reply(transaction(_act, operations.mark_message_sent, parse_id(id), body.reason, actor, now()))


def _act(session: Session, operation: Any, id: UUID, *arguments: Any) -> MessageOut:
    operation(session, id, *arguments)
    return message_out(message(session, id))


@route(
    "POST",
    "/outbox/resume",
    scope="messages:write",
    body=OutboxResumption,
    body_optional=True,
    response=ResumedOut,
)
def resume_outbox(actor: Actor, body: OutboxResumption) -> Reply:  # noqa: ARG001 - it has no fields
    """Send all waiting messages now, and end a pause of the outbox."""
    return Reply(ResumedOut(messages=transaction(resume_sending, actor, now())))


def _mail_on() -> bool:
    settings: Settings = current_app.extensions["billing_settings"]
    return can_send(db.session(), settings)
