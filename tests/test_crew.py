"""Several processes that share one piece of work: each does its part, all is done, and nobody outlives whom they help."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from datetime import datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.crew import BESIDE, MUCH, Crew, Hand, Work, alone, side_by_side
from billing_admin.database import glance, transaction
from billing_admin.domain.access import SYSTEM, Actor
from billing_admin.models import AuditEvent, BillingRun
from billing_admin.operations import billing_chunks, billing_runs
from billing_admin.operations.audit import record
from billing_admin.operations.billing_runs import RunSpec
from billing_admin.queries.billing_runs import left_out
from billing_admin.queries.doctor import examine
from tests.books import assert_books_balance
from tests.faults import worker
from tests.making import MARCH_END, NOW, all_invoices, make_customer, make_service, make_spec, post

SECONDS = 20
MANY = 100


def until(done: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


# --- what is shared ---------------------------------------------------------------------------------------------------


def sign(hand: Hand) -> None:
    """Say in the log who one is, and wait until all have."""
    hand.transact(
        record, SYSTEM, NOW, "test.signed", "test", None, {"hand": [hand.number, hand.of], "pid": os.getpid()}
    )
    until(lambda: glance(signed_of, hand.of) == hand.of)


def signed_of(session: Session, of: int) -> int:
    """How many have signed of so many."""
    said = session.scalars(select(AuditEvent.details).where(AuditEvent.action == "test.signed"))
    return len({one["hand"][0] for one in said if one["hand"][1] == of})


def sign_or_fall(hand: Hand) -> None:
    """Those who help fall; the other sees them fall, and signs."""
    if hand.number:
        raise RuntimeError("fell")
    until(lambda: multiprocessing.active_children() == [])
    hand.transact(record, SYSTEM, NOW, "test.signed", "test", None, {"hand": [0, hand.of], "pid": os.getpid()})


def sign_and_stay(hand: Hand, folder: str) -> None:
    """Go on for ever, once all are there; the first one stops at the word."""
    sign(hand)
    (Path(folder) / str(hand.number)).write_text(str(os.getpid()))
    until(lambda: len(list(Path(folder).glob("[0-9]"))) == hand.of)
    while hand.number or not (Path(folder) / "stop").exists():
        hand.transact(alone_in_it)
        time.sleep(0.005)
    raise KeyError("stopped")


def alone_in_it(session: Session) -> None:
    """A transaction that does nothing."""


def bill_in_pairs(hand: Hand, run_id: UUID, actor: Actor, now: datetime) -> None:
    """A hand's part of a billing run, in small chunks."""
    billing_chunks.CHUNK = 2
    billing_runs.bill(hand, run_id, actor, now)


def sign_and_bill_in_pairs(hand: Hand, run_id: UUID, actor: Actor, now: datetime) -> None:
    """The same, when all are there."""
    sign(hand)
    bill_in_pairs(hand, run_id, actor, now)


def together(work: Work) -> Crew:
    """A crew that does this instead of a billing run's own work."""
    return lambda transact, _pieces, _work, *about: side_by_side(transact, MANY, work, *about)


def bill_with_others(spec: RunSpec) -> None:
    """A billing run that is shared, in small chunks."""
    billing_runs.run(transaction, spec, SYSTEM, NOW, together(bill_in_pairs))


def stay(url: str, folder: str) -> None:
    """What is killed: somebody whom others help."""
    from billing_admin import create_app  # noqa: PLC0415
    from billing_admin.config import Settings  # noqa: PLC0415

    with create_app(Settings(database_url=url, secret_key="only-for-tests" * 4)).app_context():
        side_by_side(transaction, MANY, sign_and_stay, folder)


# --- who takes part ---------------------------------------------------------------------------------------------------


def signed(session: Session) -> list[tuple[list[int], int]]:
    """Which hands took part, and their processes."""
    session.rollback()
    said = session.scalars(select(AuditEvent.details).where(AuditEvent.action == "test.signed"))
    return sorted((one["hand"], one["pid"]) for one in said)


def test_each_does_its_part_and_at_last_one_looks_after_all(session: Session, backend: str) -> None:
    side_by_side(transaction, MANY, sign)
    of = 1 + BESIDE[backend]
    hands = signed(session)
    assert [hand for hand, _ in hands] == [[0, 1], *([number, of] for number in range(of))]
    assert len({pid for _, pid in hands}) == of
    assert [pid for _, pid in hands[:2]] == [os.getpid()] * 2


@pytest.mark.parametrize("pieces", [0, MUCH - 1])
def test_for_little_work_there_is_one(session: Session, pieces: int) -> None:
    side_by_side(transaction, pieces, sign)
    alone(transaction, MANY, sign)
    assert signed(session) == [([0, 1], os.getpid())] * 2


