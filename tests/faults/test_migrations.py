"""Migrations are killed in the middle, and started by several processes at once: nothing is lost or done twice.

KILLS=100 .venv/bin/pytest -n0 -m deep tests/faults/test_migrations.py
"""

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, create_engine, event, make_url, text

from billing_admin.db.engine import db
from billing_admin.queries.doctor import run_checks
from tests.faults.kills import KILLS
from tests.faults.worker import PROCESSES
from tests.stored.test_stored_databases import DAYS, facts, migrated, restored

pytestmark = [pytest.mark.fault, pytest.mark.deep, pytest.mark.parametrize("kind", ["sqlite", "postgresql"])]
SECONDS = 120
RACING = 3


def migrate(url: str, folder: Path, dies_at: int, statements: Any) -> None:
    """Migrate, counting the statements, and die by SIGKILL at one of them."""

    def count(*_details: object) -> None:
        statements.value += 1
        if statements.value == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    with migrated(make_url(url), folder):
        pass


def run_migrations(url: URL, folder: Path, *dies_at: int) -> tuple[list[int | None], list[int]]:
    """Migrate in processes that begin together, and return their exit codes and their numbers of statements."""
    counts = [PROCESSES.Value("q", 0) for _ in dies_at]
    address = url.render_as_string(hide_password=False)
    processes = [
        PROCESSES.Process(target=migrate, args=(address, folder, place, count), daemon=True)
        for place, count in zip(dies_at, counts, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS)
    return [process.exitcode for process in processes], [count.value for count in counts]


def revision(url: URL) -> str:
    """Read the revision of a database from outside of the program."""
    engine = create_engine(url)
    with engine.connect() as connection:
        (stored,) = connection.scalars(text("SELECT version_num FROM alembic_version")).all()
    engine.dispose()
    return str(stored)


def checked_facts(url: URL, folder: Path) -> dict[str, Any]:
    """Check a migrated database, and return its hashes and its numbers of rows."""
    with migrated(url, folder):
        assert [result for result in run_checks(db.session()) if result.count] == []
        tables = ("customers", "charges", "invoices", "invoice_lines", "payments", "audit_events")
        counts = {table: db.session.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables}
        return facts() | counts


def test_a_migration_that_is_killed_leaves_the_database_as_it_was(kind: str, tmp_path: Path) -> None:
    with restored(kind, DAYS[0], tmp_path) as url:
        (code,), (total,) = run_migrations(url, tmp_path, 0)
        assert code == 0
        newest, expected = revision(url), checked_facts(url, tmp_path)
    chance = random.Random(17)
    with restored(kind, DAYS[0], tmp_path) as url:
        before = revision(url)
        for place in (*(chance.randrange(2, total) for _ in range(KILLS - 1)), total):
            (code,), _ = run_migrations(url, tmp_path, place)
            assert code == -signal.SIGKILL
            assert revision(url) == before, place  # all of it or nothing
        assert run_migrations(url, tmp_path, 0)[0] == [0]
        assert (revision(url), checked_facts(url, tmp_path)) == (newest, expected)


def test_of_processes_that_migrate_at_once_one_does_and_the_others_wait(kind: str, tmp_path: Path) -> None:
    with restored(kind, DAYS[0], tmp_path) as url:
        codes, counts = run_migrations(url, tmp_path, *[0] * RACING)
        assert codes == [0] * RACING
        *waiting, working = sorted(counts)
        assert max(waiting) < working / 4, counts
        checked_facts(url, tmp_path)
