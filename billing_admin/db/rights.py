"""The rights of the program's account, if another account owns the tables."""

from typing import Final

from sqlalchemy import Connection, make_url

from billing_admin.config import Settings

AUDIT_TABLES: Final = "audit_events, audit_seals"


def grant_rights(connection: Connection, settings: Settings) -> None:
    """Grant the program's account its rights on all tables, after each migration.

    The account can read and add audit events, but not change or delete them. It cannot change the schema either, nor drop the
    triggers that refuse such changes.
    """
    owner, account = (make_url(url).username for url in (settings.owner_url, settings.database_url))
    if account is None or account == owner:
        return
    role = connection.dialect.identifier_preparer.quote(account)
    for statement in (
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER ON {AUDIT_TABLES} FROM {role}",
        f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON alembic_version FROM {role}",
    ):
        connection.exec_driver_sql(statement)
