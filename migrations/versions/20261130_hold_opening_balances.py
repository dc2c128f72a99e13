"""Hold opening balances: open invoices and credits of an earlier system; let contacts be imported."""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

COLUMNS = (
    ("invoices", sa.Column("original_date", sa.Date())),
    ("invoices", sa.Column("original_total", sa.BigInteger())),
    ("invoices", sa.Column("original_tax", sa.BigInteger())),
    ("payments", sa.Column("original_date", sa.Date())),
)
METHODS = "'bank_transfer', 'direct_debit', 'card', 'cash', 'cheque', 'other', 'write_off'"
DAYS = "(status = 'draft' OR (issue_date IS NOT NULL AND due_date IS NOT NULL))"
NUMBERED = (
    "(status = 'draft') = (number IS NULL) AND (number IS NULL) = (sequence IS NULL)"
    f" AND (number IS NULL) = (series_id IS NULL) AND (number IS NULL) = (hash IS NULL) AND {DAYS}"
)
NUMBERED_OR_OPENING = (
    "(status = 'draft') = (number IS NULL) AND (number IS NULL OR kind = 'opening_invoice') = (sequence IS NULL)"
    f" AND (sequence IS NULL) = (series_id IS NULL) AND (sequence IS NULL) = (hash IS NULL) AND {DAYS}"
)
OPENING_HAS_DATE = (
    "(kind = 'opening_invoice') = (original_date IS NOT NULL) AND (kind <> 'opening_invoice' OR status <> 'draft')"
)
# By table and name: the condition before, and after. An empty one does not exist.
CHECKS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "invoices": {
        "kind_known": ("kind IN ('invoice', 'credit_note')", "kind IN ('invoice', 'credit_note', 'opening_invoice')"),
        "numbered_when_issued": (NUMBERED, NUMBERED_OR_OPENING),
        "credit_note_is_not_paid": (
            "kind = 'invoice' OR (paid = 0 AND credited = 0)",
            "kind <> 'credit_note' OR (paid = 0 AND credited = 0)",
        ),
        "opening_has_date": ("", OPENING_HAS_DATE),
    },
    "payments": {
        "method_known": (f"method IN ({METHODS})", f"method IN ({METHODS}, 'opening_credit')"),
        "opening_has_date": ("", "(method = 'opening_credit') = (original_date IS NOT NULL)"),
    },
    "imports": {
        "kind_known": (
            "kind IN ('customers', 'services', 'charges', 'payments')",
            "kind IN ('customers', 'services', 'charges', 'payments', 'contacts', 'opening-balances')",
        ),
    },
}
MAY_CHANGE = {"paid", "credited", "version", "status", "voided_on", "reason"}
KEEPS_STATUS = (
    "OLD.status = NEW.status AND OLD.voided_on IS NOT DISTINCT FROM NEW.voided_on AND OLD.reason = NEW.reason"
)
# A void opening invoice gives its number back.
FREES_NUMBER = "OLD.kind = 'opening_invoice' AND OLD.status = 'issued' AND NEW.status = 'void'"


def upgrade() -> None:
    for table, column in COLUMNS:
        op.add_column(table, column)
    op.drop_index("ix_invoices_open", "invoices")
    _drop_trigger()
    for table, checks in CHECKS.items():
        _replace_checks(table, checks)
    _create_open_index("kind <> 'credit_note'")
    for table, column, text in (
        ("invoices", "number", "kind = 'opening_invoice'"),
        ("payments", "reference", "method = 'opening_credit'"),
    ):
        where = sa.text(text)
        op.create_index(f"ix_{table}_opening", table, [column], postgresql_where=where, sqlite_where=where)
    _refuse_changes(FREES_NUMBER)


def downgrade() -> None:
    op.drop_index("ix_payments_opening", "payments")
    op.drop_index("ix_invoices_opening", "invoices")
    op.drop_index("ix_invoices_open", "invoices")
    _drop_trigger()
    for table, checks in CHECKS.items():
        _replace_checks(table, {name: (after, before) for name, (before, after) in checks.items()})
    for table, column in reversed(COLUMNS):
        op.drop_column(table, column.name)
    _create_open_index("kind = 'invoice'")
    _refuse_changes("")


def _create_open_index(kind: str) -> None:
    condition = sa.text(f"status = 'issued' AND {kind} AND total <> paid + credited")
    op.create_index("ix_invoices_open", "invoices", ["due_date"], postgresql_where=condition, sqlite_where=condition)


def _replace_checks(table: str, checks: Mapping[str, tuple[str, str]]) -> None:
    if not _is_postgresql():
        _edit_schema(table, checks)
        return
    for name, (before, after) in checks.items():
        if before:
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
        if after:
            op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, after)


def _edit_schema(table: str, checks: Mapping[str, tuple[str, str]]) -> None:
    """Replace checks in the stored text of a table of SQLite.

    This is the procedure of SQLite's documentation for changes that do not affect the stored rows. A copy of the table
    would take long and drop its triggers.
    """
    connection = op.get_bind()
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table")
    definition = connection.execute(query, {"table": table}).scalar_one()
    for name, (before, after) in checks.items():
        old, new = (f"CONSTRAINT ck_{table}_{name} CHECK ({text})" if text else "" for text in (before, after))
        if old and definition.count(old) != 1:
            raise RuntimeError(f"The table {table} has no constraint ck_{table}_{name} as migrations made it.")
        if old and new:
            definition = definition.replace(old, new)
        elif new:
            head, _ = definition.rsplit(")", 1)
            definition = f"{head.rstrip()}, {new})"
        else:
            definition = definition.replace(f", {old}", "")
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    op.execute("PRAGMA writable_schema = ON")
    edit = sa.text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :table")
    connection.execute(edit, {"sql": definition, "table": table})
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = RESET")


def _drop_trigger() -> None:
    op.execute(f"DROP TRIGGER invoices_refuse_update{' ON invoices' if _is_postgresql() else ''}")


def _refuse_changes(may_change_number: str) -> None:
    """Create the trigger again that refuses changes of an issued document."""
    columns = sorted(column["name"] for column in sa.inspect(op.get_bind()).get_columns("invoices"))
    changes = {name: f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in columns if name not in MAY_CHANGE}
    if may_change_number:
        changes["number"] += f" AND NOT ({may_change_number})"
    condition = (
        f"OLD.status <> 'draft' AND ({' OR '.join(changes.values())} OR NOT"
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
