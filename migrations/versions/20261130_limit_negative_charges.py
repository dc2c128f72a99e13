"""Let negative charges above a limit wait for approval."""

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

TABLES = ("role_limits", "approval_requests")
BEFORE = "act IN ('credit', 'void', 'write_off', 'refund', 'unlock')"
NOW = "act IN ('credit', 'void', 'write_off', 'refund', 'negative_charge', 'unlock')"


def upgrade() -> None:
    _allow(NOW)


def downgrade() -> None:
    """Forget the limits of negative charges, and the requests for them, which the earlier version cannot show."""
    for name in TABLES:
        table = sa.table(name, sa.column("act"))
        op.execute(sa.delete(table).where(table.c.act == "negative_charge"))
    _allow(BEFORE)


def _allow(acts: str) -> None:
    for name in TABLES:
        with op.batch_alter_table(name) as table:
            table.drop_constraint(op.f(f"ck_{name}_act_known"), type_="check")
            table.create_check_constraint(op.f(f"ck_{name}_act_known"), acts)
