"""Pause the outbox after refusals that the configuration causes."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Moment, Words

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

_REASONS = (
    "'', 'no_recipient', 'customer_archived', 'invoice_void', 'already_waiting', 'sending_failed', 'sending_uncertain',"
    " 'already_sent', 'not_issued', 'not_made'"
)


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
    _replace_reasons(f"{_REASONS}, 'is_opening'")


def downgrade() -> None:
    _replace_reasons(_REASONS)
    op.drop_table("mail_pause")


def _replace_reasons(reasons: str) -> None:
    name = op.f("ck_sending_run_items_reason_known")
    with op.batch_alter_table("sending_run_items") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"reason IN ({reasons})")
