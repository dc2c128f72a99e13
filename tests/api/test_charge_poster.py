"""Single charges that arrive together share a transaction; each has its own event, response and error."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Connection, func, select, update
from sqlalchemy.orm import Session

from billing_admin.api.routes.charge_poster import ChargePoster, ChargeRequest, post_group
from billing_admin.concurrency.group_commit import Success
from billing_admin.db.engine import db, write_options
from billing_admin.db.errors import AccountsLocked
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.models import Account, AuditEvent, Charge, Customer
from billing_admin.operations.charges.posting import PostingResult
from tests.books import assert_books_balance
from tests.making import MARCH_END, make_customer, make_service, make_spec, post

pytestmark = pytest.mark.both_databases

A, B = UUID(int=0xA), UUID(int=0xB)


def make_actor(name: str) -> Actor:
    """Return a token as an actor."""
    return Actor("token", UUID(int=len(name)), name, frozenset({"charges:write"}), f"request of {name}")


def post_together(*requests: ChargeRequest, skip_locked: bool = False) -> list[PostingResult | BaseException]:
    """Post requests in one transaction, and return the value or error of each."""
    results = transaction(post_group, requests, skip_locked=skip_locked)
    return [result.value if isinstance(result, Success) else result.error for result in results]


def is_created(result: PostingResult | BaseException) -> bool:
    """Return whether a request stored its charge."""
    return isinstance(result, PostingResult) and result.created == 1


def test_requests_of_one_transaction_keep_their_own_events_and_answers(session: Session) -> None:
    """Each request has the result that it would have alone: repeat, conflict, unknown customer, likely duplicate."""
    customer = make_customer()
    specs = {
        "first": make_spec(customer, "2.50", id=A),
        "repeat": make_spec(customer, "2.50", id=A),
        "other value": make_spec(customer, "9.99", id=A),
        "unknown customer": make_spec("nobody", "1.00"),
        "duplicate": make_spec(customer, "2.50", id=B),
    }
    requests = [ChargeRequest(spec, make_actor(name)) for name, spec in specs.items()]
    first, repeat, other_value, unknown_customer, duplicate = post_together(*requests)
    assert isinstance(first, PostingResult)
    assert isinstance(repeat, PostingResult)
    assert isinstance(duplicate, PostingResult)
    assert [result.created for result in (first, repeat, duplicate)] == [1, 0, 1]
    assert (repeat.ids, duplicate.duplicates) == ([A], [B])
    assert isinstance(other_value, Conflict)
    assert other_value.extra["differs"] == ["amount"]
    assert isinstance(unknown_customer, Invalid)
    assert unknown_customer.code == "unknown_customer"
    events = {
        id: (event.actor_name, event.request_id, event.object_id)
        for id, event in session.execute(
            select(Charge.id, AuditEvent).join(AuditEvent, AuditEvent.id == Charge.event_id)
        )
    }
    assert events == {A: ("first", "request of first", A), B: ("duplicate", "request of duplicate", B)}
    posted = select(func.count()).where(AuditEvent.action == "charge.posted")
    assert session.scalar(posted) == 2
    assert_books_balance(session)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 30])
def test_a_group_may_have_any_size(session: Session, count: int) -> None:
    """One statement stores a few charges, a batch stores many; both find customers by reference and id."""
    customers, service = [make_customer(), make_customer()], make_service()
    specs = [
        make_spec(
            str(customers[n % 2].id) if n % 3 else customers[n % 2].reference,
            service=str(service.id) if n % 2 else service.code,
            quantity=f"{n + 1}",
        )
        for n in range(count)
    ]
    actor = make_actor("script")
    results = post_together(*(ChargeRequest(spec, actor) for spec in specs))
    assert [is_created(result) for result in results] == [True] * count
    assert session.scalar(select(func.count(Charge.id))) == count
    assert_books_balance(session)


@contextmanager
def callers(app: Flask) -> Iterator[Callable[[ChargeSpec], Future[Any]]]:
    """Post each charge in its own thread."""
    poster: ChargePoster = app.extensions["billing_charge_poster"]
    actor = make_actor("script")

    def call(spec: ChargeSpec) -> PostingResult:
        with app.app_context():
            return poster(ChargeRequest(spec, actor))

    with ThreadPoolExecutor(16) as threads:
        yield lambda spec: threads.submit(call, spec)


@pytest.fixture
def locked(app: Flask, session: Session) -> Iterator[tuple[Customer, Customer, Connection]]:
    """Two customers with accounts, and the connection that has locked the first one's, as a billing run does."""
    busy, free = make_customer(), make_customer()
    post(*(make_spec(customer, "1.00") for customer in (busy, free)))
    with db.engine.connect().execution_options(**write_options(db.engine)) as billing:
        billing.execute(select(Account.currency).where(Account.customer_id == busy.id).with_for_update()).one()
        yield busy, free, billing


on_postgresql = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)  # SQLite has one writer at a time


@on_postgresql
@pytest.mark.parametrize("charge_count", [1, 9])
def test_a_group_skips_locked_accounts(
    session: Session, locked: tuple[Customer, Customer, Connection], charge_count: int
) -> None:
    busy, free, billing = locked
    actor = make_actor("script")
    requests = [ChargeRequest(make_spec(busy, "2.00"), actor)]
    requests += [ChargeRequest(make_spec(free, f"{n}.00"), actor) for n in range(2, 2 + charge_count)]
    skipped, *stored = post_together(*requests, skip_locked=True)
    assert isinstance(skipped, AccountsLocked)
    assert [is_created(result) for result in stored] == [True] * charge_count
    billing.rollback()
    (result,) = post_together(requests[0], skip_locked=True)
    assert is_created(result)
    assert_books_balance(session)


@on_postgresql
def test_a_post_that_waits_for_a_locked_account_delays_no_other_customer(
    app: Flask, session: Session, locked: tuple[Customer, Customer, Connection]
) -> None:
    busy, free, billing = locked
    with callers(app) as call:
        waiting = [call(make_spec(busy, f"{n}.50")) for n in range(3)]
        for n in range(3):
            free_posts = [call(make_spec(free, f"{n}.{m}0")) for m in range(1, 3)]
            assert [future.result(5).created for future in free_posts] == [1, 1]
        assert not any(future.done() for future in waiting)
        billing.execute(update(Account).where(Account.customer_id == busy.id).values(billed_through=MARCH_END))
        billing.commit()
        assert [future.result(20).rows[0]["late"] for future in waiting] == [True] * 3
    session.rollback()
    assert_books_balance(session)
