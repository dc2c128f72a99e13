"""Let acts above a limit wait for approval."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, ExactDecimal, Key, Moment, Words, exact_checks

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

_ACTS = "act IN ('credit', 'void', 'write_off', 'refund', 'unlock')"


def upgrade() -> None:
    op.create_table(
        "role_limits",
        sa.Column("role", Words, nullable=False),
        sa.Column("act", Words, nullable=False),
        sa.Column("amount", ExactDecimal(), nullable=False),
        *exact_checks("amount"),
        sa.CheckConstraint(_ACTS, name=op.f("ck_role_limits_act_known")),
        sa.PrimaryKeyConstraint("role", "act", name=op.f("pk_role_limits")),
    )
    op.create_table(
        "approval_requests",
        sa.Column("id", Key(), nullable=False),
        sa.Column("act", Words, nullable=False),
        sa.Column("object_type", Words, nullable=False),
        sa.Column("object_id", Key(), nullable=True),
        sa.Column("object_name", Words, nullable=False),
        sa.Column("input", Data, nullable=False),
        sa.Column("digest", Words, nullable=False),
        sa.Column("fingerprint", Words, nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", Words, nullable=False),
        sa.Column("in_base", ExactDecimal(), nullable=True),
        sa.Column("state", Words, nullable=False),
        sa.Column("maker_kind", Words, nullable=False),
        sa.Column("maker_id", Key(), nullable=False),
        sa.Column("maker_name", Words, nullable=False),
        sa.Column("person_id", Key(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("decided_by_id", Key(), nullable=True),
        sa.Column("decided_by", Words, nullable=False),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.Column("decision_reason", Words, nullable=False),
        *exact_checks("in_base"),
        sa.CheckConstraint(_ACTS, name=op.f("ck_approval_requests_act_known")),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'rejected', 'withdrawn')", name=op.f("ck_approval_requests_state_known")
        ),
        sa.ForeignKeyConstraint(["decided_by_id"], ["users.id"], name=op.f("fk_approval_requests_decided_by_id")),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name=op.f("fk_approval_requests_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_requests")),
    )
    op.create_index(op.f("ix_approval_requests_state_created_at"), "approval_requests", ["state", "created_at"])
    op.create_index(
        "uq_approval_requests_waiting",
        "approval_requests",
        ["digest"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )


def downgrade() -> None:
    op.drop_table("approval_requests")
    op.drop_table("role_limits")
