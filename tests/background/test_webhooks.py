"""Sending what is due: in order, each once with many senders, and nobody held up by another's receiver."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.background import webhooks
from billing_admin.background.webhooks import WebhookSender, due_endpoints, send_due
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import WebhookEndpoint
from billing_admin.operations.charges import charges
from billing_admin.operations.webhooks import deliveries
from tests.background.hooks import allow_loopback, deliver, make_endpoint, stored, summary, told
from tests.domain.test_webhooks import docs_check
from tests.making import all_invoices, make_customer, make_invoice, make_spec, post
from tests.receiver import OK, Receiver, Request, receiving, saying, status


@pytest.fixture
def receiver(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    allow_loopback(app, monkeypatch)
    with receiving() as found:
        yield found


def ids(receiver: Receiver) -> list[str]:
    """What came, by the receiver's own look at the bodies."""
    return [json.loads(request.body)["data"]["id"] for request in receiver.requests]


def hold(number: int) -> list[str]:
    made = post(*(make_spec(make_customer(reference=f"C{one:03}"), "1") for one in range(number))).ids
    transaction(charges.hold, made, "Look", SYSTEM, clock.now())
    return [str(id) for id in made]


def test_from_the_invoice_to_the_receiver_and_back(app: Flask, session: Session, receiver: Receiver) -> None:
    _, secret = make_endpoint(app, receiver.url)
    invoice = make_invoice()
    deliver(app)
    (came,) = receiver.requests
    assert docs_check()(secret, came.headers["Billing-Signature"], came.body)
    (one,) = told(session)
    assert came.headers["Billing-Delivery"] == str(one.id)
    assert came.body == one.body.encode()
    assert json.loads(came.body)["data"]["number"] == invoice.number
    assert [(attempt.status, attempt.answer) for attempt in one.attempts] == [(200, "ok")]
    deliver(app)
    assert len(receiver.requests) == 1


def test_nothing_is_open_while_it_is_sent(app: Flask, session: Session, receiver: Receiver) -> None:
    open_: list[int] = []

    def look(_request: Request, line: socket.socket) -> None:
        open_.append(pool.checkedout())
        line.sendall(OK)

    make_endpoint(app, receiver.url)
    hold(2)
    session.rollback()
    pool: Any = db.engine.pool
    receiver.answer = look
    deliver(app)
    assert open_ == [0, 0]


def test_a_receiver_without_room_makes_no_invoice_fail(app: Flask, session: Session, receiver: Receiver) -> None:
    receiver.answer = status(500, "No room")
    make_endpoint(app, receiver.url)
    invoice = make_invoice()
    deliver(app)
    assert (invoice.status, summary(session)) == ("issued", [("invoice.issued", invoice.number, "waiting")])
    assert told(session)[0].attempts[0].answer == "No room"


def test_eight_senders_deliver_each_once_and_in_order(app: Flask, session: Session, receiver: Receiver) -> None:
    make_endpoint(app, receiver.url)
    held = hold(30)
    with receiving() as other:
        make_endpoint(app, other.url)
        more = hold_more(10)
        begin = threading.Barrier(8)

        def work() -> None:
            begin.wait()
            for _ in range(3):
                for id in due_endpoints(app):
                    send_due(app, id)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ids(receiver) == held + more
        assert ids(other) == more
        assert (receiver.most_at_once, other.most_at_once) == (1, 1)
    assert {one.state for one in told(session)} == {"delivered"}


def hold_more(number: int) -> list[str]:
    made = post(*(make_spec("C000", str(one + 2)) for one in range(number))).ids
    transaction(charges.hold, made, "Look", SYSTEM, clock.now())
    return [str(id) for id in made]


def test_a_dead_receiver_holds_up_no_other(
    app: Flask, session: Session, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several stall; what goes to the other is there long before they are given up."""
    monkeypatch.setattr(webhooks, "POLL_SECONDS", 0.05)
    ending = threading.Event()
    monkeypatch.setattr(webhooks, "shutting_down", ending)
    freed = threading.Event()

    def stall(_request: Request, line: socket.socket) -> None:
        freed.wait(20)
        line.sendall(OK)

    with ExitStack() as stack:
        for _ in range(4):
            dead = stack.enter_context(receiving())
            dead.answer = stall
            make_endpoint(app, dead.url)
        id, _ = make_endpoint(app, receiver.url)
        sender = WebhookSender(app)
        sender.start()
        held = hold(5)
        begun = time.monotonic()
        while len(receiver.requests) < 5:
            assert time.monotonic() - begun < 8, "held up"
            time.sleep(0.02)
        freed.set()
        ending.set()
        sender.join()
    assert ids(receiver) == held
    assert stored(session, id).worker is None


def test_a_sender_that_ends_gives_the_rest_back(
    app: Flask, session: Session, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = threading.Event()
    monkeypatch.setattr(webhooks, "shutting_down", ending)
    id, _ = make_endpoint(app, receiver.url)
    hold(3)

    def end(_request: Request, line: socket.socket) -> None:
        ending.set()
        line.sendall(OK)

    receiver.answer = end
    send_due(app, id)
    assert [one.state for one in told(session)] == ["delivered", "waiting", "waiting"]
    assert (stored(session, id).worker, due_endpoints(app)) == (None, [id])


def test_a_sender_that_lost_its_endpoint_says_so_and_stops(app: Flask, session: Session, receiver: Receiver) -> None:
    id, _ = make_endpoint(app, receiver.url)
    hold(2)

    def steal(_request: Request, line: socket.socket) -> None:
        with app.app_context():
            transaction(_take_over, id)
        line.sendall(OK)

    receiver.answer = steal
    send_due(app, id)
    assert [(one.state, len(one.attempts)) for one in told(session)] == [("waiting", 0)] * 2
    receiver.answer = saying(OK)
    transaction(deliveries.release_endpoint, id, "thief")
    deliver(app)
    assert len(receiver.requests) == 3


def _take_over(session: Session, id: object) -> None:
    session.get_one(WebhookEndpoint, id).worker = "thief"


def test_many_invoices_of_one_run_arrive(app: Flask, session: Session, receiver: Receiver) -> None:
    make_endpoint(app, receiver.url)
    for _ in range(3):
        make_invoice()
    deliver(app)
    assert [json.loads(one.body)["data"]["number"] for one in receiver.requests] == [
        one.number for one in all_invoices()
    ]
