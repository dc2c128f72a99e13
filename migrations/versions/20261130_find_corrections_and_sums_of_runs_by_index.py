"""Find corrections of lines, replacing invoices, likely duplicates and the sums of runs by indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None

OF_RUN = "run_id IS NOT NULL"
TO_REVIEW = "duplicate_of_id IS NOT NULL AND duplicate_kept_at IS NULL AND status IN ('pending', 'held')"
ADDED = (
    ("ix_invoices_replaces", "invoices", "replaces_id"),
    ("ix_invoice_lines_corrects", "invoice_lines", "corrects_line_id"),
)


def upgrade() -> None:
    op.drop_index("ix_invoices_run_id", "invoices")
    _create("ix_invoices_by_run", "invoices", ["run_id", "currency", "net", "tax", "total"], OF_RUN)
    op.drop_index("ix_charges_to_review", "charges")
    _create("ix_charges_to_review", "charges", ["created_at", "incurred_on", "id"], TO_REVIEW)
    for name, table, column in ADDED:
        _create(name, table, [column], f"{column} IS NOT NULL")


def downgrade() -> None:
    for name, table, _ in ADDED:
        op.drop_index(name, table)
    op.drop_index("ix_charges_to_review", "charges")
    _create("ix_charges_to_review", "charges", ["created_at", "id"], TO_REVIEW)
    op.drop_index("ix_invoices_by_run", "invoices")
    op.create_index("ix_invoices_run_id", "invoices", ["run_id"])


def _create(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)
