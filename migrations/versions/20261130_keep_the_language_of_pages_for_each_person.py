"""Keep the language of pages for each person."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("users") as batch_op:
        batch_op.add_column(sa.Column("language", Words, nullable=False, server_default=""))
    with op.batch_alter_table("users") as batch_op:
        batch_op.alter_column("language", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_column("language")
