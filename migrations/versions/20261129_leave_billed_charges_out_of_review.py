"""Leave billed charges out of the index of likely duplicates to review."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEX, COLUMNS = "ix_charges_to_review", ["created_at", "id"]
BEFORE = "duplicate_of_id IS NOT NULL AND duplicate_kept_at IS NULL AND status <> 'cancelled'"
AFTER = "duplicate_of_id IS NOT NULL AND duplicate_kept_at IS NULL AND status IN ('pending', 'held')"


def upgrade() -> None:
    _replace_index(AFTER)


def downgrade() -> None:
    _replace_index(BEFORE)


def _replace_index(condition: str) -> None:
    op.drop_index(INDEX, "charges")
    op.create_index(INDEX, "charges", COLUMNS, postgresql_where=sa.text(condition), sqlite_where=sa.text(condition))
