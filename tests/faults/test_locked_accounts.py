"""An account that another transaction has locked: its posts get 503 soon, and all other requests are answered at once.

On PostgreSQL, which alone locks rows, with gunicorn as in production: 2 processes of 4 threads.
"""

import http.client
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.engine import db, write_options
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.http import lock_waits
from billing_admin.models import Account, Charge, Customer
from billing_admin.operations.access import tokens
from tests.books import assert_books_balance
from tests.browser.server import UNLIMITED, serving
from tests.making import all_invoices, bill, make_customer, make_spec, post
from tests.people import send, signed_in
from tests.web.pages import words

pytestmark = [pytest.mark.fault, pytest.mark.parametrize("backend", ["postgresql"], indirect=True)]

LOCKED_SECONDS, OTHER_SECONDS = 5, 1


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of an answer, its Retry-After, its code, and how many seconds it took."""

    status: int
    retry_after: str | None
    code: str | None
    seconds: float


class Server:
    """Calls of a server, each on a connection of its own."""

    def __init__(self, address: str, token: str) -> None:
        self._place = (urlsplit(address).hostname or "", urlsplit(address).port)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        started = monotonic()
        connection = http.client.HTTPConnection(*self._place, timeout=120)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers)
            response = connection.getresponse()
            content = json.loads(response.read())
            seconds = monotonic() - started
            return Answer(response.status, response.headers["Retry-After"], content.get("code"), seconds)
        finally:
            connection.close()

    def post(self, customer: str) -> Answer:
        return self.call("POST", "/api/v1/charges", charge(customer))

    def post_batch(self, customer: str) -> Answer:
        return self.call("POST", "/api/v1/charges/batch", {"charges": [charge(customer)] * 3})

    def void(self, number: str) -> Answer:
        return self.call("POST", f"/api/v1/invoices/{number}/void", {"reason": "Wrong", "charges": "pending"})

    def check_health(self) -> Answer:
        return self.call("GET", "/api/v1/health")


def charge(customer: str) -> dict[str, str]:
    """Return a charge as a script sends it."""
    return {"customer": customer, "description": "Setup", "amount": "1.25"}


@pytest.fixture
def customers(session: Session) -> tuple[Customer, Customer]:
    """A customer whose account gets locked, and another one."""
    locked, free = make_customer(reference="LOCKED"), make_customer(reference="FREE")
    post(make_spec(locked, "1.00"), make_spec(free, "1.00"))
    return locked, free


@contextmanager
def locked_account(customer: Customer) -> Iterator[None]:
    """Lock a customer's account, as a billing run does."""
    with db.engine.connect().execution_options(**write_options(db.engine)) as billing:
        billing.execute(select(Account.currency).where(Account.customer_id == customer.id).with_for_update()).one()
        yield
        billing.rollback()


@contextmanager
def serving_script(app: Flask, workers: int, **settings: str) -> Iterator[Server]:
    """A server of processes with four threads each, and a token for it."""
    token = transaction(tokens.create, "script", tuple(SCOPES), 1, actor=SYSTEM, now=clock.now())[1]
    url = str(app.extensions["billing_settings"].database_url)
    with (
        tempfile.TemporaryDirectory(prefix="billing-") as folder,
        serving(url, workers=workers, rate_limit_storage=f"{folder}/limits", **UNLIMITED, **settings) as address,
    ):
        yield Server(address, token)


@pytest.fixture
def server(app: Flask, customers: tuple[Customer, Customer]) -> Iterator[Server]:
    """A server of two processes with four threads each, all of which have answered already."""
    with serving_script(app, workers=2) as server:
        yield server


WRITES = 20
POOL_SECONDS = 5  # the default of BILLING_POOL_TIMEOUT


@pytest.mark.deep
def test_a_pool_of_two_connections_refuses_writes_to_locked_accounts_in_time(app: Flask, session: Session) -> None:
    customers = [make_customer(reference=f"C-{number}") for number in range(WRITES)]
    post(*[make_spec(customer, "10.00") for customer in customers])
    bill()
    numbers = [invoice.number for invoice in all_invoices()]
    session.rollback()
    with serving_script(app, workers=1, pool_size="2") as server, ThreadPoolExecutor(64) as threads:

        def call_all(call: Callable[..., Answer], *arguments: Sequence[Any]) -> list[Answer]:
            return list(threads.map(call, *arguments))

        references = [customer.reference for customer in customers]
        kinds: dict[str, Callable[[], list[Answer]]] = {
            "one account": lambda: call_all(server.post, references[:1] * WRITES),
            "an account each": lambda: call_all(server.post, references),
            "batches": lambda: call_all(server.post_batch, references),
            "voids": lambda: call_all(server.void, numbers),
        }
        usual = slowest(kinds["an account each"]())
        with db.engine.connect().execution_options(**write_options(db.engine)) as billing:
            billing.execute(select(Account.currency).with_for_update()).all()
            refused = {kind: call() for kind, call in kinds.items()}
            billing.rollback()
        for kind, answers in refused.items():
            assert {(answer.status, answer.retry_after) for answer in answers} == {(503, "5")}, kind
            assert slowest(answers) < POOL_SECONDS + usual, kind
        assert {answer.status for answer in kinds["voids"]()} == {200}
    assert_books_balance(session)


