"""Exclude accounts from billing runs."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import JsonData

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("billing_runs", sa.Column("excluded", JsonData, nullable=True))


def downgrade() -> None:
    op.drop_column("billing_runs", "excluded")
