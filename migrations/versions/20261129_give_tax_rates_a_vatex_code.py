"""Give tax rates and exempt customers a VATEX code, and new installations an exempt rate.

The rate that the first migration creates is "not subject to tax" (O), which a seller with a VAT number cannot
use on an e-invoice. It becomes exempt (E) where nothing has been entered yet.
"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Key, Words

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

NO_TAX = UUID("00000000-0000-7000-8000-000000000001")
CODES = {"AE": "VATEX-EU-AE", "G": "VATEX-EU-G", "K": "VATEX-EU-IC", "O": "VATEX-EU-O"}


def upgrade() -> None:
    for table, name in (("tax_rates", "vatex"), ("organisation", "exempt_vatex")):
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column(name, Words, nullable=False, server_default=""))
        with op.batch_alter_table(table) as batch:
            batch.alter_column(name, server_default=None)
    columns = (sa.column(name, Words) for name in ("code", "category", "note", "vatex"))
    rates = sa.table("tax_rates", sa.column("id", Key()), *columns)
    used = sa.or_(
        *(sa.exists(sa.select(sa.literal(1)).select_from(sa.table(name))) for name in ("services", "charges"))
    )
    built_in = sa.and_(rates.c.id == NO_TAX, rates.c.category == "O", rates.c.note == "")
    op.execute(rates.update().where(built_in, ~used).values(category="E", note="Exempt from tax"))
    for category, code in CODES.items():
        op.execute(rates.update().where(rates.c.category == category).values(vatex=code))


def downgrade() -> None:
    with op.batch_alter_table("organisation") as batch:
        batch.drop_column("exempt_vatex")
    with op.batch_alter_table("tax_rates") as batch:
        batch.drop_column("vatex")
