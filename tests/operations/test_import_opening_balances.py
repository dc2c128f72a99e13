"""Imports of opening balances: the totals of the check, errors by row and column, and nothing twice."""

from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.models import AuditEvent, Invoice, Payment
from billing_admin.operations.invoices import voids
from billing_admin.operations.master_data.periods import set_period_lock
from billing_admin.queries.opening_totals import opening_totals
from tests.importing import check, counted, errors, take_in, told
from tests.making import MARCH_END, NOW, make_customer

KIND = "opening-balances"
ALL_ROWS = {"opened_on": "2026-03-31"}
FILE = """customer,invoice number,invoice date,due,amount due,currency,total,tax,reference
ACME,4711,2026-03-10,2026-03-20,100.00,,119.00,19.00,PO-7
ACME,4712,2026-02-01,,50.5,USD,,,
ACME,G-3,2026-03-01,,-20,,,,
GLOBEX,4713,2025-11-30,2025-12-30,7.77,EUR,,,
"""


def customers() -> None:
    make_customer(reference="ACME")
    make_customer(reference="GLOBEX", currency="EUR")


def stored(session: Session) -> tuple[int, int]:
    session.rollback()
    return tuple(session.scalar(select(func.count()).select_from(model)) or 0 for model in (Invoice, Payment))  # type: ignore[return-value]


def test_the_check_shows_the_totals_that_the_import_and_the_journal_have(session: Session) -> None:
    customers()
    checked = counted(check(KIND, FILE, constants=ALL_ROWS))
    assert (checked.rows, checked.new) == (4, 4)
    assert checked.sums == {"USD": Decimal("130.5"), "EUR": Decimal("7.77")}
    assert checked.customers == {"ACME": {"USD": Decimal("130.5")}, "GLOBEX": {"EUR": Decimal("7.77")}}
    assert stored(session) == (0, 0)
    assert counted(take_in(KIND, FILE, constants=ALL_ROWS)) == checked
    totals = [(row.reference, row.balance, row.journal) for row in opening_totals(session)]
    assert totals == [("GLOBEX", 777, 777), ("ACME", 13050, 13050)]
    first = session.scalars(select(Invoice).where(Invoice.number == "4711")).one()
    assert (first.issue_date, first.purchase_order, first.original_total, first.original_tax) == (
        MARCH_END,
        "PO-7",
        11900,
        1900,
    )
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "import.finished")).one()
    assert "customers" not in event.details


def test_rows_are_recognised_by_customer_and_number(session: Session) -> None:
    customers()
    take_in(KIND, FILE, constants=ALL_ROWS)
    edited = FILE.replace("50.5,", "50.50,") + "ACME,4714,2026-03-01,,1,,,,\n"
    again = counted(take_in(KIND, edited, constants=ALL_ROWS))
    assert (again.new, again.unchanged, again.added) == (1, 4, {"USD": Decimal(1)})
    assert stored(session) == (4, 1)
    other = FILE.replace("50.5,", "51,")
    (error,) = errors(check(KIND, other, constants=ALL_ROWS))
    assert (error.line, error.column, error.message) == (
        3,
        "invoice number",
        "Opening balance 4712 already exists with a different open_amount.",
    )


def test_a_void_one_can_be_imported_again(session: Session) -> None:
    customers()
    take_in(KIND, FILE, constants=ALL_ROWS)
    wrong = session.scalars(select(Invoice).where(Invoice.number == "4712")).one()
    transaction(voids.void_invoice, wrong.id, "Wrong amount", "pending", SYSTEM, NOW)
    again = counted(take_in(KIND, FILE.replace("50.5,", "51,"), constants=ALL_ROWS))
    assert (again.new, again.unchanged) == (1, 3)


def test_each_error_is_named_at_its_row_and_column(session: Session) -> None:
    customers()
    take_in(KIND, "customer,number,date,open\nACME,1,2026-03-01,5\n", constants=ALL_ROWS)
    transaction(set_period_lock, MARCH_END.replace(day=1), "", SYSTEM, NOW)
    text = """customer,number,date,due_date,open_amount,currency,opened_on,original_total
NOBODY,11,2026-03-01,,5,,,
ACME,,2026-03-01,,5,,,
ACME,13,2026-03-99,,5,,,
ACME,14,2026-03-10,2026-03-01,5,,,
ACME,15,2026-03-01,,0,,,
ACME,16,2026-03-01,,1.005,,,
ACME,17,2026-03-01,,5,XXY,,
ACME,18,2026-03-01,,5,,2030-01-01,
ACME,19,2026-02-01,,5,,2026-03-01,
ACME,20,2026-05-01,,5,,,
ACME,21,2026-03-01,,5,,,4
ACME,INV-2026-00009,2026-03-01,,5,,,
ACME,1,2026-03-01,,6,,,
ACME,22,2026-03-01,,5,,,
ACME,22,2026-03-01,,5,,,
NOBODY,,2026-03-01,,abc,,,-1
"""
    places = [(line, column) for line, column, _ in told(check(KIND, text, constants=ALL_ROWS))]
    assert places == [
        (2, "customer"),
        (3, "number"),
        (4, "date"),
        (5, "due_date"),
        (6, "open_amount"),
        (7, "open_amount"),
        (8, "currency"),
        (9, "opened_on"),
        (10, "opened_on"),
        (11, "date"),
        (12, "original_total"),
        (13, "number"),
        (14, "number"),
        (16, "number"),
        (17, "customer"),
        (17, "number"),
        (17, "open_amount"),
    ]


def test_a_file_needs_the_cut_over_day(session: Session) -> None:
    customers()
    with pytest.raises(Invalid, match="Enter the cut-over day") as refused:
        check(KIND, FILE)
    assert refused.value.problems[0].field == ("opened_on",)
    take_in(KIND, FILE, constants=ALL_ROWS)
    more = "customer,number,date,open\nACME,9,2026-03-01,5\n"
    assert counted(take_in(KIND, more)).new == 1


def test_a_row_with_its_own_id_keeps_it(session: Session) -> None:
    customers()
    id = UUID(int=5)
    text = f"id,customer,number,date,open\n{id},ACME,9,2026-03-01,5\n"
    take_in(KIND, text, constants=ALL_ROWS)
    session.rollback()
    assert session.get_one(Invoice, id).number == "9"
    assert counted(take_in(KIND, text, constants=ALL_ROWS)).unchanged == 1
