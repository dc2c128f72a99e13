"""Triggers that refuse changes and deletions of issued documents.

Migration 0003 creates the same triggers, and 0047 the one that refuses updates of `invoices`.

Only `paid` and `credited` of an issued invoice may change; once, it may become void on a day and for a reason. The number
of an opening invoice gets a suffix then, so that it is free again. When a migration alters a table, SQLite copies the table
and drops its triggers, so the migration has to create them again.
"""

from sqlalchemy import DDL, event

from billing_admin.models.invoice import Invoice, InvoiceLine, InvoiceTax

REFUSAL = "An issued document is never changed."
_MAY_CHANGE = {"paid", "credited", "version", "status", "voided_on", "reason"}
_FREES_NUMBER = "OLD.kind = 'opening_invoice' AND OLD.status = 'issued' AND NEW.status = 'void'"
_COPIES_CHANGE = " OR ".join(
    f"OLD.{name} IS DISTINCT FROM NEW.{name}" + (f" AND NOT ({_FREES_NUMBER})" if name == "number" else "")
    for name in sorted(
        column.name for column in Invoice.__table__.columns
    )  # as in migrations, which add columns in another order
    if name not in _MAY_CHANGE
)
_BECOMES_VOID = "OLD.status = 'issued' AND NEW.status = 'void'"
_KEEPS_STATUS = (
    "OLD.status = NEW.status AND OLD.voided_on IS NOT DISTINCT FROM NEW.voided_on AND OLD.reason = NEW.reason"
)
_ISSUED = "OLD.status <> 'draft'"
_CHANGED = f"{_ISSUED} AND ({_COPIES_CHANGE} OR NOT (({_BECOMES_VOID}) OR ({_KEEPS_STATUS})))"
_ON_ISSUED = "EXISTS (SELECT 1 FROM invoices WHERE id = OLD.invoice_id AND status <> 'draft')"

_RAISE = f"RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'"
_FUNCTIONS = {
    "refuse_issued_change": f"BEGIN {_RAISE}; END",
    # On PostgreSQL a trigger's condition cannot query another table, but its function can.
    "refuse_issued_part_change": f"BEGIN IF {_ON_ISSUED} THEN {_RAISE}; END IF;"
    " RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END",
}


def _on_sqlite(table: str, verb: str, condition: str) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    return [f"CREATE TRIGGER {table}_refuse_{verb} BEFORE {verb} ON {table} WHEN {condition} {refuse}"]


def _on_postgresql(table: str, verb: str, condition: str) -> list[str]:
    function = "refuse_issued_part_change" if condition == _ON_ISSUED else "refuse_issued_change"
    when = "" if condition == _ON_ISSUED else f"WHEN ({condition}) "
    return [
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ {_FUNCTIONS[function]} $$",
        f"CREATE TRIGGER {table}_refuse_{verb} BEFORE {verb} ON {table} FOR EACH ROW {when}EXECUTE FUNCTION {function}()",
    ]


for _table, _verb, _condition in (
    (Invoice.__table__, "update", _CHANGED),
    (Invoice.__table__, "delete", _ISSUED),
    (InvoiceLine.__table__, "update", _ON_ISSUED),
    (InvoiceLine.__table__, "delete", _ON_ISSUED),
    (InvoiceTax.__table__, "update", _ON_ISSUED),
    (InvoiceTax.__table__, "delete", _ON_ISSUED),
):
    for _dialect, _statements in (("sqlite", _on_sqlite), ("postgresql", _on_postgresql)):
        for _statement in _statements(_table.description, _verb, _condition):
            ddl = DDL(_statement)  # type: ignore[no-untyped-call]
            event.listen(_table, "after_create", ddl.execute_if(dialect=_dialect))
