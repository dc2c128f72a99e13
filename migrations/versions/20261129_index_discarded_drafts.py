"""Index the events of discarded drafts, which have no row, for the history of their customers."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_discard = sa.text("action = 'invoice.discarded'")
    op.create_index(
        "ix_audit_events_discarded",
        "audit_events",
        ["object_id"],
        postgresql_where=is_discard,
        sqlite_where=is_discard,
    )


def downgrade() -> None:
    op.drop_index("ix_audit_events_discarded", "audit_events")
