"""The migrations make exactly what the models say, on both databases."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.models import Base
from tests.databases import SERVER, postgresql_database

pytestmark = pytest.mark.both_databases

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def _made_by_the_models(dialect: str) -> Iterator[Engine]:
    """A second database, made by `create_all`."""
    if dialect == "sqlite":
        with tempfile.TemporaryDirectory(prefix="billing-") as folder:
            engine = create_engine(f"sqlite:///{folder}/models.sqlite3")
            Base.metadata.create_all(engine)
            yield engine
            engine.dispose()
    else:
        with postgresql_database(make_url(os.environ[SERVER]), f"billing_models_{os.getpid()}") as url:
            engine = create_engine(url)
            Base.metadata.create_all(engine)
            yield engine
            engine.dispose()


def _sqlite_definitions(connection: Connection) -> dict[str, list[str]]:
    """Each table's and index's SQL; a table as its parts in no order, since constraints are listed in any."""
    rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    return {name: sorted(_parts(sql)) for name, sql in rows if name != "alembic_version"}


def _parts(sql: str) -> list[str]:
    """Split at the commas of the outermost brackets, white space and quotes evened out."""
    sql = re.sub(r"\s+", " ", sql.replace('"', "")).strip()
    opening = sql.find("(")
    parts, depth, start = [sql[:opening].strip()], 0, opening + 1
    quoted = False
    for position, character in enumerate(sql[opening:], opening):
        if character == "'":
            quoted = not quoted
        if quoted:
            continue
        depth += {"(": 1, ")": -1}.get(character, 0)
        if (character == "," and depth == 1) or (character == ")" and depth == 0):
            parts.append(sql[start:position].strip())
            start = position + 1
    return [*parts, sql[start:].strip()]


_COLUMNS = """
    SELECT table_name || '.' || column_name, format('%s %s %s %s %s', data_type, numeric_precision, numeric_scale,
        is_nullable, concat(column_default, ' ', collation_name, ' ', is_identity))
    FROM information_schema.columns WHERE table_schema = 'public'"""
_CONSTRAINTS = """
    SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) || condeferrable || convalidated
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace"""
_TRIGGERS = """
    SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(pg_trigger.oid) || prosrc
    FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal"""
_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"


def _postgresql_definitions(connection: Connection) -> dict[str, str]:
    """Each column, constraint, index and trigger, as PostgreSQL itself writes it."""
    return {
        str(name): definition
        for query in (_COLUMNS, _CONSTRAINTS, _INDEXES, _TRIGGERS)
        for name, definition in connection.execute(text(query))
        if "alembic_version" not in name
    }


def test_alembic_finds_nothing_to_change(session: Session) -> None:
    assert compare_metadata(MigrationContext.configure(session.connection()), Base.metadata) == []


def test_every_column_constraint_and_index_is_the_same(session: Session) -> None:
    dialect = db.engine.dialect.name
    with _made_by_the_models(dialect) as engine, engine.connect() as models:
        if dialect == "sqlite":
            assert _sqlite_definitions(session.connection()) == _sqlite_definitions(models)
        else:
            assert _postgresql_definitions(session.connection()) == _postgresql_definitions(models)


def test_the_comparison_sees_checks_partial_indexes_and_triggers(session: Session) -> None:
    """Alembic does not look at these: here they must be looked at."""
    seen = (
        str(_sqlite_definitions(session.connection()))
        if db.engine.dialect.name == "sqlite"
        else str(_postgresql_definitions(session.connection()))
    )
    for part in (
        "ck_charges_billed_is_on_a_line",
        "ck_charges_amount_number",
        "ix_charges_unbilled",
        "WHERE",
        "audit_seals_refuse",
        "invoices_refuse_update",
        "invoice_lines_refuse_delete",
    ):
        assert part in seen


def test_every_table_of_the_models_was_migrated(session: Session) -> None:
    found = set(inspect(session.connection()).get_table_names()) - {"alembic_version"}
    assert found == set(Base.metadata.tables)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_migrations_are_one_line(app: Flask) -> None:
    script = ScriptDirectory(str(ROOT / "migrations"))
    assert len(script.get_heads()) == len(script.get_bases()) == 1


# A database may be at any of them, and could not be upgraded without it: a step that proved wrong is undone by a further one.
RELEASED = {f"{number:04d}" for number in range(1, 10)}


def test_no_released_step_was_taken_back() -> None:
    script = ScriptDirectory(str(ROOT / "migrations"))
    assert {step.revision for step in script.walk_revisions()} >= RELEASED
