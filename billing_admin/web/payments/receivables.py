"""Receivables: the ageing of all customers on any day, and a customer's statement."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.money import MINOR_DIGITS, Money
from billing_admin.domain.receivables import BUCKET_NAMES, Position, StatementRow, ageing_buckets
from billing_admin.formats import csv_tables
from billing_admin.models import Customer
from billing_admin.queries.master_data import customers
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.payments import receivables
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import (
    choice_param,
    current_url,
    filtered_url,
    has_permission,
    strict_day_param,
    unfiltered_url,
)
from billing_admin.web.frame.signed_in import today
from billing_admin.web.master_data.customers import pages as customer_pages

WRITE = "payments:write"
MAX_ROWS = 500

pages = page_blueprint("receivables", __name__, None, write=WRITE)


@pages.get("/ageing")
def ageing() -> ResponseReturnValue:
    """List the balance of each customer by days overdue, now or at the end of a day."""
    as_of, currency = strict_day_param("as_of"), choice_param("currency", MINOR_DIGITS)
    balances = receivables.aged_accounts(db.session(), as_of or today(), currency)
    return render_template(
        "receivables/ageing.html",
        day=as_of or today(),
        as_of=as_of,
        currency=currency,
        rows=balances[:MAX_ROWS],
        count=len(balances),
        totals=receivables.positions_by_currency((row.key, row.position) for row in balances),
        buckets=ageing_buckets(as_of or today()),
        currencies=[(code, code) for code in customers.account_currencies(db.session())],
        csv_url=filtered_url("receivables.ageing_file"),
        clear_url=unfiltered_url(),
    )


@pages.get("/ageing.csv")
def ageing_file() -> ResponseReturnValue:
    """Send the ageing as a CSV file, without a limit of rows."""
    as_of = strict_day_param("as_of")
    balances = receivables.aged_accounts(db.session(), as_of or today(), choice_param("currency", MINOR_DIGITS))
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
    return _csv_response("ageing", as_of, csv_tables.write_csv(columns, lines, numbers))


def _position_amounts(position: Position, currency: str) -> Iterable[str]:
    return (str(Money(minor, currency)) for minor in (position.balance, *position.open, position.unallocated))


def _csv_response(name: str, day: date | None, content: bytes) -> Response:
    disposition = f'attachment; filename="{name}-{(day or today()).isoformat()}.csv"'
    return Response(content, mimetype="text/csv", headers={"Content-Disposition": disposition})


def _period_presets(day: date) -> list[tuple[str, date | None, date | None]]:
    """Return periods to choose from: label, first and last day."""
    month_start, year_start = day.replace(day=1), day.replace(month=1, day=1)
    last_month_end, last_year_end = month_start - timedelta(1), year_start - timedelta(1)
    return [
        ("All", None, None),
        ("This month", month_start, day),
        ("Last month", last_month_end.replace(day=1), last_month_end),
        ("This year", year_start, day),
        ("Last year", last_year_end.replace(month=1, day=1), last_year_end),
    ]


@customer_pages.get("/<uuid:id>/statement")
def statement(id: UUID) -> ResponseReturnValue:
    """Show a customer's movements in a period, and the ageing at its end."""
    session, customer, (first, last) = db.session(), _load_customer(id), _read_period()
    positions = receivables.positions(session, last or today(), [id])
    return render_template(
        "customers/statement.html",
        customer=customer,
        tab="statement",
        seller=organisation(session),
        statements=receivables.statements(session, id, today(), first, last),
        positions={currency: position for (_, currency), position in positions.items()},
        first=first,
        last=last,
        day=last or today(),
        presets=[
            {
                "label": label,
                "url": current_url(**_period_parameters(start, end)),
                "active": (start, end) == (first, last),
            }
            for label, start, end in _period_presets(today())
        ],
        csv_url=filtered_url("customers.statement_file", id=id),
        may_write=has_permission("customers:write"),
        may_charge=has_permission("charges:write"),
        may_pay=has_permission(WRITE),
    )


def _read_period() -> tuple[date | None, date | None]:
    """Return the first and last day in the URL.

    They are swapped if they are in the wrong order.
    """
    first, last = strict_day_param("from"), strict_day_param("to")
    return (last, first) if first and last and first > last else (first, last)


def _period_parameters(first: date | None, last: date | None) -> dict[str, Any]:
    return {"from": first.isoformat() if first else None, "to": last.isoformat() if last else None}


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
    return _csv_response(f"statement-{id}", last, csv_tables.write_csv(columns, lines, numbers))


def _movement_amounts(row: StatementRow, currency: str) -> Iterable[str]:
    return (str(Money(minor, currency)) for minor in (row.entry.amount, row.balance))


def _load_customer(id: UUID) -> Customer:
    return customers.customer(db.session(), str(id))
