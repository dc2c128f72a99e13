"""The schema revision that this program needs, and the check of the stored one."""

import sqlite3
from collections.abc import Iterable
from functools import cache
from typing import Any, NoReturn

from alembic.script import ScriptDirectory
from psycopg.errors import UndefinedTable

from billing_admin.config import ROOT
from billing_admin.db.errors import RevisionMismatch

MIGRATIONS = ROOT / "migrations"
STORED_REVISION = "SELECT version_num FROM alembic_version"
_UPGRADE = "To upgrade it, run: flask --app wsgi db upgrade"


@cache
def needed_revision() -> str:
    """Return the newest revision of this program's migrations."""
    return _names(ScriptDirectory(str(MIGRATIONS)).get_heads())


@cache
def _known_revisions() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def is_known_revision(revision: str) -> bool:
    """Return whether this program has the migrations up to a revision."""
    return revision in _known_revisions()


def check_stored_revision(driver: Any) -> None:
    """Check the revision stored in the database of a driver's connection.

    Raises RevisionMismatch.
    """
    try:
        rows = driver.execute(STORED_REVISION).fetchall()
    except (UndefinedTable, sqlite3.OperationalError) as error:
        if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
            raise
        rows = []
    check_revision(rows)


def check_revision(rows: Iterable[tuple[str]]) -> None:
    """Check the rows that `STORED_REVISION` returned.

    Raises RevisionMismatch.
    """
    stored = [revision for (revision,) in rows]
    if stored != [needed_revision()]:
        _raise_mismatch(stored)


def _raise_mismatch(stored: list[str]) -> NoReturn:
    needs = f"this program needs revision {needed_revision()}"
    if not stored:
        raise RevisionMismatch(f"The database has no revision yet, but {needs}. {_UPGRADE}", is_newer=False)
    if _known_revisions().issuperset(stored):
        raise RevisionMismatch(f"The database is at revision {_names(stored)}, but {needs}. {_UPGRADE}", is_newer=False)
    raise RevisionMismatch(
        f"The database is at revision {_names(stored)}, which is newer than this program: it knows revisions up to"
        f" {needed_revision()}. Run the release that upgraded the database.",
        is_newer=True,
    )


def _names(revisions: Iterable[str]) -> str:
    return ", ".join(sorted(revisions))
