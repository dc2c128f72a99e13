"""Keep the form of stored sentences."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None

COLUMNS = (
    ("jobs", "failure_phrase"),
    ("billing_runs", "failure_phrase"),
    ("imports", "failure_phrase"),
    ("imports", "error_phrases"),
    ("messages", "reason_phrase"),
)


def upgrade() -> None:
    for table, name in COLUMNS:
        op.add_column(table, sa.Column(name, Data, nullable=True))


def downgrade() -> None:
    for table, name in COLUMNS:
        op.drop_column(table, name)
