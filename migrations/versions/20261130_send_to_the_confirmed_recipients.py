"""Send to the confirmed recipients."""

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

from billing_admin.models.base import Words

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

_BEFORE = (
    "'', 'no_recipient', 'customer_archived', 'invoice_void', 'already_waiting', 'sending_failed', 'sending_uncertain',"
    " 'already_sent', 'not_issued', 'not_made', 'is_opening'"
)


def upgrade() -> None:
    with op.batch_alter_table("sending_run_items") as batch_op:
        batch_op.add_column(sa.Column("recipients", Words, nullable=False, server_default=""))
        _replace_reasons(batch_op, f"{_BEFORE}, 'recipients_changed'")
    with op.batch_alter_table("sending_run_items") as batch_op:
        batch_op.alter_column("recipients", server_default=None)


def downgrade() -> None:
    """Go back unless a document was left out for a reason that the earlier version does not know."""
    with op.batch_alter_table("sending_run_items") as batch_op:
        _replace_reasons(batch_op, _BEFORE)
        batch_op.drop_column("recipients")


def _replace_reasons(batch_op: BatchOperations, reasons: str) -> None:
    name = op.f("ck_sending_run_items_reason_known")
    batch_op.drop_constraint(name, type_="check")
    batch_op.create_check_constraint(name, f"reason IN ({reasons})")
