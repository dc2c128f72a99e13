"""Record the unbilled charges of each day, and sum documents and payments by day from an index."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Exact, Words, exact_checks

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

# (earlier index, new index, table, columns)
INDEXES = (
    (
        "ix_invoices_issue_date",
        "ix_invoices_by_day",
        "invoices",
        ["issue_date", "currency", "kind", "status", "total"],
    ),
    (
        "ix_payments_received_on",
        "ix_payments_by_day",
        "payments",
        ["received_on", "currency", "status", "method", "amount"],
    ),
)


def upgrade() -> None:
    op.create_table(
        "unbilled_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("pending_charges", sa.BigInteger(), nullable=False),
        sa.Column("pending_amount", Exact(), nullable=False),
        sa.Column("held_charges", sa.BigInteger(), nullable=False),
        sa.Column("held_amount", Exact(), nullable=False),
        *exact_checks("pending_amount", "held_amount"),
        sa.PrimaryKeyConstraint("day", "currency", name=op.f("pk_unbilled_days")),
    )
    for earlier, name, table, columns in INDEXES:
        op.create_index(name, table, columns)
        op.drop_index(earlier, table)


def downgrade() -> None:
    for earlier, name, table, columns in INDEXES:
        op.create_index(earlier, table, columns[:1])
        op.drop_index(name, table)
    op.drop_table("unbilled_days")
