"""Keep the look of pages for each person."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("users") as batch_op:
        batch_op.add_column(sa.Column("theme", Words, nullable=False, server_default="system"))
        batch_op.add_column(sa.Column("density", Words, nullable=False, server_default="dense"))
        batch_op.create_check_constraint(op.f("ck_users_theme_known"), "theme IN ('system', 'light', 'dark')")
        batch_op.create_check_constraint(op.f("ck_users_density_known"), "density IN ('dense', 'spacious')")
    with op.batch_alter_table("users") as batch_op:
        batch_op.alter_column("theme", server_default=None)
        batch_op.alter_column("density", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_constraint(op.f("ck_users_density_known"), type_="check")
        batch_op.drop_constraint(op.f("ck_users_theme_known"), type_="check")
        batch_op.drop_column("density")
        batch_op.drop_column("theme")
