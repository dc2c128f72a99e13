"""Receivables: the ageing of all customers on any day, and a customer's statement."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask import Response, current_app, render_template
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.formatting import format_day
from billing_admin.domain.money import Money
from billing_admin.domain.receivables import BUCKET_NAMES, Position, StatementRow, ageing_day
from billing_admin.domain.text import file_stem
from billing_admin.domain.translation import Phrase, plural
from billing_admin.formats import csv_tables
from billing_admin.formats.addresses import print_address
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.http.downloads import Download, send_export, send_recorded
from billing_admin.models import Customer
from billing_admin.operations.invoices import letters
from billing_admin.queries.master_data import customers
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.payments import open_items as queries, receivables
from billing_admin.queries.payments.open_items import OpenItemFilter
from billing_admin.queries.payments.unallocated import UnallocatedFilter, unallocated_items, unallocated_totals
from billing_admin.web.frame.customer_field import match_customer
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    currency_param,
    current_url,
    day_range_params,
    export_url,
    filtered_url,
    has_permission,
    strict_day_param,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.lists import AGEING, BUCKET_LABELS, OPEN_ITEMS, UNALLOCATED
from billing_admin.web.frame.signed_in import now, today
from billing_admin.web.frame.tables import MAX_SORTED_ROWS, Total, list_rows, load_table
from billing_admin.web.master_data.customer_head import statement_head
from billing_admin.web.master_data.customers import pages as customer_pages

WRITE = "payments:write"

pages = page_blueprint("receivables", __name__, None, write=WRITE)


@pages.get("/ageing")
def ageing() -> ResponseReturnValue:
    """List the balance of each customer by days overdue, now or at the end of a day."""
    as_of, currency = strict_day_param("as_of"), currency_param()
    balances = receivables.aged_accounts(db.session(), as_of or today(), currency)
    return render_template(
        "receivables/ageing.html",
        day=as_of or today(),
        as_of=as_of,
        currency=currency,
        page=list_rows(balances, AGEING),
        count=len(balances),
        chips=build_chips(
            ("as_of", Phrase("As at"), format_day(as_of) if as_of else ""),
            ("currency", Phrase("Currency"), currency),
        ),
        totals=receivables.positions_by_currency((row.key, row.position) for row in balances),
        currencies=[(code, code) for code in customers.account_currencies(db.session())],
        csv_url=filtered_url("receivables.ageing_file"),
        open_items_url=filtered_url("receivables.open_items"),
        clear_url=unfiltered_url(),
    )


@pages.get("/ageing.csv")
def ageing_file() -> ResponseReturnValue:
    """Send the ageing as a CSV file, without a limit of rows."""
    as_of = strict_day_param("as_of")
    balances = receivables.aged_accounts(db.session(), as_of or today(), currency_param())
    numbers = ("balance", *BUCKET_NAMES, "unallocated")
    columns = ("customer", "customer_name", "currency", *numbers, "as_of")
    lines = (
        (
            row.reference,
            row.name,
            row.currency,
            *_position_amounts(row.position, row.currency),
            (as_of or today()).isoformat(),
        )
        for row in balances
    )
    details = {"kind": "ageing", "rows": len(balances)}
    return _send_csv("ageing", as_of, csv_tables.write_csv(columns, lines, numbers), details)


def read_filters() -> OpenItemFilter:
    """Return the filter of open items in the URL."""
    return OpenItemFilter(
        strict_day_param("as_of") or today(),
        customer=text_param("customer"),
        currency=currency_param(),
        bucket=choice_param("bucket", BUCKET_LABELS),
    )


def filter_chips(filters: OpenItemFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter."""
    return build_chips(
        ("as_of", Phrase("As at"), format_day(filters.as_of) if filters.as_of != today() else ""),
        ("customer", Phrase("Customer"), filters.customer),
        ("currency", Phrase("Currency"), filters.currency),
        ("bucket", Phrase("Days overdue"), BUCKET_LABELS.get(filters.bucket, "")),
    )


@pages.get("/unallocated")
def unallocated() -> ResponseReturnValue:
    """List the unallocated money, now or at the end of a day."""
    session, as_of = db.session(), strict_day_param("as_of")
    filters, unknown_customer = match_customer(
        UnallocatedFilter(as_of or today(), customer=text_param("customer"), currency=currency_param())
    )
    return render_template(
        "receivables/unallocated.html",
        filters=filters,
        as_of=as_of,
        chips=build_chips(
            ("as_of", Phrase("As at"), format_day(filters.as_of) if filters.as_of != today() else ""),
            ("customer", Phrase("Customer"), filters.customer),
            ("currency", Phrase("Currency"), filters.currency),
        ),
        clear_url=unfiltered_url(),
        unknown_customer=unknown_customer,
        page=None if unknown_customer else load_table(unallocated_items(session, filters), UNALLOCATED),
        totals=[]
        if unknown_customer
        else [
            Total(Phrase("Total in {currency}", currency=currency), {"amount": minor}, currency)
            for currency, minor in unallocated_totals(session, filters).items()
        ],
        currencies=[(code, code) for code in customers.account_currencies(session)],
        ageing_url=filtered_url("receivables.ageing", customer=None),
    )


