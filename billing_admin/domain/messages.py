"""Messages to customers: purposes, states, recipients, and delays of attempts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Protocol
from uuid import UUID

from billing_admin.domain.document_hash import hash_data
from billing_admin.domain.errors import Conflict, Invalid, Problem
from billing_admin.domain.formatting import format_day
from billing_admin.domain.opening_balances import no_copy
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import word

DOCUMENT: Final = "document"
REMINDER: Final = "reminder"
STATEMENT: Final = "statement"
PURPOSES: Final[Mapping[str, str]] = {
    DOCUMENT: Phrase("Document"),
    REMINDER: Phrase("Reminder"),
    STATEMENT: Phrase("Statement"),
}

# The states, with their labels. `uncertain` means that the mail server may have accepted the message or not.
STATES: Final[Mapping[str, str]] = {
    "waiting": Phrase("Waiting"),
    "sending": Phrase("Sending"),
    "sent": Phrase("Sent"),
    "failed": Phrase("Failed"),
    "uncertain": Phrase("Uncertain"),
    "cancelled": Phrase("Cancelled"),
    "dropped": Phrase("Dropped"),
}
UNFINISHED: Final = frozenset({"waiting", "sending"})
# The customer has the document, may have it, or may get it at any moment.
COUNTS_AS_SENT: Final = frozenset({"sending", "sent", "uncertain"})
# The message never left, so another first message for the same document may be enqueued.
WITHDRAWN: Final = frozenset({"cancelled", "dropped"})

TO: Final = "to"
CC: Final = "cc"
RECIPIENT_KINDS: Final = (TO, CC)
# The outcome of a message for one recipient; empty until the server has answered.
RECIPIENT_RESULTS: Final[Mapping[str, str]] = {
    "": Phrase("Not sent yet"),
    "accepted": Phrase("Accepted"),
    "refused": Phrase("Refused"),
    "bounced": Phrase("Bounced"),
}

# The delay after each failed attempt. With the last one, about a week has passed since the first attempt.
RETRY_DELAYS: Final = (
    *(timedelta(minutes=minutes) for minutes in (1, 5, 30)),
    *(timedelta(hours=hours) for hours in (2, 6, 12)),
    *(timedelta(hours=24),) * 6,
)
MAX_ATTEMPTS: Final = len(RETRY_DELAYS) + 1

# Refusals in a row that the configuration causes, after which nothing is sent for a while, and how long.
REFUSALS_BEFORE_PAUSE: Final = 5
MAIL_PAUSE: Final = timedelta(minutes=15)

MAX_RECIPIENTS: Final = 50  # of a message
MAX_SUBJECT_LENGTH: Final = 200  # characters
MAX_MESSAGE_LENGTH: Final = 20_000  # characters


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person or mailbox that gets a message; `kind` is `to` or `cc`."""

    name: str
    address: str
    kind: str = TO


class RecipientAnswer(Protocol):
    """The answer of the mail server for one recipient.

    The code is 0 if the server was not asked.
    """

    @property
    def address(self) -> str: ...
    @property
    def accepted(self) -> bool: ...
    @property
    def code(self) -> int: ...
    @property
    def response(self) -> str: ...


class Contact(Protocol):
    """The columns of a contact that decide its messages: `to`, `cc` or `none`."""

    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def invoices(self) -> str: ...
    @property
    def reminders(self) -> str: ...
    @property
    def statements(self) -> str: ...


# The column of a contact that says how it gets the messages of a purpose.
ROLE_COLUMNS: Final[Mapping[str, str]] = {DOCUMENT: "invoices", REMINDER: "reminders", STATEMENT: "statements"}


def recipients_of(contacts: Iterable[Contact], purpose: str) -> list[Recipient]:
    """Return the recipients of a purpose, those of kind `to` first.

    Each kind is in the order of the contacts. There are none without a recipient of kind `to`: copies alone are not sent.
    """
    column = ROLE_COLUMNS[purpose]
    recipients = [
        Recipient(contact.name, contact.email, kind)
        for kind in RECIPIENT_KINDS
        for contact in contacts
        if getattr(contact, column) == kind
    ]
    return recipients if has_main_recipient(recipients) else []


def has_main_recipient(recipients: Iterable[Recipient]) -> bool:
    """Return whether a message has a recipient of kind `to`."""
    return any(recipient.kind == TO for recipient in recipients)


def recipients_digest(recipients: Iterable[Recipient]) -> str:
    """Return a digest of recipients, to compare them with confirmed ones."""
    return hash_data([[recipient.kind, recipient.address, recipient.name] for recipient in recipients])


