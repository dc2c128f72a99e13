"""Pay back the credit of customers: refunds, and their parts of payments."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import ByteOrderedText, UtcDateTime, UuidKey

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

METHODS = "method IN ('bank_transfer', 'direct_debit', 'card', 'cash', 'cheque', 'other')"
REVERSED = sa.text("reversed_on IS NOT NULL")
ACCOUNT = ("customer_id", "currency")


def upgrade() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", UuidKey(), nullable=False),
        sa.Column("customer_id", UuidKey(), nullable=False),
        sa.Column("currency", ByteOrderedText, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("method", ByteOrderedText, nullable=False),
        sa.Column("reference", ByteOrderedText, nullable=False),
        sa.Column("status", ByteOrderedText, nullable=False),
        sa.Column("reversed_on", sa.Date(), nullable=True),
        sa.Column("reversal_reason", ByteOrderedText, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("event_id", UuidKey(), nullable=False),
        sa.CheckConstraint("status IN ('recorded', 'reversed')", name=op.f("ck_refunds_status_known")),
        sa.CheckConstraint(METHODS, name=op.f("ck_refunds_method_known")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_positive")),
        sa.CheckConstraint(
            "(status = 'reversed') = (reversed_on IS NOT NULL)", name=op.f("ck_refunds_reversed_has_day")
        ),
        sa.CheckConstraint("reversed_on >= paid_on", name=op.f("ck_refunds_reversed_after_paid")),
        sa.ForeignKeyConstraint(
            ACCOUNT,
            ["accounts.customer_id", "accounts.currency"],
            name=op.f("fk_refunds_customer_id_currency"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["audit_events.id"], name=op.f("fk_refunds_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("id", *ACCOUNT, name=op.f("uq_refunds_id_customer_id_currency")),
    )
    op.create_index("ix_refunds_created_at_id", "refunds", ["created_at", "id"])
    op.create_index("ix_refunds_customer_id_currency", "refunds", ["customer_id", "currency"])
    op.create_index("ix_refunds_paid_on", "refunds", ["paid_on"])
    op.create_index(
        "ix_refunds_reversed_on", "refunds", ["reversed_on"], postgresql_where=REVERSED, sqlite_where=REVERSED
    )
    op.create_table(
        "refund_parts",
        sa.Column("refund_id", UuidKey(), nullable=False),
        sa.Column("payment_id", UuidKey(), nullable=False),
        sa.Column("customer_id", UuidKey(), nullable=False),
        sa.Column("currency", ByteOrderedText, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refund_parts_positive")),
        *(
            sa.ForeignKeyConstraint(
                [f"{subject}_id", *ACCOUNT],
                [f"{subject}s.{column}" for column in ("id", *ACCOUNT)],
                name=op.f(f"fk_refund_parts_{subject}_id_customer_id_currency"),
            )
            for subject in ("refund", "payment")
        ),
        sa.PrimaryKeyConstraint("refund_id", "payment_id", name=op.f("pk_refund_parts")),
    )
    op.create_index("ix_refund_parts_payment_id", "refund_parts", ["payment_id"])


def downgrade() -> None:
    raise NotImplementedError("Refunds have no place in the schema before: restore a backup.")
