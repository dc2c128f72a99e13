"""Imports of recurring charges: created once, left out when they have ended, and back again from an export."""

from datetime import date
from decimal import Decimal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.imports.cells import FORMULA_RULE
from billing_admin.domain.money import plain_decimal
from billing_admin.formats.csv_writer import export_csv
from billing_admin.models import RecurringCharge
from billing_admin.queries.charges.recurring_charges import RecurringFilter
from tests.importing import check, counted, take_in, told
from tests.making import NOW, make_customer, make_service

KIND = "recurring-charges"
FILE = """customer,service,quantity,unit_price,interval,interval_count,timing,starts_on,ends_on,purchase_order,status,key
ACME,GenericCompute,2,,monthly,1,in_advance,2026-05-01,,PO-7,active,a
ACME,GenericCompute,1,9.99,yearly,,in_arrears,2026-05-01,2028-04-30,,paused,b
ACME,GenericCompute,1,9.99,yearly,,,2024-05-01,2025-04-30,,ended,c
"""


def stage() -> None:
    make_customer(reference="ACME")
    make_service()


def rows(session: Session) -> list[tuple[object, ...]]:
    session.rollback()
    row = RecurringCharge
    columns = (row.quantity, row.unit_price, row.interval, row.timing, row.starts_on, row.ends_on, row.purchase_order)
    query = select(*columns, row.paused_on.is_not(None)).order_by(row.interval)
    return [
        tuple(plain_decimal(value) if isinstance(value, Decimal) else str(value) for value in values)
        for values in session.execute(query)
    ]


def test_they_are_created_and_those_that_have_ended_left_out(session: Session) -> None:
    stage()
    tally = counted(take_in(KIND, FILE))
    assert (tally.rows, tally.new, tally.left_out) == (3, 2, 1)
    assert rows(session) == [
        ("2", "None", "monthly", "in_advance", "2026-05-01", "None", "PO-7", "False"),
        ("1", "9.99", "yearly", "in_arrears", "2026-05-01", "2028-04-30", "", "True"),
    ]
    again = counted(take_in(KIND, FILE))
    assert (again.new, again.unchanged) == (0, 2)


def test_each_error_is_named_at_its_row_and_column(session: Session) -> None:
    stage()
    text = """customer,service,interval,starts_on,ends_on,status
NOBODY,GenericCompute,monthly,2026-05-01,,
ACME,Nothing,monthly,2026-05-01,,
ACME,GenericCompute,daily,2026-05-01,,
ACME,GenericCompute,monthly,2026-05-99,,
ACME,GenericCompute,monthly,2026-05-01,2026-04-01,
ACME,GenericCompute,monthly,2026-05-01,,gone
"""
    assert [(line, column) for line, column, _ in told(check(KIND, text))] == [
        (2, "customer"),
        (3, "service"),
        (4, "interval"),
        (5, "starts_on"),
        (6, "ends_on"),
        (7, "status"),
    ]


def test_an_export_comes_back(session: Session) -> None:
    stage()
    take_in(KIND, FILE)
    before = rows(session)
    filters = RecurringFilter(date(2026, 4, 2))
    exported = b"".join(export_csv(session, KIND, filters, False, FORMULA_RULE)).decode()
    assert counted(take_in(KIND, exported)).unchanged == 2
    session.rollback()
    transaction(lambda inner: inner.execute(delete(RecurringCharge)))
    assert counted(take_in(KIND, exported)).new == 2
    assert rows(session) == before
    assert NOW.date() == filters.today
