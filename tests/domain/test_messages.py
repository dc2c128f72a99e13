"""Recipients by contact, and the delays between attempts."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from billing_admin.domain.messages import (
    COUNTS_AS_SENT,
    DOCUMENT,
    MAX_ATTEMPTS,
    REMINDER,
    STATEMENT,
    STATES,
    UNFINISHED,
    WITHDRAWN,
    Recipient,
    recipients_of,
    retry_delay,
)


def _contact(name: str, invoices: str = "none", reminders: str = "none", statements: str = "none") -> Any:
    email = f"{name.lower()}@example.com"
    return SimpleNamespace(name=name, email=email, invoices=invoices, reminders=reminders, statements=statements)


def test_each_purpose_has_the_recipients_that_the_contacts_say() -> None:
    contacts = [_contact("Cora", invoices="cc"), _contact("Anna", "to", "cc", "to"), _contact("Ben", "to", "to")]
    cora, anna, ben = (Recipient(contact.name, contact.email) for contact in contacts)
    copy = Recipient(cora.name, cora.address, "cc")
    assert recipients_of(contacts, DOCUMENT) == [anna, ben, copy]
    assert recipients_of(contacts, REMINDER) == [ben, Recipient(anna.name, anna.address, "cc")]
    assert recipients_of(contacts, STATEMENT) == [anna]


def test_copies_alone_are_not_sent() -> None:
    assert recipients_of([_contact("Cora", invoices="cc")], DOCUMENT) == []
    assert recipients_of([], DOCUMENT) == []


def test_attempts_end_after_about_a_week() -> None:
    delays = [retry_delay(tries) for tries in range(1, MAX_ATTEMPTS)]
    assert delays[:7] == [
        *(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720)),
        timedelta(hours=24),
    ]
    assert None not in delays
    total = sum((delay for delay in delays if delay), timedelta())
    assert timedelta(days=6) < total <= timedelta(days=7)
    assert retry_delay(MAX_ATTEMPTS) is None


def test_each_state_is_in_at_most_one_group() -> None:
    assert COUNTS_AS_SENT | UNFINISHED | WITHDRAWN | {"failed"} == STATES.keys()
    assert not WITHDRAWN & (COUNTS_AS_SENT | UNFINISHED)
