"""Seal the audit log: a chain of hashes beside it, and triggers that refuse every change of either."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Words

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("audit_events", "audit_seals")
FUNCTION = """CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'The audit log is never changed.' USING ERRCODE = 'restrict_violation'; END $$"""
ON_POSTGRESQL = (
    "CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
    "CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
)
ON_SQLITE = (
    "CREATE TRIGGER {table}_refuse_update BEFORE update ON {table} BEGIN SELECT RAISE(ABORT, 'The audit log is never changed.'); END",
    "CREATE TRIGGER {table}_refuse_delete BEFORE delete ON {table} BEGIN SELECT RAISE(ABORT, 'The audit log is never changed.'); END",
)


def upgrade() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", Key(), nullable=False),
        sa.Column("hash", Words, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["audit_events.id"], name=op.f("fk_audit_seals_event_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_seals")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_seals_event_id")),
    )
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:
        op.execute(FUNCTION)
    for table in TABLES:
        for trigger in ON_POSTGRESQL if on_postgresql else ON_SQLITE:
            op.execute(trigger.format(table=table))


def downgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    op.drop_table("audit_seals")
    for verb in ("change", "truncate") if on_postgresql else ("update", "delete"):
        op.execute(f"DROP TRIGGER audit_events_refuse_{verb}" + (" ON audit_events" if on_postgresql else ""))
    if on_postgresql:
        op.execute("DROP FUNCTION refuse_audit_change()")
