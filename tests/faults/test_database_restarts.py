"""PostgreSQL is killed and started again under a server and a worker that run on: nothing that was acknowledged is lost."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, sleep
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.background.queue import Queue
from billing_admin.clock import now
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.models import Charge, Job
from billing_admin.operations.access import tokens
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.queries.doctor import run_checks
from tests.browser.server import serving
from tests.conftest import ROOT, Database
from tests.databases import PostgreSQL, plain
from tests.making import MARCH_END, make_customer, make_spec, post

pytestmark = pytest.mark.fault

RECOVERY_SECONDS = 10
START_SECONDS = 60
RESTARTS = 3
POSTERS, READERS = 4, 2
SECRET = "only-for-tests" * 4


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    """A PostgreSQL that keeps what it committed when it is killed."""
    server = PostgreSQL(durable=True)
    yield server
    server.remove()


@pytest.fixture
def session(server: PostgreSQL) -> Iterator[Session]:
    """The application's session on a migrated database of that server."""
    with (
        tempfile.TemporaryDirectory(prefix="billing-") as folder,
        closing(Database(server.url, Path(folder))) as database,
        database.app.app_context(),
    ):
        yield db.session()
        db.session.remove()


class Load:
    """Threads that call the server until they are told to stop, and what came of each call."""

    def __init__(self, address: str, token: str) -> None:
        self._host, self._port = urlsplit(address).hostname or "", urlsplit(address).port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._lock, self._stop = Lock(), Event()
        self.outcomes: Counter[int | str] = Counter()
        self.acknowledged: set[UUID] = set()
        self.last_success: dict[str, float] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [Thread(target=self._repeat, args=("post", self._post)) for _ in range(POSTERS)]
        threads += [Thread(target=self._repeat, args=("read", self._read)) for _ in range(READERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def wait_until_both_work(self, seconds: float = RECOVERY_SECONDS) -> None:
        """Wait until a charge was posted and a list was read after this moment."""
        since = monotonic()
        while any(self.last_success.get(name, 0) < since for name in ("post", "read")):
            assert monotonic() < since + seconds, self.outcomes
            sleep(0.02)

    def _repeat(self, name: str, call: Callable[[], int | str]) -> None:
        while not self._stop.is_set():
            status = call()
            with self._lock:
                self.outcomes[status] += 1
                if status in {200, 201}:
                    self.last_success[name] = monotonic()
            if status not in {200, 201}:
                sleep(0.01)

    def _post(self) -> int | str:
        id = uuid4()
        body = {"id": str(id), "customer": "ACME", "description": str(id), "amount": "1.25"}
        status = self._call("POST", "/api/v1/charges", json.dumps(body))
        if status == 201:
            with self._lock:
                self.acknowledged.add(id)
        return status

    def _read(self) -> int | str:
        return self._call("GET", "/api/v1/customers")

    def _call(self, method: str, path: str, body: str | None = None) -> int | str:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            connection.request(method, path, body, self._headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return "cut"
        else:
            retry_after = response.headers["Retry-After"]
            return response.status if response.status != 503 or retry_after else "503 without Retry-After"
        finally:
            connection.close()


@pytest.mark.deep
def test_restarts_under_load_answer_503_and_lose_nothing(server: PostgreSQL, session: Session) -> None:
    make_customer(reference="ACME")
    token = transaction(tokens.create, "load", tuple(SCOPES), 1, actor=SYSTEM, now=clock.now())[1]
    url = server.url.render_as_string(hide_password=False)
    with (
        tempfile.TemporaryDirectory(prefix="billing-") as folder,
        serving(url, workers=2, rate_limit="1000000/minute", rate_limit_storage=f"{folder}/limits") as address,
    ):
        load = Load(address, token)
        with load.running():
            load.wait_until_both_work()
            for _ in range(RESTARTS):
                db.session.remove()
                server.stop(signal.SIGQUIT)
                sleep(0.3)
                server.start()
                load.wait_until_both_work()
    assert set(load.outcomes) <= {200, 201, 503, "cut"}, load.outcomes
    assert load.outcomes[503] > 0
    db.session.remove()
    db.engine.dispose()
    stored = set(db.session.scalars(select(Charge.id)))
    assert load.acknowledged
    assert load.acknowledged <= stored
    assert [result for result in run_checks(db.session()) if result.count] == []


def environment(server: PostgreSQL) -> dict[str, str]:
    return os.environ | {
        "BILLING_DATABASE_URL": server.url.render_as_string(hide_password=False),
        "BILLING_SECRET_KEY": SECRET,
        "BILLING_QUEUE_URL": plain(server.url),
    }


def ask_for_run() -> UUID:
    id, _ = transaction(runs.start_in_background, RunSpec(MARCH_END, issue=True, issue_date=MARCH_END), SYSTEM, now())
    return id


def call_worker(server: PostgreSQL) -> None:
    """Call a worker by the queue."""
    settings: Settings = current_app.extensions["billing_settings"]
    queue = Queue(current_app, settings.model_copy(update={"queue_url": plain(server.url)}))
    queue.wake_worker()
    queue.huey.storage.close()


def wait_until_done(seconds: float) -> None:
    """Wait until every job is done."""
    deadline = monotonic() + seconds
    while set(db.session.scalars(select(Job.state))) != {"done"}:
        assert monotonic() < deadline, "the job is not done"
        db.session.rollback()
        sleep(0.1)


def wait_until_logged(log: Path, event: str, times: int = 1) -> None:
    """Wait until a worker has logged an event so often."""
    deadline = monotonic() + START_SECONDS
    while log.read_text().count(event) < times:
        assert monotonic() < deadline, log.read_text()
        sleep(0.1)


@contextmanager
def worker(server: PostgreSQL, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker, which is told to end at the end."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(server), stderr=stderr)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(START_SECONDS)
    finally:
        process.kill()
        process.wait()


@pytest.mark.deep
def test_a_worker_waits_for_its_database_and_survives_restarts(
    server: PostgreSQL, session: Session, tmp_path: Path
) -> None:
    post(make_spec(make_customer(), "5"))
    ask_for_run()
    db.session.remove()
    db.engine.dispose()
    server.stop(signal.SIGQUIT)
    log = tmp_path / "log"
    with worker(server, log) as process:
        wait_until_logged(log, "started_without_database")
        server.start()
        wait_until_done(90)  # it searches by itself
        for count in (1, 2):
            db.session.remove()
            server.stop(signal.SIGQUIT)
            wait_until_logged(log, "webhooks_not_searched", count)
            server.start()
        db.engine.dispose()
        post(make_spec(make_customer(), "7"))
        ask_for_run()
        call_worker(server)
        wait_until_done(90)
        assert process.poll() is None
    assert process.returncode == 0, log.read_text()
    assert "Exception in thread" not in log.read_text()
