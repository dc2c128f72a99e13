"""Forms that are meant to stop the server: it refuses each quickly, with flat memory, and answers others meanwhile."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import delete

from billing_admin.db.transactions import transaction
from billing_admin.models import SignInFailure
from tests.browser.server import serving
from tests.conftest import SQLite
from tests.databases import MEMORY
from tests.faults.memory import megabytes, megabytes_written
from tests.people import PASSWORD, person

pytestmark = pytest.mark.fault

MIB = 1 << 20
MOST_GROWTH_MB = 50
MOST_SECONDS = 5.0  # one on a quiet machine; before, each attack took 10 s or more
MARKS = "a" + "\u0301\u0327" * 60_000  # its normalisation takes quadratic time
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'


@dataclass
class Answer:
    """A status, its page, and the seconds until it came."""

    status: int
    page: str
    seconds: float


@dataclass
class Browser:
    """A client with a cookie, which sends bodies as they are."""

    home: str
    cookie: str = ""
    token: str = ""
    seconds: list[float] = field(default_factory=list)

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def post(self, path: str, body: bytes, content_type: str = FORM) -> Answer:
        return self.call("POST", path, [body], {"Content-Type": content_type, "Content-Length": str(len(body))})

    def fill(self, path: str, **fields: str) -> Answer:
        return self.post(path, urlencode({"csrf_token": self.token, **fields}).encode())

    def call(self, method: str, path: str, parts: Iterable[bytes] = (), headers: Mapping[str, str] = {}) -> Answer:
        """Send a request part by part until the server has had enough of it."""
        started = time.monotonic()
        connection = http.client.HTTPConnection(self.home.removeprefix("http://"), timeout=60)
        connection.putrequest(method, path)
        for name, value in ({"Cookie": self.cookie} | dict(headers)).items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            for part in parts:
                connection.send(part)
        except OSError:
            pass  # the server answered and hung up
        return self._read(connection, started)

    def _read(self, connection: http.client.HTTPConnection, started: float) -> Answer:
        sock = connection.sock
        assert isinstance(sock, socket.socket)
        sock.settimeout(60)
        head, page = b"", b""
        try:
            while b"\r\n\r\n" not in head:
                head += sock.recv(65536) or b"\r\n\r\n"
            head, _, page = head.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            while length and len(page) < int(length[1]):
                page += sock.recv(65536) or b" " * int(length[1])
        except OSError:
            pass  # cut off, but the head is there
        finally:
            connection.close()
        text, seconds = page.decode(errors="replace"), time.monotonic() - started
        for name, value in re.findall(r"(?i)set-cookie: (\w+)=([^;]*)", head.decode()):
            self.cookie = f"{name}={value}"
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text)
        self.token = token[1] if token else self.token
        return Answer(int(head.split()[1]), text, seconds)


@contextmanager
def attacked(home: str) -> Iterator[None]:
    """Run an attack: memory stays flat, and requests that come meanwhile are answered."""
    warm = Browser(home)
    for _ in range(8):
        warm.get("/sign-in")
        warm.fill("/sign-in", email="nobody@example.com", password="wrong")
    before, over, waits = megabytes(home), threading.Event(), list[float]()

    def visit() -> None:
        while not over.is_set():
            waits.append(Browser(home).get("/sign-in").seconds)
            time.sleep(0.05)

    visitor = threading.Thread(target=visit, daemon=True)
    visitor.start()
    try:
        yield
    finally:
        over.set()
        visitor.join(60)
    assert before > 0
    assert megabytes(home) - before < MOST_GROWTH_MB
    assert waits
    assert max(waits) < MOST_SECONDS


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Flask]]:
    """One server for all attacks, on a database with an admin and a viewer: its address and its application."""
    with TemporaryDirectory(prefix="billing-", dir=MEMORY) as folder, closing(SQLite(Path(folder))) as database:
        person(database.app, "admin")
        person(database.app, "cashier")
        with serving(database.app.extensions["billing_settings"].database_url) as address:
            yield address, database.app


@pytest.fixture
def home(server: tuple[str, Flask]) -> str:
    """The address of the server, which has no failed sign-ins yet."""
    address, app = server
    with app.app_context():
        transaction(lambda session: session.execute(delete(SignInFailure)))
    return address


def stranger(home: str) -> Browser:
    browser = Browser(home)
    assert browser.get("/sign-in").status == 200
    assert browser.token
    return browser


def signed_in(home: str, role: str) -> Browser:
    browser = stranger(home)
    assert browser.fill("/sign-in", email=f"{role}@example.com", password=PASSWORD).status == 303
    browser.get("/account/password")
    return browser


def test_a_long_password_of_combining_marks_is_refused_at_once(home: str) -> None:
    browser, admin = stranger(home), signed_in(home, "admin")
    with attacked(home):
        for fields in ({"password": MARKS[:20_001]}, {"password": MARKS[:20_001], "email": MARKS[:10_000]}):
            answer = browser.fill("/sign-in", **({"email": "admin@example.com"} | fields))
            assert (answer.status, answer.seconds < MOST_SECONDS) == (422, True)
        assert browser.fill("/sign-in", email="admin@example.com", password=MARKS).status == 413
        for name in ("current", "password", "again"):
            fields = dict.fromkeys(("current", "password", "again"), PASSWORD) | {name: MARKS[:10_000]}
            answer = admin.fill("/account/password", **fields)
            assert (answer.status, answer.seconds < MOST_SECONDS) == (422, True), name


def test_sixteen_megabytes_of_empty_fields_are_refused_at_once(home: str) -> None:
    browser, admin = stranger(home), signed_in(home, "admin")
    with attacked(home):
        for caller, path in ((browser, "/sign-in"), (admin, "/customers/new"), (admin, "/charges/many")):
            for size in (200_000, 16 * MIB - 1000):
                answer = caller.post(path, b"a=&" * (size // 3))
                assert (answer.status, answer.seconds < MOST_SECONDS) == (413, True), path
    assert "This page accepts 4 MB and 2,500 fields at a time." in admin.post("/charges/many", b"a=&" * 3000).page


@pytest.mark.parametrize("chunk", [MIB, 1024 * MIB], ids=["many-chunks", "one-chunk"])
def test_a_gigabyte_without_a_length_is_refused_while_it_comes(home: str, chunk: int) -> None:
    browser, admin = stranger(home), signed_in(home, "admin")

    def body() -> Iterator[bytes]:
        piece = b"a" * MIB
        for sent in range(0, 1024 * MIB, MIB):
            if sent % chunk == 0:
                yield b"\r\n" * bool(sent) + b"%x\r\n" % chunk
            yield piece

    headers = {"Content-Type": FORM, "Transfer-Encoding": "chunked"}
    with attacked(home):
        for caller, path in ((browser, "/sign-in"), (browser, "/sign-out"), (admin, "/customers/new")):
            answer = caller.call("POST", path, body(), headers)
            assert (answer.status, answer.seconds < MOST_SECONDS) == (413, True), path


def test_no_file_of_a_caller_without_permission_is_read(home: str) -> None:
    """200 MB, with a length and without; the caller gets the answer, and nothing goes to memory or disk."""
    cashier, browser = signed_in(home, "cashier"), stranger(home)
    piece, size = b"1" * MIB, 200 * MIB

    def chunked() -> Iterator[bytes]:
        yield b"%x\r\n%b\r\n" % (len(FILE), FILE)
        for _ in range(size // MIB):
            yield b"%x\r\n%b\r\n" % (MIB, piece)

    def plain() -> Iterator[bytes]:
        yield FILE
        for _ in range(size // MIB):
            yield piece

    with attacked(home):
        before = megabytes_written(home)
        for caller, status in ((cashier, 403), (browser, 401)):
            for path in ("/verify-file", "/imports/charges/new", "/charges/many"):
                for parts, length in (
                    (chunked(), {"Transfer-Encoding": "chunked"}),
                    (plain(), {"Content-Length": str(size + len(FILE))}),
                ):
                    answer = caller.call("POST", path, parts, {"Content-Type": MULTIPART} | length)
                    assert (answer.status, answer.seconds < MOST_SECONDS) == (status, True), (path, length)
        assert megabytes_written(home) - before < 10


def test_cookies_and_parameters_are_counted(home: str) -> None:
    browser = stranger(home)
    with attacked(home):
        assert browser.get("/sign-in?" + "a&" * 2000).status == 414
        cookies = "; ".join(f"a{number}" for number in range(1500))[:8000]
        answer = browser.call("GET", "/sign-in", headers={"Cookie": cookies} | {f"X-{n}": cookies for n in range(90)})
        assert (answer.status, answer.seconds < MOST_SECONDS) == (200, True)


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"-5\r\n",
        b"5\r\nabc",
        b"3\r\nabcXX",
        b"3;" + b"x" * 20_000,
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 60_000 + b"\r\n",
    ],
    ids=lambda chunks: chunks[:12].decode().replace("\r\n", " "),
)
def test_malformed_chunks_are_a_bad_request(home: str, chunks: bytes) -> None:
    """The answer says so, and the log has no traceback."""
    address = ("127.0.0.1", int(home.rpartition(":")[2]))
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(
            b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + chunks
        )
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(64).startswith(b"HTTP/1.1 400 ")
