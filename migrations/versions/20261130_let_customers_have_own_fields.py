"""Let the organisation define fields of customers."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Key, Moment, Words

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customer_fields",
        sa.Column("id", Key(), nullable=False),
        sa.Column("key", Words, nullable=False),
        sa.Column("label", Words, nullable=False),
        sa.Column("type", Words, nullable=False),
        sa.Column("is_required", sa.Boolean(), nullable=False),
        sa.Column("is_listed", sa.Boolean(), nullable=False),
        sa.Column("choices", Data, nullable=False),
        sa.Column("archived_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("type IN ('text', 'number', 'date', 'choice')", name=op.f("ck_customer_fields_type_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_fields")),
        sa.UniqueConstraint("key", name=op.f("uq_customer_fields_key")),
    )
    op.create_table(
        "customer_values",
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("key", Words, nullable=False),
        sa.Column("value", Words, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_customer_values_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "key", name=op.f("pk_customer_values")),
    )
    op.create_index(
        op.f("ix_customer_values_key_value_customer_id"), "customer_values", ["key", "value", "customer_id"]
    )
    with op.batch_alter_table("customers") as table:
        table.add_column(sa.Column("metadata", Data, nullable=False, server_default="{}"))
    with op.batch_alter_table("customers") as table:
        table.alter_column("metadata", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("customers") as table:
        table.drop_column("metadata")
    op.drop_index(op.f("ix_customer_values_key_value_customer_id"), table_name="customer_values")
    op.drop_table("customer_values")
    op.drop_table("customer_fields")
