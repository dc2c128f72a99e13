"""Reminder runs: which messages they enqueue, once each, and what is left out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.messages import REMINDER
from billing_admin.domain.reminders import DEFAULT_LEVELS, Pause
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.logo import LogoFile
from billing_admin.models import AuditEvent, Customer, Invoice, Message, MessageFile, MessageLetter, ReminderRun
from billing_admin.operations.invoices.voids import void_invoice
from billing_admin.operations.master_data import customers, reminder_levels
from billing_admin.operations.master_data.logos import set_logo
from billing_admin.operations.messages import reminder_runs
from billing_admin.operations.messages.content import Sender, _store_letter, load_attachment, make_content
from billing_admin.operations.messages.deliveries import claim_message, record_failure
from billing_admin.operations.messages.messages import cancel_message, mark_message_sent, send_again
from billing_admin.operations.messages.reminder_messages import ReminderMessages
from billing_admin.operations.messages.reminder_pauses import pause_customer, pause_invoice
from billing_admin.operations.messages.reminder_runs import (
    ReminderRunSpec,
    preview_reminders,
    run_reminders,
    send_daily_reminders,
)
from billing_admin.queries.doctor.messages import find_violations
from billing_admin.queries.messages.reminders import reminders_of_invoice, run_items
from tests.formats.printing import read_pages
from tests.logos import make_png
from tests.making import (
    NOW,
    bill,
    change_settings,
    make_customer,
    make_invoice,
    make_opening,
    make_payment_spec,
    make_spec,
    pay,
    post,
)
from tests.messages import make_message
from tests.operations.test_e_invoices import make_buyer, make_issued, make_seller
from tests.prepared import prepared
from tests.web.reading import fresh

GLYPHS = load_glyphs()
DUE = NOW + timedelta(30)


def after(days: int) -> datetime:
    """Return the moment a number of days after the due date of invoices that were issued at `NOW`."""
    return DUE + timedelta(days)


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    """ACME gets reminders, and has an open invoice over 100.00 USD."""
    acme = make_customer(reference="ACME", name="ACME Inc.", email="pay@acme.example")
    make_invoice(acme, "100")
    return acme


def run(session: Session, now: datetime, **fields: Any) -> UUID:
    spec = ReminderRunSpec(**fields)
    return run_reminders(transaction, session, spec, True, SYSTEM, now)[0]


def messages(session: Session) -> Sequence[Message]:
    return fresh(session, select(Message).where(Message.purpose == REMINDER).order_by(Message.created_at, Message.id))


def levels(message: Message) -> list[tuple[str | None, int]]:
    return sorted((row.invoice.number, row.level) for row in message.documents)


def mark_sent(session: Session, now: datetime) -> None:
    """Mark all messages that wait as sent."""
    for id in [row.id for row in messages(session) if row.state == "waiting"]:
        transaction(mark_message_sent, id, "By letter", SYSTEM, now)


def printed(session: Session) -> dict[str, str]:
    """Return the texts of the printed letters, by name."""
    return {row.name: " ".join(read_pages(row.data)) for row in fresh(session, select(MessageFile))}


def reasons(session: Session, run_id: UUID) -> list[tuple[str, str]]:
    return [(row.customer_reference, row.reason) for row in run_items(session, run_id) if row.reason]


def test_a_customer_gets_one_message_with_all_that_is_due(session: Session, acme: Customer) -> None:
    post(make_spec(acme, "20"), make_spec(acme, "30", currency="EUR"))
    bill()
    run_id = run(session, after(3))
    dollars, euros = sorted(messages(session), key=lambda row: row.currency, reverse=True)
    assert (levels(dollars), levels(euros)) == ([("INV-2026-00001", 1), ("INV-2026-00003", 1)], [("INV-2026-00002", 1)])
    assert (dollars.purpose, dollars.state, dollars.language) == ("reminder", "waiting", "en")
    assert [(row.address, row.kind) for row in dollars.recipients] == [("pay@acme.example", "to")]
    assert "INV-2026-00001" in dollars.text
    assert "120.00 USD" in dollars.text
    assert dollars.attachments == [
        {"invoice_id": str(invoice.id), "form": "pdf", "name": f"{invoice.number}.pdf"}
        for invoice in fresh(session, select(Invoice).where(Invoice.currency == "USD").order_by(Invoice.number))
    ] + [{"file": "reminder-ACME-USD-2026-05-05.pdf"}]
    assert printed(session) == {}
    look_again(session, after(3))
    text = printed(session)["reminder-ACME-USD-2026-05-05.pdf"]
    assert "Total due 120.00 USD" in text
    assert "Reminder no." not in text
    stored = session.get_one(ReminderRun, run_id)
    assert (stored.reminders, stored.day) == (2, after(3).date())
    [event] = fresh(session, select(AuditEvent).where(AuditEvent.object_type == "reminder_run"))
    assert (event.action, event.details) == ("reminder_run.created", {"day": "2026-05-05", "reminders": 2})


@pytest.mark.both_databases
def test_levels_follow_each_other_when_they_were_sent(session: Session, acme: Customer) -> None:
    sent: list[tuple[int, int]] = []
    for day in (0, 2, 3, 4, 9, 10, 14, 15, 21, 27, 28, 29, 40, 90):
        run(session, after(day))
        sent += [(day, level) for row in messages(session) if row.state == "waiting" for _, level in levels(row)]
        mark_sent(session, after(day))
    assert sent == [(3, 1), (14, 2), (28, 3)]


def test_a_late_invoice_begins_with_the_first_level(session: Session, acme: Customer) -> None:
    run(session, after(60))
    run_id = run(session, after(61))
    assert [levels(row) for row in messages(session)] == [[("INV-2026-00001", 1)]]
    assert reasons(session, run_id) == [("ACME", "message_waiting")]
    mark_sent(session, after(62))
    assert reasons(session, run(session, after(64))) == [("ACME", "reminded_recently")]
    run(session, after(69))
    assert levels(messages(session)[1]) == [("INV-2026-00001", 2)]


def test_only_a_reminder_that_may_have_arrived_counts(session: Session, acme: Customer) -> None:
    run(session, after(3))
    transaction(cancel_message, messages(session)[0].id, "Too early", SYSTEM, after(3))
    run(session, after(4))
    assert [levels(row) for row in messages(session)] == [[("INV-2026-00001", 1)]] * 2
    invoice = fresh(session, select(Invoice))[0]
    for row in messages(session):
        if row.state == "waiting":
            transaction(cancel_message, row.id, "Too early", SYSTEM, after(4))
    make_message(invoice, level=1, state="sent", now=after(5))
    make_message(invoice, level=2, state="failed", now=after(14))
    assert reasons(session, run(session, after(20))) == [("ACME", "message_failed")]
    assert reminders_of_invoice(session, invoice).next is not None


def test_the_third_letter_has_a_statement_and_shows_levels(session: Session, acme: Customer) -> None:
    first = fresh(session, select(Invoice))[0]
    make_message(first, level=1, state="sent", now=after(3))
    make_message(first, level=2, state="sent", now=after(14))
    make_invoice(acme, "20", now=NOW + timedelta(1))
    run(session, after(28))
    message = messages(session)[-1]
    assert levels(message) == [("INV-2026-00001", 3), ("INV-2026-00002", 1)]
    look_again(session, after(28))
    files = printed(session)
    assert sorted(files) == ["reminder-ACME-USD-2026-05-30.pdf", "statement-ACME-USD-2026-05-30.pdf"]
    assert "Closing balance 120.00 USD" in files["statement-ACME-USD-2026-05-30.pdf"]
    text = files["reminder-ACME-USD-2026-05-30.pdf"]
    assert "Reminder no." in text
    assert "3 28 100.00 USD" in text


@pytest.mark.both_databases
def test_exclusions_are_stored_with_their_reasons(session: Session, acme: Customer) -> None:
    invoice = make_invoice(make_customer(reference="PAUSED", email="a@paused.example"))
    transaction(pause_invoice, invoice.id, Pause(after(10).date(), "Disputed"), None, SYSTEM, after(0))
    make_invoice(make_customer(reference="MUTE"))
    rich = make_customer(reference="RICH", email="a@rich.example")
    make_invoice(rich, "10")
    pay(make_payment_spec(rich, "10", ()))
    gone = make_customer(reference="GONE", email="a@gone.example")
    make_invoice(gone)
    transaction(customers.archive, gone.id, SYSTEM, NOW)
    run_id = run(session, after(3))
    expected = [
        ("GONE", "archived"),
        ("MUTE", "no_recipient"),
        ("PAUSED", "invoice_paused"),
        ("RICH", "covered_by_credit"),
    ]
    assert reasons(session, run_id) == expected
    paused = next(row for row in run_items(session, run_id) if row.reason == "invoice_paused")
    assert (paused.day, paused.note) == (after(10).date(), "Disputed")
    assert len(messages(session)) == 1


@pytest.mark.both_databases
def test_a_preview_is_confirmed_as_it_was_shown(session: Session, acme: Customer) -> None:
    other = make_customer(reference="OTHER", email="a@other.example")
    make_invoice(other)
    preview = preview_reminders(session, ReminderRunSpec(), after(3))
    assert [reminder.account.reference for reminder in preview.plan.reminders] == ["ACME", "OTHER"]
    pay(make_payment_spec("OTHER", "10"), now=after(3))
    with pytest.raises(Conflict, match="changed since this preview"):
        run(session, after(3), confirmed=preview.digest)
    assert messages(session) == []
    preview = preview_reminders(session, ReminderRunSpec(without_customers=("ACME",)), after(3))
    assert preview.plan.reminders == ()
    run_id = run(session, after(3), confirmed=preview.digest, without_invoices=("INV-2026-00001",))
    assert reasons(session, run_id) == [("ACME", "skipped")]
    assert messages(session) == []


@pytest.mark.both_databases
def test_a_change_while_messages_are_made_is_noticed(
    session: Session, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def make_slowly(self: ReminderMessages, reminder: Any) -> Any:
        if not made:
            pay(make_payment_spec("ACME", "40"), now=after(3))
        made.append(reminder)
        return make(self, reminder)

    make = ReminderMessages.make
    monkeypatch.setattr(ReminderMessages, "make", make_slowly)
    run(session, after(3))
    [row] = messages(session)
    assert "60.00 USD" in row.text
    assert len(made) == 2


@pytest.mark.both_databases
def test_a_repeated_run_is_a_replay(session: Session, acme: Customer) -> None:
    id = uuid4()
    assert run(session, after(3), id=id) == run(session, after(3), id=id) == id
    assert len(messages(session)) == 1
    with pytest.raises(Conflict, match="different currency"):
        run(session, after(3), id=id, currency="EUR")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"customers": ("ACME", "NOBODY")}, ("customers", 1)),
        ({"without_customers": ("NOBODY",)}, ("without_customers", 0)),
        ({"without_invoices": ("INV-1999-1",)}, ("without_invoices", 0)),
        ({"currency": "XXX"}, ("currency",)),
    ],
)
def test_a_wrong_run_is_refused(
    session: Session, acme: Customer, fields: dict[str, Any], field: tuple[Any, ...]
) -> None:
    with pytest.raises(Invalid) as refused:
        run(session, after(3), **fields)
    assert refused.value.field == field


def test_nothing_is_sent_without_a_mail_server(session: Session, acme: Customer) -> None:
    with pytest.raises(Conflict, match="BILLING_MAIL_URL"):
        run_reminders(transaction, session, ReminderRunSpec(), False, SYSTEM, after(3))
    switch_daily(session)
    assert send_daily_reminders(transaction, session, False, SYSTEM, after(3)) == 0


@pytest.mark.parametrize(("state", "result"), [("uncertain", ""), ("sent", "bounced")])
def test_a_reminder_that_may_not_have_arrived_holds_the_next_level(
    session: Session, acme: Customer, state: str, result: str
) -> None:
    invoice = fresh(session, select(Invoice))[0]
    first = make_message(invoice, level=1, state=state, result=result, now=after(3))
    reason = "message_bounced" if result else "message_uncertain"
    assert reasons(session, run(session, after(20))) == [("ACME", reason)]
    assert len(messages(session)) == 1
    make_message(invoice, level=1, state="sent", again_of=first.id, again_reason="Asked", now=after(21))
    run(session, after(28))
    assert levels(messages(session)[-1]) == [("INV-2026-00001", 2)]


@pytest.mark.parametrize(("state", "result"), [("uncertain", ""), ("sent", "bounced"), ("sent", "accepted")])
def test_a_dropped_repeat_of_what_did_not_arrive_lets_the_level_be_sent_anew(
    session: Session, acme: Customer, state: str, result: str
) -> None:
    run(session, after(3))
    [first] = messages(session)
    make_message_content(session, first.id, after(3))
    mark_sent(session, after(3))

    def change(session: Session) -> None:
        row = session.get_one(Message, first.id)
        row.state, row.by_hand = state, False
        row.recipients[0].result, row.recipients[0].at = result, after(3) if result else None

    transaction(change)
    transaction(send_again, first.id, "New address", None, None, True, SYSTEM, after(20))
    pay(make_payment_spec(acme, "1"), now=after(20))
    look_again(session, after(20))
    assert messages(session)[-1].reason == "The open amount of INV-2026-00001 has changed."
    run(session, after(21))
    level = 2 if result == "accepted" else 1
    assert levels(messages(session)[-1]) == [("INV-2026-00001", level)]
    assert list(find_violations(session)) == []


def switch_daily(session: Session) -> None:
    transaction(reminder_levels.update, None, True, None, SYSTEM, NOW)
    db.session.rollback()


def daily(session: Session, now: datetime) -> int:
    return send_daily_reminders(transaction, session, True, SYSTEM, now)


@pytest.mark.both_databases
def test_daily_reminders_are_sent_once_a_day(session: Session, acme: Customer) -> None:
    assert daily(session, after(3)) == 0
    switch_daily(session)
    assert [daily(session, after(days)) for days in (2, 3, 3)] == [0, 1, 0]
    make_invoice(make_customer(reference="OTHER", email="a@other.example"))
    assert [daily(session, after(days)) for days in (3, 4, 4)] == [0, 1, 0]
    assert [row.reminders for row in fresh(session, select(ReminderRun).order_by(ReminderRun.created_at))] == [1, 1]


def test_a_full_daily_run_is_followed_by_another(
    session: Session, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminder_runs, "MAX_REMINDERS", 1)
    make_invoice(make_customer(reference="OTHER", email="a@other.example"))
    switch_daily(session)
    assert daily(session, after(3)) == 2
    assert daily(session, after(3)) == 0
    assert len(messages(session)) == 2


def test_daily_reminders_begin_on_the_next_day_at_nine(session: Session, acme: Customer) -> None:
    transaction(reminder_levels.update, None, True, None, SYSTEM, after(3))
    db.session.rollback()
    midnight = after(4).replace(hour=0, minute=5)
    assert daily(session, after(3).replace(hour=20)) == 0
    assert daily(session, midnight) == daily(session, midnight.replace(hour=8)) == 0
    assert daily(session, midnight.replace(hour=9)) == 1


def test_a_customer_whose_message_cannot_be_made_does_not_stop_the_others(
    session: Session, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_invoice(make_customer(reference="OTHER", email="a@other.example"))
    make = ReminderMessages.make

    def make_or_fail(self: ReminderMessages, reminder: Any) -> Any:
        if reminder.account.reference == "ACME":
            raise RuntimeError("no text")
        return make(self, reminder)

    monkeypatch.setattr(ReminderMessages, "make", make_or_fail)
    assert reasons(session, run(session, after(3))) == [("ACME", "not_made")]
    assert [levels(row) for row in messages(session)] == [[("INV-2026-00002", 1)]]


def test_a_confirmed_run_leaves_out_what_changes_while_messages_are_made(
    session: Session, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_invoice(make_customer(reference="OTHER", email="a@other.example"))
    made: list[str] = []

    def make_slowly(self: ReminderMessages, reminder: Any) -> Any:
        if not made:
            pay(make_payment_spec("ACME", "40"), now=after(3))
        made.append(reminder.account.reference)
        return make(self, reminder)

    make = ReminderMessages.make
    monkeypatch.setattr(ReminderMessages, "make", make_slowly)
    digest = preview_reminders(session, ReminderRunSpec(), after(3)).digest
    assert reasons(session, run(session, after(3), confirmed=digest)) == [("ACME", "changed")]
    assert made == ["ACME", "OTHER"]
    assert [levels(row) for row in messages(session)] == [[("INV-2026-00002", 1)]]


def test_a_pause_of_the_customer_ends_by_itself(session: Session, acme: Customer) -> None:
    transaction(pause_customer, acme.id, Pause(after(5).date(), "On holiday"), None, SYSTEM, after(0))
    assert reasons(session, run(session, after(5))) == [("ACME", "customer_paused")]
    run(session, after(6))
    assert len(messages(session)) == 1


def test_a_letter_attaches_what_its_level_says(session: Session, acme: Customer) -> None:
    settings = [replace(level, attaches_documents=False, attaches_statement=True) for level in DEFAULT_LEVELS]
    transaction(reminder_levels.update, settings, None, None, SYSTEM, NOW)
    run(session, after(3))
    assert messages(session)[0].attachments == [
        {"file": "reminder-ACME-USD-2026-05-05.pdf"},
        {"file": "statement-ACME-USD-2026-05-05.pdf"},
    ]


def make_message_content(session: Session, id: UUID, now: datetime) -> None:
    make_content(transaction, session, id, Sender("", "bill@seller.example", "seller.example"), GLYPHS, now)


def look_again(session: Session, now: datetime) -> None:
    """Claim each waiting message, as the worker does before it sends."""
    for row in messages(session):
        if row.state == "waiting":
            make_message_content(session, row.id, now)
            transaction(claim_message, row.id, "worker", 60, SYSTEM, now)


@pytest.mark.both_databases
def test_a_letter_is_printed_as_it_was_confirmed(session: Session, acme: Customer) -> None:
    transaction(set_logo, LogoFile(make_png(8, 8), "image/png", 8, 8), SYSTEM, NOW)
    run(session, after(3))
    transaction(customers.update, acme.id, {"name": "New Name"}, None, SYSTEM, after(3))
    change_settings(legal_name="Other Ltd")
    look_again(session, after(4))
    [text] = printed(session).values()
    assert "ACME Inc." in text
    assert "Date 5 May 2026" in text
    assert "Other Ltd" not in text
    assert fresh(session, select(MessageLetter)) == []
    row = messages(session)[0]
    assert row.state == "sending"


@pytest.mark.both_databases
def test_a_letter_is_stored_once(session: Session, acme: Customer) -> None:
    run(session, after(3))
    [row] = messages(session)
    for _ in range(2):
        transaction(_store_letter, row.id, "reminder-ACME-USD-2026-05-05.pdf", b"%PDF-first")
    assert [file.data for file in fresh(session, select(MessageFile))] == [b"%PDF-first"]


def test_a_letter_that_was_not_printed_is_sent_again(session: Session, acme: Customer) -> None:
    run(session, after(3))
    [row] = messages(session)
    transaction(record_failure, row.id, "Wrong address", SYSTEM, after(3), final=True)
    transaction(send_again, row.id, "Corrected", None, None, True, SYSTEM, after(3))
    look_again(session, after(3))
    assert messages(session)[1].state == "sending"
    assert [file.message_id for file in fresh(session, select(MessageFile))] == [messages(session)[1].id]
    letter = load_attachment(transaction, session, row.id, 2, GLYPHS, after(4))
    assert "Total due 100.00 USD" in " ".join(read_pages(letter.content))
    assert [letter.message_id for letter in fresh(session, select(MessageLetter))] == [row.id]


def test_a_paid_invoice_stops_the_reminder_and_the_next_run_makes_a_true_one(session: Session, acme: Customer) -> None:
    for amount in ("20", "30"):
        make_invoice(acme, amount)
    run(session, after(3))
    pay(make_payment_spec(acme, "20", {"INV-2026-00002": "20"}), now=after(3))
    look_again(session, after(3))
    [row] = messages(session)
    assert (row.state, row.reason) == ("dropped", "INV-2026-00002 was paid.")
    run(session, after(4))
    assert levels(messages(session)[1]) == [("INV-2026-00001", 1), ("INV-2026-00003", 1)]
    look_again(session, after(4))
    assert messages(session)[1].state == "sending"


def test_money_that_covers_an_invoice_stops_the_reminder(session: Session, acme: Customer) -> None:
    make_invoice(acme, "50", now=NOW + timedelta(1))
    run(session, after(4))
    pay(make_payment_spec(acme, "100", {}), now=after(4))
    look_again(session, after(4))
    assert messages(session)[0].reason == "Unallocated credit covers INV-2026-00001."
    run(session, after(4))
    assert levels(messages(session)[1]) == [("INV-2026-00002", 1)]
    look_again(session, after(4))
    assert messages(session)[1].state == "sending"


def test_a_reminder_attaches_no_e_invoice(session: Session) -> None:
    make_seller()
    invoice = make_issued(make_buyer(e_invoice="factur-x", email="pay@acme.example"))
    plain = make_issued(make_buyer(reference="PLAIN", e_invoice="none", email="pay@plain.example"))
    run(session, after(3))
    stored = {row.documents[0].invoice_id: row.attachments for row in messages(session)}
    assert [list(file) for file in stored[invoice.id]] == [["file"]]
    assert [file.get("form") for file in stored[plain.id]] == ["pdf", None]


def test_a_part_payment_stops_the_reminder(session: Session, acme: Customer) -> None:
    run(session, after(3))
    pay(make_payment_spec(acme, "1"), now=after(3))
    look_again(session, after(3))
    assert messages(session)[0].reason == "The open amount of INV-2026-00001 has changed."
    run(session, after(3))
    assert "99.00 USD" in messages(session)[1].text


@pytest.mark.parametrize("of_customer", [True, False])
def test_a_pause_stops_the_reminder(session: Session, acme: Customer, of_customer: bool) -> None:
    run(session, after(3))
    invoice = fresh(session, select(Invoice))[0]
    pause, id = (pause_customer, acme.id) if of_customer else (pause_invoice, invoice.id)
    transaction(pause, id, Pause(after(9).date(), "Disputed"), None, SYSTEM, after(3))
    look_again(session, after(3))
    name = "the customer" if of_customer else "INV-2026-00001"
    assert messages(session)[0].reason == f"Reminders of {name} were paused through 11 May 2026."


def test_an_unchanged_reminder_is_sent_with_references(session: Session, acme: Customer) -> None:
    invoice = fresh(session, select(Invoice))[0]
    first = make_message(invoice, state="sent")
    run(session, after(3))
    look_again(session, after(3))
    reminder = next(row for row in messages(session))
    assert reminder.state == "sending"
    assert reminder.content is not None
    assert f"References: <{first.id}@seller.example>".encode() in reminder.content


def test_a_reminder_lists_an_opening_invoice_without_a_copy(session: Session, acme: Customer) -> None:
    make_opening(acme, "RE 4711", "50", due_date=date(2026, 3, 20))
    run(session, after(4))
    (row,) = messages(session)
    assert [attachment.get("name") for attachment in row.attachments] == ["INV-2026-00001.pdf", None]
    assert "RE 4711" in row.text
    pages = " ".join(read_pages(load_attachment(transaction, session, row.id, 2, GLYPHS, after(4)).content))
    assert "RE 4711" in pages
    assert "10 Mar 2026" in pages
    opening = fresh(session, select(Invoice).where(Invoice.number == "RE 4711"))[0]
    assert [reminder.level for reminder in reminders_of_invoice(session, opening).sent] == [1]
    transaction(void_invoice, opening.id, "Entered twice", "pending", SYSTEM, after(5))
    assert list(find_violations(session)) == []
