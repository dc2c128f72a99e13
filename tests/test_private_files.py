"""Files that only the user of the program can open."""

import os
import runpy
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from gunicorn.config import Config

from billing_admin import config, create_app
from billing_admin.config import Settings, create_data_folder
from billing_admin.db.engine import db
from billing_admin.http.rate_limit_storage import SQLiteRateLimitStorage
from billing_admin.private_files import create_private_database
from tests.conftest import ROOT
from tests.making import make_tax_rate


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _no_umask() -> Iterator[None]:
    """Create files as on a machine where everybody may read everything."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_database_of_an_earlier_release_is_closed_to_others(tmp_path: Path) -> None:
    files = [tmp_path / f"billing.sqlite3{suffix}" for suffix in ("", "-wal", "-shm")]
    for file in files:
        file.touch(0o664)
    app = create_app(Settings(database_url=f"sqlite:///{files[0]}", secret_key="only-for-tests" * 4))
    with app.app_context(), db.engine.connect():
        assert [mode(file) for file in files] == [0o600] * 3
        db.engine.dispose()


OTHER_PROCESS = (
    "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM tax_rates').fetchone()[0])"
)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_further_connection_keeps_the_locks_of_the_others(app: Flask) -> None:
    """Otherwise the next process that closes the database deletes the log that this one goes on writing to."""
    file = Path(str(app.extensions["billing_settings"].database_url).removeprefix("sqlite:///"))

    def count_elsewhere() -> int:
        command = [sys.executable, "-c", OTHER_PROCESS, str(file)]
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    with app.app_context():
        before = count_elsewhere()
        with db.engine.connect() as first, db.engine.connect() as second:
            first.exec_driver_sql("SELECT count(*) FROM tax_rates").all()
            second.exec_driver_sql("SELECT count(*) FROM tax_rates").all()
            log = file.with_name(f"{file.name}-wal").stat().st_ino
            assert count_elsewhere() == before
            make_tax_rate()
            assert file.with_name(f"{file.name}-wal").stat().st_ino == log
            assert count_elsewhere() == before + 1


def test_new_files_are_closed_to_others(tmp_path: Path) -> None:
    create_private_database(tmp_path / "queue.sqlite3")
    SQLiteRateLimitStorage(tmp_path / "limits").acquire_sliding_window_entry("a", 1, 1)
    names = ("queue.sqlite3", "limits", "limits-wal", "limits-shm")
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == dict.fromkeys(names, 0o600)


def test_only_the_programs_own_folder_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in /tmp must not close /tmp."""
    own, shared = tmp_path / "instance", tmp_path / "shared"
    for folder in (own, shared):
        folder.mkdir(0o755)
    monkeypatch.setattr(config, "INSTANCE", own)
    for folder in (own, shared, tmp_path / "new"):
        create_data_folder(folder)
    assert [mode(folder) for folder in (own, shared, tmp_path / "new")] == [0o700, 0o755, 0o700]


def test_gunicorn_trusts_no_header_of_a_proxy() -> None:
    settings = Config()
    for name, value in runpy.run_path(str(ROOT / "gunicorn.conf.py")).items():
        if name in settings.settings:
            settings.set(name, value)
    assert (settings.forwarded_allow_ips, settings.forwarder_headers, settings.proxy_allow_ips) == ([], [], [])
    assert settings.umask == 0o077
