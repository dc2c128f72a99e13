"""Keep the rows that a person selects, and limit billing runs to them."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment, Words

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "selections",
        sa.Column("id", Key(), nullable=False),
        sa.Column("kind", Words, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.CheckConstraint(
            "kind IN ('charges', 'invoices', 'payments', 'billing_run')", name=op.f("ck_selections_kind_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_selections")),
    )
    op.create_index(op.f("ix_selections_created_at"), "selections", ["created_at"])
    op.create_table(
        "selected_rows",
        sa.Column("selection_id", Key(), nullable=False),
        sa.Column("object_id", Key(), nullable=False),
        sa.ForeignKeyConstraint(
            ["selection_id"], ["selections.id"], name=op.f("fk_selected_rows_selection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("selection_id", "object_id", name=op.f("pk_selected_rows")),
        sqlite_with_rowid=False,
    )
    op.add_column("billing_runs", sa.Column("selected_charges", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("billing_runs") as batch_op:
        batch_op.drop_column("selected_charges")
    op.drop_table("selected_rows")
    op.drop_index(op.f("ix_selections_created_at"), table_name="selections")
    op.drop_table("selections")
