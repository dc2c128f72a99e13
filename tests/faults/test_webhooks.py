"""Real worker processes that send webhooks: killed in the middle of a delivery, and told to end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from billing_admin.clock import now
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import WebhookEndpoint
from billing_admin.operations.charges import charges
from tests.background.hooks import make_endpoint, told
from tests.conftest import ROOT
from tests.making import make_customer, make_spec, post
from tests.receiver import OK, Receiver, Request, receiving, saying

pytestmark = pytest.mark.fault

SECONDS = 60
Worker = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def worker(app: Flask, tmp_path: Path) -> Iterator[Worker]:
    """Starts workers on the test's database, each with a queue of its own; at the end they are gone."""
    stored = app.extensions["billing_settings"]
    with ExitStack() as stack:

        def start() -> subprocess.Popen[bytes]:
            environment = os.environ | {
                "BILLING_DATABASE_URL": stored.database_url,
                "BILLING_SECRET_KEY": stored.secret_key,
                "BILLING_QUEUE_URL": f"sqlite:///{tmp_path / 'queue.sqlite3'}",
                "BILLING_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8, ::1/128",
                "BILLING_WEBHOOK_ALLOW_HTTP": "true",
            }
            command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
            return stack.enter_context(gone(subprocess.Popen(command, cwd=ROOT, env=environment)))

        yield start


@contextmanager
def gone(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def hold(number: int) -> list[str]:
    ids = post(*(make_spec(make_customer(reference=f"C{one:03}"), "1") for one in range(number))).ids
    transaction(charges.hold, ids, "Look", SYSTEM, now())
    return [str(id) for id in ids]


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def came(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["data"]["id"] for request in receiver.requests]


def _let_the_hold_run_out(session: Session, id: UUID) -> None:
    endpoint = session.get_one(WebhookEndpoint, id)
    assert endpoint.held_until is not None
    endpoint.held_until = now() - timedelta(seconds=1)


@pytest.mark.quick_cases("postgresql")
@pytest.mark.deep
def test_killed_while_it_sends_another_goes_on(app: Flask, session: Session, worker: Worker) -> None:
    with receiving() as receiver:
        stalled, freed = threading.Event(), threading.Event()

        def third_stalls(_request: Request, line: socket.socket) -> None:
            if len(receiver.requests) == 3:
                stalled.set()
                freed.wait(SECONDS)
            line.sendall(OK)

        receiver.answer = third_stalls
        id, _ = make_endpoint(app, receiver.url)
        held = hold(6)
        first = worker()
        assert stalled.wait(SECONDS)
        first.kill()
        first.wait()
        freed.set()
        receiver.answer = saying(OK)
        transaction(_let_the_hold_run_out, id)  # in a test nobody waits for a minute
        worker()
        until(lambda: len(came(receiver)) >= 7)
        until(lambda: all(one.state == "delivered" for one in told(session)))
    assert came(receiver) == [*held[:3], *held[2:]]
    assert len({request.headers["Billing-Delivery"] for request in receiver.requests}) == 6
    assert receiver.requests[2].body == receiver.requests[3].body


@pytest.mark.quick_cases("sqlite")
def test_told_to_end_it_notes_what_is_on_its_way(app: Flask, session: Session, worker: Worker) -> None:
    with receiving() as receiver:

        def slow(_request: Request, line: socket.socket) -> None:
            time.sleep(1)
            line.sendall(OK)

        receiver.answer = slow
        id, _ = make_endpoint(app, receiver.url)
        hold(30)
        process = worker()
        until(lambda: receiver.requests)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        delivered = [one for one in told(session) if one.state == "delivered"]
        assert len(delivered) == len(receiver.requests) < 30
        assert session.get_one(WebhookEndpoint, id, populate_existing=True).worker is None
