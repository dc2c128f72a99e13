"""The search for documents: by texts of today and of before, through indexes, for few and many matches."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.master_data import CustomerFields
from billing_admin.models import Customer, CustomerText
from billing_admin.operations.master_data import customers
from billing_admin.queries.invoices import search
from billing_admin.queries.invoices.invoices import InvoiceFilter, invoices
from billing_admin.queries.master_data.customers import CustomerFilter, customers_by_name
from tests.making import NOW, make_customer, make_invoice, make_tax_rate
from tests.web.pages import statements


def numbers(session: Session, q: str) -> list[str]:
    rows = session.scalars(invoices(session, InvoiceFilter(NOW.date(), q=q)))
    return sorted(str(invoice.number) for invoice in rows)


def change(customer: Customer, fields: CustomerFields) -> None:
    transaction(customers.update, customer.id, fields, None, SYSTEM, NOW)


@pytest.mark.both_databases
def test_documents_are_found_by_what_they_print_after_the_customer_has_changed(session: Session) -> None:
    make_tax_rate()
    customer = make_customer(
        reference="OLD-1", name="Ölmühle Graz", tax_id="ATU13585627", address="Ägidigasse 1\n8010 Graz"
    )
    make_customer(reference="OTHER", name="Other")
    number = str(make_invoice(customer).number)
    change(customer, {"reference": "NEW-1", "name": "Nouvelle", "tax_id": "", "address": ""})
    change(customer, {"street": "Rue 5", "postcode": "75001", "city": "Paris", "country": "FR"})
    for q in (
        "ölmühle",
        "olmuhle",
        "old-1",
        "ATU13585627",
        "ägidigasse 1 8010",
        "ÄGIDIGASSE",
        "nouvelle",
        "75001 paris",
    ):
        assert numbers(session, q) == [number], q
        found = session.scalars(customers_by_name(CustomerFilter(q=q)))
        assert [row.reference for row in found] == ["NEW-1"], q
    for q in ("france", "Frankreich"):
        assert numbers(session, q) == [number], q
    assert numbers(session, "berlin") == []


def test_a_text_of_before_is_stored_once(session: Session) -> None:
    customer = make_customer(reference="C", name="First")
    for name in ("Second", "First", "Second", "First"):
        change(customer, {"name": name})
    change(customer, {"notes": "A note"})
    assert sorted(session.scalars(select(CustomerText.text))) == ["c first", "c second"]


@pytest.mark.both_databases
def test_few_and_many_matches_are_the_same(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    acme, other = make_customer(reference="ACME", name="ACME"), make_customer(reference="OTHER", name="Other")
    ours = [str(make_invoice(acme, amount).number) for amount in ("10", "20", "30")]
    (last,) = [str(make_invoice(other, "20").number)]
    expected = {
        "acme": ours,
        "2026-0000": [*ours, last],
        "20.00": [ours[1], last],
        ours[0].lower(): [ours[0]],
        "x_%": [],
    }
    for maximum in (search.MAX_IDS, 1):
        monkeypatch.setattr(search, "MAX_IDS", maximum)
        assert {q: numbers(session, q) for q in expected} == expected


def plan(session: Session, query: Select[Any]) -> list[str]:
    compiled = query.compile(session.connection(), compile_kwargs={"render_postcompile": True})
    rows = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", tuple(compiled.params.values()))
    return [row[3] for row in rows]


@pytest.mark.parametrize("q", ["INV-2026-00001", "acme", "PO 7", "1,234.50"])
def test_no_part_of_a_search_reads_each_document(session: Session, q: str) -> None:
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads small tables as a whole")
    for query in search.matching_ids(q):
        steps = plan(session, query)
        assert [step for step in steps if step.startswith("SCAN invoice") and "COVERING INDEX" not in step] == []


def test_a_page_searches_once_and_a_later_one_anew(app: Flask, session: Session) -> None:
    acme = make_customer(reference="ACME", name="ACME")
    make_invoice(acme, "10")
    session.rollback()
    with statements(app) as seen:
        assert numbers(session, "acme") == numbers(session, "acme") == ["INV-2026-00001"]
    assert sum("customer_texts" in statement for statement in seen) == 1
    make_invoice(acme, "20")
    session.rollback()
    assert numbers(session, "acme") == ["INV-2026-00001", "INV-2026-00002"]
