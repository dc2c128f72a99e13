"""Send a statement after each month to the customers that want one."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("customers") as batch_op:
        batch_op.add_column(sa.Column("monthly_statements", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("customers") as batch_op:
        batch_op.alter_column("monthly_statements", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("customers") as batch_op:
        batch_op.drop_column("monthly_statements")
