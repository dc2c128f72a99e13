"""Save the views of lists."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment, Words

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", Key(), nullable=False),
        sa.Column("user_id", Key(), nullable=False),
        sa.Column("list", Words, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("query", Words, nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_saved_views_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("user_id", "list", "name", name=op.f("uq_saved_views_user_id_list_name")),
        sa.UniqueConstraint("id", "list", name=op.f("uq_saved_views_id_list")),
    )
    op.create_index(op.f("ix_saved_views_list"), "saved_views", ["list"])
    op.create_table(
        "default_views",
        sa.Column("user_id", Key(), nullable=False),
        sa.Column("list", Words, nullable=False),
        sa.Column("view_id", Key(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_default_views_user_id")),
        sa.ForeignKeyConstraint(
            ["view_id", "list"],
            ["saved_views.id", "saved_views.list"],
            name=op.f("fk_default_views_view_id_list"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "list", name=op.f("pk_default_views")),
    )
    op.create_index(op.f("ix_default_views_view_id"), "default_views", ["view_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_default_views_view_id"), table_name="default_views")
    op.drop_table("default_views")
    op.drop_index(op.f("ix_saved_views_list"), table_name="saved_views")
    op.drop_table("saved_views")
