"""Index the days of entries, to find quickly whether any is dated after a day."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

DAYS = (("invoices", "issue_date"), ("payments", "received_on"), ("allocations", "made_on"))
END_DAYS = (("invoices", "voided_on"), ("payments", "reversed_on"), ("allocations", "withdrawn_on"))


def upgrade() -> None:
    for table, column in DAYS:
        op.create_index(f"ix_{table}_{column}", table, [column])
    for table, column in END_DAYS:
        is_set = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_{table}_{column}", table, [column], postgresql_where=is_set, sqlite_where=is_set)


def downgrade() -> None:
    for table, column in (*DAYS, *END_DAYS):
        op.drop_index(f"ix_{table}_{column}", table)
