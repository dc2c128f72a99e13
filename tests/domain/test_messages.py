"""Recipients by contact, and the delays between attempts."""

from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.messages import (
    COUNTS_AS_SENT,
    DOCUMENT,
    MAX_ATTEMPTS,
    NOT_SENT_REASONS,
    REMINDER,
    STATEMENT,
    STATES,
    UNFINISHED,
    WITHDRAWN,
    DocumentState,
    FirstMessage,
    Recipient,
    SendingFacts,
    again_problem,
    cancel_problem,
    check_recipients,
    drop_reason,
    last_state,
    mark_problem,
    recipients_of,
    retry_delay,
    sending_problem,
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


ADDRESSES = st.sampled_from(["a@x.example", "A@x.example", "b@x.example", "c@x.example"])
RECIPIENTS = st.lists(st.builds(Recipient, st.just(""), ADDRESSES, st.sampled_from(["to", "cc"])), max_size=8)


@given(RECIPIENTS)
def test_each_address_is_a_recipient_once(recipients: list[Recipient]) -> None:
    to = {recipient.address.casefold() for recipient in recipients if recipient.kind == "to"}
    if not to:
        with pytest.raises(Invalid):
            check_recipients(recipients)
        return
    checked = check_recipients(recipients)
    addresses = [recipient.address.casefold() for recipient in checked]
    assert len(set(addresses)) == len(addresses)
    assert set(addresses) == {recipient.address.casefold() for recipient in recipients}
    assert {recipient.address.casefold() for recipient in checked if recipient.kind == "to"} == to
    assert check_recipients(checked) == checked


def _facts(**values: Any) -> SendingFacts:
    facts = SendingFacts(UUID(int=1), "INV-1", "issued", UUID(int=2), "Acme", False, [Recipient("", "a@x.example")])
    return replace(facts, **values)


def _code(facts: SendingFacts, **options: Any) -> str | None:
    problem = sending_problem(facts, **options)
    return problem.code if problem else None


def test_a_document_is_sent_once_it_is_issued() -> None:
    assert _code(_facts()) is None
    assert _code(_facts(status="draft", number=None)) == "not_issued"
    assert _code(_facts(status="draft", number=None), draft_allowed=True) is None
    assert _code(_facts(status="draft", number=None, recipients=()), draft_allowed=True) == "no_recipient"
    assert _code(_facts(status="void")) == "invoice_void"
    assert _code(_facts(archived=True)) == "customer_archived"
    for state, code in (("waiting", "already_waiting"), ("sent", "already_sent"), ("failed", "sending_failed")):
        assert _code(_facts(first=FirstMessage(UUID(int=3), state, date(2026, 4, 2)))) == code


@pytest.mark.parametrize(
    ("purpose", "archived", "document", "reason"),
    [
        ("document", False, DocumentState("INV-1", "issued", False, False), None),
        ("document", False, DocumentState("INV-1", "issued", True, True), None),
        ("document", True, DocumentState("INV-1", "issued", False, False), "Acme was archived."),
        ("document", False, DocumentState("INV-1", "void", False, False), "INV-1 is void."),
        ("reminder", False, DocumentState("INV-1", "issued", False, False), None),
        ("reminder", False, DocumentState("INV-1", "issued", True, False), "INV-1 was paid."),
        ("reminder", False, DocumentState("INV-1", "issued", True, True), "INV-1 was credited in full."),
    ],
)
def test_the_last_look(purpose: str, archived: bool, document: DocumentState, reason: str | None) -> None:
    first = DocumentState("INV-0", "issued", False, False)
    assert drop_reason(purpose, "Acme", archived, [first, document]) == reason


def test_each_state_has_its_acts() -> None:
    allowed = {
        act.__name__: {state for state in STATES if act(state) is None}
        for act in (cancel_problem, mark_problem, again_problem)
    }
    assert allowed == {
        "cancel_problem": {"waiting", "failed"},
        "mark_problem": {"waiting", "failed", "uncertain"},
        "again_problem": {"sent", "failed", "uncertain"},
    }


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


@pytest.mark.parametrize(
    ("states", "last"),
    [
        ([], None),
        (["sent"], "sent"),
        (["failed", "cancelled"], "failed"),
        (["cancelled", "waiting", "dropped"], "waiting"),
        (["cancelled", "dropped"], "dropped"),
    ],
)
def test_withdrawn_messages_do_not_hide_the_others(states: list[str], last: str | None) -> None:
    assert last_state(states) == last


@pytest.mark.parametrize(
    "values",
    [
        {"status": "draft"},
        {"status": "void"},
        {"archived": True},
        {"is_opening": True},
        {"recipients": ()},
        *({"first": FirstMessage(UUID(int=9), state, date(2026, 4, 1))} for state in STATES),
    ],
)
def test_each_reason_for_leaving_a_document_out_has_a_label(values: dict[str, Any]) -> None:
    assert _code(_facts(**values)) in NOT_SENT_REASONS
