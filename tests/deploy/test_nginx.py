"""The nginx configuration of `deploy/` with TLS in front of the product: cookies, limits, slow clients, addresses.

The file itself is used, with other ports and a certificate that the test makes.
"""

import http.client
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import SignInFailure
from tests.browser.server import serving
from tests.deploy.nginx import HOST, SECONDS, Proxy, running_nginx

pytestmark = [
    pytest.mark.deep,
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed: apt install nginx-light"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


@pytest.fixture
def proxy(app: Flask, tmp_path: Path) -> Iterator[Proxy]:
    """Nginx before the product as in production."""
    url = app.extensions["billing_settings"].database_url
    with (
        serving(url, env="production", trusted_hosts=f"{HOST},127.0.0.1", proxies="1", metrics="loopback") as address,
        running_nginx(tmp_path, [address.removeprefix("http://")]) as proxy,
    ):
        yield proxy


def status(answer: str) -> int:
    return int(answer.split(maxsplit=2)[1])


def test_behind_nginx(app: Flask, session: Session, proxy: Proxy) -> None:
    """One start for all parts, which takes the time."""
    check_tls_and_cookies(proxy)
    check_limits(proxy)
    check_addresses(proxy, session)
    check_slow_clients(proxy)


def check_tls_and_cookies(proxy: Proxy) -> None:
    page = proxy.get("/sign-in")
    head = page.partition("\r\n\r\n")[0]
    assert status(page) == 200
    assert head.count("Strict-Transport-Security:") == 1
    assert re.search(r"Set-Cookie: __Host-billing=[^\r]*; Secure; HttpOnly; Path=/; SameSite=Lax", head), head
    connection = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=SECONDS)
    connection.request("GET", "/customers?page=2", headers={"Host": HOST})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location")) == (308, f"https://{HOST}/customers?page=2")
    answer.read()
    connection.request("GET", "/.well-known/acme-challenge/missing", headers={"Host": HOST})
    assert connection.getresponse().status in {403, 404}  # looked up by nginx: a renewal needs no other server
    connection.close()


def check_limits(proxy: Proxy) -> None:
    form = "Content-Type: application/x-www-form-urlencoded\nConnection: close"
    post = f"POST {{}} HTTP/1.1\nHost: {HOST}\n{form}\n"
    chunk = b"%x\r\n%b\r\n" % (1 << 20, b"a" * (1 << 20))
    assert status(proxy.exchange(post.format("/sign-in") + "Content-Length: 1073741824")) == 413
    assert status(proxy.exchange(post.format("/sign-in") + "Transfer-Encoding: chunked", chunk)) == 413
    assert status(proxy.exchange(post.format("/api/v1/charges") + "Content-Length: 17825792")) == 413
    assert status(proxy.get("/sign-in", X_Long="a" * 20_000)) == 400
    assert status(proxy.get("/metrics")) == 404
    assert status(proxy.get("/readyz")) == 404
    assert status(proxy.get("/healthz")) == 200


def check_addresses(proxy: Proxy, session: Session) -> None:
    """Headers of the client are not believed: nginx replaces them, and the product reads as many as it has proxies."""
    forged = {"X_Forwarded_For": "203.0.113.9", "X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "http"}
    page = proxy.get("/sign-in", **forged)
    assert (status(page), "evil.example" in page) == (200, False)
    cookie = re.search(r"Set-Cookie: (__Host-billing=[^;]+)", page)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert cookie
    assert token
    body = f"csrf_token={token[1]}&email=nobody%40example.com&password=violet-anchor-meadow-38".encode()
    head = (
        f"POST /sign-in HTTP/1.1\nHost: {HOST}\nConnection: close\nCookie: {cookie[1]}\nX-Forwarded-For: 203.0.113.9\n"
        f"Referer: https://{HOST}/sign-in\nContent-Type: application/x-www-form-urlencoded\nContent-Length: {len(body)}"
    )
    assert status(proxy.exchange(head, body)) == 422
    assert session.scalars(select(SignInFailure.address)).all() == ["127.0.0.1"]


def check_slow_clients(proxy: Proxy) -> None:
    """500 connections without a request and 40 half-sent bodies; the product answers others at once."""
    head = f"POST /sign-in HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000\r\n\r\na".encode()
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(socket.create_connection(("127.0.0.1", proxy.secure), SECONDS))
        for _ in range(40):
            slow = stack.enter_context(closing(proxy.connect()))
            slow.sendall(head)
        started = time.monotonic()
        for _ in range(5):
            assert status(proxy.get("/healthz")) == 200
            assert status(proxy.get("/static/base.css")) in {200, 404}
        assert time.monotonic() - started < 10
