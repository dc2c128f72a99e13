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

import pytest

from tests.conftest import ROOT

SECONDS = 60
FLASK = [sys.executable, "-m", "flask", "--app", "wsgi"]
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
            command, cwd=ROOT, env=environment(folder, more), stdout=stdout, stderr=stderr, start_new_session=True
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
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", "/api/v1/health", headers={"Host": PRODUCTION["BILLING_TRUSTED_HOSTS"]})
        connection.getresponse().read()


def count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "billing.sqlite3")) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_the_first_start_makes_everything_and_the_next_keeps_it(folder: Path, port: int) -> None:
    with started(folder, port) as first:
        assert f"http://127.0.0.1:{port}" in first
        assert "admin@example.com" in first
        taken = subprocess.run(
            [*FLASK, "start"],
            cwd=ROOT,
            env=environment(folder, {"BILLING_PORT": str(port)}),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert (taken.returncode, taken.stdout) == (6, "")
    assert f"Port {port} is in use" in taken.stderr
    (password,) = re.findall(r"Password: (\S+)", first)
    note = folder / "first-sign-in.txt"
    assert password in note.read_text()
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    made = [count(folder, table) for table in ("users", "customers", "invoices")]
    assert made[:2] == [1, 36]
    with started(folder, port, "--reload") as second:
        assert password not in second
        assert str(note) in second
    assert [count(folder, table) for table in ("users", "customers", "invoices")] == made


@pytest.mark.deep
def test_in_production_nothing_is_made_up(folder: Path, port: int) -> None:
    with started(folder, port, **PRODUCTION):
        assert "create-user" in folder.with_name("stderr").read_text()
    assert [count(folder, table) for table in ("users", "customers")] == [0, 0]
    assert [path.name for path in folder.iterdir() if path.suffix == ".txt"] == []
