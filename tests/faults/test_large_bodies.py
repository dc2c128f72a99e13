"""A body over the limit is refused while it comes: the server holds no more of a long one than of a short one."""

import http.client
import socket

import pytest
from flask import Flask

from billing_admin.api.frame.routing import BASE, ROUTES
from tests.api.conftest import MakeToken, make_token
from tests.browser.server import serving
from tests.faults.memory import megabytes

__all__ = ["make_token"]
pytestmark = [pytest.mark.fault, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]

LIMIT_MB = 1
SHORT_MB, LONG_MB = 8, 128
MOST_GROWTH_MB = 16
CHUNK = b" " * (1 << 20)
TAKING_A_BODY = [route for route in ROUTES if route.body is not None]


FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=part"


def _sent(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    token: str,
    megabytes: int,
    chunked: bool,
    content_type: str = "application/json",
) -> int:
    """Send the body a megabyte at a time until the server has had enough of it; the status it answers."""
    connection.putrequest(method, path)
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Type", content_type)
    if chunked:
        connection.putheader("Transfer-Encoding", "chunked")
    else:
        connection.putheader("Content-Length", str(megabytes * len(CHUNK)))
    connection.endheaders()
    try:
        for _ in range(megabytes):
            connection.send(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK) if chunked else CHUNK)
    except OSError:
        pass  # the server hung up
    return _status(connection)


def _status(connection: http.client.HTTPConnection) -> int:
    """The status, though the server may have closed behind it."""
    sock = connection.sock
    assert isinstance(sock, socket.socket)
    sock.settimeout(10)
    return int(sock.recv(64).split()[1])


@pytest.mark.deep
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "with-length"])
def test_memory_stays_flat(app: Flask, make_token: MakeToken, chunked: bool) -> None:
    token, url = make_token(), app.extensions["billing_settings"].database_url
    with serving(url, max_body_mb=str(LIMIT_MB)) as home:
        host = home.removeprefix("http://")

        def send_to_all(size: int) -> int:
            for route in TAKING_A_BODY:
                path = route.path.replace("{", "").replace("}", "")
                connection = http.client.HTTPConnection(host, timeout=30)
                assert _sent(connection, route.method, BASE + path, token, size, chunked) == 413, route
                connection.close()
            for content_type in (FORM, MULTIPART, "application/json", "application/octet-stream"):
                connection = http.client.HTTPConnection(host, timeout=30)
                assert _sent(connection, "POST", "/sign-in", "", size, chunked, content_type) == 413, content_type
                connection.close()
            return megabytes(home)

        before = send_to_all(SHORT_MB)
        assert before > 0
        assert max(send_to_all(LONG_MB) for _ in range(3)) - before < MOST_GROWTH_MB
