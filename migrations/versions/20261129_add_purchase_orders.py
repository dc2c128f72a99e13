"""Add purchase order numbers of customers, charges, lines and billing runs."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# Their default stays: without it, SQLite would copy the tables, which takes long and drops triggers.
TABLES = ("charges", "invoice_lines", "billing_runs")


def upgrade() -> None:
    with op.batch_alter_table("customers") as table:
        table.add_column(_column())
    with op.batch_alter_table("customers") as table:
        table.alter_column("purchase_order", server_default=None)
    for name in TABLES:
        op.add_column(name, _column())


def downgrade() -> None:
    for name in ("customers", *TABLES):
        op.drop_column(name, "purchase_order")


def _column() -> sa.Column[str]:
    return sa.Column("purchase_order", Words, nullable=False, server_default="")
