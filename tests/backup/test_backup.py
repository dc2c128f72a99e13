"""`backup` and `restore` on both databases: while others write, killed, damaged, encrypted, and of another release."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy import make_url, select
from sqlalchemy.orm import Session

from billing_admin import create_app
from billing_admin.backup.create import backups, create_backup, delete_old
from billing_admin.backup.databases import COUNTED, database_copies
from billing_admin.backup.manifest import read_manifest
from billing_admin.backup.restore import Backup
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.models import AuditEvent, Charge, Customer, Invoice
from billing_admin.queries.doctor import run_checks
from tests.conftest import ROOT
from tests.databases import SERVER, _installed_binaries, plain, postgresql_database
from tests.making import make_customer, make_invoice, make_spec, post

pytestmark = pytest.mark.both_databases
KEY = "k3J8sLw0Qz5Xv7Bn2Mf9Tg4Hd6Rp1Yc8"
AT = datetime(2026, 11, 30, 8, 45, tzinfo=UTC)


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs of the PostgreSQL that the tests use."""
    if folder := _installed_binaries():
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture
def settings(app: Flask) -> Settings:
    settings: Settings = app.extensions["billing_settings"]
    return settings


@pytest.fixture
def other(backend: str, tmp_path: Path, settings: Settings) -> Iterator[Flask]:
    """An installation with an empty database and other keys, to restore into."""
    if backend == "sqlite":
        yield from installation(settings, f"sqlite:///{tmp_path / 'other' / 'billing.sqlite3'}")
    else:
        with postgresql_database(make_url(os.environ[SERVER]), f"billing_restore_{os.getpid()}") as url:
            yield from installation(settings, url.render_as_string(hide_password=False))


def installation(settings: Settings, url: str) -> Iterator[Flask]:
    app = create_app(settings.model_copy(update={"database_url": url, "secret_key": "another-secret" * 4}))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def customer(session: Session) -> Customer:
    """A customer with an invoice."""
    customer = make_customer(reference="ACME")
    make_invoice(customer)
    session.rollback()
    return customer


def run(app: Flask, *arguments: object) -> Result:
    return app.test_cli_runner().invoke(FlaskGroup(create_app=lambda: app), list(map(str, arguments)))


@contextmanager
def set_key(app: Flask, key: str) -> Iterator[None]:
    """Set BILLING_BACKUP_KEY of an installation."""
    settings: Settings = app.extensions["billing_settings"]
    app.extensions["billing_settings"] = settings.model_copy(update={"backup_key": key})
    try:
        yield
    finally:
        app.extensions["billing_settings"] = settings


def contents(app: Flask, statement: Any) -> list[Any]:
    with app.app_context():
        return list(db.session().execute(statement))


def references() -> list[str]:
    """The customers that are stored; commands replace the session of the test."""
    db.session.rollback()
    found = sorted(db.session.scalars(select(Customer.reference)))
    db.session.rollback()
    return found


def problems(app: Flask) -> list[str]:
    """The checks of doctor that fail."""
    with app.app_context():
        return [result.check.name for result in run_checks(db.session()) if result.count]


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "encrypted"])
def test_a_backup_is_restored_with_its_keys(
    app: Flask,
    session: Session,
    settings: Settings,
    customer: Customer,
    other: Flask,
    tmp_path: Path,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    oidc_secret = tmp_path / "oidc_secret"
    oidc_secret.write_text("secret of the client\n")
    monkeypatch.setattr(settings, "oidc_client_secret_file", oidc_secret)
    with set_key(app, key):
        created = run(app, "backup", tmp_path / "backups", "--keep", 2)
    assert created.exit_code == 0, created.output
    folder = Path(created.stdout.strip())
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}
    secret = settings.secret_key.encode()
    assert any(secret in path.read_bytes() for path in folder.iterdir()) is (not key)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["encrypted"], manifest["rows"]["invoices"]) == (bool(key), 1)
    assert set(manifest["rows"]) == set(COUNTED)
    recorded = session.scalars(select(AuditEvent).where(AuditEvent.action == "backup.created")).all()
    assert [event.details["backup"] for event in recorded] == [folder.name]
    numbers = select(Invoice.number, Invoice.hash)
    issued = list(session.execute(numbers))
    db.session.remove()

    with set_key(other, key):
        restored = run(other, "restore", tmp_path / "backups", "--keys-to", tmp_path / "keys")
    assert restored.exit_code == 0, restored.output
    assert "BILLING_SECRET_KEY differs" in restored.output
    assert (tmp_path / "keys" / "secret_key").read_bytes() == secret
    assert (tmp_path / "keys" / "oidc_secret").read_bytes() == b"secret of the client"
    assert contents(other, numbers) == issued
    actions = [action for (action,) in contents(other, select(AuditEvent.action))]
    assert actions.count("backup.restored") == 1
    assert problems(other) == []


