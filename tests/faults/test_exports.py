"""Processes that are killed while they write a file or send one: a part of a file is never taken for the whole."""

import http.client
import io
import os
import signal
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.background.exports import JOB_KIND
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import NotFound
from billing_admin.models import FilePart, Job, StoredFile
from billing_admin.operations import jobs
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.files import file_chunks, stored_file
from tests.browser.server import serving_process
from tests.faults.test_jobs import Place, place, silence, state, until
from tests.making import make_customer, make_service, make_spec, post
from tests.people import signed_in

pytestmark = [pytest.mark.fault, pytest.mark.deep]
__all__ = ["place"]

ROWS = 3_000
SECONDS = 30


@pytest.fixture
def charges(session: Session) -> None:
    """Charges whose descriptions do not compress well."""
    customer, service = make_customer(reference="ACME"), make_service()
    post(
        *(
            make_spec(customer, service=service, quantity=f"{n}.25", description=os.urandom(40).hex())
            for n in range(1, ROWS + 1)
        )
    )


def test_an_export_whose_worker_is_killed_is_written_again(
    app: Flask, session: Session, place: Place, charges: None, tmp_path: Path
) -> None:
    subject = UUID(int=1)
    parameters = {"kind": "charges", "format": "csv", "filters": {}, "sort": ""}
    id = transaction(jobs.enqueue, JOB_KIND, subject, "exports:read", SYSTEM, now(), parameters)
    browser = signed_in(app)
    with (tmp_path / "log").open("wb") as log, place.worker("tests.faults.small_chunks", log) as process:
        until(session, lambda: (session.scalar(select(func.count()).select_from(FilePart)) or 0) > 10)
        process.kill()
        process.wait()
    session.rollback()
    half = session.scalars(select(StoredFile.id)).one()
    assert state(session) == "running"
    with pytest.raises(NotFound):
        stored_file(session, half)
    assert browser.get(f"/exports/made/{subject}").status_code == 404
    silence(session)
    with (tmp_path / "log").open("ab") as log, place.worker(log=log):
        until(session, lambda: state(session) == "done")
    result = session.get_one(Job, id, populate_existing=True).result
    assert result is not None
    whole = UUID(result["file"])
    assert whole != half
    with zipfile.ZipFile(io.BytesIO(b"".join(file_chunks(session, whole)))) as bundle:
        assert bundle.testzip() is None
        [name] = [name for name in bundle.namelist() if name.endswith(".csv")]
        assert len(bundle.read(name).splitlines()) == ROWS + 1
    response = browser.get(f"/exports/made/{subject}")
    assert (response.status_code, len(response.data)) == (200, response.content_length)
    assert [check for check in run_checks(session) if check.count] == []


def slow_connection(address: str) -> socket.socket:
    """A connection of which the server can send little ahead."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.settimeout(SECONDS)
    connection.connect((urlsplit(address).hostname, urlsplit(address).port))
    return connection


def kill_processes(server_pid: int) -> None:
    """Kill the processes that gunicorn's main process has started."""
    for child in Path(f"/proc/{server_pid}/task/{server_pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)


@pytest.fixture
def server(app: Flask, charges: None) -> Iterator[tuple[str, int, str]]:
    """The address and the process of a server, and the cookie of a person who is signed in there."""
    browser = signed_in(app)
    cookie = next(cookie for cookie in browser._cookies.values() if "billing" in cookie.key)  # type: ignore[union-attr]
    db.session.remove()
    with serving_process(str(app.extensions["billing_settings"].database_url)) as (address, process):
        yield address, process.pid, f"{cookie.key}={cookie.value}"


def test_a_download_that_breaks_off_is_recognised(server: tuple[str, int, str]) -> None:
    address, pid, cookie = server
    place = address.removeprefix("http://")
    with slow_connection(address) as connection:
        connection.sendall(f"GET /exports/charges.csv HTTP/1.1\r\nHost: {place}\r\nCookie: {cookie}\r\n\r\n".encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 200
        assert response.read(1000)
        kill_processes(pid)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
    whole = http.client.HTTPConnection(place, timeout=SECONDS)  # gunicorn starts another process
    whole.request("GET", "/exports/charges.csv", headers={"Cookie": cookie})
    assert len(whole.getresponse().read().splitlines()) == ROWS + 1
    whole.close()
