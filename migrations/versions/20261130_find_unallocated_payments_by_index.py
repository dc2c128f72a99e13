"""Find payments that are not wholly allocated by an index: they are few of all."""

import sqlalchemy as sa
from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None


def upgrade() -> None:
    where = sa.text("status = 'recorded' AND allocated < amount")
    op.create_index(
        "ix_payments_unallocated", "payments", ["customer_id", "currency"], postgresql_where=where, sqlite_where=where
    )


def downgrade() -> None:
    op.drop_index("ix_payments_unallocated", "payments")
