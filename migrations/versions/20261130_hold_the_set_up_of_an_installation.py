"""Hold the set-up link, and the steps of the set-up that are closed.

An installation that has charges was set up before there were steps: its optional steps are closed.
"""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Moment, Words

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

STEPS = ("tax", "bank_account", "look", "service")


def upgrade() -> None:
    op.create_table(
        "set_up_links",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("token_hash", Words, nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_set_up_links_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_up_links")),
    )
    op.create_table(
        "closed_set_up_steps",
        sa.Column("step", Words, nullable=False),
        sa.Column("closed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("step", name=op.f("pk_closed_set_up_steps")),
    )
    for step in STEPS:
        op.execute(
            f"""INSERT INTO closed_set_up_steps (step, closed_at)
            SELECT '{step}', min(at) FROM audit_events HAVING min(at) IS NOT NULL AND EXISTS (SELECT 1 FROM charges)"""  # noqa: S608 - a constant
        )


def downgrade() -> None:
    op.drop_table("closed_set_up_steps")
    op.drop_table("set_up_links")
