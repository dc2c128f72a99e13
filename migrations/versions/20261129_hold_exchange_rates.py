"""Hold exchange rates, by which documents state their tax in the base currency."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Exact, Words

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


IS_NUMBER = {
    "postgresql": "rate <> 'NaN'",
    "sqlite": "rate GLOB '[-0-9]*' AND rate NOT GLOB '*[^-.0-9]*'",
}


def upgrade() -> None:
    op.create_table(
        "exchange_rates",
        sa.Column("base_currency", Words, nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rate", Exact(), nullable=False),
        sa.Column("source", Words, nullable=False),
        sa.CheckConstraint("base_currency <> currency", name=op.f("ck_exchange_rates_between_two_currencies")),
        sa.CheckConstraint(IS_NUMBER[op.get_bind().dialect.name], name=op.f("ck_exchange_rates_rate_number")),
        sa.PrimaryKeyConstraint("base_currency", "currency", "day", name=op.f("pk_exchange_rates")),
    )


def downgrade() -> None:
    op.drop_table("exchange_rates")
