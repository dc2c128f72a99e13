"""Let the organisation apply credit when invoices are issued."""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        table.add_column(sa.Column("applies_credit", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("organisation") as table:
        table.alter_column("applies_credit", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        table.drop_column("applies_credit")
