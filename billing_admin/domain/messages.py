"""Messages to customers: purposes, states, recipients, and delays of attempts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

DOCUMENT: Final = "document"
REMINDER: Final = "reminder"
STATEMENT: Final = "statement"
PURPOSES: Final[Mapping[str, str]] = {DOCUMENT: "Document", REMINDER: "Reminder", STATEMENT: "Statement"}

# The states, with their labels. `uncertain` means that the mail server may have accepted the message or not.
STATES: Final[Mapping[str, str]] = {
    "waiting": "Waiting",
    "sending": "Sending",
    "sent": "Sent",
    "failed": "Failed",
    "uncertain": "Uncertain",
    "cancelled": "Cancelled",
    "dropped": "Dropped",
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
    "": "Not sent yet",
    "accepted": "Accepted",
    "refused": "Refused",
    "bounced": "Bounced",
}

# The delay after each failed attempt. With the last one, about a week has passed since the first attempt.
RETRY_DELAYS: Final = (
    *(timedelta(minutes=minutes) for minutes in (1, 5, 30)),
    *(timedelta(hours=hours) for hours in (2, 6, 12)),
    *(timedelta(hours=24),) * 6,
)
MAX_ATTEMPTS: Final = len(RETRY_DELAYS) + 1

MAX_RECIPIENTS: Final = 50  # of a message
MAX_SUBJECT_LENGTH: Final = 200  # characters
MAX_MESSAGE_LENGTH: Final = 10_000  # characters


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person or mailbox that gets a message; `kind` is `to` or `cc`."""

    name: str
    address: str
    kind: str = TO


class Contact(Protocol):
    """The columns of a contact that decide what it gets: `to`, `cc` or `none`."""

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


def retry_delay(tries: int) -> timedelta | None:
    """Return the delay after a number of failed attempts, or None after the last."""
    return RETRY_DELAYS[tries - 1] if tries <= len(RETRY_DELAYS) else None