def greeted_name(recipients: Iterable[Recipient]) -> str:
    """Return the name that a text greets: that of the first recipient of kind `to`."""
    return next((recipient.name for recipient in recipients if recipient.kind == TO), "")


def was_sent(states: Iterable[str]) -> bool:
    """Return whether messages in these states have sent, or may have sent."""
    return not COUNTS_AS_SENT.isdisjoint(states)


def last_state(states: Sequence[str]) -> str | None:
    """Return the state of the last of a document's messages, oldest first.

    Withdrawn messages count only if there is no other: they hide neither that the document was sent, nor that it failed.
    """
    effective = [state for state in states if state not in WITHDRAWN] or states
    return effective[-1] if effective else None


def retry_delay(tries: int) -> timedelta | None:
    """Return the delay after a number of failed attempts, or None after the last."""
    return RETRY_DELAYS[tries - 1] if tries <= len(RETRY_DELAYS) else None


def check_recipients(recipients: Sequence[Recipient]) -> list[Recipient]:
    """Return recipients, each address once, as To where it is given as To and Cc.

    Raises:
        Invalid: There are too many, or none of kind `to`.
    """
    by_address: dict[str, Recipient] = {}
    for recipient in recipients:
        first = by_address.setdefault(recipient.address.casefold(), recipient)
        if first.kind == CC and recipient.kind == TO:
            by_address[recipient.address.casefold()] = recipient
    unique = list(by_address.values())
    if len(unique) > MAX_RECIPIENTS:
        raise Invalid(
            "too_many_recipients",
            Phrase("A message has at most {max_recipients} recipients.", max_recipients=MAX_RECIPIENTS),
            "recipients",
        )
    if not has_main_recipient(unique):
        raise Invalid("no_recipient", Phrase("Choose To for at least one recipient."), "recipients")
    return unique


@dataclass(frozen=True, slots=True)
class FirstMessage:
    """The first message for a document: whether, when and how it was sent."""

    id: UUID
    state: str
    day: date
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class SendingFacts:
    """The facts that decide whether a document may be sent for the first time."""

    invoice_id: UUID
    number: str | None
    status: str
    customer_id: UUID
    customer_name: str
    archived: bool
    recipients: Sequence[Recipient] = ()
    first: FirstMessage | None = None
    currency: str = ""
    total: int = 0
    is_opening: bool = False


# The acts of sending runs, with their labels. The keys are part of the API.
SEND: Final = "send"
MARK_SENT: Final = "mark_sent"
SENDING_ACTS: Final[Mapping[str, str]] = {SEND: Phrase("Send"), MARK_SENT: Phrase("Mark as sent")}
# Short reasons for leaving documents out, by the code of the problem. The keys are part of the API.
NOT_SENT_REASONS: Final[Mapping[str, str]] = {
    "no_recipient": Phrase("No contact gets invoices"),
    "customer_archived": Phrase("The customer is archived"),
    "invoice_void": Phrase("The document is void"),
    "already_waiting": Phrase("Already waiting in the outbox"),
    "sending_failed": Phrase("Failed before: send it again in the outbox"),
    "sending_uncertain": Phrase("Uncertain: mark it as sent or send it again in the outbox"),
    "already_sent": Phrase("Sent before"),
    "not_issued": Phrase("The document is a draft"),
    "not_made": Phrase("The message could not be made; the log has the reason"),
    "is_opening": Phrase("An opening invoice has no document here"),
    "recipients_changed": Phrase("The recipients have changed since they were confirmed"),
}


def sending_problem(facts: SendingFacts, *, draft_allowed: bool = False) -> Problem | None:
    """Return why a document cannot be sent, with the way out, or None if it can.

    `draft_allowed` is for drafts that are about to be issued.
    """
    if facts.status == "draft" and not draft_allowed:
        return Problem("not_issued", Phrase("A draft cannot be sent. Issue it first."), ("invoice",))
    if facts.status == "void":
        return Problem(
            "invoice_void",
            Phrase("{facts_number} is void, so it is not sent.", facts_number=facts.number),
            ("invoice",),
        )
    if facts.is_opening:
        return Problem("is_opening", no_copy(str(facts.number), Phrase("copy")), ("invoice",))
    if facts.archived:
        return Problem("customer_archived", archived_problem(facts.customer_name), ("customer",))
    if facts.first is not None:
        return sent_before(str(facts.number), facts.first, "invoice")
    return None if facts.recipients else no_recipient(facts.customer_name, DOCUMENT)


def marking_problem(facts: SendingFacts) -> Problem | None:
    """Return why a document cannot be marked as sent, with the way out, or None."""
    return sending_problem(replace(facts, archived=False, recipients=(Recipient("", ""),)))


