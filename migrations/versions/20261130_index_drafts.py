"""Index the drafts, which the menu counts on every page."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

DRAFT = sa.text("status = 'draft'")


def upgrade() -> None:
    op.create_index("ix_invoices_drafts", "invoices", ["id"], postgresql_where=DRAFT, sqlite_where=DRAFT)


def downgrade() -> None:
    op.drop_index("ix_invoices_drafts", "invoices")
