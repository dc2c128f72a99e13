"""Workers that are killed at each step, several at once, and servers that fail: nobody gets a message twice, none is lost."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from aiosmtpd.smtp import Envelope
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.background.mail import send_due
from billing_admin.background.mail_transport import send_mail
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Invoice, Message, MessageFile, Rendition
from billing_admin.operations.invoices import voids
from billing_admin.operations.messages import deliveries
from billing_admin.operations.messages.statements import StatementSpec, send_statement
from billing_admin.operations.payments import payments
from billing_admin.queries.doctor import run_checks
from tests.background.outbox import ANNA, Server, change_mail, enqueue, payer, remind, stored
from tests.conftest import ROOT
from tests.faults import worker
from tests.faults.test_webhooks import gone, until
from tests.faults.worker import SECONDS, race, start
from tests.levels import rounds
from tests.mailing import MailHandler, Wire, mail_server, played_server
from tests.making import NOW, make_invoice, make_payment_spec

pytestmark = pytest.mark.fault

LATER = NOW + deliveries.LEASE + timedelta(minutes=5)
MUCH_LATER = NOW + timedelta(hours=3)
# Each step at which a worker can die, and the state in which its message ends.
STEPS = {
    "before store": "sent",
    "after store": "sent",
    "after _store": "sent",
    "before claim_message": "sent",
    "after claim_message": "sent",
    "before send_mail": "sent",
    "before record_handover": "sent",
    "after record_handover": "uncertain",
    "after send_mail": "uncertain",
    "before record_result": "uncertain",
    "after record_result": "sent",
}
QUICK_STEPS = {"after claim_message", "after record_handover", "after send_mail"}


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def url(app: Flask) -> str:
    return str(app.extensions["billing_settings"].database_url)


def use(app: Flask, port: int, stack: ExitStack) -> None:
    """Let this process send to a server as well."""
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    change_mail(
        app, patch, mail_url=f"smtp://127.0.0.1:{port}?tls=off", mail_from="a@b.example", mail_per_minute=10_000
    )


def send_at(app: Flask, now: datetime, send: Any = send_mail) -> None:
    with time_machine.travel(now, tick=True):
        send_due(app, send)


def message_id(envelope: Envelope) -> str:
    assert isinstance(envelope.content, bytes)
    return envelope.content.partition(b"Message-ID: <")[2][:36].decode()


def doctor_finds() -> list[str]:
    db.session.rollback()
    return [result.check.name for result in run_checks(db.session(), MUCH_LATER) if result.count]


@pytest.mark.parametrize(
    ("step", "ends"),
    [
        pytest.param(step, ends, id=step, marks=() if step in QUICK_STEPS else pytest.mark.deep)
        for step, ends in STEPS.items()
    ],
)
def test_a_worker_killed_at_a_step(app: Flask, session: Session, url: str, step: str, ends: str) -> None:
    id, handler = enqueue(make_invoice(payer())), MailHandler()
    db.session.rollback()
    with ExitStack() as stack:
        port = stack.enter_context(mail_server(handler))
        process = start(url, worker.send_messages, port, 60, step)
        process.join(SECONDS)
        assert process.exitcode == -9
        use(app, port, stack)
        for now in (NOW + timedelta(minutes=4), LATER, MUCH_LATER):
            send_at(app, now)
    assert stored(id).state == ends
    taken = len(handler.taken)
    assert taken == 1 if ends == "sent" else taken <= 1
    assert taken == (0 if step == "after record_handover" else 1)
    assert session.scalar(select(func.count()).select_from(Rendition)) == 1
    assert doctor_finds() == []


@pytest.mark.parametrize("step", ["after _store_letter", pytest.param("before _store_letter", marks=pytest.mark.deep)])
def test_a_worker_killed_while_it_stores_a_letter(app: Flask, session: Session, url: str, step: str) -> None:
    acme, handler = payer(), MailHandler()
    make_invoice(acme)
    spec = StatementSpec(recipients=[ANNA])
    id, _ = transaction(send_statement, acme.id, spec, True, SYSTEM, NOW)
    db.session.rollback()
    with ExitStack() as stack:
        port = stack.enter_context(mail_server(handler))
        process = start(url, worker.send_messages, port, 60, step)
        process.join(SECONDS)
        assert process.exitcode == -9
        use(app, port, stack)
        send_at(app, LATER)
    assert stored(id).state == "sent"
    assert len(handler.taken) == 1
    [file] = session.scalars(select(MessageFile))
    assert file.name == "statement-ACME-USD-2026-04-02.pdf"
    assert doctor_finds() == []


@pytest.mark.parametrize("round", rounds(5))
def test_several_workers_send_each_message_once(app: Flask, session: Session, url: str, round: int) -> None:
    acme, handler = payer(), MailHandler()
    ids = [enqueue(make_invoice(acme)) for _ in range(6)]
    db.session.rollback()
    with mail_server(handler) as port:
        race(url, *[(worker.send_messages, port)] * 2)
    assert [stored(id).state for id in ids] == ["sent"] * 6
    assert sorted(map(message_id, handler.taken)) == sorted(map(str, ids))
    assert session.scalar(select(func.count()).select_from(Rendition)) == 6
    assert doctor_finds() == []


@pytest.mark.quick_cases("postgresql")
def test_several_workers_keep_the_rate(app: Flask, session: Session, url: str) -> None:
    acme, handler = payer(), MailHandler()
    for _ in range(5):
        enqueue(make_invoice(acme))
    db.session.rollback()
    with mail_server(handler) as port:
        race(url, *[(worker.send_messages, port, 3)] * 2)
    assert len(handler.taken) == 3


# --- acts at the moment of the final check ------------------------------------------------------------------------------


def _void(session: Session, id: UUID) -> None:
    voids.void_invoice(session, id, "Wrong", "pending", SYSTEM, NOW)


def _pay(session: Session, id: UUID) -> None:
    invoice = session.get_one(Invoice, id)
    spec = make_payment_spec(invoice.customer_reference, "10", {str(invoice.number): "10"})
    payments.record(session, spec, SYSTEM, NOW)


@pytest.mark.parametrize(
    ("act", "enqueued", "reason"), [(_pay, remind, "was paid."), (_void, enqueue, "is void.")], ids=["paid", "void"]
)
def test_an_act_committed_before_the_final_check_stops_the_message(
    app: Flask, session: Session, act: Any, enqueued: Callable[[Invoice], UUID], reason: str
) -> None:
    invoice = make_invoice(payer())
    invoice_id, id, server = invoice.id, enqueued(invoice), Server()
    db.session.rollback()
    acted, committing = threading.Event(), threading.Event()

    def act_slowly(session: Session) -> None:
        act(session, invoice_id)
        session.flush()
        acted.set()
        assert committing.wait(SECONDS)

    def run() -> None:
        with app.app_context():
            transaction(act_slowly)

    with ExitStack() as stack:
        use(app, 1, stack)
        actor, sender = threading.Thread(target=run), threading.Thread(target=send_due, args=(app, server))
        actor.start()
        assert acted.wait(SECONDS)
        sender.start()
        sender.join(0.3)
        assert sender.is_alive()  # it waits for the document
        committing.set()
        actor.join(SECONDS)
        sender.join(SECONDS)
    row = stored(id)
    assert (row.state, row.reason) == ("dropped", f"INV-2026-00001 {reason}")
    assert server.taken == []


@pytest.mark.quick_cases("sqlite")
def test_a_worker_process_sends_messages(app: Flask, session: Session, url: str, tmp_path: Path) -> None:
    id = enqueue(make_invoice(payer()))
    db.session.rollback()
    environment = os.environ | {
        "BILLING_DATABASE_URL": url,
        "BILLING_SECRET_KEY": app.extensions["billing_settings"].secret_key,
        "BILLING_QUEUE_URL": f"sqlite:///{tmp_path / 'queue.sqlite3'}",
        "BILLING_MAIL_URL": f"maildir:{tmp_path / 'mailbox'}",
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
    with gone(subprocess.Popen(command, cwd=ROOT, env=environment)) as process:
        until(lambda: stored(id).state == "sent")
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert len(list((tmp_path / "mailbox" / "new").iterdir())) == 1


# --- servers ----------------------------------------------------------------------------------------------------------

GREETING = ("250 mail.test", "250 OK", "250 OK")


def _cut_in_the_message(wire: Wire) -> None:
    wire.converse(*GREETING, "354 Go on")
    wire.hear()


def _cut_after_the_last_byte(wire: Wire) -> None:
    wire.converse(*GREETING, "354 Go on")
    wire.read_data()


def _hang(wire: Wire) -> None:
    wire.converse(*GREETING)
    wire.hear()
    wire.hear()  # until the sender gives up


def _hang_after_the_last_byte(wire: Wire) -> None:
    wire.converse(*GREETING, "354 Go on")
    wire.read_data()
    wire.hear()


def _answer(*answers: str) -> Callable[[Wire], None]:
    def play(wire: Wire) -> None:
        wire.converse(*GREETING, "354 Go on")
        wire.read_data()
        wire.say(*answers)

    return play


PLAYS: dict[str, tuple[Callable[[Wire], None], str]] = {
    "cut in the message": (_cut_in_the_message, "waiting"),
    "cut after the last byte": (_cut_after_the_last_byte, "uncertain"),
    "hangs before the message": (_hang, "waiting"),
    "hangs after the last byte": (_hang_after_the_last_byte, "uncertain"),
    "answers 4xx": (_answer("451 Try later"), "waiting"),
    "answers 5xx": (_answer("554 Refused"), "failed"),
    "answers nonsense": (_answer("Hello"), "uncertain"),
}


@pytest.mark.parametrize(("play", "becomes"), PLAYS.values(), ids=PLAYS)
def test_a_server_that_fails(app: Flask, session: Session, play: Callable[[Wire], None], becomes: str) -> None:
    # The buffers of the system must not hold all of the message: the sender would be past its last byte.
    letter = b"%PDF" * 2_000_000 if play is _cut_in_the_message else b"%PDF"
    id, handler = remind(make_invoice(payer()), letter=letter), MailHandler()
    with ExitStack() as stack:
        with played_server(play) as port:
            use(app, port, stack)
            send_due(app, partial(send_mail, seconds=0.5))
        row = stored(id)
        assert row.state == becomes
        assert row.reason
        assert row.content is None  # it is made anew for the next attempt
        use(app, stack.enter_context(mail_server(handler)), stack)
        for now in (LATER, MUCH_LATER):
            send_at(app, now)
    assert stored(id).state == ("sent" if becomes == "waiting" else becomes)
    assert len(handler.taken) == (1 if becomes == "waiting" else 0)
    assert doctor_finds() == []


def test_no_message_is_lost_while_the_server_is_away(app: Flask, session: Session) -> None:
    acme, handler = payer(), MailHandler()
    ids = [enqueue(make_invoice(acme)) for _ in range(3)]
    with ExitStack() as stack:
        use(app, 1, stack)  # nothing listens there
        send_due(app)
        assert {stored(id).state for id in ids} == {"waiting"}
        use(app, stack.enter_context(mail_server(handler)), stack)
        send_at(app, LATER)
    assert {stored(id).state for id in ids} == {"sent"}
    assert len(handler.taken) == 3
    assert session.scalar(select(func.count()).select_from(Message)) == 3
