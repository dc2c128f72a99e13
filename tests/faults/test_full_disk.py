"""A disk that is full: writes are refused with 503, reads go on, and nothing that was acknowledged is lost."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.models import Charge
from billing_admin.operations.access import tokens
from billing_admin.queries.doctor import run_checks
from tests.books import assert_books_balance
from tests.conftest import Database
from tests.databases import PostgreSQL
from tests.making import make_customer, make_spec, post

pytestmark = pytest.mark.fault

BATCH, MAX_BATCHES = 50, 500
MEMORY_DISK = "size=160m"  # an empty server takes about half of it
SPARE_BYTES = 6 * 1024 * 1024
RECOVERY_SECONDS = 10
FREE_PAGES = 100  # of an SQLite file, 4 KiB each


class Poster:
    """A script that posts batches of charges, and remembers those that were acknowledged."""

    def __init__(self, app: Flask) -> None:
        make_customer(reference="ACME")
        token = transaction(tokens.create, "script", tuple(SCOPES), 1, actor=SYSTEM, now=clock.now())[1]
        self._headers = {"Authorization": f"Bearer {token}"}
        self._client: FlaskClient = app.test_client()
        self.acknowledged: set[UUID] = set()

    def post(self, ids: list[UUID]) -> Any:
        charges = [{"id": str(id), "customer": "ACME", "description": f"{id} " * 5, "amount": "1.25"} for id in ids]
        response = self._client.post("/api/v1/charges/batch", json={"charges": charges}, headers=self._headers)
        if response.status_code in {200, 201}:
            self.acknowledged.update(ids)
        return response

    def read(self) -> int:
        return self._client.get("/api/v1/charges?limit=100", headers=self._headers).status_code

    def wait(self) -> None:
        """Read until the application has a connection to the server that was started."""
        deadline = monotonic() + RECOVERY_SECONDS
        while self.read() != 200:
            assert monotonic() < deadline
            sleep(0.05)

    def fill(self) -> list[UUID]:
        """Post batches until one is refused, and return the ids of that one."""
        for _ in range(MAX_BATCHES):
            ids = [uuid4() for _ in range(BATCH)]
            response = self.post(ids)
            if response.status_code != 201:
                assert response.status_code == 503, response.text[:500]
                assert response.headers["Retry-After"] == "5"
                return ids
        raise AssertionError("the disk did not become full")


def assert_nothing_is_lost(session: Session, poster: Poster) -> None:
    """All acknowledged charges are stored, no others, and doctor finds nothing."""
    session.rollback()
    stored = set(session.scalars(select(Charge.id).where(Charge.description != "Before")))
    assert stored == poster.acknowledged
    assert_books_balance(session)
    assert [result for result in run_checks(session) if result.count] == []


def assert_full_and_free_again(session: Session, poster: Poster, free: Any) -> None:
    """Fill the disk, use what still works, free space, and repeat what was refused."""
    refused = poster.fill()
    assert len(poster.acknowledged) >= BATCH
    assert poster.post(refused).status_code == 503
    assert poster.read() == 200
    free()
    assert poster.post(refused).status_code == 201
    assert_nothing_is_lost(session, poster)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_sqlite_file_that_may_not_grow(app: Flask, session: Session) -> None:
    poster = Poster(app)
    post(make_spec("ACME", "1.00", description="Before"))
    pages: dict[str, int] = {}

    def limit(connection: Any, _record: Any) -> None:
        with closing(connection.cursor()) as cursor:
            used = cursor.execute("PRAGMA page_count").fetchone()[0]
            pages.setdefault("most", used + FREE_PAGES)
            cursor.execute(f"PRAGMA max_page_count = {pages['most']}")

    def free() -> None:
        pages["most"] = 2**30
        db.engine.dispose()

    session.close()
    db.engine.dispose()
    event.listen(db.engine, "connect", limit)
    try:
        assert_full_and_free_again(session, poster, free)
    finally:
        event.remove(db.engine, "connect", limit)
        session.close()
        db.engine.dispose()


@contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a small disk in memory, or skip the test where that is not allowed."""
    with tempfile.TemporaryDirectory(prefix="disk-") as name:
        folder = Path(name)
        mounted = (
            os.geteuid() == 0
            and not subprocess.run(
                ["mount", "-t", "tmpfs", "-o", MEMORY_DISK, "tmpfs", folder], check=False, capture_output=True
            ).returncode
        )
        if not mounted:
            pytest.skip("only a root user who may mount can make a small disk")
        try:
            folder.chmod(0o755)
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill_up(disk: Path) -> Path:
    """Leave a few MiB of a disk free, and return the file that takes the rest."""
    file = disk / "ballast"
    space = os.statvfs(disk)
    with file.open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, space.f_bavail * space.f_frsize - SPARE_BYTES)
    return file


@contextmanager
def database_on(server: PostgreSQL) -> Iterator[Database]:
    """Yield a migrated database of a server, within its application."""
    with (
        tempfile.TemporaryDirectory(prefix="billing-") as folder,
        closing(Database(server.url, Path(folder))) as database,
        database.app.app_context(),
    ):
        yield database
        db.session.remove()


def move_log(server: PostgreSQL, folder: Path) -> None:
    """Keep the log of a server, which is stopped and started for it, in another folder."""
    server.stop()
    log = server.folder / "data" / "pg_wal"
    moved = Path(shutil.copytree(log, folder / "pg_wal"))
    for path in (folder, moved, *moved.rglob("*")):
        os.chown(path, *(server.owner or (-1, -1)))
        path.chmod(0o700)
    shutil.rmtree(log)
    log.symlink_to(moved)
    server.start()


@pytest.mark.deep
def test_a_postgresql_whose_tables_may_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk() as disk, tempfile.TemporaryDirectory(prefix="log-") as elsewhere:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        server = PostgreSQL(durable=True)
        monkeypatch.undo()
        try:
            move_log(server, Path(elsewhere))
            with database_on(server) as database:
                poster = Poster(database.app)
                assert_full_and_free_again(db.session(), poster, fill_up(disk).unlink)
        finally:
            server.remove()


@pytest.mark.deep
def test_a_postgresql_whose_log_may_not_grow() -> None:
    """PostgreSQL stops where it cannot write its log: everything is 503 until it is started on a disk with space."""
    with small_disk() as disk:
        server = PostgreSQL(durable=True, min_wal_size="32MB", max_wal_size="48MB")
        try:
            with database_on(server) as database:
                poster = Poster(database.app)
                move_log(server, disk)
                poster.wait()
                ballast = fill_up(disk)
                refused = poster.fill()
                assert poster.read() == 503
                ballast.unlink()
                server.stop(signal.SIGQUIT)  # it may still be trying to recover
                server.start()
                poster.wait()
                assert poster.post(refused).status_code in {200, 201}
                assert_nothing_is_lost(db.session(), poster)
        finally:
            server.remove()
