"""Find backups in the audit log by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_backup = sa.text("action = 'backup.created'")
    op.create_index(
        "ix_audit_events_backups", "audit_events", ["at", "id"], postgresql_where=is_backup, sqlite_where=is_backup
    )


def downgrade() -> None:
    op.drop_index("ix_audit_events_backups", "audit_events")
