"""Real processes on one database, started together: what each does stands in a function here.

A fork server has imported everything once, so that a process is there in milliseconds.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import BrokenBarrierError
from typing import Any
from uuid import UUID

import time_machine
from flask import Flask, current_app
from sqlalchemy import select, update
from sqlalchemy.orm import Session, configure_mappers

from billing_admin.background import imports, mail
from billing_admin.background.mail import send_due
from billing_admin.background.mail_transport import send_mail
from billing_admin.backup.create import create_backup
from billing_admin.config import Settings
from billing_admin.db.engine import db, init_database
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict, DomainError
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.payments import AllocationRequest, AllocationSpec, PaymentSpec
from billing_admin.domain.refunds import RefundSpec
from billing_admin.models import Account, Invoice, Organisation, ReminderRun
from billing_admin.operations.billing import chunks, runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.charges import posting
from billing_admin.operations.invoices import credit_notes, invoices, voids
from billing_admin.operations.master_data import contacts
from billing_admin.operations.messages import deliveries, reminder_runs, statements
from billing_admin.operations.messages.statements import StatementSpec
from billing_admin.operations.payments import payments, refunds
from billing_admin.queries.invoices.credit_notes import CreditSpec
from tests.making import NOW

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__, "pytest"])  # a process imports what runs the tests, too
MAY = datetime(2026, 5, 2, 9, tzinfo=UTC)
SECONDS = 30
configure_mappers()

# What a process does, given the signal to start; what it returns is sent back.
Work = Callable[..., Any]


@contextmanager
def core(url: str) -> Iterator[Session]:
    """The application's database in this process, without pages and API."""
    app = Flask("worker")
    settings = app.extensions["billing_settings"] = Settings(database_url=url, secret_key="only-for-tests" * 4)
    init_database(app, settings)
    with app.app_context():
        db.session.scalars(select(Organisation.id)).one()  # connected, and warm
        db.session.rollback()
        yield db.session()
        db.session.remove()
        db.engine.dispose()


def _run(work: Work, url: str, barrier: Any, answer: Connection, arguments: Sequence[Any]) -> None:
    with core(url):
        barrier.wait(SECONDS)
        answer.send(work(*arguments))


