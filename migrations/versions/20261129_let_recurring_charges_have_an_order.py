"""Let recurring charges have a purchase order number."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("recurring_charges") as table:
        table.add_column(sa.Column("purchase_order", Words, nullable=False, server_default=""))
    with op.batch_alter_table("recurring_charges") as table:
        table.alter_column("purchase_order", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("recurring_charges") as table:
        table.drop_column("purchase_order")
