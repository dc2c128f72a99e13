"""What is owed: the ageing of all customers on any day, and a customer's statement."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from billing_admin.db.transactions import db
from billing_admin.domain.money import MINOR_DIGITS, Money
from billing_admin.domain.receivables import BUCKETS, NOTHING, Position, StatementRow, buckets
from billing_admin.formats import csv_tables
from billing_admin.models import Customer
from billing_admin.queries.master_data import customers
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.payments import receivables
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.list_params import address, bare, day_of_figures, given_choice, here, may
from billing_admin.web.frame.signed_in import today
from billing_admin.web.master_data.customers import pages as of_customers

WRITE = "payments:write"
MOST_ROWS = 500

pages = subject("receivables", __name__, None, write=WRITE)


@pages.get("/ageing")
def ageing() -> ResponseReturnValue:
    """What each customer owes, by how long it is due; now, or as of a day."""
    as_of, currency = day_of_figures("as_of"), given_choice("currency", MINOR_DIGITS)
    found = receivables.aged(db.session(), today(), as_of, currency)
    return render_template(
        "receivables/ageing.html",
        day=as_of or today(),
        as_of=as_of,
        currency=currency,
        rows=found[:MOST_ROWS],
        count=len(found),
        totals=receivables.totals((row.key, row.position) for row in found),
        buckets=buckets(as_of or today()),
        currencies=[(code, code) for code in customers.currencies(db.session())],
        csv_url=address("receivables.ageing_file"),
        clear_url=bare(),
    )


@pages.get("/ageing.csv")
def ageing_file() -> ResponseReturnValue:
    """The same as a file, whole."""
    as_of = day_of_figures("as_of")
    found = receivables.aged(db.session(), today(), as_of, given_choice("currency", MINOR_DIGITS))
    numbers = ("balance", *BUCKETS, "unallocated")
    columns = ("customer", "customer_name", "currency", *numbers, "as_of")
    lines = (
        (row.reference, row.name, row.currency, *_amounts(row.position, row.currency), (as_of or today()).isoformat())
        for row in found
    )
    return _file("ageing", as_of, csv_tables.written(columns, lines, numbers))


def _amounts(position: Position, currency: str) -> Iterable[str]:
    return (str(Money(minor, currency)) for minor in (position.balance, *position.open, position.unallocated))


def _file(name: str, day: date | None, content: bytes) -> Response:
    disposition = f'attachment; filename="{name}-{(day or today()).isoformat()}.csv"'
    return Response(content, mimetype="text/csv", headers={"Content-Disposition": disposition})


def _presets(day: date) -> list[tuple[str, date | None, date | None]]:
    """Label, first and last day."""
    month, year = day.replace(day=1), day.replace(month=1, day=1)
    before_month, before_year = month - timedelta(1), year - timedelta(1)
    return [
        ("Everything", None, None),
        ("This month", month, day),
        ("Last month", before_month.replace(day=1), before_month),
        ("This year", year, day),
        ("Last year", before_year.replace(month=1, day=1), before_year),
    ]


@of_customers.get("/<uuid:id>/statement")
def statement(id: UUID) -> ResponseReturnValue:
    """Opening balance, each document with the running balance, closing balance; and how old what is open is by then."""
    session, customer, (first, last) = db.session(), _customer(id), _days()
    aged = receivables.positions(session, today(), last, [id])
    return render_template(
        "customers/statement.html",
        customer=customer,
        tab="statement",
        seller=organisation(session),
        statements=receivables.statements(session, id, first, last),
        positions={currency: position for (_, currency), position in aged.items()},
        nothing=NOTHING,
        first=first,
        last=last,
        day=last or today(),
        presets=[
            {"label": label, "url": here(**_range(start, end)), "active": (start, end) == (first, last)}
            for label, start, end in _presets(today())
        ],
        csv_url=address("customers.statement_file", id=id),
        may_write=may("customers:write"),
        may_charge=may("charges:write"),
        may_pay=may(WRITE),
    )


def _days() -> tuple[date | None, date | None]:
    """The first and the last day that the URL asks for, in their order."""
    first, last = day_of_figures("from"), day_of_figures("to")
    return (last, first) if first and last and first > last else (first, last)


def _range(first: date | None, last: date | None) -> dict[str, Any]:
    return {"from": first.isoformat() if first else None, "to": last.isoformat() if last else None}


@of_customers.get("/<uuid:id>/statement.csv")
def statement_file(id: UUID) -> ResponseReturnValue:
    """The entries of a statement as a file."""
    customer, numbers = _customer(id), ("amount", "balance")
    columns = ("customer", "currency", "date", "kind", "number", *numbers)
    first, last = _days()
    found = receivables.statements(db.session(), id, first, last)
    lines = (
        (
            customer.reference,
            currency,
            row.entry.on.isoformat(),
            row.entry.kind,
            row.entry.number,
            *_told(row, currency),
        )
        for currency, told in found.items()
        for row in told.rows
    )
    return _file(f"statement-{id}", last, csv_tables.written(columns, lines, numbers))


def _told(row: StatementRow, currency: str) -> Iterable[str]:
    return (str(Money(minor, currency)) for minor in (row.entry.amount, row.balance))


def _customer(id: UUID) -> Customer:
    return customers.customer(db.session(), str(id))
