"""Run migrations on the application's own database, as the owner of its tables.

They run inside one transaction and under a lock, so that only one process migrates."""

from alembic import context
from alembic.autogenerate.api import AutogenContext
from flask import current_app
from sqlalchemy import Connection, text

from billing_admin.db.engine import migration_options, owner_engine
from billing_admin.db.rights import grant_rights
from billing_admin.models.base import Base, ByteOrderedText, ExactDecimal, JsonData, UtcDateTime, UuidKey

SHARED = {id(ByteOrderedText): "ByteOrderedText", id(JsonData): "JsonData"}
MIGRATION_LOCK = 7_245_001


def render_item(kind: str, item: object, autogen: AutogenContext) -> str | bool:
    """Write our column types by their short names."""
    if kind != "type":
        return False
    name = SHARED.get(
        id(item), type(item).__name__ + "()" if isinstance(item, UuidKey | ExactDecimal | UtcDateTime) else ""
    )
    if name:
        autogen.imports.add(f"from billing_admin.models.base import {name.removesuffix('()')}")
    return name or False


def run() -> None:
    """Migrate; others wait for the lock and then find nothing left to do.

    SQLite changes a table by making it anew, which foreign keys would not let go: they are off meanwhile, and checked at the end.
    """
    settings = current_app.extensions["billing_settings"]
    with (
        owner_engine(settings) as engine,
        engine.connect().execution_options(**migration_options(engine)) as connection,
    ):
        on_sqlite = connection.dialect.name == "sqlite"
        driver = connection.connection.driver_connection
        if on_sqlite:
            driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                migrate(connection)
                grant_rights(connection, settings)
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all() if on_sqlite else []
                if broken:
                    raise RuntimeError(f"rows that refer to nothing after the migration: {broken[:5]}")
        finally:
            if on_sqlite:
                driver.execute("PRAGMA foreign_keys = ON")


def migrate(connection: Connection) -> None:
    """Run what is missing, in the transaction that is open."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render_item,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    context.run_migrations()


run()
