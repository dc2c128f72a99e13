"""Requests to the identity provider on loopback: their limits of time and size, and what they send."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException
from threading import Thread

import pytest

from billing_admin.web.access import identity_provider
from billing_admin.web.access.identity_provider import MAX_RESPONSE_BYTES, ProviderAnswer, send_request

HEADERS = {"Accept": "application/json"}


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that reads the head of one request, and answers as told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with closing(connection):
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                received.append(head)
                answer(connection)

        received: list[bytes] = []
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/keys?a=b"
        thread.join(5)
        assert received[0].startswith(b"GET /keys?a=b HTTP/1.1\r\n")
        assert received[0].count(b"\r\nHost: 127.0.0.1:") == 1


def test_a_whole_answer_is_read_up_to_a_limit() -> None:
    def large(connection: socket.socket) -> None:
        with suppress(OSError):  # the client has read enough
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Kind: keys\r\n\r\n" + b"x" * (MAX_RESPONSE_BYTES + 100_000))

    with answering(large) as url:
        answer = send_request("GET", url, HEADERS, None)
    assert (answer.status, answer.headers["X-Kind"], len(answer.body)) == (200, "keys", MAX_RESPONSE_BYTES + 1)


def test_a_redirect_is_an_answer_like_others() -> None:
    def redirect(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")

    with answering(redirect) as url:
        answer = send_request("GET", url, HEADERS, None)
    assert answer == ProviderAnswer(302, {"Location": "http://192.0.2.1/", "Content-Length": "0"}, b"")


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
def test_a_provider_that_sends_a_byte_now_and_then_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr(identity_provider, "TOTAL_SECONDS", 0.3)

    def drip(connection: socket.socket) -> None:
        with suppress(OSError):  # until the client hangs up
            connection.sendall(beginning)
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)

    with answering(drip) as url:
        started = time.monotonic()
        with pytest.raises((OSError, HTTPException)):
            send_request("GET", url, HEADERS, None)
        assert time.monotonic() - started < 2


def test_a_closed_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        send_request("GET", f"http://127.0.0.1:{port}/", HEADERS, None)


def test_a_provider_without_tls_at_an_https_address_is_refused() -> None:
    with answering_without_tls() as url, pytest.raises(OSError, match="SSL"):
        send_request("GET", url, HEADERS, None)


@contextmanager
def answering_without_tls() -> Iterator[str]:
    """The URL of a server that has no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with closing(connection):
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
