"""Hold the whole life of a bill: payments, credit notes, voids, tax by treatment and day, recurring charges, the period lock."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Exact, Key, Moment, Words, exact_checks

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# New columns that must have a value, and the value that rows get which are there already.
FILLED: dict[str, dict[str, tuple[Any, Any]]] = {
    "charges": {"tax_included": (sa.Boolean(), sa.false())},
    "customers": {"tax_treatment": (Words, "standard")},
    "invoice_taxes": {"included": (sa.Boolean(), sa.false()), "note": (Words, "")},
    "invoices": {
        "note": (Words, ""),
        "purchase_order": (Words, ""),
        "reason": (Words, ""),
        "version": (sa.BigInteger(), "1"),
    },
    "organisation": {
        "invoice_format": (Words, "INV-{year}-{number:5}"),
        "credit_note_format": (Words, "CN-{year}-{number:5}"),
        "exempt_note": (Words, "Exempt from tax"),
        "reverse_charge_note": (Words, "Reverse charge: the customer accounts for the tax"),
        "export_note": (Words, "Export: no tax is charged"),
    },
    "service_prices": {"includes_tax": (sa.Boolean(), sa.false())},
    "tax_rates": {"note": (Words, ""), "version": (sa.BigInteger(), "1")},
}
# The reason that is printed from now on where a rate charges no tax; who is not subject to tax at all goes on without.
NOTES = {
    "E": "Exempt from tax",
    "AE": "Reverse charge: the customer accounts for the tax",
    "G": "Export: no tax is charged",
    "K": "Intra-community supply: no tax is charged",
}
OPTIONAL: dict[str, dict[str, Any]] = {
    "charges": {"duplicate_kept_at": Moment(), "replaces_id": Key()},
    "invoice_lines": {"gross": sa.BigInteger(), "included_percent": Exact(), "corrects_line_id": Key()},
    "invoices": {"corrects_id": Key(), "replaces_id": Key(), "voided_on": sa.Date()},
    "organisation": {"locked_through": sa.Date()},
}
PARTIAL_INDEXES = {
    "ix_charges_replaces": ("charges", ["replaces_id"], True, "replaces_id IS NOT NULL"),
    "ix_charges_to_review": (
        "charges",
        ["created_at", "id"],
        False,
        "duplicate_of_id IS NOT NULL AND duplicate_kept_at IS NULL AND status <> 'cancelled'",
    ),
    "ix_recurring_postings_once": (
        "recurring_postings",
        ["recurring_charge_id", "period_from"],
        True,
        "NOT takes_back",
    ),
    "ix_audit_events_bulk": (
        "audit_events",
        ["at", "id"],
        False,
        "object_type = 'charge' AND object_id IS NULL AND action <> 'charge.posted'",
    ),
    "ix_invoices_corrects": ("invoices", ["corrects_id"], False, "corrects_id IS NOT NULL"),
    "ix_invoices_open": (
        "invoices",
        ["due_date"],
        False,
        "status = 'issued' AND kind = 'invoice' AND total <> paid + credited",
    ),
}
CHECKS = {
    "ck_invoices_credit_note_corrects": "(kind = 'credit_note') = (corrects_id IS NOT NULL)",
    "ck_invoices_credit_note_is_not_paid": "kind = 'invoice' OR (paid = 0 AND credited = 0)",
    "ck_invoices_void_has_day": "(status = 'void') = (voided_on IS NOT NULL)",
    "ck_invoices_void_is_not_paid": "status <> 'void' OR (paid = 0 AND credited = 0)",
}
NUMBER = {
    "postgresql": "included_percent <> 'NaN'",
    "sqlite": "included_percent GLOB '[-0-9]*' AND included_percent NOT GLOB '*[^-.0-9]*'",
}
# What was issued is never changed: columns that are copies, and the one way from issued to void.
COPIES = [
    "id",
    "kind",
    "customer_id",
    "currency",
    "run_id",
    "series_id",
    "sequence",
    "number",
    "issue_date",
    "due_date",
    "period_from",
    "period_to",
    "net",
    "tax",
    "total",
    "customer_reference",
    "customer_name",
    "customer_address",
    "customer_tax_id",
    "seller_name",
    "seller_address",
    "seller_tax_id",
    "footer",
    "note",
    "purchase_order",
    "corrects_id",
    "replaces_id",
    "hash",
    "created_at",
    "issued_at",
]
ISSUED = "OLD.status <> 'draft'"
CHANGED = (
    f"{ISSUED} AND ({' OR '.join(f'OLD.{name} IS DISTINCT FROM NEW.{name}' for name in COPIES)}"
    " OR NOT ((OLD.status = 'issued' AND NEW.status = 'void')"
    " OR (OLD.status = NEW.status AND OLD.voided_on IS NOT DISTINCT FROM NEW.voided_on AND OLD.reason = NEW.reason)))"
)
ON_ISSUED = "EXISTS (SELECT 1 FROM invoices WHERE id = OLD.invoice_id AND status <> 'draft')"
REFUSED = {
    ("invoices", "update"): CHANGED,
    ("invoices", "delete"): ISSUED,
    ("invoice_lines", "update"): ON_ISSUED,
    ("invoice_lines", "delete"): ON_ISSUED,
    ("invoice_taxes", "update"): ON_ISSUED,
    ("invoice_taxes", "delete"): ON_ISSUED,
}
REFUSE = "RAISE EXCEPTION 'An issued document is never changed.' USING ERRCODE = 'restrict_violation'"
FUNCTIONS = {
    "refuse_issued_change": f"BEGIN {REFUSE}; END",
    "refuse_issued_part_change": f"BEGIN IF {ON_ISSUED} THEN {REFUSE}; END IF;"
    " RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END",
}


def upgrade() -> None:
    _create_tables()
    op.drop_index("ix_invoices_open", "invoices")
    for table in sorted(FILLED.keys() | OPTIONAL.keys()):
        with op.batch_alter_table(table) as batch:
            for name, (type, value) in FILLED.get(table, {}).items():
                batch.add_column(sa.Column(name, type, nullable=False, server_default=value))
            for name, type in OPTIONAL.get(table, {}).items():
                batch.add_column(sa.Column(name, type, nullable=True))
    op.execute("UPDATE organisation SET invoice_format = replace(invoice_format, 'INV', invoice_prefix)")
    for category, note in NOTES.items():
        op.execute(
            sa.text("UPDATE tax_rates SET note = :note WHERE category = :category").bindparams(
                note=note, category=category
            )
        )
    for table in sorted(FILLED.keys() | OPTIONAL.keys()):
        with op.batch_alter_table(table) as batch:
            for name in FILLED.get(table, {}):
                batch.alter_column(name, server_default=None)
            _change_constraints(table, batch)
    for name, (table, columns, unique, condition) in PARTIAL_INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, table, columns, unique=unique, postgresql_where=where, sqlite_where=where)
    _refuse_changes()


def _refuse_changes() -> None:
    """Last of all: SQLite makes altered tables anew, and drops their triggers."""
    if op.get_bind().dialect.name == "postgresql":
        for function, body in FUNCTIONS.items():
            op.execute(f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        for (table, verb), condition in REFUSED.items():
            part = condition == ON_ISSUED  # a condition cannot ask another table there, its function can
            act = "EXECUTE FUNCTION " + ("refuse_issued_part_change()" if part else "refuse_issued_change()")
            when = "" if part else f"WHEN ({condition}) "
            op.execute(f"CREATE TRIGGER {table}_refuse_{verb} BEFORE {verb} ON {table} FOR EACH ROW {when}{act}")
    else:
        refuse = "BEGIN SELECT RAISE(ABORT, 'An issued document is never changed.'); END"
        for (table, verb), condition in REFUSED.items():
            op.execute(f"CREATE TRIGGER {table}_refuse_{verb} BEFORE {verb} ON {table} WHEN {condition} {refuse}")


def _change_constraints(table: str, batch: Any) -> None:  # noqa: C901 - a list of tables
    if table == "charges":
        batch.create_foreign_key("fk_charges_replaces_id", "charges", ["replaces_id"], ["id"])
    elif table == "customers":
        known = "tax_treatment IN ('standard', 'exempt', 'reverse_charge', 'export')"
        batch.create_check_constraint(op.f("ck_customers_tax_treatment_known"), known)
    elif table == "invoice_lines":
        _make_deferrable(batch, table, ["invoice_id", "customer_id", "currency"], ["id", "customer_id", "currency"])
        batch.create_foreign_key("fk_invoice_lines_corrects_line_id", "invoice_lines", ["corrects_line_id"], ["id"])
        number = NUMBER[op.get_bind().dialect.name]
        batch.create_check_constraint(op.f("ck_invoice_lines_included_percent_number"), number)
        both = "(gross IS NULL) = (included_percent IS NULL)"
        batch.create_check_constraint(op.f("ck_invoice_lines_includes_tax_by_percent"), both)
    elif table == "invoice_taxes":
        _make_deferrable(batch, table, ["invoice_id"], ["id"])
    elif table == "invoices":
        for name in ("corrects_id", "replaces_id"):
            key = [name, "customer_id", "currency"]
            batch.create_foreign_key(f"fk_invoices_{'_'.join(key)}", "invoices", key, ["id", "customer_id", "currency"])
        for name, condition in CHECKS.items():
            batch.create_check_constraint(op.f(name), condition)
    elif table == "organisation":
        batch.drop_column("invoice_prefix")


def _make_deferrable(batch: Any, table: str, columns: list[str], key: list[str]) -> None:
    name = f"fk_{table}_{'_'.join(columns)}"
    batch.drop_constraint(name, type_="foreignkey")
    batch.create_foreign_key(name, "invoices", columns, key, deferrable=True, initially="IMMEDIATE")


def _create_tables() -> None:
    op.create_table(
        "tax_rate_changes",
        sa.Column("tax_rate_id", Key(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("percent", Exact(), nullable=False),
        *exact_checks("percent"),
        sa.ForeignKeyConstraint(["tax_rate_id"], ["tax_rates.id"], name=op.f("fk_tax_rate_changes_tax_rate_id")),
        sa.PrimaryKeyConstraint("tax_rate_id", "valid_from", name=op.f("pk_tax_rate_changes")),
    )
    op.create_table(
        "payments",
        sa.Column("id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("allocated", sa.BigInteger(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("method", Words, nullable=False),
        sa.Column("reference", Words, nullable=False),
        sa.Column("asked", Words, nullable=False),
        sa.Column("status", Words, nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("reversed_on", sa.Date(), nullable=True),
        sa.Column("reversal_reason", Words, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("event_id", Key(), nullable=False),
        sa.CheckConstraint(
            "(status = 'reversed') = (reversed_on IS NOT NULL)", name=op.f("ck_payments_reversed_has_day")
        ),
        sa.CheckConstraint(
            "method IN ('bank_transfer', 'direct_debit', 'card', 'cash', 'cheque', 'other', 'write_off')",
            name=op.f("ck_payments_method_known"),
        ),
        sa.CheckConstraint("status = 'recorded' OR allocated = 0", name=op.f("ck_payments_reversed_pays_nothing")),
        sa.CheckConstraint("status IN ('recorded', 'reversed')", name=op.f("ck_payments_status_known")),
        sa.CheckConstraint(
            "amount > 0 AND allocated >= 0 AND allocated <= amount", name=op.f("ck_payments_not_over_allocated")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["accounts.customer_id", "accounts.currency"],
            name=op.f("fk_payments_customer_id_currency"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["audit_events.id"], name=op.f("fk_payments_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("id", "customer_id", "currency", name=op.f("uq_payments_id_customer_id_currency")),
    )
    op.create_index("ix_payments_created_at_id", "payments", ["created_at", "id"])
    op.create_index("ix_payments_customer_id_currency", "payments", ["customer_id", "currency"])
    op.create_index("ix_payments_reference", "payments", ["reference"])
    op.create_table(
        "recurring_charges",
        sa.Column("id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("service_id", Key(), nullable=False),
        sa.Column("description", Words, nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("unit_price", Exact(), nullable=True),
        sa.Column("interval", Words, nullable=False),
        sa.Column("anchor_on", sa.Date(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("posted_through", sa.Date(), nullable=True),
        sa.Column("paused_on", sa.Date(), nullable=True),
        sa.Column("follows_id", Key(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.CheckConstraint(
            "interval IN ('monthly', 'quarterly', 'yearly')", name=op.f("ck_recurring_charges_interval_known")
        ),
        *exact_checks("quantity", "unit_price"),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_recurring_charges_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["accounts.customer_id", "accounts.currency"],
            name=op.f("fk_recurring_charges_customer_id_currency"),
        ),
        sa.ForeignKeyConstraint(["follows_id"], ["recurring_charges.id"], name=op.f("fk_recurring_charges_follows_id")),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_recurring_charges_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recurring_charges")),
        sa.UniqueConstraint("follows_id", name=op.f("uq_recurring_charges_follows_id")),
    )
    op.create_index("ix_recurring_charges_created_at_id", "recurring_charges", ["created_at", "id"])
    op.create_index("ix_recurring_charges_customer_id", "recurring_charges", ["customer_id"])
    op.create_table(
        "recurring_postings",
        sa.Column("charge_id", Key(), nullable=False),
        sa.Column("recurring_charge_id", Key(), nullable=False),
        sa.Column("period_from", sa.Date(), nullable=False),
        sa.Column("period_to", sa.Date(), nullable=False),
        sa.Column("takes_back", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["charge_id"], ["charges.id"], name=op.f("fk_recurring_postings_charge_id")),
        sa.ForeignKeyConstraint(
            ["recurring_charge_id"],
            ["recurring_charges.id"],
            name=op.f("fk_recurring_postings_recurring_charge_id"),
        ),
        sa.PrimaryKeyConstraint("charge_id", name=op.f("pk_recurring_postings")),
    )
    posted = ["recurring_charge_id", "period_from"]
    op.create_index("ix_recurring_postings_recurring_charge_id_period_from", "recurring_postings", posted)
    op.create_table(
        "allocations",
        sa.Column("id", Key(), nullable=False),
        sa.Column("payment_id", Key(), nullable=False),
        sa.Column("invoice_id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("withdrawn_on", sa.Date(), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_allocations_positive")),
        sa.CheckConstraint("withdrawn_on >= made_on", name=op.f("ck_allocations_withdrawn_after_made")),
        sa.ForeignKeyConstraint(
            ["invoice_id", "customer_id", "currency"],
            ["invoices.id", "invoices.customer_id", "invoices.currency"],
            name=op.f("fk_allocations_invoice_id_customer_id_currency"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id", "customer_id", "currency"],
            ["payments.id", "payments.customer_id", "payments.currency"],
            name=op.f("fk_allocations_payment_id_customer_id_currency"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocations")),
    )
    op.create_index("ix_allocations_invoice_id", "allocations", ["invoice_id"])
    op.create_index("ix_allocations_payment_id", "allocations", ["payment_id"])
    op.create_table(
        "voided_charges",
        sa.Column("invoice_line_id", Key(), nullable=False),
        sa.Column("charge_id", Key(), nullable=False),
        sa.ForeignKeyConstraint(["charge_id"], ["charges.id"], name=op.f("fk_voided_charges_charge_id")),
        sa.ForeignKeyConstraint(
            ["invoice_line_id"], ["invoice_lines.id"], name=op.f("fk_voided_charges_invoice_line_id")
        ),
        sa.PrimaryKeyConstraint("invoice_line_id", "charge_id", name=op.f("pk_voided_charges")),
    )
    op.create_index("ix_voided_charges_charge_id", "voided_charges", ["charge_id"])


def downgrade() -> None:
    raise NotImplementedError("Payments and credit notes have no place in the schema before: restore a backup.")
