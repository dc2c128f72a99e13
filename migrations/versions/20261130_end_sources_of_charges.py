"""End sources of charges, for which the month end does not wait any more."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ended_sources",
        sa.Column("id", Key(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ended_sources")),
    )


def downgrade() -> None:
    op.drop_table("ended_sources")
