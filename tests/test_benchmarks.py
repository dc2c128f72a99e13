"""The SQL that fills a database for benchmarks: it must know every column of the tables."""

from flask import Flask
from sqlalchemy import func, make_url, select
from sqlalchemy.orm import Session

from benchmarks.places import Place, fill_catalogue, fill_charges, fill_invoices
from billing_admin.models import Charge, Customer, Invoice, Service


def test_a_database_is_filled_for_a_benchmark(app: Flask, session: Session) -> None:
    url = make_url(app.extensions["billing_settings"].database_url)
    place = Place("SQLite" if url.get_backend_name() == "sqlite" else "PostgreSQL", url, app)
    fill_catalogue(place, 3)
    fill_charges(place, 1, 10, 3)
    fill_invoices(place, 10, 3)
    counts = [session.scalar(select(func.count()).select_from(table)) for table in (Customer, Service, Charge, Invoice)]
    assert counts == [3, 3, 10, 10]
