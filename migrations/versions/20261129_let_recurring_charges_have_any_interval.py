"""Let recurring charges have any interval, and be posted in arrears."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLE = "recurring_charges"
KNOWN = "ck_recurring_charges_interval_known"
BEFORE = "interval IN ('monthly', 'quarterly', 'yearly')"
NOW = "interval IN ('weekly', 'monthly', 'quarterly', 'half_yearly', 'yearly')"


def upgrade() -> None:
    """Give existing rows one interval in advance, as they were posted."""
    with op.batch_alter_table(TABLE) as table:
        table.add_column(sa.Column("interval_count", sa.BigInteger, nullable=False, server_default="1"))
        table.add_column(sa.Column("timing", Words, nullable=False, server_default="in_advance"))
    with op.batch_alter_table(TABLE) as table:
        table.alter_column("interval_count", server_default=None)
        table.alter_column("timing", server_default=None)
        table.drop_constraint(op.f(KNOWN), type_="check")
        table.create_check_constraint(op.f(KNOWN), NOW)
        table.create_check_constraint(
            op.f("ck_recurring_charges_timing_known"), "timing IN ('in_advance', 'in_arrears')"
        )
        table.create_check_constraint(op.f("ck_recurring_charges_interval_count_positive"), "interval_count >= 1")


def downgrade() -> None:
    """Go back unless a recurring charge has a newer interval, which the earlier version cannot post."""
    with op.batch_alter_table(TABLE) as table:
        table.drop_constraint(op.f("ck_recurring_charges_interval_count_positive"), type_="check")
        table.drop_constraint(op.f("ck_recurring_charges_timing_known"), type_="check")
        table.drop_constraint(op.f(KNOWN), type_="check")
        table.create_check_constraint(op.f(KNOWN), BEFORE)
        table.drop_column("timing")
        table.drop_column("interval_count")
