"""Know temporary passwords, and the networks from which people sign in."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment, Words

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("users") as table:
        table.add_column(sa.Column("password_temporary", sa.Boolean, nullable=False, server_default=sa.false()))
    with op.batch_alter_table("users") as table:
        table.alter_column("password_temporary", server_default=None)
    op.create_table(
        "familiar_networks",
        sa.Column("user_id", Key(), nullable=False),
        sa.Column("address", Words, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_familiar_networks_user_id")),
        sa.PrimaryKeyConstraint("user_id", "address", name=op.f("pk_familiar_networks")),
    )


def downgrade() -> None:
    op.drop_table("familiar_networks")
    with op.batch_alter_table("users") as table:
        table.drop_column("password_temporary")
