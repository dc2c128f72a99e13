"""Let price changes above a limit wait for approval, and add up the acts of a day."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import ExactDecimal, Key, Words, exact_checks

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None

TABLES = ("role_limits", "approval_requests")
BEFORE = "act IN ('credit', 'void', 'write_off', 'refund', 'negative_charge', 'unlock')"
NOW = "act IN ('credit', 'void', 'write_off', 'refund', 'negative_charge', 'price', 'unlock')"
NUMBER = {
    "postgresql": "percent <> 'NaN'",
    "sqlite": "percent GLOB '[-0-9]*' AND percent NOT GLOB '*[^-.0-9]*'",
}


def upgrade() -> None:
    _allow(NOW)
    with op.batch_alter_table("approval_requests") as table:
        table.add_column(sa.Column("percent", ExactDecimal(), nullable=True))
        table.create_check_constraint(op.f("ck_approval_requests_percent_number"), NUMBER[op.get_bind().dialect.name])
    op.create_table(
        "limited_acts",
        sa.Column("id", Key(), nullable=False),
        sa.Column("person_id", Key(), nullable=False),
        sa.Column("act", Words, nullable=False),
        sa.Column("object_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("measure", ExactDecimal(), nullable=False),
        *exact_checks("measure"),
        sa.CheckConstraint(NOW, name=op.f("ck_limited_acts_act_known")),
        sa.ForeignKeyConstraint(["person_id"], ["users.id"], name=op.f("fk_limited_acts_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limited_acts")),
    )
    columns = ["person_id", "act", "object_id", "currency", "day"]
    op.create_index(op.f(f"ix_limited_acts_{'_'.join(columns)}"), "limited_acts", columns, unique=True)


def downgrade() -> None:
    """Forget the limits of price changes, and the requests for them, which the earlier version cannot show."""
    op.drop_table("limited_acts")
    for name in TABLES:
        table = sa.table(name, sa.column("act"))
        op.execute(sa.delete(table).where(table.c.act == "price"))
    with op.batch_alter_table("approval_requests") as table:
        table.drop_constraint(op.f("ck_approval_requests_percent_number"), type_="check")
        table.drop_column("percent")
    _allow(BEFORE)


def _allow(acts: str) -> None:
    for name in TABLES:
        with op.batch_alter_table(name) as table:
            table.drop_constraint(op.f(f"ck_{name}_act_known"), type_="check")
            table.create_check_constraint(op.f(f"ck_{name}_act_known"), acts)
