"""Let the organisation have its own texts of messages to customers."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_texts",
        sa.Column("key", Words, nullable=False),
        sa.Column("language", Words, nullable=False),
        sa.Column("subject", Words, nullable=False),
        sa.Column("body", Words, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "key IN ('invoice', 'credit_note', 'reminder-1', 'reminder-2', 'reminder-3', 'statement')",
            name=op.f("ck_message_texts_key_known"),
        ),
        sa.CheckConstraint("language IN ('en', 'de', 'fr', 'es')", name=op.f("ck_message_texts_language_known")),
        sa.PrimaryKeyConstraint("key", "language", name=op.f("pk_message_texts")),
    )


def downgrade() -> None:
    op.drop_table("message_texts")