def observe(server: Server, threads: ThreadPoolExecutor, seconds: float) -> list[Answer]:
    """Post to the other customer, eight at a time, and check the health, again and again; return the answers."""
    answers: list[Answer] = []
    until = monotonic() + seconds
    while monotonic() < until:
        calls = [threads.submit(server.post, "FREE") for _ in range(8)] + [threads.submit(server.check_health)]
        answers.extend(call.result() for call in calls)
        sleep(0.05)
    return answers


def slowest(answers: list[Answer]) -> float:
    """Return the seconds of the slowest answer."""
    return max(answer.seconds for answer in answers)


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        pytest.param("single", 1, marks=pytest.mark.deep),
        ("single", 3),
        pytest.param("single", 8, marks=pytest.mark.deep),
        pytest.param("single", 32, marks=pytest.mark.deep),
        pytest.param("batch", 8, marks=pytest.mark.deep),
    ],
)
def test_posts_to_a_locked_account_delay_no_other_request(
    server: Server, session: Session, customers: tuple[Customer, Customer], kind: str, count: int
) -> None:
    locked, _ = customers
    call: Callable[[str], Answer] = server.post if kind == "single" else server.post_batch
    session.rollback()
    with ThreadPoolExecutor(64) as threads:
        usual = slowest(observe(server, threads, 2))
        with locked_account(locked):
            waiting: list[Future[Answer]] = [threads.submit(call, "LOCKED") for _ in range(count)]
            others = observe(server, threads, LOCKED_SECONDS)
            refused = [future.result() for future in waiting]
    assert {answer.status for answer in others} == {200, 201}
    assert slowest(others) < OTHER_SECONDS + usual  # the machine may be busy
    assert {(answer.status, answer.retry_after, answer.code) for answer in refused} == {(503, "5", "database_away")}
    assert slowest(refused) < LOCKED_SECONDS + usual
    assert server.post("LOCKED").status == 201
    assert session.scalar(select(func.count()).where(Charge.customer_id == locked.id)) == 2
    assert_books_balance(session)


@contextmanager
def shorter_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let requests wait for a moment only."""
    with monkeypatch.context() as patch:
        patch.setattr(lock_waits, "WAIT_SECONDS", 0.2)
        yield


def test_pages_for_a_locked_account_say_to_try_again(
    app: Flask, session: Session, customers: tuple[Customer, Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, _ = customers
    charge_id = session.scalars(select(Charge.id).where(Charge.customer_id == locked.id)).one()
    session.rollback()
    browser = signed_in(app)
    forms = {
        "/charges/new": {"id": str(uuid4()), "customer": "LOCKED", "description": "Setup", "amount": "1"},
        f"/charges/{charge_id}/hold": {"reason": "Waits for an order"},
        f"/charges/{charge_id}/cancel": {"reason": "Wrong"},
    }
    for url, fields in forms.items():
        with locked_account(locked), shorter_waits(monkeypatch):
            response = send(browser, url, **fields, day="2026-03-15")
            assert (response.status_code, response.headers["Retry-After"]) == (503, "5"), url
            assert "The customer’s account is in use" in words(response)
    assert session.scalar(select(func.count()).where(Charge.status == "pending")) == 2
    assert send(browser, "/charges/new", **forms["/charges/new"], day="2026-03-15").status_code == 303


@pytest.mark.parametrize("act", ["hold", "cancel", "correct"])
def test_moves_of_a_charge_on_a_locked_account_are_answered_with_503(
    app: Flask, session: Session, customers: tuple[Customer, Customer], monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    locked, _ = customers
    charge_id = session.scalars(select(Charge.id).where(Charge.customer_id == locked.id)).one()
    token = transaction(tokens.create, "script", tuple(SCOPES), 1, actor=SYSTEM, now=clock.now())[1]
    headers = {"Authorization": f"Bearer {token}"}
    body = {"reason": "Wrong"} | ({"amount": "3"} if act == "correct" else {})
    with locked_account(locked), shorter_waits(monkeypatch):
        response = app.test_client().post(f"/api/v1/charges/{charge_id}/{act}", json=body, headers=headers)
        assert (response.status_code, response.json["code"]) == (503, "database_away")  # type: ignore[index]
    session.rollback()
    assert session.scalars(select(Charge.status)).all() == ["pending", "pending"]
