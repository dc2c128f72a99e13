"""Pause the outbox after refusals that the configuration causes."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Moment, Words

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "mail_pause",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("refusals", sa.BigInteger(), nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("until", Moment(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_mail_pause_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_pause")),
    )
    op.bulk_insert(table, [{"id": 1, "refusals": 0, "reason": "", "until": None}])


def downgrade() -> None:
    op.drop_table("mail_pause")
