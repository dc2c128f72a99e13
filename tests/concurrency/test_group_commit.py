"""Callers at the same moment share a transaction, and each gets what is its own."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import OperationalError, TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.concurrency import group_commit
from billing_admin.concurrency.group_commit import GroupCommit
from billing_admin.db.transactions import db, transaction, write_options
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.models import Account, AuditEvent, Charge, Customer
from billing_admin.operations.charges import posting
from billing_admin.operations.charges.posting import Posted, Posting
from tests.books import assert_books_balance
from tests.making import MARCH_END, make_customer, make_service, make_spec, post

A, B = UUID(int=0xA), UUID(int=0xB)
Outcome = str | DomainError


class Desk:
    """Work that notes who came together, and the first of which waits until the test lets it go on."""

    def __init__(self, session: Session) -> None:
        make_customer()
        self.groups: list[list[str]] = []
        self.busy, self.go_on = Event(), Event()
        session.rollback()

    def work(self, session: Session, asked: Sequence[str]) -> list[Outcome]:
        self.groups.append(list(asked))
        if len(self.groups) == 1:
            self.busy.set()
            assert self.go_on.wait(20)
        session.execute(update(Customer).values(notes=Customer.notes + "".join(asked)))
        if "breaks" in asked:
            raise RuntimeError("breaks")
        return [Invalid("bad", f"{one} is bad.") if one.startswith("bad") else one.upper() for one in asked]

    def notes(self, session: Session) -> str:
        session.rollback()
        return session.scalars(select(Customer.notes)).one()


@contextmanager
def callers(app: Flask, shared: Callable[[Any], Any]) -> Iterator[Callable[[Any], Future[Any]]]:
    """Each call in a thread of its own."""

    def call(asked: Any) -> Any:
        with app.app_context():
            return shared(asked)

    with ThreadPoolExecutor(16) as threads:
        yield lambda asked: threads.submit(call, asked)


def gather(
    desk: Desk, shared: GroupCommit[Session, str, str], ask: Callable[[str], Future[str]], *asked: str
) -> list[Future[str]]:
    """Have all others wait in their order while the first is at work, then let it go on."""
    first, *others = asked
    made = [ask(first)]
    assert desk.busy.wait(20)
    for place, one in enumerate(others, 1):
        made.append(ask(one))
        while len(shared._waiting) < place:
            Event().wait(0.001)
    desk.go_on.set()
    return made


def test_who_comes_alone_is_served_at_once(session: Session) -> None:
    desk = Desk(session)
    desk.go_on.set()
    shared = GroupCommit(desk.work, transaction)
    assert [shared("one"), shared("two")] == ["ONE", "TWO"]
    assert desk.groups == [["one"], ["two"]]
    assert desk.notes(session) == "onetwo"


def test_those_who_come_while_one_is_at_work_share_the_next_transaction(app: Flask, session: Session) -> None:
    desk = Desk(session)
    shared = GroupCommit(desk.work, transaction)
    with callers(app, shared) as ask:
        made = gather(desk, shared, ask, "a", "b", "c", "d")
        assert [one.result(20) for one in made] == ["A", "B", "C", "D"]
    assert desk.groups == [["a"], ["b", "c", "d"]]
    assert desk.notes(session) == "abcd"


def test_a_refusal_is_that_callers_alone(app: Flask, session: Session) -> None:
    desk = Desk(session)
    shared = GroupCommit(desk.work, transaction)
    with callers(app, shared) as ask:
        first, bad, good, worse = gather(desk, shared, ask, "a", "bad1", "c", "bad2")
        assert (first.result(20), good.result(20)) == ("A", "C")
        for refused, name in ((bad, "bad1"), (worse, "bad2")):
            with pytest.raises(Invalid, match=f"{name} is bad"):
                refused.result(20)
    assert desk.groups == [["a"], ["bad1", "c", "bad2"]]


def test_what_fails_together_is_tried_one_by_one(app: Flask, session: Session) -> None:
    desk = Desk(session)
    shared = GroupCommit(desk.work, transaction)
    with callers(app, shared) as ask:
        first, good, broken, other = gather(desk, shared, ask, "a", "b", "breaks", "d")
        assert [one.result(20) for one in (first, good, other)] == ["A", "B", "D"]
        with pytest.raises(RuntimeError, match="breaks"):
            broken.result(20)
    assert desk.groups[1] == ["b", "breaks", "d"]
    assert sorted(desk.groups[2:]) == [["b"], ["breaks"], ["d"]]
    assert sorted(desk.notes(session)) == ["a", "b", "d"]


def test_who_fails_alone_is_not_tried_again(session: Session) -> None:
    desk = Desk(session)
    desk.go_on.set()
    shared = GroupCommit(desk.work, transaction)
    with pytest.raises(RuntimeError, match="breaks"):
        shared("breaks")
    assert desk.groups == [["breaks"]]
    assert shared("next") == "NEXT"
    assert desk.notes(session) == "next"


def assert_the_second_group_gets(
    error: type[Exception], app: Flask, desk: Desk, shared: GroupCommit[Session, str, str]
) -> None:
    """The first caller is served, those who came meanwhile are not."""
    with callers(app, shared) as ask:
        first, *others = gather(desk, shared, ask, "a", "b", "c")
        assert first.result(20) == "A"
        for one in others:
            with pytest.raises(error):
                one.result(20)


def test_all_who_wait_are_told_when_no_connection_is_to_be_had(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(session)
    shared = GroupCommit(desk.work, transaction)

    def first_alone(*asked: Any) -> Any:
        if desk.groups:
            raise PoolTimeout("no connection")
        return transaction(*asked)

    monkeypatch.setattr(group_commit, "transaction", first_alone)
    assert_the_second_group_gets(PoolTimeout, app, desk, shared)
    monkeypatch.undo()
    assert shared("later") == "LATER"


def test_when_the_commit_fails_all_are_told_and_nothing_is_tried_again(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection may have broken after the database had committed: a second try could do the work twice."""
    desk = Desk(session)
    shared = GroupCommit(desk.work, transaction)

    def broken(work: Any) -> Any:
        alone = not desk.groups
        done = transaction(work)
        if alone:
            return done
        raise OperationalError("COMMIT", None, Exception("server closed the connection"))

    monkeypatch.setattr(group_commit, "transaction", broken)
    assert_the_second_group_gets(OperationalError, app, desk, shared)
    assert desk.groups == [["a"], ["b", "c"]]
    assert desk.notes(session) == "abc"


