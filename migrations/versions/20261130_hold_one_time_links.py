"""Hold one-time links: the set-up link, invitations and links to reset passwords."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Moment, Words

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

PURPOSES = "'set_up', 'invitation', 'password_reset'"
TO_BE_SENT = sa.text("mail_due_at IS NOT NULL")


def upgrade() -> None:
    links = op.create_table(
        "one_time_links",
        sa.Column("id", Key(), nullable=False),
        sa.Column("purpose", Words, nullable=False),
        sa.Column("user_id", Key(), nullable=True),
        sa.Column("token_hash", Words, nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("mail_due_at", Moment(), nullable=True),
        sa.Column("mail_attempts", sa.BigInteger(), nullable=False),
        sa.Column("mail_failure", Words, nullable=False),
        sa.CheckConstraint(f"purpose IN ({PURPOSES})", name=op.f("ck_one_time_links_purpose_known")),
        sa.CheckConstraint("(purpose = 'set_up') = (user_id IS NULL)", name=op.f("ck_one_time_links_has_person")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_one_time_links_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_one_time_links_token_hash")),
    )
    op.create_index("ix_one_time_links_user_id_purpose", "one_time_links", ["user_id", "purpose"], unique=True)
    op.create_index(
        "ix_one_time_links_to_be_sent",
        "one_time_links",
        ["mail_due_at"],
        postgresql_where=TO_BE_SENT,
        sqlite_where=TO_BE_SENT,
    )
    old = sa.table("set_up_links", sa.column("token_hash", Words), sa.column("expires_at", Moment()))
    for token_hash, expires_at in op.get_bind().execute(sa.select(old.c.token_hash, old.c.expires_at)).all():
        row = {
            "id": uuid4(),
            "purpose": "set_up",
            "token_hash": token_hash,
            "created_at": expires_at,
            "expires_at": expires_at,
            "mail_attempts": 0,
            "mail_failure": "",
        }
        op.bulk_insert(links, [row])
    op.drop_table("set_up_links")


def downgrade() -> None:
    op.create_table(
        "set_up_links",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("token_hash", Words, nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_set_up_links_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_up_links")),
    )
    op.drop_table("one_time_links")
