"""Find exports in the audit log by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_export = sa.text("action = 'export.downloaded'")
    op.create_index(
        "ix_audit_events_exports", "audit_events", ["at", "id"], postgresql_where=is_export, sqlite_where=is_export
    )


def downgrade() -> None:
    op.drop_index("ix_audit_events_exports", "audit_events")
