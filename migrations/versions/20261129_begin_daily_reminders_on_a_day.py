"""Begin daily reminders on a day, and name more reasons to leave invoices out."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

ITEMS, KNOWN = "reminder_run_items", "ck_reminder_run_items_reason_known"
BEFORE = (
    "reason IN ('', 'archived', 'customer_paused', 'invoice_paused', 'covered_by_credit', 'message_waiting',"
    " 'message_failed', 'reminded_recently', 'no_recipient', 'skipped', 'next_run')"
)
NOW = (
    "reason IN ('', 'archived', 'customer_paused', 'invoice_paused', 'covered_by_credit', 'message_waiting',"
    " 'message_failed', 'message_uncertain', 'message_bounced', 'reminded_recently', 'no_recipient', 'skipped',"
    " 'next_run', 'changed', 'not_made')"
)


def upgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        table.add_column(sa.Column("daily_reminders_from", sa.Date()))
    with op.batch_alter_table(ITEMS) as table:
        table.drop_constraint(op.f(KNOWN), type_="check")
        table.create_check_constraint(op.f(KNOWN), NOW)


def downgrade() -> None:
    """Go back; newer reasons become the nearest one that the earlier version knows."""
    op.execute(
        "UPDATE reminder_run_items SET reason = 'message_failed' WHERE reason IN ('message_uncertain', 'message_bounced')"
    )
    op.execute("UPDATE reminder_run_items SET reason = 'next_run' WHERE reason IN ('changed', 'not_made')")
    with op.batch_alter_table(ITEMS) as table:
        table.drop_constraint(op.f(KNOWN), type_="check")
        table.create_check_constraint(op.f(KNOWN), BEFORE)
    with op.batch_alter_table("organisation") as table:
        table.drop_column("daily_reminders_from")
