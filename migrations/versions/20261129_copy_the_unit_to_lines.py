"""Copy the unit of a service to the lines of new documents."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column without a copy of the table, which would take long and drop the triggers of SQLite."""
    op.execute("ALTER TABLE invoice_lines ADD COLUMN unit TEXT")


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE invoice_lines DROP COLUMN unit")
