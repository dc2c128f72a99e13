"""Create the tables, with the one organisation and the rate of those who charge no tax."""

from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from billing_admin.models.base import Data, Exact, Key, Moment, Words, exact_checks

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


TABLES = (
    "audit_events",
    "billing_runs",
    "customers",
    "number_series",
    "sign_in_failures",
    "tax_rates",
    "users",
    "accounts",
    "api_tokens",
    "invoices",
    "organisation",
    "services",
    "user_sessions",
    "billing_run_items",
    "invoice_lines",
    "invoice_taxes",
    "service_prices",
    "charges",
)
NO_TAX = UUID("00000000-0000-7000-8000-000000000001")
TAX_RATE = {"id": Key(), "code": Words, "name": Words, "category": Words, "percent": Exact()}
ORGANISATION = dict.fromkeys(
    ("legal_name", "address", "tax_id", "email", "invoice_footer", "time_zone", "base_currency", "invoice_prefix"),
    Words,
) | {
    "id": sa.BigInteger(),
    "payment_terms_days": sa.BigInteger(),
    "hold_likely_duplicates": sa.Boolean(),
    "is_demo": sa.Boolean(),
    "default_tax_rate_id": Key(),
    "version": sa.BigInteger(),
}


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", Key(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor_kind", Words, nullable=False),
        sa.Column("actor_id", Key(), nullable=True),
        sa.Column("actor_name", Words, nullable=False),
        sa.Column("request_id", Words, nullable=True),
        sa.Column("action", Words, nullable=False),
        sa.Column("object_type", Words, nullable=False),
        sa.Column("object_id", Key(), nullable=True),
        sa.Column("details", Data, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_at_id", "audit_events", ["at", "id"], unique=False)
    op.create_index("ix_audit_events_object_id", "audit_events", ["object_id"], unique=False)

    op.create_table(
        "billing_runs",
        sa.Column("id", Key(), nullable=False),
        sa.Column("state", Words, nullable=False),
        sa.Column("through", sa.Date(), nullable=False),
        sa.Column("issue", sa.Boolean(), nullable=False),
        sa.Column("issue_date", sa.Date(), nullable=False),
        sa.Column("customers", Data, nullable=True),
        sa.Column("currency", Words, nullable=True),
        sa.Column("confirmed", Words, nullable=True),
        sa.Column("failure", Words, nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", Words, nullable=False),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'done', 'failed')", name=op.f("ck_billing_runs_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_runs")),
    )
    op.create_index("ix_billing_runs_created_at_id", "billing_runs", ["created_at", "id"], unique=False)

    op.create_table(
        "customers",
        sa.Column("id", Key(), nullable=False),
        sa.Column("reference", Words, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("email", Words, nullable=False),
        sa.Column("address", Words, nullable=False),
        sa.Column("tax_id", Words, nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("payment_terms_days", sa.BigInteger(), nullable=True),
        sa.Column("notes", Words, nullable=False),
        sa.Column("search", Words, nullable=False),
        sa.Column("archived_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("reference", name=op.f("uq_customers_reference")),
    )
    op.create_index("ix_customers_created_at_id", "customers", ["created_at", "id"], unique=False)

    op.create_table(
        "number_series",
        sa.Column("id", Key(), nullable=False),
        sa.Column("kind", Words, nullable=False),
        sa.Column("year", sa.BigInteger(), nullable=False),
        sa.Column("next_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_issue_date", sa.Date(), nullable=True),
        sa.Column("last_hash", Words, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number_series")),
        sa.UniqueConstraint("kind", "year", name=op.f("uq_number_series_kind_year")),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("id", Key(), nullable=False),
        sa.Column("email", Words, nullable=False),
        sa.Column("address", Words, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_failures")),
    )
    op.create_index("ix_sign_in_failures_address_at", "sign_in_failures", ["address", "at"], unique=False)
    op.create_index("ix_sign_in_failures_email_at", "sign_in_failures", ["email", "at"], unique=False)

    op.create_table(
        "tax_rates",
        sa.Column("id", Key(), nullable=False),
        sa.Column("code", Words, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("category", Words, nullable=False),
        sa.Column("percent", Exact(), nullable=False),
        sa.CheckConstraint(
            "category IN ('S', 'Z', 'E', 'AE', 'O', 'G', 'K')", name=op.f("ck_tax_rates_category_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rates")),
        sa.UniqueConstraint("code", name=op.f("uq_tax_rates_code")),
        *exact_checks("percent"),
    )
    op.create_table(
        "users",
        sa.Column("id", Key(), nullable=False),
        sa.Column("email", Words, nullable=False),
        sa.Column("role", Words, nullable=False),
        sa.Column("password_hash", Words, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "accounts",
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("pending_charges", sa.BigInteger(), nullable=False),
        sa.Column("pending_amount", Exact(), nullable=False),
        sa.Column("held_charges", sa.BigInteger(), nullable=False),
        sa.Column("held_amount", Exact(), nullable=False),
        sa.Column("billed_through", sa.Date(), nullable=True),
        sa.CheckConstraint("pending_charges >= 0 AND held_charges >= 0", name=op.f("ck_accounts_counts_not_negative")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_accounts_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "currency", name=op.f("pk_accounts")),
        *exact_checks("held_amount", "pending_amount"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", Key(), nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("prefix", Words, nullable=False),
        sa.Column("token_hash", Words, nullable=False),
        sa.Column("scopes", Data, nullable=False),
        sa.Column("user_id", Key(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("last_used_at", Moment(), nullable=True),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_table(
        "invoices",
        sa.Column("id", Key(), nullable=False),
        sa.Column("kind", Words, nullable=False),
        sa.Column("status", Words, nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("run_id", Key(), nullable=True),
        sa.Column("series_id", Key(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("number", Words, nullable=True),
        sa.Column("issue_date", sa.Date(), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("period_from", sa.Date(), nullable=False),
        sa.Column("period_to", sa.Date(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("paid", sa.BigInteger(), nullable=False),
        sa.Column("credited", sa.BigInteger(), nullable=False),
        sa.Column("customer_reference", Words, nullable=False),
        sa.Column("customer_name", Words, nullable=False),
        sa.Column("customer_address", Words, nullable=False),
        sa.Column("customer_tax_id", Words, nullable=False),
        sa.Column("seller_name", Words, nullable=False),
        sa.Column("seller_address", Words, nullable=False),
        sa.Column("seller_tax_id", Words, nullable=False),
        sa.Column("footer", Words, nullable=False),
        sa.Column("hash", Words, nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("issued_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "(status = 'draft') = (number IS NULL) AND (number IS NULL) = (sequence IS NULL) AND (number IS NULL) = (series_id IS NULL) AND (number IS NULL) = (hash IS NULL) AND (status = 'draft' OR (issue_date IS NOT NULL AND due_date IS NOT NULL))",
            name=op.f("ck_invoices_numbered_when_issued"),
        ),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name=op.f("ck_invoices_kind_known")),
        sa.CheckConstraint("status IN ('draft', 'issued', 'void')", name=op.f("ck_invoices_status_known")),
        sa.CheckConstraint(
            "paid >= 0 AND credited >= 0 AND paid + credited <= total", name=op.f("ck_invoices_not_overpaid")
        ),
        sa.CheckConstraint("total = net + tax", name=op.f("ck_invoices_adds_up")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_invoices_customer_id")),
        sa.ForeignKeyConstraint(["run_id"], ["billing_runs.id"], name=op.f("fk_invoices_run_id")),
        sa.ForeignKeyConstraint(["series_id"], ["number_series.id"], name=op.f("fk_invoices_series_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("id", "customer_id", "currency", name=op.f("uq_invoices_id_customer_id_currency")),
        sa.UniqueConstraint("number", name=op.f("uq_invoices_number")),
        sa.UniqueConstraint("series_id", "sequence", name=op.f("uq_invoices_series_id_sequence")),
    )
    op.create_index("ix_invoices_created_at_id", "invoices", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_invoices_customer_id_created_at_id", "invoices", ["customer_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_invoices_open",
        "invoices",
        ["due_date"],
        unique=False,
        postgresql_where=sa.text("status = 'issued' AND total <> paid + credited"),
        sqlite_where=sa.text("status = 'issued' AND total <> paid + credited"),
    )
    op.create_index("ix_invoices_run_id", "invoices", ["run_id"], unique=False)

    op.create_table(
        "organisation",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("legal_name", Words, nullable=False),
        sa.Column("address", Words, nullable=False),
        sa.Column("tax_id", Words, nullable=False),
        sa.Column("email", Words, nullable=False),
        sa.Column("invoice_footer", Words, nullable=False),
        sa.Column("time_zone", Words, nullable=False),
        sa.Column("base_currency", Words, nullable=False),
        sa.Column("payment_terms_days", sa.BigInteger(), nullable=False),
        sa.Column("invoice_prefix", Words, nullable=False),
        sa.Column("hold_likely_duplicates", sa.Boolean(), nullable=False),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.Column("default_tax_rate_id", Key(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_organisation_only_one")),
        sa.ForeignKeyConstraint(
            ["default_tax_rate_id"], ["tax_rates.id"], name=op.f("fk_organisation_default_tax_rate_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
    )
    op.create_table(
        "services",
        sa.Column("id", Key(), nullable=False),
        sa.Column("code", Words, nullable=False),
        sa.Column("name", Words, nullable=False),
        sa.Column("unit", Words, nullable=False),
        sa.Column("tax_rate_id", Key(), nullable=False),
        sa.Column("line_per_charge", sa.Boolean(), nullable=False),
        sa.Column("search", Words, nullable=False),
        sa.Column("archived_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tax_rate_id"], ["tax_rates.id"], name=op.f("fk_services_tax_rate_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
        sa.UniqueConstraint("code", name=op.f("uq_services_code")),
    )
    op.create_table(
        "user_sessions",
        sa.Column("token_hash", Words, nullable=False),
        sa.Column("user_id", Key(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("last_seen_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_user_sessions")),
    )
    op.create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"], unique=False)

    op.create_table(
        "billing_run_items",
        sa.Column("run_id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("part", Words, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", Words, nullable=False),
        sa.Column("charges", sa.BigInteger(), nullable=False),
        sa.Column("amount", Exact(), nullable=False),
        sa.Column("reason", Words, nullable=True),
        sa.Column("expected", Words, nullable=True),
        sa.Column("invoice_id", Key(), nullable=True),
        sa.CheckConstraint(
            "(state = 'billed') = (invoice_id IS NOT NULL)", name=op.f("ck_billing_run_items_billed_has_invoice")
        ),
        sa.CheckConstraint(
            "(state = 'left_out') = (reason IS NOT NULL)", name=op.f("ck_billing_run_items_left_out_has_reason")
        ),
        sa.CheckConstraint("part IN ('due', 'later', 'held')", name=op.f("ck_billing_run_items_part_known")),
        sa.CheckConstraint("state IN ('waiting', 'billed', 'left_out')", name=op.f("ck_billing_run_items_state_known")),
        sa.ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["accounts.customer_id", "accounts.currency"],
            name=op.f("fk_billing_run_items_customer_id_currency"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["billing_runs.id"], name=op.f("fk_billing_run_items_run_id")),
        sa.PrimaryKeyConstraint("run_id", "customer_id", "currency", "part", name=op.f("pk_billing_run_items")),
        *exact_checks("amount"),
    )
    op.create_index(
        "ix_billing_run_items_waiting",
        "billing_run_items",
        ["run_id", "position"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )

    op.create_table(
        "invoice_lines",
        sa.Column("id", Key(), nullable=False),
        sa.Column("invoice_id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("service_id", Key(), nullable=True),
        sa.Column("service_code", Words, nullable=False),
        sa.Column("description", Words, nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("unit_price", Exact(), nullable=True),
        sa.Column("amount", Exact(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("tax_category", Words, nullable=False),
        sa.Column("tax_percent", Exact(), nullable=False),
        sa.Column("charges", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id", "customer_id", "currency"],
            ["invoices.id", "invoices.customer_id", "invoices.currency"],
            name=op.f("fk_invoice_lines_invoice_id_customer_id_currency"),
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_invoice_lines_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_lines")),
        sa.UniqueConstraint("id", "customer_id", "currency", name=op.f("uq_invoice_lines_id_customer_id_currency")),
        sa.UniqueConstraint("invoice_id", "position", name=op.f("uq_invoice_lines_invoice_id_position")),
        *exact_checks("amount", "quantity", "tax_percent", "unit_price"),
    )
    op.create_table(
        "invoice_taxes",
        sa.Column("invoice_id", Key(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("category", Words, nullable=False),
        sa.Column("percent", Exact(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_taxes_invoice_id")),
        sa.PrimaryKeyConstraint("invoice_id", "position", name=op.f("pk_invoice_taxes")),
        *exact_checks("percent"),
    )
    op.create_table(
        "service_prices",
        sa.Column("service_id", Key(), nullable=False),
        sa.Column("currency", Words, nullable=False),
        sa.Column("unit_price", Exact(), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_service_prices_service_id")),
        sa.PrimaryKeyConstraint("service_id", "currency", name=op.f("pk_service_prices")),
        *exact_checks("unit_price"),
    )
    op.create_table(
        "charges",
        sa.Column("id", Key(), nullable=False),
        sa.Column("customer_id", Key(), nullable=False),
        sa.Column("service_id", Key(), nullable=True),
        sa.Column("invoice_line_id", Key(), nullable=True),
        sa.Column("event_id", Key(), nullable=False),
        sa.Column("duplicate_of_id", Key(), nullable=True),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_on", sa.Date(), nullable=False),
        sa.Column("incurred_on", sa.Date(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("status", Words, nullable=False),
        sa.Column("status_reason", Words, nullable=True),
        sa.Column("currency", Words, nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("unit_price", Exact(), nullable=True),
        sa.Column("amount", Exact(), nullable=False),
        sa.Column("description", Words, nullable=False),
        sa.Column("details", Data, nullable=True),
        sa.CheckConstraint(
            "(status = 'billed') = (invoice_line_id IS NOT NULL)", name=op.f("ck_charges_billed_is_on_a_line")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'held', 'billed', 'cancelled')", name=op.f("ck_charges_status_known")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id", "currency"],
            ["accounts.customer_id", "accounts.currency"],
            name=op.f("fk_charges_customer_id_currency"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["audit_events.id"], name=op.f("fk_charges_event_id")),
        sa.ForeignKeyConstraint(
            ["invoice_line_id", "customer_id", "currency"],
            ["invoice_lines.id", "invoice_lines.customer_id", "invoice_lines.currency"],
            name=op.f("fk_charges_invoice_line_id_customer_id_currency"),
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_charges_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charges")),
        *exact_checks("amount", "quantity", "unit_price"),
    )
    op.create_index("ix_charges_created_at_id", "charges", ["created_at", "id"], unique=False)
    op.create_index("ix_charges_created_on_fingerprint", "charges", ["created_on", "fingerprint"], unique=False)
    op.create_index("ix_charges_customer", "charges", ["customer_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_charges_line",
        "charges",
        ["invoice_line_id"],
        unique=False,
        postgresql_where=sa.text("invoice_line_id IS NOT NULL"),
        sqlite_where=sa.text("invoice_line_id IS NOT NULL"),
    )
    op.create_index(
        "ix_charges_unbilled",
        "charges",
        ["customer_id", "incurred_on"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'held')"),
        sqlite_where=sa.text("status IN ('pending', 'held')"),
    )
    op.bulk_insert(
        sa.table("tax_rates", *(sa.column(name, kind) for name, kind in TAX_RATE.items())),
        [{"id": NO_TAX, "code": "none", "name": "No tax", "category": "O", "percent": Decimal(0)}],
    )
    op.bulk_insert(
        sa.table("organisation", *(sa.column(name, kind) for name, kind in ORGANISATION.items())),
        [
            {
                "id": 1,
                "legal_name": "Your company",
                "address": "",
                "tax_id": "",
                "email": "",
                "invoice_footer": "",
                "time_zone": "UTC",
                "base_currency": "EUR",
                "payment_terms_days": 30,
                "invoice_prefix": "INV",
                "hold_likely_duplicates": False,
                "is_demo": False,
                "default_tax_rate_id": NO_TAX,
                "version": 1,
            }
        ],
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
