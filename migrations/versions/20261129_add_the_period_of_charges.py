"""Add the period of charges and of invoice lines."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = ("charges", "invoice_lines")
COLUMNS = ("period_from", "period_to", "period_of_days")
CHECK = (
    "(period_from IS NULL) = (period_to IS NULL) AND (period_from IS NULL OR period_to >= period_from)"
    " AND (period_of_days IS NULL OR period_from IS NOT NULL)"
)


def upgrade() -> None:
    """Add the columns without a copy of the tables, which would take long and drop the triggers of SQLite."""
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN period_from DATE")
        op.execute(f"ALTER TABLE {table} ADD COLUMN period_to DATE")
        check = f"CONSTRAINT ck_{table}_period_has_both_days CHECK ({CHECK})"
        op.execute(f"ALTER TABLE {table} ADD COLUMN period_of_days BIGINT {check}")


def downgrade() -> None:
    """Drop the columns; SQLite drops the constraint with the column that has it."""
    for table in TABLES:
        for column in reversed(COLUMNS):
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
