"""Hold the levels of reminders, pauses and reminder runs."""

import json

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Key, Moment, Words

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

LEVELS = json.dumps(
    [
        {"days_after_due": days, "least_days": 7, "attaches_documents": True, "attaches_statement": days == 28}
        for days in (3, 14, 28)
    ]
)
REASONS = (
    "'', 'archived', 'customer_paused', 'invoice_paused', 'covered_by_credit', 'message_waiting', 'message_failed',"
    " 'reminded_recently', 'no_recipient', 'skipped', 'next_run'"
)
CURRENT_OF_CUSTOMER = sa.text("ended_at IS NULL AND invoice_id IS NULL")
CURRENT_OF_INVOICE = sa.text("ended_at IS NULL AND invoice_id IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        table.add_column(sa.Column("reminder_levels", Data, nullable=False, server_default=LEVELS))
        table.add_column(sa.Column("daily_reminders", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("organisation") as table:
        table.alter_column("reminder_levels", server_default=None)
        table.alter_column("daily_reminders", server_default=None)
    op.create_table(
        "reminder_pauses",
        sa.Column("id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("invoice_id", Key(), nullable=True),
        sa.Column("through", sa.Date(), nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_reminder_pauses_customer_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_reminder_pauses_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminder_pauses")),
    )
    op.create_index(op.f("ix_reminder_pauses_created_at_id"), "reminder_pauses", ["created_at", "id"])
    for column, condition in (("customer", CURRENT_OF_CUSTOMER), ("invoice", CURRENT_OF_INVOICE)):
        op.create_index(
            f"uq_reminder_pauses_{column}",
            "reminder_pauses",
            [f"{column}_id"],
            unique=True,
            postgresql_where=condition,
            sqlite_where=condition,
        )
    op.create_table(
        "reminder_runs",
        sa.Column("id", Key(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("customers", Data, nullable=True),
        sa.Column("currency", Words, nullable=True),
        sa.Column("without_customers", Data, nullable=False),
        sa.Column("without_invoices", Data, nullable=False),
        sa.Column("confirmed", Words, nullable=True),
        sa.Column("reminders", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminder_runs")),
    )
    op.create_index(op.f("ix_reminder_runs_created_at_id"), "reminder_runs", ["created_at", "id"])
    op.create_table(
        "reminder_run_items",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("invoice_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("open_amount", sa.BigInteger(), nullable=False),
        sa.Column("message_id", Key(), nullable=True),
        sa.Column("reason", Words, nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("note", Words, nullable=False),
        sa.CheckConstraint(
            "(message_id IS NULL) = (reason <> '')", name=op.f("ck_reminder_run_items_reminded_or_left_out")
        ),
        sa.CheckConstraint(f"reason IN ({REASONS})", name=op.f("ck_reminder_run_items_reason_known")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_reminder_run_items_customer_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_reminder_run_items_invoice_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_reminder_run_items_message_id")),
        sa.ForeignKeyConstraint(["run_id"], ["reminder_runs.id"], name=op.f("fk_reminder_run_items_run_id")),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_reminder_run_items")),
    )
    op.create_index(op.f("ix_reminder_run_items_message_id"), "reminder_run_items", ["message_id"])


def downgrade() -> None:
    for name in ("reminder_run_items", "reminder_runs", "reminder_pauses"):
        op.drop_table(name)
    with op.batch_alter_table("organisation") as table:
        table.drop_column("daily_reminders")
        table.drop_column("reminder_levels")
