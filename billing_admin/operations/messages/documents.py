"""Send documents to their customers, or mark them as sent by other means."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.errors import Conflict, Invalid, Problem
from billing_admin.domain.master_data import differing_fields, refuse_differences
from billing_admin.domain.messages import (
    DOCUMENT,
    MAX_MESSAGE_LENGTH,
    MAX_SUBJECT_LENGTH,
    NOT_SENT_REASONS,
    Recipient,
    SendingFacts,
    check_recipients,
    mail_off,
    marking_problem,
    recipients_digest,
    sending_problem,
)
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank, check_text
from billing_admin.domain.translation import Phrase
from billing_admin.models import Message
from billing_admin.operations.invoices.invoices import lock_invoice
from billing_admin.operations.messages.document_messages import document_messages
from billing_admin.operations.messages.messages import mark_message_sent
from billing_admin.operations.messages.outbox import NewMessage, check_addresses, enqueue_messages, lock_documents
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages.documents import document_languages, document_levels, load_sending_facts
from billing_admin.queries.messages.outbox import load_message_recipients

_BATCH = 200  # documents whose texts are made at once
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SendSpec:
    """A request to send a document.

    Without `recipients` it goes to the contacts that get invoices; `subject` and `text` replace those of the template.
    """

    recipients: Sequence[Recipient] | None = None
    subject: str | None = None
    text: str | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DocumentLeftOut:
    """A document that is not sent, and the reason."""

    facts: SendingFacts
    problem: Problem


@dataclass(frozen=True, slots=True)
class SendingPlan:
    """The documents that can be sent, and those that cannot."""

    ready: Sequence[SendingFacts]
    left_out: Sequence[DocumentLeftOut]


@dataclass(frozen=True, slots=True)
class SentDocuments:
    """The enqueued messages by document, and the documents that were left out."""

    messages: dict[UUID, UUID]
    left_out: Sequence[DocumentLeftOut]


def plan_sending(session: Session, invoice_ids: Collection[UUID], *, drafts_allowed: bool = False) -> SendingPlan:
    """Return which documents can be sent, and why others cannot.

    They are in the order of the ids. `drafts_allowed` is for drafts that are about to be issued.
    """
    ready, left_out = [], []
    for facts in load_sending_facts(session, invoice_ids):
        problem = sending_problem(facts, draft_allowed=drafts_allowed)
        if problem is None:
            ready.append(facts)
        else:
            left_out.append(DocumentLeftOut(facts, problem))
    return SendingPlan(ready, left_out)


def send_documents(
    session: Session,
    invoice_ids: Collection[UUID],
    mail_on: bool,
    actor: Actor,
    now: datetime,
    confirmed: Mapping[UUID, str] | None = None,
) -> SentDocuments:
    """Enqueue a message for each document that can be sent.

    `mail_on` tells whether a mail server is set up. `confirmed` holds the digests of confirmed recipients, by document.
    Documents that cannot be sent, or have other recipients by now, are left out, each with the reason.

    Raises:
        Conflict: No mail server is set up.
    """
    if not mail_on:
        raise mail_off(is_demo=organisation(session).is_demo)
    lock_documents(session, invoice_ids)
    plan = plan_sending(session, invoice_ids)
    ready: list[SendingFacts] = []
    changed: list[SendingFacts] = []
    for facts in plan.ready:
        (changed if _has_other_recipients(facts, confirmed or {}) else ready).append(facts)
    messages: dict[UUID, UUID] = {}
    for start in range(0, len(ready), _BATCH):
        messages |= _enqueue_possible(session, ready[start : start + _BATCH], actor, now)
    failed = [facts for facts in ready if facts.invoice_id not in messages]
    return SentDocuments(
        messages, [*plan.left_out, *_left_out(changed, "recipients_changed"), *_left_out(failed, "not_made")]
    )


def _has_other_recipients(facts: SendingFacts, confirmed: Mapping[UUID, str]) -> bool:
    """Return whether a document has other recipients than the confirmed ones."""
    digest = confirmed.get(facts.invoice_id)
    return bool(digest) and digest != recipients_digest(facts.recipients)


def _left_out(documents: Sequence[SendingFacts], reason: str) -> list[DocumentLeftOut]:
    problem = Problem(reason, Phrase("{reason}.", reason=NOT_SENT_REASONS[reason]), ("invoice",))
    return [DocumentLeftOut(facts, problem) for facts in documents]


def _enqueue_possible(
    session: Session, documents: Sequence[SendingFacts], actor: Actor, now: datetime
) -> dict[UUID, UUID]:
    """Enqueue a message for each document whose message can be made.

    Returns their ids by document. If one message fails, nothing was written, and each half of the documents is tried.
    """
    try:
        ids = enqueue_messages(session, document_messages(session, documents), actor, now)
    except Exception as error:  # one document must not stop all others
        if isinstance(error, SQLAlchemyError):
            raise
        if len(documents) == 1:
            _log.exception("message_not_made", document=documents[0].number)
            return {}
        half = len(documents) // 2
        return _enqueue_possible(session, documents[:half], actor, now) | _enqueue_possible(
            session, documents[half:], actor, now
        )
    return {facts.invoice_id: id for facts, id in zip(documents, ids, strict=True)}


def send_document(
    session: Session, invoice_id: UUID, spec: SendSpec, mail_on: bool, actor: Actor, now: datetime
) -> tuple[UUID, bool]:
    """Enqueue a message with a document, or return the one that has the same id.

    Returns its id, and whether it is new. `mail_on` tells whether a mail server is set up.

    Raises:
        Conflict: The document is a draft, void, or was sent before, the id belongs to another message, or no mail server
            is set up.
        Invalid: There is no recipient, or a recipient, the subject or the text is wrong.
        NotFound: There is no such document.
    """
    lock_invoice(session, invoice_id)
    recipients = None if spec.recipients is None else check_recipients(check_addresses(spec.recipients))
    stored = session.get(Message, spec.id) if spec.id else None
    if stored is not None:
        _check_same(session, stored, invoice_id, {"recipients": recipients, "subject": spec.subject, "text": spec.text})
        return stored.id, False
    if not mail_on:
        raise mail_off(is_demo=organisation(session).is_demo)
    message = prepare_message(session, invoice_id, recipients)
    subject = None if spec.subject is None else check_not_blank(spec.subject, "subject", longest=MAX_SUBJECT_LENGTH)
    text = None if spec.text is None else check_text(spec.text, "text", longest=MAX_MESSAGE_LENGTH, lines=True)
    chosen = replace(
        message,
        id=spec.id,
        subject=message.subject if subject is None else subject,
        text=message.text if text is None else text,
    )
    return enqueue_messages(session, [chosen], actor, now)[0], True


def prepare_message(session: Session, invoice_id: UUID, recipients: Sequence[Recipient] | None = None) -> NewMessage:
    """Return the message that sends a document, as it is proposed to people.

    Without `recipients` it goes to the contacts that get invoices.

    Raises:
        Conflict: The document is a draft, void, or was sent before.
        Invalid: There is no recipient.
    """
    (facts,) = load_sending_facts(session, [invoice_id])
    facts = facts if recipients is None else replace(facts, recipients=recipients)
    problem = sending_problem(facts)
    if problem is not None:
        error = Invalid if problem.code == "no_recipient" else Conflict
        extra = {"message_id": str(facts.first.id)} if facts.first else {}
        raise error(problem.code, problem.message, *problem.field, **extra)
    return document_messages(session, [facts])[0]


def mark_document_sent(
    session: Session, invoice_id: UUID, reason: str, id: UUID | None, actor: Actor, now: datetime
) -> UUID:
    """Mark a document as sent by other means, such as letter post.

    Returns the id of its message. `reason` says how it was sent. If there is a message for the
    document that did not arrive, that message is marked.

    Raises:
        Conflict: The document is a draft, void, or was sent before.
        Invalid: The reason is blank.
        NotFound: There is no such document.
    """
    row = lock_invoice(session, invoice_id)
    checked_reason = check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH)
    stored = session.get(Message, id) if id else None
    if stored is not None:
        _check_same(session, stored, invoice_id, {"reason": checked_reason, "by_hand": True})
        return stored.id
    (facts,) = load_sending_facts(session, [invoice_id])
    problem = marking_problem(facts)
    if problem is None:
        message = _marked_message(facts, details_from_json(row["details"]).language, id)
        return enqueue_messages(session, [message], actor, now, marked=checked_reason)[0]
    if id is not None and facts.first is not None and facts.first.by_hand:
        first = session.get_one(Message, facts.first.id)
        # A repeated request whose first marked a message that was there: the message keeps its own id.
        if first.recipients and first.reason == checked_reason:
            return first.id
    if facts.first is None or problem.code == "already_sent":
        raise Conflict(problem.code, problem.message, *problem.field)
    mark_message_sent(session, facts.first.id, checked_reason, actor, now)
    return facts.first.id


def mark_documents_sent(
    session: Session, invoice_ids: Collection[UUID], reason: str, actor: Actor, now: datetime
) -> SentDocuments:
    """Mark documents that have no message as sent by other means.

    `reason` says how they were sent. Drafts, void documents and those with a message are left out, each with the reason.

    Raises:
        Invalid: The reason is blank.
    """
    checked_reason = check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH)
    lock_documents(session, invoice_ids)
    ready, left_out = [], []
    for facts in load_sending_facts(session, invoice_ids):
        problem = marking_problem(facts)
        if problem is None:
            ready.append(facts)
        else:
            left_out.append(DocumentLeftOut(facts, problem))
    languages = document_languages(session, [facts.invoice_id for facts in ready])
    messages = [_marked_message(facts, languages[facts.invoice_id]) for facts in ready]
    ids = enqueue_messages(session, messages, actor, now, marked=checked_reason)
    return SentDocuments({facts.invoice_id: id for facts, id in zip(ready, ids, strict=True)}, left_out)


def _marked_message(facts: SendingFacts, language: str, id: UUID | None = None) -> NewMessage:
    """Return the message of a document that a person has sent by other means."""
    return NewMessage(
        id=id,
        customer_id=facts.customer_id,
        purpose=DOCUMENT,
        currency=facts.currency,
        language=language,
        recipients=(),
        subject=str(facts.number),
        text="",
        documents=[(facts.invoice_id, 0)],
    )


def _check_same(session: Session, stored: Message, invoice_id: UUID, values: Mapping[str, object]) -> None:
    """Raise Conflict if a message is not the one that a repeated request asks for.

    Values that were not given are not compared.
    """
    requested = {name: value for name, value in values.items() if value is not None}
    columns = {name: getattr(stored, name) for name in ("reason", "by_hand", "subject", "text")}
    differs = differing_fields(requested, columns | {"recipients": load_message_recipients(session, stored.id)})
    if stored.again_of is not None or document_levels(session, stored.id) != [(invoice_id, 0)]:
        differs = ["invoice", *differs]
    refuse_differences(Phrase("Message {stored_id}", stored_id=stored.id), differs, "id")