def archived_problem(customer: str) -> str:
    """Return why nothing is sent to an archived customer, with the way out."""
    return Phrase("{customer} is archived. Restore the customer before you send.", customer=customer)


def no_recipient(customer: str, purpose: str) -> Problem:
    """Return the problem that no contact of a customer gets messages of a purpose."""
    message = Phrase(
        "No contact of {customer} gets {purpose}. Choose To for a contact on the customer's page, or "
        "enter a recipient.",
        customer=customer,
        purpose=word(ROLE_COLUMNS[purpose]),
    )
    return Problem("no_recipient", message, ("recipients",))


def sent_before(name: str, first: FirstMessage, *field: str) -> Problem:
    """Return the problem that a first message exists, with the way out.

    `name` is that of its document or statement, and begins the sentence.
    """
    day = format_day(first.day)
    match first.state:
        case "waiting":
            code, message = (
                "already_waiting",
                Phrase("{name} is already waiting in the outbox. Cancel that message first.", name=name),
            )
        case "failed":
            code = "sending_failed"
            message = Phrase(
                "{name} could not be sent on {day}. Open that message, and send it again.", name=name, day=day
            )
        case "uncertain":
            code = "sending_uncertain"
            message = Phrase(
                "{name} may have been sent on {day}. Open that message, and mark it as sent or send it again.",
                name=name,
                day=day,
            )
        case _:
            code = "already_sent"
            message = (
                Phrase(
                    "{name} was marked as sent on {day}. Open that message, and choose “Send again”.",
                    name=name,
                    day=day,
                )
                if first.by_hand
                else Phrase("{name} was sent on {day}. Open that message, and choose “Send again”.", name=name, day=day)
            )
    return Problem(code, message, field)


def cancel_problem(state: str) -> str | None:
    """Return why a message cannot be cancelled, or None if it can."""
    match state:
        case "waiting" | "failed":
            return None
        case "sending":
            return _BEING_SENT
        case "cancelled" | "dropped":
            return Phrase("This message was {state} already, so it is not sent.", state=word(state))
        case _:
            return Phrase("This message was sent, or may have been sent. It cannot be cancelled.")


def mark_problem(state: str) -> str | None:
    """Return why a message cannot be marked as sent, or None if it can."""
    match state:
        case "waiting" | "failed" | "uncertain":
            return None
        case "sending":
            return _BEING_SENT
        case "sent":
            return Phrase("This message was sent already.")
        case _:
            return Phrase("This message was {state}. Mark the document itself as sent, on its page.", state=word(state))


def again_problem(state: str) -> str | None:
    """Return why a message cannot be sent again, or None if it can."""
    match state:
        case "sent" | "failed" | "uncertain":
            return None
        case "waiting":
            return Phrase("This message is still waiting to be sent. Cancel it if it should not go out as it is.")
        case "sending":
            return _BEING_SENT
        case _:
            return Phrase(
                "This message was {state}, so nothing was sent. Send it from the page of the document or customer.",
                state=word(state),
            )


_BEING_SENT: Final = Phrase("This message is being sent at this moment. Try again in a few minutes.")


DEMO_DATA: Final = Phrase(
    "Demo data is not sent by a mail server, as its addresses are not real. Set BILLING_MAIL_URL to "
    "a folder, such as maildir:mailbox, to see its messages."
)


def mail_off(*, is_demo: bool) -> Conflict:
    """Return the error for an installation without a mail server for its data."""
    if is_demo:
        return Conflict("mail_off", DEMO_DATA)
    return Conflict(
        "mail_off",
        Phrase(
            "E-mail is not set up, so nothing can be sent. Set BILLING_MAIL_URL, or mark the document as "
            "sent if you send it by other means."
        ),
    )


@dataclass(frozen=True, slots=True)
class DocumentState:
    """The state of a message's document directly before it is sent."""

    number: str
    status: str
    settled: bool
    credited_in_full: bool


def drop_reason(purpose: str, customer_name: str, archived: bool, documents: Iterable[DocumentState]) -> str | None:
    """Return why a message is not sent after all, or None if it is.

    A reminder is dropped as soon as one of its documents is settled, because its letter and its sum would be wrong: the
    next reminder run makes a correct one. An invoice that was paid meanwhile is sent: the customer needs it.
    """
    if archived:
        return Phrase("{customer_name} was archived.", customer_name=customer_name)
    for document in documents:
        if document.status != "issued":
            return Phrase("{document_number} is void.", document_number=document.number)
        if purpose == REMINDER and document.credited_in_full:
            return Phrase("{document_number} was credited in full.", document_number=document.number)
        if purpose == REMINDER and document.settled:
            return Phrase("{document_number} was paid.", document_number=document.number)
    return None