def test_a_second_attempt_takes_along_who_has_come_meanwhile(session: Session) -> None:
    """As when a deadlock is found: the database's error runs the whole again, each once."""
    desk = Desk(session)
    desk.go_on.set()
    tries = []

    def work(session: Session, asked: Sequence[str]) -> list[Outcome]:
        tries.append(list(asked))
        if len(tries) == 1:
            error = Exception("deadlock detected")
            error.sqlstate = "40P01"  # type: ignore[attr-defined]
            raise OperationalError("…", None, error)
        return desk.work(session, asked)

    assert GroupCommit(work, transaction)("a") == "A"
    assert tries == [["a"], ["a"]]
    assert desk.notes(session) == "a"


def test_those_who_came_the_last_time_are_waited_for(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script comes again as soon as it is answered: the first of them need not go alone."""
    desk = Desk(session)
    shared = GroupCommit(desk.work, transaction)
    with callers(app, shared) as ask:
        for one in gather(desk, shared, ask, "a", "b", "c"):
            one.result(20)
        monkeypatch.setattr(group_commit, "GATHERING", 20)
        again = [ask(one) for one in ("d", "e")]
        assert [one.result(20) for one in again] == ["D", "E"]
    assert [sorted(group) for group in desk.groups] == [["a"], ["b", "c"], ["d", "e"]]


def test_who_does_not_come_again_is_not_waited_for_long_nor_twice(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(session)
    shared = GroupCommit(desk.work, transaction)
    with callers(app, shared) as ask:
        for one in gather(desk, shared, ask, "a", "b", "c"):
            one.result(20)
    assert shared("d") == "D"
    monkeypatch.setattr(group_commit, "GATHERING", 20)
    started = time.monotonic()
    assert shared("e") == "E"
    assert time.monotonic() - started < 10
    assert desk.groups == [["a"], ["b", "c"], ["d"], ["e"]]


def actor(name: str) -> Actor:
    return Actor("token", UUID(int=len(name)), name, frozenset({"charges:write"}), f"request of {name}")


def test_postings_that_share_a_transaction_keep_their_own_events_and_answers(session: Session) -> None:
    """The same id twice, another value under it, an unknown customer, a look-alike: as if each came alone."""
    customer = make_customer()
    asked = {
        "one": make_spec(customer, "2.50", id=A),
        "again": make_spec(customer, "2.50", id=A),
        "other": make_spec(customer, "9.99", id=A),
        "nobody": make_spec("nobody", "1.00"),
        "alike": make_spec(customer, "2.50", id=B),
    }
    postings = [Posting([spec], actor(name)) for name, spec in asked.items()]
    one, again, other, nobody, alike = transaction(posting.post_each, postings, clock.now(), waits=True)
    assert isinstance(one, Posted)
    assert isinstance(again, Posted)
    assert isinstance(alike, Posted)
    assert [posted.created for posted in (one, again, alike)] == [1, 0, 1]
    assert (again.ids, alike.duplicates) == ([A], [B])
    assert isinstance(other, Conflict)
    assert other.extra["differs"] == ["amount"]
    assert isinstance(nobody, Invalid)
    assert nobody.code == "unknown_customer"
    told = {
        id: (event.actor_name, event.request_id, event.object_id)
        for id, event in session.execute(
            select(Charge.id, AuditEvent).join(AuditEvent, AuditEvent.id == Charge.event_id)
        )
    }
    assert told == {A: ("one", "request of one", A), B: ("alike", "request of alike", B)}
    posted = select(func.count()).where(AuditEvent.action == "charge.posted")
    assert session.scalar(posted) == 2
    assert_books_balance(session)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 30])
def test_any_number_of_postings_may_come_together(session: Session, count: int) -> None:
    """A few have places in one statement, many are written as a batch; both know customers by name and by id."""
    people, service = [make_customer(), make_customer()], make_service()
    specs = [
        make_spec(
            str(people[n % 2].id) if n % 3 else people[n % 2].reference,
            service=str(service.id) if n % 2 else service.code,
            quantity=f"{n + 1}",
        )
        for n in range(count)
    ]
    outcomes = transaction(
        posting.post_each, [Posting([spec], actor("one")) for spec in specs], clock.now(), waits=True
    )
    assert [isinstance(one, Posted) and one.created for one in outcomes] == [1] * count
    assert session.scalar(select(func.count(Charge.id))) == count
    assert_books_balance(session)


@pytest.fixture
def locked(app: Flask, session: Session) -> Iterator[tuple[Customer, Customer, Connection]]:
    """Two customers with accounts; the first one's is locked by a billing run, say."""
    busy, free = make_customer(), make_customer()
    post(*(make_spec(one, "1.00") for one in (busy, free)))
    with db.engine.connect().execution_options(**write_options(db.engine)) as billing:
        billing.execute(select(Account.currency).where(Account.customer_id == busy.id).with_for_update()).one()
        yield busy, free, billing


on_postgresql = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)  # SQLite has one writer at a time


