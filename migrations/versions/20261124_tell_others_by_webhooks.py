"""Tell others by webhooks: who is told, what each is told, and each attempt."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Key, Moment, Words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", Key(), nullable=False),
        sa.Column("url", Words, nullable=False),
        sa.Column("description", Words, nullable=False),
        sa.Column("events", Data, nullable=False),
        sa.Column("state", Words, nullable=False),
        sa.Column("salt", Words, nullable=False),
        sa.Column("secret_hash", Words, nullable=False),
        sa.Column("previous_salt", Words, nullable=True),
        sa.Column("previous_until", Moment(), nullable=True),
        sa.Column("given_up_in_a_row", sa.BigInteger(), nullable=False),
        sa.Column("silent", sa.BigInteger(), nullable=False),
        sa.Column("rest_until", Moment(), nullable=True),
        sa.Column("worker", Words, nullable=True),
        sa.Column("held_until", Moment(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.CheckConstraint("state IN ('active', 'paused', 'archived')", name=op.f("ck_webhook_endpoints_state_known")),
        sa.CheckConstraint(
            "(previous_salt IS NULL) = (previous_until IS NULL)", name=op.f("ck_webhook_endpoints_previous_ends")
        ),
        sa.CheckConstraint("(worker IS NULL) = (held_until IS NULL)", name=op.f("ck_webhook_endpoints_held_by_worker")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", Key(), nullable=False),
        sa.Column("endpoint_id", Key(), nullable=False),
        sa.Column("event_id", Key(), nullable=False),
        sa.Column("event", Words, nullable=False),
        sa.Column("about", Words, nullable=False),
        sa.Column("body", Words, nullable=False),
        sa.Column("state", Words, nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'given_up')", name=op.f("ck_webhook_deliveries_state_known")
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_attempt_at IS NOT NULL)", name=op.f("ck_webhook_deliveries_waiting_is_due")
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (finished_at IS NULL)", name=op.f("ck_webhook_deliveries_waiting_is_not_finished")
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_deliveries_endpoint_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_created_at_id", "webhook_deliveries", ["endpoint_id", "created_at", "id"]
    )
    op.create_index(
        "ix_webhook_deliveries_waiting",
        "webhook_deliveries",
        ["endpoint_id", "created_at", "id"],
        postgresql_where=WAITING,
        sqlite_where=WAITING,
    )
    op.create_index("ix_webhook_deliveries_finished_at", "webhook_deliveries", ["finished_at"])
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", Key(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("error", Words, nullable=True),
        sa.Column("answer", Words, nullable=False),
        sa.CheckConstraint("(status IS NULL) = (error IS NOT NULL)", name=op.f("ck_webhook_attempts_answered_or_not")),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_deliveries.id"],
            name=op.f("fk_webhook_attempts_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_webhook_attempts")),
    )


def downgrade() -> None:
    for table in ("webhook_attempts", "webhook_deliveries", "webhook_endpoints"):
        op.drop_table(table)