def test_who_cannot_be_had_is_done_without(session: Session, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    def start(_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(ForkServerProcess, "start", start)
    side_by_side(transaction, MANY, sign_or_fall)
    assert [hand for hand, _ in signed(session)] == [[0, 1], [0, 1 + BESIDE[backend]]]


def go_on(hand: Hand) -> None:
    """Those who help go on for ever; the other is done when they are there."""
    sign(hand)
    while hand.number:
        hand.transact(alone_in_it)


@pytest.mark.fault
def test_who_is_done_does_not_wait_for_the_others_to_be(session: Session) -> None:
    side_by_side(transaction, MANY, go_on)
    assert multiprocessing.active_children() == []


def test_who_falls_stops_nobody(session: Session, backend: str) -> None:
    side_by_side(transaction, MANY, sign_or_fall)
    assert [hand for hand, _ in signed(session)] == [[0, 1], [0, 1 + BESIDE[backend]]]


@pytest.mark.fault
def test_who_is_stopped_stops_the_others(session: Session, tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    with pytest.raises(KeyError, match="stopped"):
        side_by_side(transaction, MANY, sign_and_stay, str(tmp_path))
    assert multiprocessing.active_children() == []


@pytest.mark.fault
def test_nobody_outlives_whom_they_help(app: Flask, session: Session, backend: str, tmp_path: Path) -> None:
    url = app.extensions["billing_settings"].database_url
    process = worker.PROCESSES.Process(target=stay, args=(url, str(tmp_path)))
    process.start()
    until(lambda: len([path for path in tmp_path.iterdir() if path.read_text()]) == 1 + BESIDE[backend])
    helping = [int(path.read_text()) for path in tmp_path.glob("[1-9]")]
    assert len(helping) == BESIDE[backend]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(SECONDS)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in helping))


# --- a billing run ----------------------------------------------------------------------------------------------------


def test_a_run_that_is_shared_makes_what_one_hand_makes(session: Session, backend: str) -> None:
    service = make_service()
    for n in range(30):
        customer = make_customer(reference=f"P-{n:02d}")
        post(make_spec(customer, service=service, quantity=f"{n + 1}.001"), make_spec(customer, "0.005"))
    spec = RunSpec(MARCH_END, issue=True)
    run_id, _ = billing_runs.run(transaction, spec, SYSTEM, clock.now(), together(sign_and_bill_in_pairs))
    assert {tuple(hand) for hand, _ in signed(session)} >= {
        (n, 1 + BESIDE[backend]) for n in range(1 + BESIDE[backend])
    }
    assert session.get_one(BillingRun, run_id).state == "done"
    made = all_invoices()
    assert sorted(one.sequence or 0 for one in made) == list(range(1, 31))
    assert sorted(one.customer_reference for one in made) == [f"P-{n:02d}" for n in range(30)]
    assert_books_balance(session)
    assert [result for result in examine(session) if result.found] == []


def test_a_run_that_is_shared_leaves_out_reverse_charge_without_a_tax_id(session: Session) -> None:
    for n in range(30):
        tax_id = f"ATU{n}" if n % 3 else " "
        post(make_spec(make_customer(reference=f"P-{n:02d}", tax_treatment="reverse_charge", tax_id=tax_id), "5"))
    spec = RunSpec(MARCH_END, issue=True)
    run_id, _ = billing_runs.run(transaction, spec, SYSTEM, clock.now(), together(sign_and_bill_in_pairs))
    session.rollback()
    missing = [f"P-{n:02d}" for n in range(0, 30, 3)]
    rows = left_out(session, run_id)
    assert [(row.reference, row.reason) for row in rows] == [(name, "customer_tax_id_missing") for name in missing]
    assert sorted(one.customer_reference for one in all_invoices()) == [f"P-{n:02d}" for n in range(30) if n % 3]
    assert session.get_one(BillingRun, run_id).state == "done"
    assert_books_balance(session)


@pytest.mark.fault
def test_a_shared_run_that_is_killed_again_and_again_bills_each_charge_once(app: Flask, session: Session) -> None:
    post(*(make_spec(make_customer(reference=f"P-{n:03d}"), "10") for n in range(300)))
    chance, spec = random.Random(9), RunSpec(MARCH_END, issue=True, id=UUID(int=0xA))
    url = app.extensions["billing_settings"].database_url
    killed = [
        worker.kill_during(url, lambda: time.sleep(chance.uniform(0, 0.2)), bill_with_others, spec, helped=True)
        for _ in range(8)
    ]
    assert sum(killed) >= 5, "the run was over too soon to be killed often enough"
    assert_books_balance(session)
    bill_with_others(spec)
    assert sorted(one.sequence or 0 for one in all_invoices()) == list(range(1, 301))
    assert_books_balance(session)
    assert [result for result in examine(session) if result.found] == []
    assert session.get_one(BillingRun, spec.id).state == "done"


@pytest.mark.fault
def test_a_helper_that_is_killed_leaves_its_accounts_to_the_others(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(*(make_spec(make_customer(reference=f"P-{n:03d}"), "10") for n in range(60)))
    killed = list[int]()

    def transact(*work: Any, **how: Any) -> Any:
        for process in multiprocessing.active_children()[: 1 if not killed else 0]:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)
        return transaction(*work, **how)

    monkeypatch.setattr(billing_chunks, "CHUNK", 2)
    billing_runs.run(transact, RunSpec(MARCH_END, issue=True), SYSTEM, clock.now(), together(bill_in_pairs))
    assert len(killed) == 1
    assert sorted(one.sequence or 0 for one in all_invoices()) == list(range(1, 61))
    assert_books_balance(session)