@on_postgresql
@pytest.mark.parametrize("strangers", [1, 9])
def test_an_account_that_others_have_locked_is_passed_by(
    session: Session, locked: tuple[Customer, Customer, Connection], strangers: int
) -> None:
    busy, free, billing = locked
    postings = [Posting([make_spec(busy, "2.00")], actor("waits"))]
    postings += [Posting([make_spec(free, f"{n}.00")], actor("goes")) for n in range(2, 2 + strangers)]
    held_up, *others = transaction(posting.post_each, postings, clock.now(), waits=False)
    assert held_up is None
    assert [isinstance(one, Posted) and one.created for one in others] == [1] * strangers
    billing.rollback()
    (alone,) = transaction(posting.post_each, postings[:1], clock.now(), waits=False)
    assert isinstance(alone, Posted)
    assert alone.created == 1
    assert_books_balance(session)


@on_postgresql
def test_who_waits_for_a_locked_account_keeps_nobody_else_waiting(
    app: Flask, session: Session, locked: tuple[Customer, Customer, Connection]
) -> None:
    """A billing run locks the accounts of a chunk: whoever posts for others, before or after, is served meanwhile."""
    busy, free, billing = locked
    with callers(app, app.extensions["billing_posting"]) as ask:
        waiting = [ask(Posting([make_spec(busy, f"{n}.50")], actor("waits"))) for n in range(3)]
        for n in range(3):
            going = [ask(Posting([make_spec(free, f"{n}.{m}0")], actor("goes"))) for m in range(1, 3)]
            assert [one.result(5).created for one in going] == [1, 1]
        assert not any(one.done() for one in waiting)
        billing.execute(update(Account).where(Account.customer_id == busy.id).values(billed_through=MARCH_END))
        billing.commit()
        assert [one.result(20).rows[0]["late"] for one in waiting] == [True] * 3
    session.rollback()
    assert_books_balance(session)
