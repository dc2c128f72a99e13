"""Clients without a proxy that connect and stay silent, or stop in the middle of a request or of an answer."""

import http.client
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from time import monotonic
from urllib.parse import urlsplit

import pytest
from flask import Flask

from tests.browser.server import serving

pytestmark = [pytest.mark.fault, pytest.mark.deep, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]

SILENT, PROCESSES, THREADS = 500, 2, 8
RECEIVE_SECONDS = 10  # as in gunicorn.conf.py
PATIENCE = 10  # of a test on a busy machine


class Server:
    """The address of a server of two processes with four threads each."""

    def __init__(self, address: str) -> None:
        self._place = (urlsplit(address).hostname or "", urlsplit(address).port)

    def connect(self) -> socket.socket:
        return socket.create_connection(self._place, 60)

    def seconds(self) -> float:
        """How long eight simultaneous requests take, the slowest of them."""
        with ThreadPoolExecutor(THREADS) as threads:
            return max(threads.map(lambda _: self._ask(), range(THREADS)))

    def _ask(self) -> float:
        started = monotonic()
        connection = http.client.HTTPConnection(*self._place, timeout=120)
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        connection.close()
        return monotonic() - started


@contextmanager
def clients(server: Server, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have sent so much and nothing more."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(count)]
        for connection in connections:
            connection.sendall(sent)
        yield connections


def test_others_are_answered(app: Flask) -> None:
    """One start of a server for all parts, which takes the time."""
    with serving(app.extensions["billing_settings"].database_url, workers=PROCESSES) as address:
        server = Server(address)
        head = f"POST /sign-in HTTP/1.1\r\nHost: {address.removeprefix('http://')}\r\n".encode()
        with clients(server, SILENT, b""):
            assert server.seconds() < PATIENCE
        with clients(server, THREADS, head + b"Content-Length: 1000\r\n\r\na") as halves:
            # One process may accept all of them, and receives them in turns: as many as it has threads at a time.
            assert server.seconds() < PROCESSES * RECEIVE_SECONDS + PATIENCE
            assert {connection.recv(12) for connection in halves} == {b"HTTP/1.1 400"}
        with clients(server, THREADS, head + b"Content-Length: 2000000000\r\n\r\na") as declared:
            assert server.seconds() < PATIENCE
            assert {connection.recv(12) for connection in declared} == {b"HTTP/1.1 413"}
