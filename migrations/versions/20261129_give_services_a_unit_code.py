"""Give services the code of their unit in e-invoices."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("services") as batch:
        batch.add_column(sa.Column("unit_code", Words, nullable=False, server_default=""))
    with op.batch_alter_table("services") as batch:
        batch.alter_column("unit_code", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("services") as batch:
        batch.drop_column("unit_code")
