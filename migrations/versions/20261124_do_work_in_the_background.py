"""Do work in the background: jobs, and the files that they read and make."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Key, Moment, Words

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ALIVE = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", Key(), nullable=False),
        sa.Column("kind", Words, nullable=False),
        sa.Column("subject_id", Key(), nullable=False),
        sa.Column("asked", Data, nullable=False),
        sa.Column("permission", Words, nullable=False),
        sa.Column("state", Words, nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("of", sa.BigInteger(), nullable=True),
        sa.Column("result", Data, nullable=True),
        sa.Column("failure", Words, nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("worker", Words, nullable=True),
        sa.Column("beat_at", Moment(), nullable=True),
        sa.Column("cancel_asked", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.Column("actor_kind", Words, nullable=False),
        sa.Column("actor_id", Key(), nullable=True),
        sa.Column("started_at", Moment(), nullable=True),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_jobs_state_known")
        ),
        sa.CheckConstraint("(state = 'running') = (worker IS NOT NULL)", name=op.f("ck_jobs_running_has_worker")),
        sa.CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name=op.f("ck_jobs_failed_has_failure")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_created_at_id", "jobs", ["created_at", "id"])
    op.create_index("ix_jobs_alive", "jobs", ["created_at", "id"], postgresql_where=ALIVE, sqlite_where=ALIVE)
    op.create_index("ix_jobs_subject_id", "jobs", ["subject_id"])
    op.create_index(
        "uq_jobs_alive_subject", "jobs", ["kind", "subject_id"], unique=True, postgresql_where=ALIVE, sqlite_where=ALIVE
    )
    op.create_table(
        "files",
        sa.Column("id", Key(), nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("media_type", Words, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", Words, nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_index("ix_files_created_at", "files", ["created_at"])
    op.create_table(
        "file_parts",
        sa.Column("file_id", Key(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_file_parts_file_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("file_id", "number", name=op.f("pk_file_parts")),
    )


def downgrade() -> None:
    for table in ("file_parts", "files", "jobs"):
        op.drop_table(table)
