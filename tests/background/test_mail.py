"""The worker checks and sends each message once, and records the result."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP
from typing import Any
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.background.mail import RECORD_ATTEMPTS, send_due
from billing_admin.background.mail_transport import NO_STARTTLS, RecipientResult, SendOutcome, SendResult
from billing_admin.background.runner import WORKER
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.messages import DEMO_DATA, REFUSALS_BEFORE_PAUSE, RETRY_DELAYS, Recipient
from billing_admin.domain.reminders import Pause
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.models import AuditEvent, Customer, MailPause, Organisation, Rendition
from billing_admin.operations.master_data import customers
from billing_admin.operations.messages import deliveries, documents, messages, reminder_pauses
from billing_admin.operations.messages.content import Sender, make_content
from billing_admin.operations.messages.documents import SendSpec
from billing_admin.queries.messages.outbox import current_pause
from tests.background.hooks import make_endpoint, summary
from tests.background.outbox import ANNA, CORA, Server, change_mail, enqueue, payer, remind, retry, sent, stored
from tests.mailing import MailHandler, mail_server
from tests.making import NOW, change_settings, credit, make_invoice, make_payment_spec, pay, void
from tests.messages import make_message
from tests.operations.test_e_invoices import make_buyer, make_seller

OK = RecipientResult(ANNA.address, True, 250, "OK")


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def _mail_on(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    change_mail(app, monkeypatch, mail_url="smtp://127.0.0.1:1?tls=off", mail_from="Billing <billing@seller.example>")


def state(id: UUID) -> tuple[str, str]:
    row = stored(id)
    return row.state, row.reason


def actions(id: UUID) -> list[str]:
    db.session.rollback()
    query = select(AuditEvent.action).where(AuditEvent.object_id == id).order_by(AuditEvent.at, AuditEvent.id)
    return list(db.session.scalars(query))


@pytest.mark.both_databases
def test_a_message_is_made_of_the_stored_file_and_sent(app: Flask, session: Session) -> None:
    change_settings(legal_name="Seller Ltd", contact_name="Sam", contact_email="sam@seller.example")
    make_endpoint(app, events=["message.sent"])
    invoice = make_invoice(payer())
    id, server = enqueue(invoice, ANNA, CORA), Server()
    send_due(app, server)
    row = stored(id)
    assert (row.state, row.reason, row.response, row.tries) == ("sent", "", "250 Queued as 4711", 1)
    assert (row.finished_at, row.handed_over_at, row.content, row.worker) == (NOW, NOW, None, None)
    assert [(r.result, r.code, r.response, r.at) for r in row.recipients] == [("accepted", 250, "OK", NOW)] * 2
    assert actions(id) == ["message.enqueued", "message.sent"]
    assert summary(session) == [("message.sent", row.subject, "waiting")]
    (content,) = server.taken
    assert server.envelopes == [("billing@seller.example", [ANNA.address, CORA.address])]
    received = message_from_bytes(content, policy=SMTP)
    assert received["From"] == "Billing <billing@seller.example>"
    assert (received["To"], received["Cc"]) == ("Anna <anna@example.com>", "Cora <cora@example.com>")
    assert received["Reply-To"] == "Sam <sam@seller.example>"
    assert received["Message-ID"] == f"<{id}@seller.example>"
    (file,) = received.iter_attachments()
    rendition = session.scalars(select(Rendition)).one()
    assert (file.get_filename(), file.get_content()) == ("INV-2026-00001.pdf", rendition.data)
    send_due(app, server)
    assert len(server.taken) == 1


def test_a_document_with_missing_characters_is_stored_as_it_was_sent(app: Flask, session: Session) -> None:
    invoice = make_invoice(payer(name="한국 클라우드"))
    enqueue(invoice)
    send_due(app, Server())
    assert session.scalars(select(Rendition.form)).all() == ["pdf"]


def test_a_name_that_an_earlier_version_stored_stops_nobody(app: Flask, session: Session) -> None:
    old, other = payer(), payer(reference="B", email="ben@example.com")
    transaction(
        lambda session: session.execute(update(Customer).where(Customer.id == old.id).values(name="Old \ue000 Ltd"))
    )
    invoices = [make_invoice(old).id, make_invoice(other).id]
    sent = transaction(documents.send_documents, invoices, True, SYSTEM, NOW)
    assert (len(sent.messages), sent.left_out) == (2, [])
    send_due(app, Server())
    assert {stored(id).state for id in sent.messages.values()} == {"sent"}


@pytest.mark.parametrize(
    ("e_invoice", "attach_pdf", "files"),
    [
        ("factur-x", True, {"INV-2026-00001.pdf": "factur-x"}),
        ("xrechnung-ubl", True, {"INV-2026-00001.xml": "xrechnung-ubl", "INV-2026-00001.pdf": "pdf"}),
        ("xrechnung-cii", False, {"INV-2026-00001.xml": "xrechnung-cii"}),
    ],
)
def test_an_e_invoice_is_sent_as_it_is_stored(
    app: Flask, session: Session, e_invoice: str, attach_pdf: bool, files: dict[str, str]
) -> None:
    make_seller()
    change_settings(attach_pdf=attach_pdf)
    invoice, server = make_invoice(make_buyer(e_invoice=e_invoice, email=ANNA.address)), Server()
    id = enqueue(invoice)
    send_due(app, server)
    assert state(id) == ("sent", "")
    (content,) = server.taken
    received = {file.get_filename(): file for file in message_from_bytes(content, policy=SMTP).iter_attachments()}
    assert list(received) == list(files)
    data = {row.form: row.data for row in session.scalars(select(Rendition))}
    for name, form in files.items():
        assert received[name].get_payload(decode=True) == data[form]
        assert received[name].get_content_type() == ("application/xml" if name.endswith("xml") else "application/pdf")


def test_while_mail_is_off_messages_wait(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    id, server = enqueue(make_invoice(payer())), Server()
    change_mail(app, monkeypatch, mail_url="off")
    send_due(app, server)
    assert state(id) == ("waiting", "")
    assert server.taken == []


@pytest.mark.both_databases
def test_a_message_is_tried_for_a_week_with_the_same_bytes(app: Flask, session: Session) -> None:
    make_endpoint(app, events=["message.failed"])
    id, server = enqueue(make_invoice(payer())), Server()
    contents = set()
    with time_machine.travel(NOW, tick=False) as clock:
        for tries, delay in enumerate(RETRY_DELAYS, 1):
            server.results = [retry()]
            server.on_connect = lambda: contents.add(stored(id).content)
            send_due(app, server)
            row = stored(id)
            assert (row.state, row.reason, row.tries) == ("waiting", "451 Try later", tries)
            assert row.next_attempt_at == datetime.now(NOW.tzinfo) + delay
            assert row.content is None  # made anew, as the sender may be the cause
            send_due(app, server)  # too early
            assert stored(id).tries == tries
            clock.shift(delay)
        server.results = [retry()]
        send_due(app, server)
    assert state(id) == ("failed", "Not sent in 13 attempts within a week. 451 Try later")
    assert len(contents) == 1
    assert actions(id) == ["message.enqueued", "message.failed"]
    assert [event for event, *_ in summary(session)] == ["message.failed"]
    assert server.taken == []


def test_messages_keep_their_attempts_while_the_server_is_away(app: Flask, session: Session) -> None:
    acme = payer()
    first, second = enqueue(make_invoice(acme)), enqueue(make_invoice(acme))
    server = Server(retry("Could not connect"))
    assert not send_due(app, server)
    assert [stored(id).tries for id in (first, second)] == [1, 0]
    busy = RecipientResult(ANNA.address, False, 450, "Busy")
    server.results = [SendResult(SendOutcome.RETRY, (busy,), "450 Busy")]
    assert send_due(app, server)  # about this recipient, not about the server
    assert [stored(id).state for id in (first, second)] == ["waiting", "waiting"]
    with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
        assert send_due(app, server)
    assert [stored(id).state for id in (first, second)] == ["sent", "sent"]


DENIED = retry("554 5.7.1 Relay access denied")


def test_the_outbox_pauses_after_refusals_of_the_configuration(app: Flask, session: Session) -> None:
    acme = payer()
    ids = [enqueue(make_invoice(acme)) for _ in range(REFUSALS_BEFORE_PAUSE + 2)]
    denied = replace(DENIED, recipients=(RecipientResult(ANNA.address, False, 554, "5.7.1 Relay access denied"),))
    server = Server(*[denied] * (len(ids) + 1))
    assert send_due(app, server)
    assert [stored(id).tries for id in ids] == [1] * REFUSALS_BEFORE_PAUSE + [0, 0]
    assert {stored(id).state for id in ids} == {"waiting"}
    pause = current_pause(session, NOW)
    assert pause is not None
    assert (pause.refusals, pause.reason) == (REFUSALS_BEFORE_PAUSE, "554 5.7.1 Relay access denied")
    with time_machine.travel(NOW + timedelta(minutes=14), tick=False):
        send_due(app, server)
    assert sum(stored(id).tries for id in ids) == REFUSALS_BEFORE_PAUSE
    with time_machine.travel(NOW + timedelta(minutes=16), tick=False):
        send_due(app, server)  # one message finds out whether the server takes it now
        assert sum(stored(id).tries for id in ids) == REFUSALS_BEFORE_PAUSE + 1
        assert transaction(deliveries.resume_sending, SYSTEM, clock.now()) == len(ids)
        server.results = []
        send_due(app, server)
    assert {stored(id).state for id in ids} == {"sent"}
    assert current_pause(session, NOW) is None
    assert session.get_one(MailPause, 1, populate_existing=True).refusals == 0
    [event] = session.scalars(select(AuditEvent).where(AuditEvent.action == "outbox.resumed"))
    assert event.details == {"messages": len(ids)}


def test_an_accepted_message_ends_the_count_of_refusals(app: Flask, session: Session) -> None:
    acme = payer()
    for _ in range(2 * REFUSALS_BEFORE_PAUSE):
        enqueue(make_invoice(acme))
    denied = replace(DENIED, recipients=(RecipientResult(ANNA.address, False, 554, "5.7.1 Denied"),))
    server = Server(
        *[denied] * (REFUSALS_BEFORE_PAUSE - 1), sent(ANNA.address), *[denied] * (REFUSALS_BEFORE_PAUSE - 1)
    )
    send_due(app, server)
    assert current_pause(session, NOW) is None
    assert server.results == []


@pytest.mark.parametrize(
    ("response", "counts"),
    [
        ("554 5.7.1 Relay access denied", True),
        ("The mail server did not accept the user and the password: 535 5.7.8 Failed", True),
        (NO_STARTTLS, True),
        ("451 4.7.1 Greylisted, try again in 554 seconds", False),
        ("Could not connect to the mail server mail.example:587: Connection refused.", False),
    ],
)
def test_only_lasting_refusals_of_the_configuration_pause(response: str, counts: bool) -> None:
    assert retry(response).is_of_configuration is counts
    assert not SendResult(SendOutcome.REFUSED, (), response).is_of_configuration


def test_a_refused_message_has_failed(app: Flask, session: Session) -> None:
    refused = RecipientResult(ANNA.address, False, 550, "No such user")
    server = Server(SendResult(SendOutcome.REFUSED, (refused,), "550 No such user"))
    id = enqueue(make_invoice(payer()))
    send_due(app, server)
    assert state(id) == ("failed", "550 No such user")
    (recipient,) = stored(id).recipients
    assert (recipient.result, recipient.code, recipient.response) == ("refused", 550, "No such user")


def test_a_refused_copy_is_named_on_a_sent_message(app: Flask, session: Session) -> None:
    refused = RecipientResult(CORA.address, False, 550, "No such user")
    id = enqueue(make_invoice(payer()), ANNA, CORA)
    send_due(app, Server(SendResult(SendOutcome.SENT, (OK, refused), "250 OK")))
    assert state(id) == ("sent", "")
    assert [recipient.result for recipient in stored(id).recipients] == ["accepted", "refused"]


@pytest.mark.both_databases
def test_an_uncertain_message_is_never_repeated(app: Flask, session: Session) -> None:
    make_endpoint(app, events=["message.failed"])
    server = Server(SendResult(SendOutcome.UNCERTAIN, (), "The mail server closed the connection."))
    id = enqueue(make_invoice(payer()))
    send_due(app, server)
    with time_machine.travel(NOW + timedelta(days=30), tick=False):
        send_due(app, server)
    assert state(id) == ("uncertain", "The mail server closed the connection.")
    assert len(server.taken) == 1
    assert [event for event, *_ in summary(session)] == ["message.failed"]
    assert actions(id) == ["message.enqueued", "message.uncertain"]


# --- the final check ----------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_void_document_is_not_sent(app: Flask, session: Session) -> None:
    invoice = make_invoice(payer())
    id, server = enqueue(invoice), Server()
    void(invoice)
    send_due(app, server)
    assert state(id) == ("dropped", "INV-2026-00001 is void.")
    assert not stored(id).documents[0].current
    assert server.taken == []
    assert session.scalars(select(Rendition)).all() == []
    assert actions(id) == ["message.enqueued", "message.dropped"]


def test_an_archived_customer_gets_nothing(app: Flask, session: Session) -> None:
    acme = payer()
    id, server = enqueue(make_invoice(acme)), Server()
    transaction(customers.archive, acme.id, SYSTEM, NOW)
    send_due(app, server)
    assert state(id) == ("dropped", "Acme was archived.")
    assert server.taken == []


@pytest.mark.both_databases
def test_a_payment_before_the_final_check_drops_the_reminder(app: Flask, session: Session) -> None:
    acme = payer()
    first, second = make_invoice(acme), make_invoice(acme)
    id, server = remind(first, second), Server()
    pay(make_payment_spec(acme, "10", {str(second.number): "10"}))
    send_due(app, server)
    assert state(id) == ("dropped", f"{second.number} was paid.")
    assert server.taken == []
    assert stored(remind(first)).state == "waiting"  # the next reminder is correct


def test_a_credit_note_drops_the_reminder(app: Flask, session: Session) -> None:
    invoice = make_invoice(payer())
    id = remind(invoice)
    credit(invoice, "10")
    send_due(app, Server())
    assert state(id) == ("dropped", "INV-2026-00001 was credited in full.")


@pytest.mark.parametrize(("days", "became"), [(0, "dropped"), (1, "sent")])
def test_a_pause_drops_reminders_through_its_last_day(app: Flask, session: Session, days: int, became: str) -> None:
    acme = payer()
    id = remind(make_invoice(acme))
    pause = Pause(NOW.date(), "They dispute it")
    transaction(reminder_pauses.pause_customer, acme.id, pause, None, SYSTEM, NOW)
    with time_machine.travel(NOW + timedelta(days=days), tick=False):
        send_due(app, Server())
    assert state(id) == (
        became,
        "Reminders of the customer were paused through 2 Apr 2026." if became == "dropped" else "",
    )


def test_a_pause_of_one_invoice_drops_the_reminder_and_not_the_invoice(app: Flask, session: Session) -> None:
    acme = payer()
    first, second = make_invoice(acme), make_invoice(acme)
    reminder, sending = remind(first, second), enqueue(second)
    pause = Pause(NOW.date(), "They dispute it")
    transaction(reminder_pauses.pause_invoice, second.id, pause, None, SYSTEM, NOW)
    send_due(app, Server())
    assert state(reminder) == ("dropped", f"Reminders of {second.number} were paused through 2 Apr 2026.")
    assert stored(sending).state == "sent"


def test_a_paid_invoice_is_sent(app: Flask, session: Session) -> None:
    acme = payer()
    invoice = make_invoice(acme)
    id = enqueue(invoice)
    pay(make_payment_spec(acme, "10"))
    send_due(app, Server())
    assert state(id) == ("sent", "")


@pytest.mark.parametrize(("paid", "asks"), [("10", None), ("4", "6.00 USD")])
@pytest.mark.parametrize("by_credit", [False, True])
def test_an_invoice_asks_for_what_is_open_when_it_is_sent(
    app: Flask, session: Session, paid: str, asks: str | None, by_credit: bool
) -> None:
    acme = payer()
    invoice = make_invoice(acme)
    id, server = enqueue(invoice, ANNA), Server()
    assert "Please pay 10.00 USD" in stored(id).text
    if by_credit:
        credit(invoice, paid)
    else:
        pay(make_payment_spec(acme, paid))
    send_due(app, server)
    text = stored(id).text  # what was sent
    assert (f"Please pay {asks}" in text) if asks else ("Please pay" not in text)
    body = message_from_bytes(server.taken[0], policy=SMTP).get_body(("plain",))
    assert body is not None
    assert body.get_content().split() == text.split()


def test_a_text_that_a_person_wrote_stays(app: Flask, session: Session) -> None:
    acme = payer()
    invoice = make_invoice(acme)
    spec = SendSpec([ANNA], text="Please pay 10.00 USD, as agreed.")
    id, _ = transaction(documents.send_document, invoice.id, spec, True, SYSTEM, NOW)
    pay(make_payment_spec(acme, "10"))
    send_due(app, Server())
    assert stored(id).text == "Please pay 10.00 USD, as agreed."


def test_a_partly_paid_invoice_is_reminded_of_with_a_reference(app: Flask, session: Session) -> None:
    acme = payer()
    invoice = make_invoice(acme)
    first, server = enqueue(invoice), Server()
    send_due(app, server)
    pay(make_payment_spec(acme, "4"))
    remind(invoice)
    send_due(app, server)
    reminder = message_from_bytes(server.taken[1], policy=SMTP)
    assert reminder["References"] == f"<{first}@seller.example>"
    (letter,) = reminder.iter_attachments()
    assert (letter.get_filename(), letter.get_content()) == ("Reminder.pdf", b"%PDF-letter")


def test_a_message_cancelled_before_it_is_claimed_is_not_sent(app: Flask, session: Session) -> None:
    id, server = enqueue(make_invoice(payer())), Server()
    transaction(messages.cancel_message, id, "Stop", SYSTEM, NOW)
    send_due(app, server)
    assert server.taken == []


# --- messages that cannot be made -------------------------------------------------------------------------------------


def test_a_message_that_cannot_be_written_has_failed(app: Flask, session: Session) -> None:
    id, server = make_message(make_invoice(payer()), recipients=[Recipient("", "two@at@example.com")]).id, Server()
    other = enqueue(make_invoice(payer(reference="B")))
    send_due(app, server)
    row = stored(id)
    assert row.state == "failed"
    assert "address" in row.reason
    assert stored(other).state == "sent"


def test_an_internal_error_delays_only_its_message(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = enqueue(make_invoice(payer())), enqueue(make_invoice(payer(reference="B")))

    def fail_for_first(transact: Any, session: Any, id: UUID, *rest: Any) -> None:
        if id == first:
            raise ZeroDivisionError
        make_content(transact, session, id, *rest)

    monkeypatch.setattr("billing_admin.background.mail.make_content", fail_for_first)
    send_due(app, Server())
    assert state(first) == ("waiting", deliveries.FAILED_INTERNALLY)
    assert stored(first).next_attempt_at == NOW + RETRY_DELAYS[0]
    assert stored(second).state == "sent"


def test_messages_wait_for_a_corrected_reply_address(app: Flask, session: Session) -> None:
    id, server = enqueue(make_invoice(payer())), Server()
    wrong = update(Organisation).values(contact_email="info@a.example, sales@a.example")  # by an earlier version
    transaction(lambda session: session.execute(wrong))
    send_due(app, server)
    assert state(id) == (
        "waiting",
        (
            "“info@a.example, sales@a.example” cannot be used as an e-mail address. Correct the contact e-mail address in"
            " Settings › Organisation."
        ),
    )
    change_settings(contact_email="info@a.example")
    with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
        send_due(app, server)
    assert stored(id).state == "sent"


def test_a_corrected_sender_is_that_of_the_next_attempt(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, server = enqueue(make_invoice(payer())), Server(retry("553 Sender not owned by user"))
    send_due(app, server)
    change_mail(app, monkeypatch, mail_from="Billing <billing@other.example>")
    with time_machine.travel(NOW + timedelta(minutes=2), tick=False):
        send_due(app, server)
    received = message_from_bytes(server.taken[0])
    assert received["From"] == "Billing <billing@other.example>"
    assert (server.envelopes[0][0], received["Message-ID"]) == ("billing@other.example", f"<{id}@other.example>")


@pytest.mark.parametrize(("url", "became"), [("smtp://127.0.0.1:1?tls=off", "failed"), ("maildir:/nowhere", "sent")])
def test_demo_data_goes_to_a_folder_only(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, url: str, became: str
) -> None:
    transaction(lambda session: session.execute(update(Organisation).values(is_demo=True)))
    change_mail(app, monkeypatch, mail_url=url)
    id, server = enqueue(make_invoice(payer())), Server()
    send_due(app, server)
    assert state(id) == (became, DEMO_DATA if became == "failed" else "")
    assert len(server.taken) == (became == "sent")


# --- rate -------------------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_no_more_than_the_rate_leave_in_a_minute(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    change_mail(app, monkeypatch, mail_per_minute=2)
    acme, server = payer(), Server()
    for _ in range(5):
        enqueue(make_invoice(acme))
    for minute, count in ((0, 2), (0.9, 2), (1.1, 4), (2.2, 5)):
        with time_machine.travel(NOW + timedelta(minutes=minute), tick=False):
            send_due(app, server)
            assert len(server.taken) == count
    assert len({message_from_bytes(content)["Message-ID"] for content in server.taken}) == 5


def test_a_clock_that_was_ahead_does_not_stop_the_sending(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_mail(app, monkeypatch, mail_per_minute=1)
    acme, server = payer(), Server()
    enqueue(make_invoice(acme))
    with time_machine.travel(NOW + timedelta(days=3), tick=False):
        send_due(app, server)
    enqueue(make_invoice(acme))
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        send_due(app, server)
    assert len(server.taken) == 2


# --- lost workers -----------------------------------------------------------------------------------------------------


def claim(id: UUID, now: datetime = NOW, worker: str = "lost") -> deliveries.ClaimedMessage:
    db.session.rollback()
    make_content(transaction, db.session(), id, Sender("", "a@b.example", "b.example"), load_glyphs(), now)
    claimed = transaction(deliveries.claim_message, id, worker, 60, WORKER, now)
    assert claimed is not None
    return claimed


@pytest.mark.both_databases
def test_a_worker_lost_before_the_handover_leaves_a_waiting_message(app: Flask, session: Session) -> None:
    id, server = enqueue(make_invoice(payer())), Server()
    claim(id)
    send_due(app, server)
    assert stored(id).state == "sending"
    with time_machine.travel(NOW + deliveries.LEASE + timedelta(seconds=1), tick=False):
        send_due(app, server)
        assert state(id) == ("waiting", deliveries.LOST_BEFORE)
    with time_machine.travel(NOW + deliveries.LEASE + timedelta(minutes=2), tick=False):
        send_due(app, server)
    assert state(id) == ("sent", "")
    assert [message_from_bytes(content)["Message-ID"] for content in server.taken] == [f"<{id}@seller.example>"]


@pytest.mark.both_databases
def test_a_worker_lost_after_the_handover_leaves_an_uncertain_message(app: Flask, session: Session) -> None:
    make_endpoint(app, events=["message.failed"])
    id, server = enqueue(make_invoice(payer())), Server()
    transaction(deliveries.record_handover, claim(id), NOW)
    for minutes in (11, 60, 60 * 24 * 30):
        with time_machine.travel(NOW + timedelta(minutes=minutes), tick=False):
            send_due(app, server)
    assert state(id) == ("uncertain", deliveries.LOST_AFTER)
    assert server.taken == []
    assert [event for event, *_ in summary(session)] == ["message.failed"]


def test_a_lost_message_is_released_while_mail_is_off(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, server = enqueue(make_invoice(payer())), Server()
    claim(id)
    change_mail(app, monkeypatch, mail_url="off")
    with time_machine.travel(NOW + timedelta(days=2), tick=False):
        send_due(app, server)
    assert state(id) == ("waiting", deliveries.LOST_BEFORE)
    assert server.taken == []


@pytest.mark.both_databases
def test_a_worker_that_lost_its_message_does_not_hand_it_over(app: Flask, session: Session) -> None:
    id, server = enqueue(make_invoice(payer())), Server()
    late = NOW + deliveries.LEASE + timedelta(seconds=1)
    server.on_connect = lambda: transaction(deliveries.release_lost, id, WORKER, late)
    send_due(app, server)
    assert state(id) == ("waiting", deliveries.LOST_BEFORE)
    assert server.taken == []


@pytest.mark.parametrize(("failures", "became"), [(2, "sent"), (RECORD_ATTEMPTS, "sending")])
def test_a_result_is_recorded_when_the_database_is_back(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, failures: int, became: str
) -> None:
    id, server, attempts = enqueue(make_invoice(payer())), Server(), 0

    def transaction_without_database(work: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal attempts
        if work is deliveries.record_result:
            attempts += 1
            if attempts <= failures:
                raise OperationalError("COMMIT", {}, Exception("the connection was lost"))
        return transaction(work, *args, **kwargs)

    monkeypatch.setattr("billing_admin.background.mail.transaction", transaction_without_database)
    monkeypatch.setattr("billing_admin.background.mail.RECORD_SECONDS", 0)
    send_due(app, server)
    assert stored(id).state == became
    with time_machine.travel(NOW + deliveries.LEASE + timedelta(seconds=1), tick=False):
        send_due(app, server)
    assert stored(id).state == ("sent" if became == "sent" else "uncertain")
    assert len(server.taken) == 1


@pytest.mark.parametrize(("outcome", "became"), [("sent", "sent"), ("refused", "failed")])
def test_a_late_result_ends_the_uncertainty(app: Flask, session: Session, outcome: str, became: str) -> None:
    id = enqueue(make_invoice(payer()))
    claimed = claim(id)
    transaction(deliveries.record_handover, claimed, NOW)
    late = NOW + deliveries.LEASE + timedelta(seconds=1)
    transaction(deliveries.release_lost, id, WORKER, late)
    transaction(deliveries.record_result, claimed, outcome, "250 OK", [OK], WORKER, late)
    assert stored(id).state == became
    assert actions(id)[1:] == ["message.uncertain", f"message.{became}"]


@pytest.mark.parametrize("outcome", ["retry", "uncertain"])
def test_other_late_results_change_nothing(app: Flask, session: Session, outcome: str) -> None:
    id = enqueue(make_invoice(payer()))
    claimed = claim(id)
    transaction(deliveries.record_handover, claimed, NOW)
    late = NOW + deliveries.LEASE + timedelta(seconds=1)
    transaction(deliveries.release_lost, id, WORKER, late)
    with pytest.raises(deliveries.LeaseLost):
        transaction(deliveries.record_result, claimed, outcome, "x", [], WORKER, late)
    transaction(messages.mark_message_sent, id, "They have it", SYSTEM, late)
    with pytest.raises(deliveries.LeaseLost):
        transaction(deliveries.record_result, claimed, "sent", "250 OK", [OK], WORKER, late)
    assert state(id) == ("sent", "They have it")


def test_only_one_worker_claims_a_message(app: Flask, session: Session) -> None:
    id = enqueue(make_invoice(payer()))
    claim(id)
    assert transaction(deliveries.claim_message, id, "another", 60, WORKER, NOW) is None


# --- a real server ----------------------------------------------------------------------------------------------------


def test_a_server_takes_the_message_over(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = MailHandler(rcpt={CORA.address: "550 No such user"})
    id = enqueue(make_invoice(payer()), ANNA, CORA)
    with mail_server(handler) as port:
        change_mail(
            app, monkeypatch, mail_url=f"smtp://127.0.0.1:{port}?tls=off", mail_bounces="bounces@seller.example"
        )
        send_due(app)
        send_due(app)
    (envelope,) = handler.taken
    assert envelope.rcpt_tos == [ANNA.address]
    assert envelope.mail_from == f"bounces+{id.hex}@seller.example"
    row = stored(id)
    assert (row.state, row.response) == ("sent", "250 2.0.0 Queued as 4711")
    assert [recipient.result for recipient in row.recipients] == ["accepted", "refused"]
