"""Two web servers behind the nginx of `deploy/`, with PostgreSQL and Redis, are killed and restarted under load."""

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from uuid import UUID, uuid4

import pytest
from billing_client import Client
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.models import Charge
from billing_admin.operations.access import tokens
from billing_admin.queries.doctor import run_checks
from tests.browser.server import serving_process
from tests.databases import PostgreSQL
from tests.deploy.nginx import HOST, running_nginx
from tests.faults.test_database_restarts import server, session
from tests.making import make_customer

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed: apt install nginx-light"),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]
__all__ = ["server", "session"]

POSTERS = 4
KILLS = 1  # of each node
SECONDS = 60


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """The URL of a Redis in memory."""
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(SECONDS)


class Node:
    """A web server on a port of its own, which can be killed and started again."""

    def __init__(self, url: str, redis_url: str) -> None:
        self.port = free_port()
        self._url, self._stack = url, ExitStack()
        self._settings = {"env": "production", "trusted_hosts": f"{HOST},127.0.0.1", "proxies": "1"} | {
            "rate_limit": "1000000/minute",
            "rate_limit_address": "1000000/minute",
            "rate_limit_storage": redis_url,
        }

    def start(self) -> None:
        running = serving_process(self._url, 2, port=str(self.port), **self._settings)
        _, self._process = self._stack.enter_context(running)

    def kill(self) -> None:
        """Kill all processes of the server."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._stack.close()

    def close(self) -> None:
        self._stack.close()


class Posters:
    """Threads that post charges with the Python client until they are told to stop."""

    def __init__(self, address: str, token: str, certificate: Path) -> None:
        self.acknowledged: set[UUID] = set()
        self.errors: list[Exception] = []
        self._stop = threading.Event()
        self._arguments = address, token, certificate
        self.threads = [threading.Thread(target=self._post) for _ in range(POSTERS)]
        for thread in self.threads:
            thread.start()

    def _post(self) -> None:
        address, token, certificate = self._arguments
        with Client(address, token, ca_certs=certificate, deadline=SECONDS) as client:
            while not self._stop.is_set():
                id = uuid4()
                try:
                    client.charges.create(id=id, customer="ACME", description=str(id), amount="1.25")
                except Exception as error:  # noqa: BLE001 - the test shows them
                    self.errors.append(error)
                else:
                    self.acknowledged.add(id)

    def wait_for_more(self, count: int = 20) -> None:
        before, deadline = len(self.acknowledged), monotonic() + SECONDS
        while len(self.acknowledged) < before + count:
            assert monotonic() < deadline, self.errors
            sleep(0.05)

    def stop(self) -> None:
        self._stop.set()
        for thread in self.threads:
            thread.join(SECONDS)


def test_nodes_that_are_killed_and_restarted_lose_no_acknowledged_charge(
    server: PostgreSQL, session: Session, tmp_path: Path
) -> None:
    make_customer(reference="ACME")
    token = transaction(tokens.create, "load", tuple(SCOPES), 1, actor=SYSTEM, now=clock.now())[1]
    url = server.url.render_as_string(hide_password=False)
    db.session.remove()
    with redis(tmp_path) as redis_url, ExitStack() as stack:
        nodes = [stack.enter_context(closing(Node(url, redis_url))) for _ in range(2)]
        for node in nodes:
            node.start()
        proxy = stack.enter_context(running_nginx(tmp_path, [f"127.0.0.1:{node.port}" for node in nodes]))
        posters = Posters(f"https://127.0.0.1:{proxy.secure}", token, proxy.certificate)
        stack.callback(posters.stop)
        for node in nodes * KILLS:
            posters.wait_for_more()
            node.kill()
            posters.wait_for_more()  # the other node answers
            node.start()
        posters.wait_for_more()
        posters.stop()
    assert posters.errors == []
    assert posters.acknowledged <= set(db.session.scalars(select(Charge.id)))
    assert [result for result in run_checks(db.session()) if result.count] == []
