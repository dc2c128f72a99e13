"""Keep the form of failures of links, webhooks and the mail server."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

COLUMNS = (
    ("mail_pause", "reason_phrase"),
    ("one_time_links", "mail_failure_phrase"),
    ("webhook_attempts", "error_phrase"),
)


def upgrade() -> None:
    for table, name in COLUMNS:
        op.add_column(table, sa.Column(name, Data, nullable=True))


def downgrade() -> None:
    for table, name in COLUMNS:
        op.drop_column(table, name)
