"""The account of the program, beside the owner of the tables: it works, and cannot change the audit log (security check 47)."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import flask_migrate
import psycopg
import pytest
from flask import Flask
from sqlalchemy import URL, make_url

from billing_admin import clock, create_app
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.operations.audit import seal_all_events
from billing_admin.queries.audit import chain_head
from billing_admin.queries.doctor import run_checks
from tests.conftest import ROOT
from tests.databases import NAME_THE_SELLER, SERVER, plain, postgresql_database
from tests.making import make_customer, make_invoice

pytestmark = pytest.mark.postgresql


@pytest.fixture
def two_accounts(tmp_path: Path) -> Iterator[Settings]:
    """A database of an owner, and the program's own account."""
    server, word = make_url(os.environ[SERVER]), uuid4().hex
    names = [f"billing_{part}_{os.getpid()}" for part in ("owner", "app")]
    with postgresql_database(server, f"billing_rights_{os.getpid()}") as url:
        with psycopg.connect(plain(url), autocommit=True) as connection:
            for name in names:
                connection.execute(f"DROP ROLE IF EXISTS {name}".encode())
                connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{word}'".encode())
            connection.execute(f"ALTER DATABASE {url.database} OWNER TO {names[0]}".encode())
        try:
            owner, account = (_text(url.set(username=name, password=word)) for name in names)
            yield Settings(
                database_url=account,
                migration_url=owner,
                secret_key="only-for-tests" * 4,
                queue_url="immediate:",
                rate_limit_storage=str(tmp_path / "limits"),
            )
        finally:
            with psycopg.connect(plain(url), autocommit=True) as connection:
                for name in names:
                    connection.execute(f"DROP OWNED BY {name} CASCADE".encode())
                connection.execute(f"ALTER DATABASE {url.database} OWNER TO CURRENT_USER".encode())
                for name in names:
                    connection.execute(f"DROP ROLE {name}".encode())


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.fixture
def separate(two_accounts: Settings) -> Iterator[Flask]:
    """The application on it, migrated by the owner."""
    app = create_app(two_accounts)
    with app.app_context():
        flask_migrate.upgrade(str(ROOT / "migrations"))
        yield app
        db.session.remove()
        db.engine.dispose()


def test_the_program_works_and_cannot_change_the_audit_log(separate: Flask, two_accounts: Settings) -> None:
    transaction(lambda session: session.connection().exec_driver_sql(NAME_THE_SELLER))
    make_invoice(make_customer(reference="ACME"))
    seal_all_events(transaction, clock.now(), whole=True)
    assert chain_head(db.session()).sequence > 2
    assert [result.check.name for result in run_checks(db.session()) if result.count] == []
    db.session.rollback()
    with psycopg.connect(plain(make_url(two_accounts.database_url)), autocommit=True) as connection:
        for statement in (
            "UPDATE audit_events SET actor_name = 'somebody else'",
            "DELETE FROM audit_events",
            "TRUNCATE audit_events CASCADE",
            "UPDATE audit_seals SET hash = ''",
            "DELETE FROM audit_seals",
            "DROP TRIGGER audit_events_refuse_change ON audit_events",
            "ALTER TABLE audit_events DISABLE TRIGGER ALL",
            "CREATE TRIGGER mine BEFORE INSERT ON audit_events EXECUTE FUNCTION refuse_audit_change()",
            "DROP TABLE audit_seals",
            "CREATE TABLE mine ()",
            "UPDATE alembic_version SET version_num = '9999'",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
