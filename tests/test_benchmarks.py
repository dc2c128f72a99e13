"""The SQL that fills a database for benchmarks: it must know every column of the tables."""

import pytest
from flask import Flask
from sqlalchemy import func, make_url, select
from sqlalchemy.orm import Session

from benchmarks.pages import fill_months, page_rows
from benchmarks.places import Place, fill_catalogue, fill_charges, fill_invoices
from billing_admin.models import Charge, Customer, Invoice, Payment, Service


@pytest.fixture
def place(app: Flask) -> Place:
    url = make_url(app.extensions["billing_settings"].database_url)
    return Place("SQLite" if url.get_backend_name() == "sqlite" else "PostgreSQL", url, app)


def test_a_database_is_filled_for_a_benchmark(place: Place, session: Session) -> None:
    fill_catalogue(place, 3)
    fill_charges(place, 1, 10, 3)
    fill_invoices(place, 10, 3)
    counts = [session.scalar(select(func.count()).select_from(table)) for table in (Customer, Service, Charge, Invoice)]
    assert counts == [3, 3, 10, 10]


def test_five_of_six_months_are_billed_and_four_paid(place: Place, session: Session) -> None:
    fill_months(place, 60, 3)
    counts = dict(session.execute(select(Charge.status, func.count()).group_by(Charge.status)).all())
    assert counts == {"billed": 50, "pending": 10}
    assert session.scalar(select(func.count()).where(Invoice.paid == Invoice.total)) == 12
    assert session.scalar(select(func.count()).where(Invoice.paid == 0)) == 3
    assert session.scalar(select(func.sum(Payment.amount))) == session.scalar(select(func.sum(Invoice.paid)))


@pytest.mark.deep
def test_pages_that_take_longer_than_the_target_are_named(place: Place) -> None:
    fill_months(place, 60, 3)
    rows = list(page_rows(place, "60 charges", 0, 1))
    paths = {row.work.rpartition(": ")[2] for row in rows if not row.passed}
    assert f"slowest of {len(paths)} pages" in rows[0].work
    assert {"/", "/charges", "/customers/01900000-0a00-7000-8000-000000000001/edit"} <= paths