def race(url: str, *tasks: tuple[Any, ...]) -> list[Any]:
    """Do the tasks `(work, argument, …)` at the same moment, each in a process of its own; returns what each returned."""
    barrier = PROCESSES.Barrier(len(tasks))
    pipes = [PROCESSES.Pipe(duplex=False) for _ in tasks]
    processes = [
        PROCESSES.Process(target=_run, args=(work, url, barrier, sender, arguments), daemon=True)
        for (work, *arguments), (_, sender) in zip(tasks, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    answers: list[Any] = [None] * len(tasks)
    waiting = {receiver: position for position, (receiver, _) in enumerate(pipes)}
    for _, sender in pipes:
        sender.close()  # each process has its own; when it dies, reading ends
    while waiting:
        answered = [receiver for receiver in wait(waiting, SECONDS) if isinstance(receiver, Connection)]
        assert answered, "no answer"
        for receiver in answered:
            position = waiting.pop(receiver)
            try:
                answers[position] = receiver.recv()
            except EOFError:
                barrier.abort()  # the others need not wait for it
    for process in processes:
        process.join(SECONDS)
    assert [process.exitcode for process in processes] == [0] * len(tasks)
    return answers


def _announce(work: Work, url: str, ready: Connection, arguments: Sequence[Any]) -> None:
    with core(url):
        ready.send(None)
        work(*arguments)


def start(url: str, work: Work, *arguments: Any) -> Any:
    """Start work in a process and return the process, as soon as it has a database connection."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    with closing(receiver), closing(sender):
        process = PROCESSES.Process(target=_announce, args=(work, url, sender, arguments), daemon=True)
        process.start()
        assert receiver.poll(SECONDS), "the process did not start"
        receiver.recv()
    return process


def kill_during(url: str, seconds: Callable[[], None], work: Work, *arguments: Any) -> bool:
    """Start work in a process, wait as told, and kill it with SIGKILL; returns whether it was still at it."""
    process = start(url, work, *arguments)
    seconds()
    process.kill()
    process.join(SECONDS)
    return bool(process.exitcode == -signal.SIGKILL)


# --- what a process may do --------------------------------------------------------------------------------------------


def post(specs: Sequence[ChargeSpec]) -> tuple[int, int]:
    """Post; returns how many were created and replayed."""
    posted = transaction(posting.post, specs, SYSTEM, NOW)
    return posted.created, posted.replayed


def post_one_by_one(specs: Sequence[ChargeSpec]) -> int:
    """Post each in a transaction of its own; returns how many were created."""
    return sum(transaction(posting.post, [spec], SYSTEM, NOW).created for spec in specs)


def bill(spec: RunSpec, chunk: int) -> UUID:
    """Run billing in small chunks."""
    chunks.CHUNK = chunk
    return runs.run_billing(transaction, spec, SYSTEM, NOW)[0]


def bill_and_count(spec: RunSpec, chunk: int) -> int:
    """Run billing in small chunks, and return how many accounts this process has billed."""
    chunks.CHUNK = chunk
    accounts = 0

    def transact(work: Callable[..., Any], *args: Any, **how: Any) -> Any:
        nonlocal accounts
        made = transaction(work, *args, **how)
        accounts += made if work is chunks.bill_chunk else 0
        return made

    runs.run_billing(transact, spec, SYSTEM, NOW)
    return accounts


def issue(invoice_id: UUID) -> bool:
    """Issue a draft; returns whether it was us."""
    return transaction(invoices.issue, invoice_id, None, SYSTEM, NOW)


def issue_each(ids: Sequence[UUID]) -> None:
    """Issue drafts one after the other; those that are issued already stay as they are."""
    for id in ids:
        issue(id)


def import_rows(id: UUID, chunk: int) -> None:
    """Import the rest of a file in small chunks."""
    imports.CHUNK_ROWS = dict.fromkeys(imports.CHUNK_ROWS, chunk)  # type: ignore[misc]
    imports.import_file(id, SYSTEM, lambda _count: None)


def back_up(folder: Path, path: str) -> None:
    """Write a backup into a folder; `path` is where the programs of PostgreSQL are."""
    os.environ["PATH"] = path
    create_backup(current_app.extensions["billing_settings"], folder, datetime.now(UTC))


def correct(invoice_id: UUID, act: str, amount: str) -> str:
    """Issue, void, credit or pay one invoice; returns `done`, `nothing` where there was nothing to do, or the refusal's code."""
    try:
        return "done" if _ACTS[act](invoice_id, amount) else "nothing"
    except DomainError as refusal:
        return refusal.code


def _pay(invoice_id: UUID, amount: str) -> bool:
    owner = db.session.scalars(select(Invoice.customer_reference).where(Invoice.id == invoice_id)).one()
    part = AllocationSpec(str(invoice_id), exact_decimal(amount))
    spec = PaymentSpec(customer=owner, amount=exact_decimal(amount), method="cash", allocate=(part,))
    return transaction(payments.record, spec, SYSTEM, NOW).created


_ACTS: dict[str, Callable[[UUID, str], bool]] = {
    "issue": lambda id, _: issue(id),
    "void": lambda id, _: transaction(voids.void_invoice, id, "Wrong", "pending", SYSTEM, NOW)[0],
    "credit": lambda id, amount: transaction(
        credit_notes.credit_invoice, id, CreditSpec("Why", exact_decimal(amount)), SYSTEM, NOW
    )[1],
    "pay": _pay,
}


def pay(spec: PaymentSpec) -> str:
    """Record a payment; returns `recorded`, or the code of the refusal."""
    try:
        transaction(payments.record, spec, SYSTEM, NOW)
    except Conflict as refusal:
        return refusal.code
    return "recorded"


def allocate(payment_id: UUID, parts: AllocationRequest) -> str:
    """Allocate what is left of a payment; returns `allocated`, or the code of the refusal."""
    try:
        transaction(payments.allocate, payment_id, parts, SYSTEM, NOW)
    except Conflict as refusal:
        return refusal.code
    return "allocated"


def issue_draft(id: UUID) -> str:
    """Issue a draft; returns `issued`, or the code of the refusal."""
    try:
        transaction(invoices.issue, id, None, SYSTEM, NOW)
    except DomainError as refusal:
        return refusal.code
    return "issued"


def refund(spec: RefundSpec) -> str:
    """Record a refund; returns `refunded`, or the code of the refusal."""
    try:
        transaction(refunds.record, spec, SYSTEM, NOW)
    except DomainError as refusal:
        return refusal.code
    return "refunded"


def reverse_payment(payment_id: UUID) -> str:
    """Reverse a payment; returns `reversed`, or the code of the refusal."""
    try:
        transaction(payments.reverse, payment_id, "Bounced", None, SYSTEM, NOW)
    except DomainError as refusal:
        return refusal.code
    return "reversed"


def send_statement(customer_id: UUID, id: UUID) -> str:
    """Send the statement of April 2026; returns whether the message is new, or the code of the error."""
    spec = StatementSpec("USD", date(2026, 4, 1), date(2026, 4, 30), id=id)
    try:
        _, is_new = transaction(statements.send_statement, customer_id, spec, True, SYSTEM, MAY)
    except DomainError as error:
        return error.code
    return "sent" if is_new else "replayed"


def send_monthly_statements() -> int:
    """Send the monthly statements of April 2026; returns their number."""
    outcome = statements.send_all_monthly_statements(transaction, db.session(), True, SYSTEM, MAY)
    assert outcome.refused == []
    return outcome.sent


def remove_contact(id: UUID) -> str:
    """Remove a contact; returns `removed`, or the code of the refusal."""
    try:
        transaction(contacts.remove, id, SYSTEM, NOW)
    except DomainError as refusal:
        return refusal.code
    return "removed"


OVERDUE = NOW + timedelta(33)  # three days after the due date of invoices that were issued at `NOW`


def send_daily_reminders() -> int:
    """Send the reminders of the day; returns the number of this process."""
    return reminder_runs.send_daily_reminders(transaction, db.session(), True, SYSTEM, OVERDUE)


def remind() -> int:
    """Start a reminder run; returns the number of its reminders."""
    spec = reminder_runs.ReminderRunSpec()
    run_id, _ = reminder_runs.run_reminders(transaction, db.session(), spec, True, SYSTEM, OVERDUE)
    return db.session().get_one(ReminderRun, run_id).reminders


def claim_message(id: UUID) -> str:
    """Claim a message for sending; returns `claimed` or `not claimed`."""
    claimed = transaction(deliveries.claim_message, id, "worker", 1000, SYSTEM, NOW)
    return "claimed" if claimed else "not claimed"


def rename_contact(id: UUID, name: str) -> str:
    """Change the name of a contact; returns `changed`, or the code of the refusal."""
    try:
        transaction(contacts.update, id, {"name": name}, None, SYSTEM, NOW)
    except DomainError as refusal:
        return refusal.code
    return "changed"


def cross(first: UUID, second: UUID, meeting: Any) -> int:
    """Change two accounts, each of two processes from another side; returns how many attempts it took."""
    attempts = 0

    def change(session: Session) -> None:
        nonlocal attempts
        attempts += 1
        for customer_id in (first, second):
            session.execute(
                update(Account)
                .where(Account.customer_id == customer_id)
                .values(held_charges=Account.held_charges + 1)
                .execution_options(synchronize_session=False)
            )
            if attempts == 1 and customer_id == first:
                with suppress(BrokenBarrierError):  # SQLite lets one writer in at a time: they cannot meet
                    meeting.wait(1)

    transaction(change)
    return attempts


def send_messages(port: int, per_minute: int = 10_000, killed_at: str = "") -> None:
    """Send due messages to a server on this machine, and die by SIGKILL in the middle if told so.

    `killed_at` names a step: `before` or `after` a call that the worker makes, such as `after claim_message`.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    values = {"mail_url": f"smtp://127.0.0.1:{port}?tls=off", "mail_from": "a@b.example", "mail_per_minute": per_minute}
    app.extensions["billing_settings"] = app.extensions["billing_settings"].model_copy(update=values)
    mail.transaction = _killing(mail.transaction, killed_at)  # type: ignore[attr-defined]
    send = _killing(lambda send, *args: send(*args), killed_at)
    with time_machine.travel(NOW + timedelta(minutes=1), tick=True):
        send_due(app, lambda *args: send(send_mail, *args))


def _killing(call: Callable[..., Any], killed_at: str) -> Callable[..., Any]:
    """Return a function that dies before or after it calls a step."""
    moment, _, step = killed_at.partition(" ")

    def call_or_die(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        is_step = getattr(work, "__name__", "") == step
        if is_step and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(work, *args, **kwargs)
        if is_step and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call_or_die
