"""Let the organisation choose its number format and date order; an issued document keeps its number format."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Words

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

USED_SO_FAR = {"number_format": "1,234.56", "date_order": "year_first"}
CHECKS = {
    "ck_organisation_number_format_known": "number_format IN ('1,234.56', '1.234,56', '1 234,56', '1''234.56')",
    "ck_organisation_date_order_known": "date_order IN ('day_first', 'month_first', 'year_first')",
}
MAY_CHANGE = {"paid", "credited", "version", "status", "voided_on", "reason"}
KEEPS_STATUS = (
    "OLD.status = NEW.status AND OLD.voided_on IS NOT DISTINCT FROM NEW.voided_on AND OLD.reason = NEW.reason"
)


def upgrade() -> None:
    with op.batch_alter_table("organisation") as table:
        for name, value in USED_SO_FAR.items():
            table.add_column(sa.Column(name, Words, nullable=False, server_default=value))
    with op.batch_alter_table("organisation") as table:
        for name in USED_SO_FAR:
            table.alter_column(name, server_default=None)
        for name, condition in CHECKS.items():
            table.create_check_constraint(op.f(name), condition)
    # The default stays: without it, SQLite would copy the table. It adds a column at once.
    column = sa.Column("number_format", Words, nullable=False, server_default=USED_SO_FAR["number_format"])
    op.add_column("invoices", column)
    _drop_trigger()
    _refuse_changes()


def downgrade() -> None:
    _drop_trigger()
    op.drop_column("invoices", "number_format")
    _refuse_changes()
    with op.batch_alter_table("organisation") as table:
        for name in CHECKS:
            table.drop_constraint(op.f(name), type_="check")
        for name in USED_SO_FAR:
            table.drop_column(name)


def _drop_trigger() -> None:
    op.execute(f"DROP TRIGGER invoices_refuse_update{' ON invoices' if _is_postgresql() else ''}")


def _refuse_changes() -> None:
    """Create the trigger again that refuses changes of an issued document, now with the new column."""
    columns = sorted(column["name"] for column in sa.inspect(op.get_bind()).get_columns("invoices"))
    copies = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in columns if name not in MAY_CHANGE)
    condition = (
        f"OLD.status <> 'draft' AND ({copies} OR NOT"
        f" ((OLD.status = 'issued' AND NEW.status = 'void') OR ({KEEPS_STATUS})))"
    )
    act = (
        f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse_issued_change()"
        if _is_postgresql()
        else f"WHEN {condition} BEGIN SELECT RAISE(ABORT, 'An issued document is never changed.'); END"
    )
    op.execute(f"CREATE TRIGGER invoices_refuse_update BEFORE update ON invoices {act}")


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
