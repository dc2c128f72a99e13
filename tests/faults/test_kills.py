"""Processes are killed at random moments, as often as `KILLS` says: nothing is lost, done twice or left with a gap.

KILLS=170 .venv/bin/pytest -n0 -m deep tests/faults/test_kills.py
"""

import os
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.background.imports import check_file
from billing_admin.background.mail import send_due
from billing_admin.background.mail_transport import send_mail
from billing_admin.backup.create import backups, create_backup
from billing_admin.backup.restore import Backup
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Charge, Import, Invoice, Message
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.imports import imports
from billing_admin.operations.messages import deliveries
from billing_admin.queries.doctor import run_checks
from tests.background.outbox import change_mail, enqueue, payer
from tests.books import assert_books_balance
from tests.databases import _installed_binaries
from tests.faults import worker
from tests.faults.kills import Killer
from tests.faults.test_concurrency import url
from tests.faults.test_messages import message_id
from tests.importing import bring, planned
from tests.mailing import MailHandler, mail_server
from tests.making import MARCH_END, NOW, all_invoices, bill, make_customer, make_invoice, make_service, make_spec, post

pytestmark = [pytest.mark.fault, pytest.mark.deep]
__all__ = ["url"]

CUSTOMERS = 20


def assert_no_loss(session: Session) -> None:
    """The books balance, and the numbers of invoices have no gap and no double."""
    session.rollback()
    assert_books_balance(session)
    assert [result for result in run_checks(session) if result.count] == []
    numbers = sorted(invoice.sequence for invoice in all_invoices() if invoice.sequence)
    assert numbers == list(range(1, len(numbers) + 1))


def count_rows(session: Session, model: type[Charge] | type[Invoice]) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(model)) or 0


def test_billing_runs(session: Session, url: str) -> None:
    killer, customers = Killer(url, 1), [make_customer(reference=f"C-{number}") for number in range(CUSTOMERS)]
    rounds = 0
    while killer.remaining:
        rounds += 1
        post(*(make_spec(customer, str(rounds)) for customer in customers))
        session.rollback()
        spec = RunSpec(MARCH_END, issue=True, id=uuid4())
        while killer.kills(worker.bill, spec, 1) and killer.remaining:
            pass
        worker.race(url, (worker.bill, spec, 1))
        assert count_rows(session, Invoice) == rounds * CUSTOMERS
    assert set(session.scalars(select(Charge.status))) == {"billed"}
    assert_no_loss(session)


def test_numbering(session: Session, url: str) -> None:
    killer, customers = Killer(url, 2), [make_customer(reference=f"C-{number}") for number in range(CUSTOMERS)]
    while killer.remaining:
        post(*(make_spec(customer, "5") for customer in customers))
        bill(issue=False)
        session.rollback()
        drafts = session.scalars(select(Invoice.id).where(Invoice.status == "draft").order_by(Invoice.id)).all()
        session.rollback()
        while killer.kills(worker.issue_each, drafts) and killer.remaining:
            pass
        worker.race(url, (worker.issue_each, drafts))
        session.rollback()
        assert {invoice.status for invoice in all_invoices()} == {"issued"}
    assert_no_loss(session)


def test_batches(session: Session, url: str) -> None:
    killer, customer, size = Killer(url, 3), make_customer(), 200
    ids = (UUID(int=number) for number in count(1))
    stored = 0
    while killer.remaining:
        specs = [make_spec(customer, "1.25", id=next(ids), description=f"Part {n}") for n in range(size)]
        session.rollback()
        while killer.kills(worker.post, specs) and killer.remaining:
            assert count_rows(session, Charge) in {stored, stored + size}
        assert sum(worker.race(url, (worker.post, specs))[0]) == size
        stored += size
        assert count_rows(session, Charge) == stored
    assert_no_loss(session)


def test_imports(session: Session, url: str) -> None:
    killer, rows, chunk = Killer(url, 4), 400, 20
    make_customer(reference="ACME")
    make_service()
    files = 0
    while killer.remaining:
        lines = (f"ACME,GenericCompute,{n % 7 + 1}.25,{files}-{n}" for n in range(rows))
        content = "\n".join(["customer,service,quantity,key", *lines]).encode()
        id = bring("charges", content)
        transaction(imports.set_plan, id, planned("charges", content), SYSTEM, now())
        check_file(id, SYSTEM, lambda _count: None)
        transaction(imports.start, id, SYSTEM, now())
        session.rollback()
        while killer.kills(worker.import_rows, id, chunk) and killer.remaining:
            stored = count_rows(session, Charge)
            assert stored == files * rows + session.get_one(Import, id, populate_existing=True).done
        session.rollback()
        if session.get_one(Import, id, populate_existing=True).state != "done":
            session.rollback()
            worker.race(url, (worker.import_rows, id, chunk))
        files += 1
        assert count_rows(session, Charge) == files * rows
        assert session.get_one(Import, id, populate_existing=True).state == "done"
    assert_no_loss(session)


def test_messages(app: Flask, session: Session, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    killer, handler, size = Killer(url, 5), MailHandler(), 5
    with time_machine.travel(NOW, tick=True), ExitStack() as stack:
        port = stack.enter_context(mail_server(handler))
        customer = payer()
        change_mail(app, monkeypatch, mail_url=f"smtp://127.0.0.1:{port}?tls=off", mail_from="a@b.example")
        change_mail(app, monkeypatch, mail_per_minute=10_000)
        ids = []
        while killer.remaining:
            ids += [enqueue(make_invoice(customer)) for _ in range(size)]
            db.session.rollback()
            while killer.kills(worker.send_messages, port) and killer.remaining:
                pass
        for hours in (1, 2, 3, 24):
            with time_machine.travel(NOW + deliveries.LEASE + timedelta(hours=hours), tick=True):
                send_due(app, send_mail)
    session.rollback()
    states = dict(session.execute(select(Message.id, Message.state)).all())
    sent = [message_id(envelope) for envelope in handler.taken]
    assert set(states) == set(ids)
    assert set(states.values()) <= {"sent", "uncertain"}, states
    assert len(sent) == len(set(sent)), "a message was sent twice"
    assert {str(id) for id, state in states.items() if state == "sent"} <= set(sent)
    assert_no_loss(session)


def test_backups(app: Flask, session: Session, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = f"{_installed_binaries() or ''}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", programs)
    settings, killer = app.extensions["billing_settings"], Killer(url, 6)
    make_invoice()
    session.rollback()
    while killer.remaining:
        killer.kills(worker.back_up, tmp_path, programs)
        for folder in backups(tmp_path):
            Backup(folder, "")  # compares the hash of each part
    create_backup(settings, tmp_path, now())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".partial-")] == []
    assert_no_loss(session)