def test_a_database_with_data_is_replaced_only_if_asked(
    app: Flask, session: Session, settings: Settings, customer: Customer, tmp_path: Path
) -> None:
    create_backup(settings, tmp_path, AT)
    make_customer(reference="LATER")
    refused = run(app, "restore", tmp_path)
    assert (refused.exit_code, "Add --replace" in refused.output) == (5, True)
    assert references() == ["ACME", "LATER"]
    replaced = run(app, "restore", tmp_path, "--replace")
    assert replaced.exit_code == 0, replaced.output
    assert references() == ["ACME"]
    assert [result.check.name for result in run_checks(db.session()) if result.count] == []


def test_a_backup_while_others_write_is_one_moment(
    app: Flask, session: Session, settings: Settings, customer: Customer, other: Flask, tmp_path: Path
) -> None:
    stop, posted = threading.Event(), threading.Event()

    def write() -> None:
        for number in range(300):
            if stop.is_set():
                break
            with app.app_context():
                post(make_spec("ACME", "1", description=f"Charge {number}"))
            posted.set()

    session.rollback()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert posted.wait(10)
        folder, manifest = create_backup(settings, tmp_path, AT)
    finally:
        stop.set()
        writer.join()
    assert manifest.rows["charges"] >= 1
    Backup(folder, "").restore(database_copies(other.extensions["billing_settings"]), tmp_path)
    assert len(contents(other, select(Charge.id))) == manifest.rows["charges"]
    assert problems(other) == []


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "encrypted"])
def test_a_flipped_byte_of_any_part_is_refused(
    settings: Settings, customer: Customer, other: Flask, tmp_path: Path, key: str
) -> None:
    folder, manifest = create_backup(settings.model_copy(update={"backup_key": key}), tmp_path, AT)
    for part in manifest.parts:
        content = (folder / part.name).read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            changed = bytearray(content)
            changed[place] ^= 1
            (folder / part.name).write_bytes(changed)
            with pytest.raises(Invalid, match=f"{part.name} was changed or is damaged"):
                Backup(folder, key)
        (folder / part.name).write_bytes(content[:-1])
        with pytest.raises(Invalid, match="was changed or is damaged"):
            Backup(folder, key)
        (folder / part.name).write_bytes(content)
    Backup(folder, key)
    assert database_copies(other.extensions["billing_settings"]).is_empty()


def test_a_damaged_copy_with_a_matching_hash_changes_nothing(
    settings: Settings, customer: Customer, tmp_path: Path, session: Session
) -> None:
    folder, manifest = create_backup(settings, tmp_path, AT)
    file = folder / manifest.parts[0].name
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    session.rollback()
    db.engine.dispose()
    with pytest.raises(Conflict):
        database_copies(settings).restore(file)
    assert references() == ["ACME"]


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from billing_admin.backup import create
from billing_admin.config import Settings
original, count = create._sync_folder if {point} == "sync" else create._write, 0
def killed(*arguments):
    global count
    if {point} != "sync":
        original(*arguments)
    count += 1
    if count == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments) if {point} == "sync" else create.Part(arguments[0].name, 0, "")
