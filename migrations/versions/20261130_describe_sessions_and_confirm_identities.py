"""Describe sessions by their device, and hold when their person last confirmed who they are."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment, Words

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("user_sessions") as batch_op:
        batch_op.add_column(sa.Column("id", Key(), nullable=True))
        batch_op.add_column(sa.Column("confirmed_at", Moment(), nullable=True))
        batch_op.add_column(sa.Column("user_agent", Words, nullable=False, server_default=""))
        batch_op.add_column(sa.Column("address", Words, nullable=False, server_default=""))
    sessions = sa.table("user_sessions", sa.column("token_hash"), sa.column("id", Key()))
    for token_hash in op.get_bind().execute(sa.select(sessions.c.token_hash)).scalars().all():
        op.execute(sa.update(sessions).where(sessions.c.token_hash == token_hash).values(id=uuid4()))
    op.execute("UPDATE user_sessions SET confirmed_at = created_at")
    with op.batch_alter_table("user_sessions") as batch_op:
        batch_op.alter_column("id", nullable=False)
        batch_op.alter_column("confirmed_at", nullable=False)
        batch_op.alter_column("user_agent", server_default=None)
        batch_op.alter_column("address", server_default=None)
        batch_op.create_unique_constraint(op.f("uq_user_sessions_id"), ["id"])


def downgrade() -> None:
    with op.batch_alter_table("user_sessions") as batch_op:
        batch_op.drop_constraint(op.f("uq_user_sessions_id"), type_="unique")
        for column in ("address", "user_agent", "confirmed_at", "id"):
            batch_op.drop_column(column)
