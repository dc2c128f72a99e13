"""Let a year have a second number series, for a series that a document dated in the future blocks."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("number_series") as table:
        table.add_column(sa.Column("part", sa.BigInteger, nullable=False, server_default="1"))
        table.drop_constraint("uq_number_series_kind_year", type_="unique")
        table.create_unique_constraint("uq_number_series_kind_year_part", ["kind", "year", "part"])


def downgrade() -> None:
    """Go back unless a year has a second series: the earlier version cannot number its documents."""
    with op.batch_alter_table("number_series") as table:
        table.drop_constraint("uq_number_series_kind_year_part", type_="unique")
        table.create_unique_constraint("uq_number_series_kind_year", ["kind", "year"])
        table.drop_column("part")