setattr(create, "_sync_folder" if {point} == "sync" else "_write", killed)
create.create_backup(Settings(), Path(sys.argv[1]), datetime.now(UTC))
"""


@pytest.mark.fault
@pytest.mark.deep
@pytest.mark.parametrize(
    ("point", "number"),
    [("write", 1), ("write", 2), ("write", 3), ("sync", 1)],
    ids=["copy", "keys", "manifest", "rename"],
)
def test_a_killed_backup_leaves_nothing_that_looks_complete(
    settings: Settings, customer: Customer, tmp_path: Path, point: str, number: int
) -> None:
    environment = os.environ | {
        "BILLING_DATABASE_URL": settings.database_url,
        "BILLING_SECRET_KEY": settings.secret_key,
    }
    program = KILLED.format(point=repr(point), number=number)
    process = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "backups"], cwd=ROOT, env=environment, check=False
    )
    assert process.returncode == -signal.SIGKILL
    assert backups(tmp_path / "backups") == []
    assert [path.name[:9] for path in (tmp_path / "backups").iterdir() if path.is_dir()] == [".partial-"]
    folder, _ = create_backup(settings, tmp_path / "backups", AT)
    assert {path for path in (tmp_path / "backups").iterdir() if path.is_dir()} == {folder}
    if settings.sqlite_file:
        assert list(settings.sqlite_file.parent.glob(".backup-*")) == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_old_backups_are_deleted(settings: Settings, customer: Customer, tmp_path: Path) -> None:
    created = [create_backup(settings, tmp_path, AT + timedelta(days=day))[0] for day in range(3)]
    (tmp_path / "notes").mkdir()
    assert delete_old(tmp_path, 2) == 1
    assert backups(tmp_path) == created[1:]
    assert (tmp_path / "notes").exists()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_two_backups_at_once_into_one_folder(
    settings: Settings, customer: Customer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def during(*_: object) -> Any:
        with pytest.raises(Conflict, match="Another backup is being written"):
            create_backup(settings, tmp_path, AT)
        raise KeyboardInterrupt

    monkeypatch.setattr("billing_admin.backup.create._write_parts", during)
    with pytest.raises(KeyboardInterrupt):
        create_backup(settings, tmp_path, AT)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.deep
def test_verify_restores_into_another_database_and_runs_doctor(
    app: Flask, session: Session, settings: Settings, customer: Customer, tmp_path: Path
) -> None:
    create_backup(settings, tmp_path, AT)
    verified = run(app, "backup", "--verify", tmp_path)
    assert verified.exit_code == 0, verified.output
    assert "audit_chain\tok" in verified.stdout or "\tok\t" in verified.stdout
    assert "passed every check" in verified.stderr
    assert "invoices 1" in verified.stderr
    assert references() == ["ACME"]
    if settings.sqlite_file:
        assert list(settings.sqlite_file.parent.glob(".verify-*")) == []
    else:
        with psycopg.connect(plain(make_url(settings.database_url))) as connection:
            names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'billing_verify%'")
            assert names.fetchall() == []


def test_a_backup_of_another_release_or_database_is_refused(
    settings: Settings, customer: Customer, other: Flask, tmp_path: Path
) -> None:
    folder, _ = create_backup(settings, tmp_path, AT)
    manifest = folder / "manifest.json"
    written = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(written | {"revision": "9999"}))
    with pytest.raises(Invalid, match="revision 9999, which this program does not know"):
        Backup(folder, "")
    manifest.write_text(json.dumps(written | {"database": "oracle"}))
    with pytest.raises(Conflict, match="This backup is of oracle"):
        Backup(folder, "").restore(database_copies(other.extensions["billing_settings"]), tmp_path)
    for wrong in ("[]", "{", json.dumps(written | {"parts": [{"name": "../x", "size": 1, "sha256": ""}]})):
        manifest.write_text(wrong)
        with pytest.raises(Invalid, match=r"manifest.json is damaged"):
            read_manifest(folder)
    manifest.write_text(json.dumps(written | {"encrypted": True}))
    with pytest.raises(Invalid, match="Set BILLING_BACKUP_KEY"):
        Backup(folder, "")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_file_in_use_is_not_replaced(app: Flask, settings: Settings, customer: Customer, tmp_path: Path) -> None:
    folder, _ = create_backup(settings, tmp_path, AT)
    make_customer(reference="LATER")
    stored, copies = Backup(folder, ""), database_copies(settings)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM customers")
        with pytest.raises(Conflict, match="Stop the server and the workers first"):
            stored.restore(copies, tmp_path)
    db.session.remove()
    db.engine.dispose()
    stored.restore(copies, tmp_path)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_without_the_programs_the_message_names_the_package(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: Flask
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    result = run(app, "backup", tmp_path)
    assert (result.exit_code, "postgresql-client" in result.stderr) == (4, True), result.output
    assert backups(tmp_path) == []
