"""Hold messages to customers: their recipients, documents and letters."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Key, Moment, Words

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("finished_at IS NULL")
AGAIN = sa.text("again_of IS NOT NULL")
FIRST_STATEMENT = sa.text("purpose = 'statement' AND again_of IS NULL AND state NOT IN ('cancelled', 'dropped')")
CURRENT = sa.text("current")
NOT_DELIVERED = sa.text("result IN ('refused', 'bounced')")


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("purpose", Words, nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("language", Words, nullable=False),
        sa.Column("period_from", sa.Date(), nullable=True),
        sa.Column("period_to", sa.Date(), nullable=True),
        sa.Column("subject", Words, nullable=False),
        sa.Column("text", Words, nullable=False),
        sa.Column("state", Words, nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("again_of", Key(), nullable=True),
        sa.Column("again_reason", Words, nullable=False),
        sa.Column("attachments", Data, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", Moment(), nullable=True),
        sa.Column("attempted_at", Moment(), nullable=True),
        sa.Column("handed_over_at", Moment(), nullable=True),
        sa.Column("response", Words, nullable=False),
        sa.Column("worker", Words, nullable=True),
        sa.Column("held_until", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.CheckConstraint("(again_of IS NULL) = (again_reason = '')", name=op.f("ck_messages_again_has_reason")),
        sa.CheckConstraint(
            "(purpose = 'statement') = (period_from IS NOT NULL) AND (period_from IS NULL) = (period_to IS NULL) AND (period_from IS NULL OR period_to >= period_from)",
            name=op.f("ck_messages_statement_has_period"),
        ),
        sa.CheckConstraint(
            "(state = 'sending') = (worker IS NOT NULL) AND (worker IS NULL) = (held_until IS NULL)",
            name=op.f("ck_messages_sending_is_held"),
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_attempt_at IS NOT NULL)", name=op.f("ck_messages_waiting_is_due")
        ),
        sa.CheckConstraint(
            "(state IN ('waiting', 'sending')) = (finished_at IS NULL)", name=op.f("ck_messages_finished_has_moment")
        ),
        sa.CheckConstraint("purpose IN ('document', 'reminder', 'statement')", name=op.f("ck_messages_purpose_known")),
        sa.CheckConstraint("state = 'sent' OR NOT by_hand", name=op.f("ck_messages_marked_is_sent")),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'failed', 'uncertain', 'cancelled', 'dropped')",
            name=op.f("ck_messages_state_known"),
        ),
        sa.CheckConstraint("finished_at IS NULL OR content IS NULL", name=op.f("ck_messages_content_until_finished")),
        sa.ForeignKeyConstraint(["again_of"], ["messages.id"], name=op.f("fk_messages_again_of")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_messages_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index(op.f("ix_messages_again"), "messages", ["again_of"], postgresql_where=AGAIN, sqlite_where=AGAIN)
    op.create_index(op.f("ix_messages_attempted_at"), "messages", ["attempted_at"])
    op.create_index(op.f("ix_messages_created_at_id"), "messages", ["created_at", "id"])
    op.create_index(op.f("ix_messages_customer_id_created_at_id"), "messages", ["customer_id", "created_at", "id"])
    op.create_index(op.f("ix_messages_state_created_at_id"), "messages", ["state", "created_at", "id"])
    op.create_index(
        op.f("ix_messages_unfinished"),
        "messages",
        ["next_attempt_at", "created_at", "id"],
        postgresql_where=UNFINISHED,
        sqlite_where=UNFINISHED,
    )
    op.create_index(
        op.f("uq_messages_first_statement"),
        "messages",
        ["customer_id", "currency", "period_from", "period_to"],
        unique=True,
        postgresql_where=FIRST_STATEMENT,
        sqlite_where=FIRST_STATEMENT,
    )
    op.create_table(
        "message_documents",
        sa.Column("message_id", Key(), nullable=False),
        sa.Column("invoice_id", Key(), nullable=False),
        sa.Column("purpose", Words, nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "(purpose = 'reminder') = (level > 0)", name=op.f("ck_message_documents_reminder_has_level")
        ),
        sa.CheckConstraint(
            "purpose IN ('document', 'reminder', 'statement')", name=op.f("ck_message_documents_purpose_known")
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_message_documents_invoice_id")),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_documents_message_id")),
        sa.PrimaryKeyConstraint("message_id", "invoice_id", name=op.f("pk_message_documents")),
    )
    op.create_index(op.f("ix_message_documents_invoice_id"), "message_documents", ["invoice_id"])
    op.create_index(
        op.f("uq_message_documents_current"),
        "message_documents",
        ["invoice_id", "purpose", "level"],
        unique=True,
        postgresql_where=CURRENT,
        sqlite_where=CURRENT,
    )
    op.create_table(
        "message_files",
        sa.Column("message_id", Key(), nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("media_type", Words, nullable=False),
        sa.Column("sha256", Words, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_files_message_id")),
        sa.PrimaryKeyConstraint("message_id", "name", name=op.f("pk_message_files")),
    )
    op.create_table(
        "message_recipients",
        sa.Column("message_id", Key(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("address", Words, nullable=False),
        sa.Column("kind", Words, nullable=False),
        sa.Column("result", Words, nullable=False),
        sa.Column("code", sa.BigInteger(), nullable=True),
        sa.Column("response", Words, nullable=False),
        sa.Column("at", Moment(), nullable=True),
        sa.CheckConstraint("(result = '') = (at IS NULL)", name=op.f("ck_message_recipients_result_has_moment")),
        sa.CheckConstraint("kind IN ('to', 'cc')", name=op.f("ck_message_recipients_kind_known")),
        sa.CheckConstraint(
            "result IN ('', 'accepted', 'refused', 'bounced')", name=op.f("ck_message_recipients_result_known")
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_recipients_message_id")),
        sa.PrimaryKeyConstraint("message_id", "position", name=op.f("pk_message_recipients")),
    )
    op.create_index(
        op.f("ix_message_recipients_not_delivered"),
        "message_recipients",
        ["message_id"],
        postgresql_where=NOT_DELIVERED,
        sqlite_where=NOT_DELIVERED,
    )


def downgrade() -> None:
    for table in ("message_recipients", "message_files", "message_documents", "messages"):
        op.drop_table(table)
