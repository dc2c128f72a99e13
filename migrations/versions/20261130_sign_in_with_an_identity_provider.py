"""Sign in with an identity provider."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment, Words

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_accounts",
        sa.Column("issuer", Words, nullable=False),
        sa.Column("subject", Words, nullable=False),
        sa.Column("user_id", Key(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("last_used_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_provider_accounts_user_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_provider_accounts")),
        sa.UniqueConstraint("user_id", "issuer", name=op.f("uq_provider_accounts_user_id_issuer")),
    )
    with op.batch_alter_table("user_sessions") as batch_op:
        batch_op.add_column(sa.Column("single_sign_on", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("user_sessions") as batch_op:
        batch_op.alter_column("single_sign_on", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("user_sessions") as batch_op:
        batch_op.drop_column("single_sign_on")
    op.drop_table("provider_accounts")
