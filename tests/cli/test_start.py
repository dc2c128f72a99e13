"""`start` in a process of its own: on an empty database, again, on a port that is taken, and in production."""

import http.client
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from billing_admin import create_app
from tests.conftest import ROOT
from tests.people import PASSWORD

SECONDS = 60
FLASK = [sys.executable, "-m", "flask", "--app", "wsgi"]
EMAIL, WRONG = "admin@example.com", "violet-anchor-meadow-38"
PRODUCTION = {"BILLING_ENV": "production", "BILLING_TRUSTED_HOSTS": "billing.example.com"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the database goes, made by the first start."""
    return tmp_path / "data"


@pytest.fixture
def port() -> int:
    """A port that nobody listens on: below those that the system hands out, and not that of another test process."""
    for number in range(10_000 + os.getpid() % 10_000, 30_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", number)):
                return number
    raise RuntimeError("no port is free")


def environment(folder: Path, more: dict[str, str]) -> dict[str, str]:
    return os.environ | {
        "BILLING_DATABASE_URL": f"sqlite:///{folder / 'billing.sqlite3'}",
        "BILLING_SECRET_KEY": "wmX2Qy8hPz4Lk9Rv3Tn7Bc1Jd6Fg5Hs0Ua",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


@contextmanager
def started(folder: Path, port: int, *options: str, **more: str) -> Iterator[str]:
    """What a start prints on stdout, while it serves; it is ended, by its id, at the end."""
    command = [*FLASK, "start", "--port", str(port), *options]
    output = folder.with_name("stdout")
    with output.open("wb") as stdout, folder.with_name("stderr").open("wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(folder, more),
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            umask=0,
        )
    try:
        _wait_until_it_answers(process, port, folder)
        yield output.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    """The server that this process started listens, and nobody else on that port."""
    deadline, log = time.monotonic() + SECONDS, folder.with_name("stderr")
    while f"Listening at: http://127.0.0.1:{port} " not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(log.read_text())
        time.sleep(0.1)
    ask(port)


def ask(port: int) -> None:
    """Get the health page, whatever it answers."""
    send(port, "GET", "/api/v1/health", Host=PRODUCTION["BILLING_TRUSTED_HOSTS"])


def send(port: int, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, str]:
    """Send a request and return the status, the cookie and the page of its answer."""
    named = {name.replace("__", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, (answer.getheader("Set-Cookie") or "").partition(";")[0], answer.read().decode()


def sign_in(port: int, password: str, **headers: str) -> int:
    """Fill in the sign-in page of the first admin, and return the status."""
    return fill_in(port, "/sign-in", {"email": EMAIL, "password": password}, **headers)


def fill_in(port: int, path: str, fields: dict[str, str], cookie: str = "", **headers: str) -> int:
    """Fill in the form of a page, and return the status."""
    _, cookie, page = send(port, "GET", path, Cookie=cookie)
    (token,) = set(re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page))
    form = {"Content__Type": "application/x-www-form-urlencoded", "Cookie": cookie} | headers
    return send(port, "POST", path, urlencode({"csrf_token": token} | fields), **form)[0]


def use_link(port: int, output: str) -> int:
    """Open the set-up link that a start printed, and create the first account."""
    (link,) = re.findall(rf"http://127.0.0.1:{port}(/set-up\?token=\S+)", output)
    _, cookie, _ = send(port, "GET", link)
    return fill_in(port, "/set-up", {"email": EMAIL, "password": PASSWORD, "again": PASSWORD}, cookie)


def modes(folder: Path) -> dict[str, int]:
    """The permissions of the folder and of each file in it."""
    paths = [folder, *folder.iterdir()]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}


def count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "billing.sqlite3")) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.deep
def test_the_first_start_makes_everything_and_the_next_keeps_it(folder: Path, port: int) -> None:
    folder.mkdir(0o700)
    (folder / "first-sign-in.txt").write_text("Password: of an earlier version")
    with started(folder, port) as first:
        assert f"http://127.0.0.1:{port}" in first
        taken = run(folder, "start", BILLING_PORT=str(port))
        assert (taken.returncode, taken.stdout) == (6, "")
        assert f"Port {port} is in use" in taken.stderr
        assert not (folder / "first-sign-in.txt").exists()
    assert "works once, for 24 hours" in folder.with_name("stderr").read_text()
    made = [count(folder, table) for table in ("users", "customers", "invoices")]
    assert made[:2] == [0, 36]
    with started(folder, port, "--reload") as second:
        assert use_link(port, second) == 303
        _check_headers_of_others(port)
        _check_permissions(folder)
        assert sign_in(port, WRONG) == 422
        assert sign_in(port, PASSWORD) == 303
    assert [count(folder, table) for table in ("users", "customers", "invoices")] == [1, *made[1:]]
    with started(folder, port, "--empty") as third:  # nothing but demo data and a person who looked at it
        assert "Removed the demo data" in folder.with_name("stderr").read_text()
        assert use_link(port, third) == 303
    assert [count(folder, table) for table in ("users", "customers", "invoices")] == [1, 0, 0]


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*FLASK, *arguments],
        cwd=ROOT,
        env=environment(folder, more),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def _check_headers_of_others(port: int) -> None:
    """Gunicorn trusted these headers of every client on the loopback address."""
    assert send(port, "GET", "/prefix/sign-in", SCRIPT_NAME="/prefix")[0] == 404
    assert send(port, "GET", "/nowhere", PATH_INFO="/sign-in")[0] == 404
    for name, value in (("Proto", "https"), ("Protocol", "ssl"), ("Ssl", "on")):  # pages of TLS ask for a Referer: 400
        assert sign_in(port, WRONG, **{f"X__Forwarded__{name}": value}) == 422


def _check_permissions(folder: Path) -> None:
    """Everybody on the machine could read the database."""
    expected = {"billing.sqlite3", "billing.sqlite3-wal", "queue.sqlite3"}
    assert modes(folder).keys() >= expected
    assert {name: mode for name, mode in modes(folder).items() if mode != 0o600} == {folder.name: 0o700}


@pytest.mark.deep
def test_in_production_nothing_is_made_up(folder: Path, port: int) -> None:
    with started(folder, port, **PRODUCTION) as output:
        assert "https://billing.example.com/set-up?token=" in output
    assert [count(folder, table) for table in ("users", "customers")] == [0, 0]
    assert [path.name for path in folder.iterdir() if path.suffix == ".txt"] == []
    refused = run(folder, "start", "--empty", "--port", str(port), **PRODUCTION)
    assert (refused.returncode, "Production has no demo data." in refused.stderr) == (2, True)


def test_production_names_all_missing_settings_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_ENV", "production")
    monkeypatch.setenv("BILLING_MAIL_URL", "smtp://a@b.example")
    with pytest.raises(SystemExit) as refused:
        create_app()
    for name in ("SECRET_KEY", "TRUSTED_HOSTS", "MAIL_PASSWORD_FILE", "MAIL_FROM"):
        assert f"Set BILLING_{name} to " in str(refused.value)


def test_wrong_settings_are_named_by_their_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_SESSION_HOURS", "x")
    monkeypatch.setenv("BILLING_POOL_SIZE", "0")
    with pytest.raises(SystemExit) as refused:
        create_app()
    assert "Correct BILLING_SESSION_HOURS. " in str(refused.value)
    assert "Correct BILLING_POOL_SIZE. " in str(refused.value)
