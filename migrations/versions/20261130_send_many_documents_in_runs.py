"""Send many documents in runs."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment, Words

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sending_runs",
        sa.Column("id", Key(), nullable=False),
        sa.Column("act", Words, nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("documents", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.CheckConstraint("act IN ('send', 'mark_sent')", name=op.f("ck_sending_runs_act_known")),
        sa.CheckConstraint("(act = 'mark_sent') = (reason <> '')", name=op.f("ck_sending_runs_marked_has_reason")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sending_runs")),
    )
    op.create_index(op.f("ix_sending_runs_created_at_id"), "sending_runs", ["created_at", "id"])
    op.create_table(
        "sending_run_items",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("invoice_id", Key(), nullable=False),
        sa.Column("message_id", Key(), nullable=True),
        sa.Column("reason", Words, nullable=False),
        sa.CheckConstraint(
            "reason IN ('', 'no_recipient', 'customer_archived', 'invoice_void', 'already_waiting', 'sending_failed',"
            " 'sending_uncertain', 'already_sent', 'not_issued', 'not_made')",
            name=op.f("ck_sending_run_items_reason_known"),
        ),
        sa.CheckConstraint("message_id IS NULL OR reason = ''", name=op.f("ck_sending_run_items_sent_or_left_out")),
        sa.ForeignKeyConstraint(["run_id"], ["sending_runs.id"], name=op.f("fk_sending_run_items_run_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_sending_run_items_invoice_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_sending_run_items_message_id")),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_sending_run_items")),
    )


def downgrade() -> None:
    op.drop_table("sending_run_items")
    op.drop_table("sending_runs")
