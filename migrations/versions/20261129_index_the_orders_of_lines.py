"""Index the purchase orders of lines, by which invoices are searched."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    has_order = sa.text("purchase_order <> ''")
    op.create_index(
        "ix_invoice_lines_purchase_order",
        "invoice_lines",
        ["purchase_order", "invoice_id"],
        postgresql_where=has_order,
        sqlite_where=has_order,
    )


def downgrade() -> None:
    op.drop_index("ix_invoice_lines_purchase_order", "invoice_lines")