@pages.get("/open-items")
def open_items() -> ResponseReturnValue:
    """List the invoices with an open amount, now or at the end of a day."""
    session, (filters, unknown_customer) = db.session(), match_customer(read_filters())
    sums = [] if unknown_customer else queries.open_sums(session, filters)
    is_short = sum(sum(row.invoices) for row in sums) <= MAX_SORTED_ROWS
    return render_template(
        "receivables/open_items.html",
        filters=filters,
        as_of=strict_day_param("as_of"),
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        unknown_customer=unknown_customer,
        page=None
        if unknown_customer
        else load_table(queries.open_items(session, filters), OPEN_ITEMS, is_short=is_short),
        totals=[
            Total(
                plural(
                    "{count} invoice in {currency}",
                    "{count} invoices in {currency}",
                    sum(row.invoices),
                    currency=row.currency,
                ),
                {"open": sum(row.amounts)},
                row.currency,
            )
            for row in sums
        ],
        buckets=list(BUCKET_LABELS.items()),
        currencies=[(code, code) for code in customers.account_currencies(session)],
        export_url=export_url("exports.open_item_files"),
        ageing_url=filtered_url("receivables.ageing", customer=None, bucket=None),
    )


def _position_amounts(position: Position, currency: str) -> Iterable[str]:
    return (str(Money(minor, currency)) for minor in (position.balance, *position.open, position.unallocated))


def _send_csv(
    name: str, day: date | None, content: bytes, details: Mapping[str, Any], customer: UUID | None = None
) -> Response:
    file_name = f"{name}-{(day or today()).isoformat()}.csv"
    return send_export(
        Download(file_name, "text/csv; charset=utf-8", {**details, "format": "csv"}, object_id=customer), content
    )


def _period_presets(day: date) -> list[tuple[str, date | None, date | None]]:
    """Return periods to choose from: label, first and last day."""
    month_start, year_start = day.replace(day=1), day.replace(month=1, day=1)
    last_month_end, last_year_end = month_start - timedelta(1), year_start - timedelta(1)
    return [
        (Phrase("All"), None, None),
        (Phrase("This month"), month_start, day),
        (Phrase("Last month"), last_month_end.replace(day=1), last_month_end),
        (Phrase("This year"), year_start, day),
        (Phrase("Last year"), last_year_end.replace(month=1, day=1), last_year_end),
    ]


@customer_pages.get("/<uuid:id>/statement")
def statement(id: UUID) -> ResponseReturnValue:
    """Show a customer's movements in a period, and the ageing at its end."""
    session, customer, (first, last) = db.session(), _load_customer(id), _read_period()
    seller = organisation(session)
    language = customer.language or seller.language
    aged_on = ageing_day(last, today())
    positions = receivables.positions(session, aged_on, [id])
    statements = receivables.statements(session, id, today(), first, last)
    return render_template(
        "customers/statement.html",
        customer=customer,
        tab="statement",
        seller=seller,
        seller_address=print_address(seller, language),
        customer_address=print_address(customer, language),
        statements=statements,
        positions={currency: position for (_, currency), position in positions.items()},
        first=first,
        last=last,
        day=last or today(),
        aged_on=aged_on,
        presets=[
            {
                "label": label,
                "url": current_url(**_period_parameters(start, end)),
                "active": (start, end) == (first, last),
            }
            for label, start, end in _period_presets(today())
        ],
        csv_url=filtered_url("customers.statement_file", id=id),
        pdf_urls={code: filtered_url("customers.statement_pdf", id=id, currency=code) for code in statements},
        send_urls={
            code: filtered_url("statements.send", id=id, currency=code)
            for code in statements
            if has_permission("messages:write") and aged_on == (last or today()) and customer.archived_at is None
        },
        **statement_head(customer),
    )


def _read_period() -> tuple[date | None, date | None]:
    """Return the first and last day in the URL."""
    return day_range_params("from", "to", strict_day_param)


def _period_parameters(first: date | None, last: date | None) -> dict[str, Any]:
    return {"from": first.isoformat() if first else None, "to": last.isoformat() if last else None}


@customer_pages.get("/<uuid:id>/statement.pdf")
def statement_pdf(id: UUID) -> ResponseReturnValue:
    """Send a statement in one currency as PDF."""
    session, customer, (first, last) = db.session(), _load_customer(id), _read_period()
    currency, glyphs = currency_param(), load_glyphs(current_app.extensions["billing_settings"].fonts)
    statement = letters.load_statement(session, customer, currency, first, last, now())
    details = {"kind": "statement", "customer": customer.reference, "format": "pdf"}
    file = Download(statement.file_name, "application/pdf", details, object_id=id)
    return send_recorded(file, letters.print_statement(session, statement, glyphs, now()))


@customer_pages.get("/<uuid:id>/statement.csv")
def statement_file(id: UUID) -> ResponseReturnValue:
    """Send the movements of a statement as a CSV file."""
    customer, numbers = _load_customer(id), ("amount", "balance")
    columns = ("customer", "currency", "date", "kind", "number", *numbers)
    first, last = _read_period()
    statements = receivables.statements(db.session(), id, today(), first, last)
    lines = (
        (
            customer.reference,
            currency,
            row.entry.on.isoformat(),
            row.entry.kind,
            row.entry.number,
            *_movement_amounts(row, currency),
        )
        for currency, statement in statements.items()
        for row in statement.rows
    )
    rows = sum(len(statement.rows) for statement in statements.values())
    details = {"kind": "statement", "customer": customer.reference, "rows": rows}
    return _send_csv(
        f"statement-{file_stem(customer.reference)}",
        last,
        csv_tables.write_csv(columns, lines, numbers),
        details,
        id,
    )


def _movement_amounts(row: StatementRow, currency: str) -> Iterable[str]:
    return (str(Money(minor, currency)) for minor in (row.entry.amount, row.balance))


def _load_customer(id: UUID) -> Customer:
    return customers.customer(db.session(), str(id))
