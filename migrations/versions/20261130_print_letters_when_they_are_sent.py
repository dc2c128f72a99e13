"""Print letters when they are sent."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Key, Words

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_letters",
        sa.Column("message_id", Key(), nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("contents", Data, nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_letters_message_id")),
        sa.PrimaryKeyConstraint("message_id", "name", name=op.f("pk_message_letters")),
    )


def downgrade() -> None:
    op.drop_table("message_letters")
