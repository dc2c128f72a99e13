"""Import customers, services, charges and payments from files."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Key, Moment, Words

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", Key(), nullable=False),
        sa.Column("kind", Words, nullable=False),
        sa.Column("state", Words, nullable=False),
        sa.Column("file_id", Key(), nullable=True),
        sa.Column("file_name", Words, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", Words, nullable=False),
        sa.Column("header_key", Words, nullable=True),
        sa.Column("plan", Data, nullable=True),
        sa.Column("promised", Data, nullable=True),
        sa.Column("errors_id", Key(), nullable=True),
        sa.Column("made", Data, nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("failure", Words, nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('customers', 'services', 'charges', 'payments')", name=op.f("ck_imports_kind_known")
        ),
        sa.CheckConstraint(
            "state IN ('uploaded', 'checking', 'refused', 'checked', 'importing', 'done')",
            name=op.f("ck_imports_state_known"),
        ),
        sa.CheckConstraint("done >= 0", name=op.f("ck_imports_done_not_negative")),
        sa.CheckConstraint("(state = 'done') = (finished_at IS NOT NULL)", name=op.f("ck_imports_done_has_moment")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_imports_file_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["errors_id"], ["files.id"], name=op.f("fk_imports_errors_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_created_at_id", "imports", ["created_at", "id"])
    op.create_index("ix_imports_sha256", "imports", ["sha256"])
    op.create_index("ix_imports_header_key", "imports", ["header_key"])


def downgrade() -> None:
    op.drop_table("imports")
