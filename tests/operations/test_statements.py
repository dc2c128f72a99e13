"""Statements by mail: to whom, once in a period and currency, with the PDF as evidence."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.messages import Recipient
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.models import AuditEvent, Customer, Message, MessageFile
from billing_admin.operations.invoices.letters import contents_of_statement
from billing_admin.operations.master_data import contacts, customers
from billing_admin.operations.messages import statements as operations, texts
from billing_admin.operations.messages.content import Sender, make_content
from billing_admin.operations.messages.messages import cancel_message
from billing_admin.operations.messages.statements import (
    MonthlyOutcome,
    StatementSpec,
    send_all_monthly_statements,
    send_statement,
)
from tests.formats.printing import read_pages
from tests.making import NOW, bill, make_customer, make_invoice, make_spec, post
from tests.prepared import prepared
from tests.web.reading import fresh

GLYPHS = load_glyphs()
APRIL: Any = {"first": date(2026, 4, 1), "last": date(2026, 4, 2)}


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """ACME owes 100.00 USD; Maria gets statements as To, and Ann as Cc."""
    acme = make_customer(reference="ACME", name="ACME Inc.", language="de")
    make_invoice(acme, "100")
    for name, role in (("Maria Huber", "to"), ("Ann Lee", "cc")):
        email = f"{name.split()[0].lower()}@acme.example"
        fields: Any = {"name": name, "email": email, "invoices": "none", "statements": role}
        transaction(contacts.create, acme.id, fields, None, SYSTEM, NOW)
    return acme


def send(customer: Customer | UUID, mail_on: bool = True, **spec: Any) -> tuple[UUID, bool]:
    id = customer if isinstance(customer, UUID) else customer.id
    return transaction(send_statement, id, StatementSpec(**spec), mail_on, SYSTEM, NOW)


def stored(session: Session) -> list[Message]:
    return fresh(session, select(Message).order_by(Message.created_at, Message.id))


@pytest.mark.both_databases
def test_the_text_greets_the_first_recipient_and_not_a_copy(session: Session, acme: Customer) -> None:
    transaction(texts.update, "statement", "de", {"body": "Guten Tag {name},"}, None, SYSTEM, NOW)
    send(acme, recipients=[Recipient("Cora", "cora@example.com", "cc"), Recipient("Ben", "ben@example.com")])
    assert stored(session)[0].text == "Guten Tag Ben,"


def test_a_statement_goes_to_the_contacts_that_get_statements(session: Session, acme: Customer) -> None:
    id, is_new = send(acme, **APRIL)
    assert is_new
    (message,) = stored(session)
    assert (message.id, message.purpose, message.state, message.language) == (id, "statement", "waiting", "de")
    assert (message.currency, message.period_from, message.period_to) == ("USD", *APRIL.values())
    assert [(person.name, person.address, person.kind) for person in message.recipients] == [
        ("Maria Huber", "maria@acme.example", "to"),
        ("Ann Lee", "ann@acme.example", "cc"),
    ]
    assert message.subject == "Kontoauszug von Example Ltd, 1.–2. Apr. 2026"
    assert "Saldo am 2. April 2026: 100,00 USD" in message.text
    assert message.attachments == [{"file": "statement-ACME-USD-2026-04-02.pdf"}]
    assert fresh(session, select(MessageFile)) == []
    make_content(transaction, session, id, Sender("", "a@b.example", "b.example"), GLYPHS, NOW)
    (file,) = fresh(session, select(MessageFile).options(undefer(MessageFile.data)))
    assert "Endsaldo 100,00 USD" in " ".join(read_pages(file.data))
    (event,) = fresh(session, select(AuditEvent).where(AuditEvent.action == "message.enqueued"))
    assert event.details["period"] == "2026-04-01 to 2026-04-02"


@pytest.mark.both_databases
def test_a_period_is_sent_once_in_a_currency(session: Session, acme: Customer) -> None:
    first, _ = send(acme, **APRIL)
    with pytest.raises(Conflict, match="already waiting in the outbox") as refused:
        send(acme, **APRIL)
    assert refused.value.extra["message_id"] == str(first)
    send(acme, first=date(2026, 4, 1), last=date(2026, 4, 1))
    transaction(cancel_message, first, "Too early", SYSTEM, NOW)
    assert send(acme, **APRIL)[1]
    assert len(stored(session)) == 3


def test_without_days_the_period_begins_with_the_first_movement(session: Session, acme: Customer) -> None:
    send(acme)
    (message,) = stored(session)
    assert (message.period_from, message.period_to) == (date(2026, 4, 2), date(2026, 4, 2))


def test_a_repeated_request_returns_the_message(session: Session, acme: Customer) -> None:
    id = UUID(int=7)
    assert send(acme, id=id, **APRIL) == (id, True)
    assert send(acme, id=id, **APRIL) == (id, False)
    assert send(acme, id=id, mail_on=False) == (id, False)
    with pytest.raises(Conflict) as refused:
        send(acme, id=id, last=date(2026, 4, 1), subject="Other")
    assert refused.value.extra["differs"] == ["period_to", "subject"]
    other = make_customer(reference="OTHER")
    with pytest.raises(Conflict) as refused:
        send(other, id=id)
    assert refused.value.extra["differs"] == ["customer"]
    assert len(stored(session)) == 1


def test_recipients_and_texts_can_be_chosen(session: Session, acme: Customer) -> None:
    people = [Recipient("", "new@acme.example"), Recipient("Ann", "ann@acme.example", "cc")]
    send(acme, recipients=people, subject="Your balance", text="{name}: see attachment", **APRIL)
    (message,) = stored(session)
    assert [person.address for person in message.recipients] == ["new@acme.example", "ann@acme.example"]
    assert (message.subject, message.text) == ("Your balance", "{name}: see attachment")


def test_wrong_requests_are_refused_with_the_way_out(session: Session, acme: Customer) -> None:
    lonely = make_customer(reference="LONELY", name="Lonely Ltd")
    with pytest.raises(Invalid, match=r"No contact of Lonely Ltd gets statements\. Choose To"):
        send(lonely)
    for spec, field in (
        ({"last": date(2026, 4, 3)}, ("period_to",)),
        ({"currency": "GBP"}, ("currency",)),
        ({"first": date(2026, 4, 2), "last": date(2026, 4, 1)}, ("period_from",)),
        ({"recipients": [Recipient("", "nobody")]}, ("recipients", 0, "address")),
        ({"recipients": [Recipient("", "a@b.example", "cc")]}, ("recipients",)),
        ({"subject": " "}, ("subject",)),
        ({"subject": "a\nb"}, ("subject",)),
    ):
        with pytest.raises(Invalid) as refused:
            send(acme, **spec)
        assert refused.value.field == field
    with pytest.raises(Conflict) as off:
        send(acme, mail_on=False)
    assert off.value.code == "mail_off"
    post(make_spec(acme, "20", currency="EUR"))
    bill()
    with pytest.raises(Invalid, match="Choose a currency: EUR, USD"):
        send(acme)
    transaction(customers.archive, acme.id, SYSTEM, NOW)
    with pytest.raises(Conflict) as archived:
        send(acme, currency="USD")
    assert archived.value.code == "customer_archived"
    assert stored(session) == []


def send_monthly(session: Session, now: datetime, mail_on: bool = True) -> MonthlyOutcome:
    session.rollback()
    return send_all_monthly_statements(transaction, session, mail_on, SYSTEM, now)


def want_monthly(customer: Customer) -> None:
    transaction(customers.update, customer.id, {"monthly_statements": True}, None, SYSTEM, NOW)


@pytest.mark.both_databases
def test_monthly_statements_are_sent_once_in_each_month(session: Session, acme: Customer) -> None:
    post(make_spec(acme, "20", currency="EUR"))
    bill()
    may = datetime(2026, 5, 1, 9, tzinfo=UTC)
    assert send_monthly(session, may).sent == 0  # the customer does not want them
    want_monthly(acme)
    assert send_monthly(session, may, mail_on=False).sent == 0
    sent = [send_monthly(session, datetime(2026, 5, day, 9, tzinfo=UTC)).sent for day in (1, 1, 2, 31)]
    assert sent == [2, 0, 0, 0]
    assert [(message.currency, message.period_from, message.period_to) for message in stored(session)] == [
        ("EUR", date(2026, 4, 1), date(2026, 4, 30)),
        ("USD", date(2026, 4, 1), date(2026, 4, 30)),
    ]
    # Only the month before is sent, however long nobody looked.
    assert send_monthly(session, datetime(2026, 8, 15, 9, tzinfo=UTC)).sent == 2
    assert {message.period_from for message in stored(session)} == {date(2026, 4, 1), date(2026, 7, 1)}


def test_a_month_without_movements_and_balance_is_skipped(session: Session, acme: Customer) -> None:
    want_monthly(acme)
    assert send_monthly(session, NOW).sent == 0  # the invoice is of April
    assert stored(session) == []


def test_a_cancelled_monthly_statement_does_not_come_back(session: Session, acme: Customer) -> None:
    want_monthly(acme)
    may = datetime(2026, 5, 1, 9, tzinfo=UTC)
    assert send_monthly(session, may).sent == 1
    (message,) = stored(session)
    transaction(cancel_message, message.id, "Disputed", SYSTEM, may)
    assert send_monthly(session, may).sent == 0


def test_a_statement_sent_by_hand_is_not_sent_again(session: Session, acme: Customer) -> None:
    want_monthly(acme)
    may = datetime(2026, 5, 1, 9, tzinfo=UTC)
    spec = StatementSpec("USD", date(2026, 4, 1), date(2026, 4, 30))
    transaction(send_statement, acme.id, spec, True, SYSTEM, may)
    assert send_monthly(session, may).sent == 0


def test_archived_customers_and_those_without_recipients_get_none(session: Session, acme: Customer) -> None:
    may = datetime(2026, 5, 1, 9, tzinfo=UTC)
    lonely = make_customer(reference="LONELY", monthly_statements=True)
    make_invoice(lonely, "5")
    want_monthly(acme)
    transaction(customers.archive, acme.id, SYSTEM, NOW)
    assert send_monthly(session, may) == MonthlyOutcome(0, [])


def test_only_due_statements_cost_a_transaction(session: Session, acme: Customer) -> None:
    want_monthly(acme)
    may = datetime(2026, 5, 1, 9, tzinfo=UTC)
    assert send_monthly(session, may).sent == 1
    session.rollback()
    outcome = send_all_monthly_statements(pytest.fail, session, True, SYSTEM, may)
    assert outcome == MonthlyOutcome(0, [])


def test_a_statement_that_cannot_be_made_does_not_stop_the_others(
    session: Session, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_customer(reference="OTHER", name="Other", monthly_statements=True)
    make_invoice(other, "5")
    fields: Any = {"email": "a@other.example", "statements": "to"}
    transaction(contacts.create, other.id, fields, None, SYSTEM, NOW)
    want_monthly(acme)

    def make_or_fail(letter: Any) -> Any:
        if "ACME" in letter.file_name:
            raise RuntimeError("no text")
        return contents_of_statement(letter)

    monkeypatch.setattr(operations, "contents_of_statement", make_or_fail)
    outcome = send_monthly(session, datetime(2026, 5, 1, 9, tzinfo=UTC))
    assert (outcome.sent, [reference for reference, _ in outcome.refused]) == (1, ["ACME"])
    assert [message.customer_id for message in stored(session)] == [other.id]
