"""Let prices of services be valid from a day; the prices so far are valid from the first day."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Exact

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLE, KEY = "service_prices", "pk_service_prices"


def upgrade() -> None:
    with op.batch_alter_table(TABLE) as table:
        table.add_column(sa.Column("valid_from", sa.Date(), nullable=False, server_default="1970-01-01"))
        table.alter_column("unit_price", existing_type=Exact(), nullable=True)
        table.drop_constraint(KEY, type_="primary")
        table.create_primary_key(KEY, ["service_id", "currency", "valid_from"])
    with op.batch_alter_table(TABLE) as table:
        table.alter_column("valid_from", server_default=None)


def downgrade() -> None:
    """Keep the prices that are valid today."""
    op.execute(
        """DELETE FROM service_prices WHERE valid_from > CURRENT_DATE OR unit_price IS NULL OR EXISTS (
            SELECT 1 FROM service_prices AS later
            WHERE later.service_id = service_prices.service_id AND later.currency = service_prices.currency
                AND later.valid_from > service_prices.valid_from AND later.valid_from <= CURRENT_DATE)"""
    )
    with op.batch_alter_table(TABLE) as table:
        table.drop_constraint(KEY, type_="primary")
        table.create_primary_key(KEY, ["service_id", "currency"])
        table.alter_column("unit_price", existing_type=Exact(), nullable=False)
        table.drop_column("valid_from")
