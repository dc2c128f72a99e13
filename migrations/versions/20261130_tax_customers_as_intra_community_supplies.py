"""Tax customers as intra-community supplies."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_BEFORE = "'standard', 'exempt', 'reverse_charge', 'export'"
_NOTE = "Intra-community supply: no tax is charged"


def upgrade() -> None:
    _replace_treatments(f"{_BEFORE}, 'intra_community'")
    with op.batch_alter_table("organisation") as batch_op:
        batch_op.add_column(sa.Column("intra_community_note", Words, nullable=False, server_default=_NOTE))
    with op.batch_alter_table("organisation") as batch_op:
        batch_op.alter_column("intra_community_note", server_default=None)


def downgrade() -> None:
    """Go back unless a customer has the treatment, which the earlier version does not know."""
    with op.batch_alter_table("organisation") as batch_op:
        batch_op.drop_column("intra_community_note")
    _replace_treatments(_BEFORE)


def _replace_treatments(treatments: str) -> None:
    name = op.f("ck_customers_tax_treatment_known")
    with op.batch_alter_table("customers") as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, f"tax_treatment IN ({treatments})")
