"""Freeze the details of documents, their units' codes and the codes of untaxed amounts."""

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Words

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# In the order in which they are added. The default of `vatex` stays: without it, SQLite would copy the table.
COLUMNS = (
    ("invoices", sa.Column("details", Data)),
    ("invoices", sa.Column("tax_in_base", sa.BigInteger())),
    ("invoice_lines", sa.Column("unit_code", Words)),
    ("invoice_taxes", sa.Column("vatex", Words, nullable=False, server_default="")),
)
MAY_CHANGE = {"paid", "credited", "version", "status", "voided_on", "reason"}
KEEPS_STATUS = (
    "OLD.status = NEW.status AND OLD.voided_on IS NOT DISTINCT FROM NEW.voided_on AND OLD.reason = NEW.reason"
)


def upgrade() -> None:
    """Add the columns without a copy of the tables, which would take long and drop the triggers of SQLite."""
    for table, column in COLUMNS:
        op.add_column(table, column)
    _drop_trigger()
    _refuse_changes()


def downgrade() -> None:
    _drop_trigger()
    for table, column in reversed(COLUMNS):
        op.drop_column(table, column.name)
    _refuse_changes()


def _drop_trigger() -> None:
    op.execute(f"DROP TRIGGER invoices_refuse_update{' ON invoices' if _is_postgresql() else ''}")


def _refuse_changes() -> None:
    """Create the trigger again that refuses changes of an issued document, now with the new columns.

    Those of lines and taxes refuse every change.
    """
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
