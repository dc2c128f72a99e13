"""Leave later charges out when their account's turn comes, no longer when a run starts: those that still wait were listed before."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "DELETE FROM billing_run_items WHERE part = 'later' AND EXISTS (SELECT 1 FROM billing_run_items AS waiting"
        " WHERE waiting.run_id = billing_run_items.run_id AND waiting.customer_id = billing_run_items.customer_id"
        " AND waiting.currency = billing_run_items.currency AND waiting.state = 'waiting')"
    )


def downgrade() -> None:
    """What waits is not listed twice by the earlier version either: it would only not be told that more comes later."""
