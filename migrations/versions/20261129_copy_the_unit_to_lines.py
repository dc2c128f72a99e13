"""Copy the unit of a service to the lines of new documents."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column without a copy of the table, which would take long and drop the triggers of SQLite."""
    op.add_column("invoice_lines", sa.Column("unit", Words))


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE invoice_lines DROP COLUMN unit")
