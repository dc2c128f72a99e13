"""Name the accounts of the journal: the organisation's, and a service's own for its revenue."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        table.add_column(sa.Column("journal_accounts", Data, nullable=False, server_default="{}"))
    with op.batch_alter_table("services") as table:
        table.add_column(sa.Column("revenue_account", Words, nullable=False, server_default=""))
    with op.batch_alter_table("organisation") as table:
        table.alter_column("journal_accounts", server_default=None)
    with op.batch_alter_table("services") as table:
        table.alter_column("revenue_account", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("services") as table:
        table.drop_column("revenue_account")
    with op.batch_alter_table("organisation") as table:
        table.drop_column("journal_accounts")
