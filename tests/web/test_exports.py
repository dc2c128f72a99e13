"""Exports: the file is what the list shows, and adds up to what its page says."""

import csv
import hashlib
import io
import json
import zipfile
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.background import documents
from billing_admin.domain.access import ROLES
from billing_admin.models import Invoice
from billing_admin.web.exchange import exports
from tests.making import NOW, bill, make_customer, make_invoice, make_service, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import link, words
from tests.web.reading import fresh


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """ACME with an issued invoice of two lines and one draft, Foo with one of 40 EUR; one charge of ACME is pending."""
    acme, foo = make_customer(reference="acme", name="=cmd()"), make_customer(reference="foo", currency="EUR")
    service = make_service()
    post(make_spec(acme, service=service, quantity="3"), make_spec(acme, "0.00501"), make_spec(foo, "40"))
    bill()
    make_invoice(acme, "20", issue=False)
    post(make_spec(acme, "0.0000008"))
    return signed_in(app)


def read(response: TestResponse) -> list[dict[str, str]]:
    assert response.status_code == 200
    assert response.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(response.data.decode("utf-8-sig"), newline="")))


def test_the_files_of_an_invoice_list(browser: FlaskClient) -> None:
    page = browser.get(link(browser.get("/invoices?currency=USD&status=open"), "Export CSV"))
    text = words(page)
    assert "Status: Open" in text
    assert "Currency: USD" in text
    assert "Rows 1 invoice Sum of the totals 7.51 USD" in text
    assert "Rows 2 invoice lines Sum of the net amounts 7.51 USD" in text
    file = browser.get(link(page, "Download CSV"))
    assert hashlib.sha256(file.data).hexdigest() in page.text
    [row] = read(file)
    assert (row["number"], Decimal(row["total"])) == ("INV-2026-00001", Decimal("7.51"))
    lines = browser.get("/exports/invoice-lines.csv?currency=USD&status=open")
    assert hashlib.sha256(lines.data).hexdigest() in page.text
    assert len(read(lines)) == 2


def test_the_file_of_a_charge_list(browser: FlaskClient) -> None:
    page = browser.get(link(browser.get("/charges?customer=acme&status=pending"), "Export CSV"))
    assert "Rows 1 charge Exact sum of the amounts 0.0000008 USD" in words(page)
    file = browser.get(link(page, "Download CSV"))
    assert hashlib.sha256(file.data).hexdigest() in page.text
    assert [row["amount"] for row in read(file)] == ["0.0000008"]


@time_machine.travel(NOW, tick=False)
def test_is_named_by_what_it_is_and_the_day(app: Flask, session: Session) -> None:
    browser = signed_in(app)
    for kind in ("invoices", "invoice-lines", "charges"):
        plain, excel = browser.get(f"/exports/{kind}.csv"), browser.get(f"/exports/{kind}.csv?excel=1")
        assert plain.headers["Content-Disposition"] == f'attachment; filename="{kind}-2026-04-02.csv"'
        assert excel.headers["Content-Disposition"] == f'attachment; filename="{kind}-2026-04-02-excel.csv"'
        assert excel.data == b"\xef\xbb\xbf" + plain.data
    assert "The whole list, without filters." in words(browser.get("/exports/charges"))


def test_names_cannot_become_formulas(browser: FlaskClient) -> None:
    rows = read(browser.get("/exports/invoices.csv"))
    assert "'=cmd()" in {value for row in rows for value in row.values()}


def test_what_does_not_exist_is_not_there(browser: FlaskClient) -> None:
    for url in ("invoices.csv?customer=nobody", "charges?customer=nobody", "charges.csv?invoice=x", "secrets.csv"):
        assert browser.get(f"/exports/{url}").status_code == 404


def test_a_viewer_may_export_and_nobody_else(app: Flask, browser: FlaskClient) -> None:
    assert len(read(signed_in(app, "viewer").get("/exports/invoices.csv"))) == 3
    assert app.test_client().get("/exports/invoices.csv").status_code == 303


@pytest.mark.parametrize(
    ("listed", "row"),
    [("/customers", "Rows 2 customers"), ("/services", "Rows 1 service and price"), ("/audit", "Rows 10 events")],
)
def test_the_files_of_other_lists(browser: FlaskClient, listed: str, row: str) -> None:
    page = browser.get(link(browser.get(listed), "Export CSV"))
    assert row in words(page) or listed == "/audit"
    file = browser.get(link(page, "Download CSV"))
    assert hashlib.sha256(file.data).hexdigest() in page.text
    assert read(file)
    workbook = browser.get(link(page, "Download workbook (XLSX)"))
    assert workbook.data.startswith(b"PK")
    assert workbook.headers["Content-Disposition"].endswith('.xlsx"')


def test_the_filter_of_a_directory_is_kept(browser: FlaskClient) -> None:
    page = browser.get(link(browser.get("/customers?q=foo&currency=EUR"), "Export CSV"))
    assert "Search: foo" in words(page)
    assert [row["reference"] for row in read(browser.get(link(page, "Download CSV")))] == ["foo"]
    assert "The whole list, without archived rows." in words(browser.get("/exports/services"))
    assert read(browser.get("/exports/services.csv?show=archived")) == []


def test_the_audit_log_needs_its_own_permission(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ROLES, "viewer", frozenset({"read", "exports:read"}))
    viewer = signed_in(app, "viewer")
    for url in ("/exports/audit-events", "/exports/audit-events.csv", "/exports/audit-events.xlsx.zip"):
        assert viewer.get(url).status_code == 403
    assert viewer.get("/exports/customers.csv").status_code == 200


# --- made by a worker ------------------------------------------------------------------------------------------------


def test_a_worker_makes_the_file_with_its_totals(browser: FlaskClient) -> None:
    response = send(browser, "/exports/charges.csv/prepare?customer=acme&status=pending")
    assert response.status_code == 303
    page = browser.get(response.location)
    assert "Job: Export Done" in words(page)
    made = browser.get(link(page, "Download the file"))
    assert (made.status_code, made.mimetype) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        name, meta = archive.namelist()
        about = json.loads(archive.read(meta))
        assert name == about["name"]
        assert hashlib.sha256(archive.read(name)).hexdigest() == about["sha256"]
        assert archive.read(name) == browser.get("/exports/charges.csv?customer=acme&status=pending").data
    assert about["sums"] == {"USD": "0.0000008"}
    assert about["filters"] == {"customer": "acme", "status": "pending"}
    assert f"{len(made.data):,} of {len(made.data):,} bytes written" in words(page)


def test_a_worker_zips_the_pdfs_of_a_list(browser: FlaskClient, session: Session) -> None:
    issued = list(fresh(session, select(Invoice).where(Invoice.number.is_not(None)).order_by(Invoice.number)))
    page = browser.get("/exports/invoices")
    assert f"Issued documents {len(issued)} documents" in words(page)
    page = browser.get(send(browser, "/exports/documents/prepare").location)
    assert "Job: PDF documents Done" in words(page)
    assert f"{len(issued)} of {len(issued)} documents" in words(page)
    response = browser.get(link(page, "Download the file"))
    assert (response.status_code, response.mimetype) == (200, "application/zip")
    assert response.headers["Content-Disposition"].startswith('attachment; filename="documents-')
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{invoice.number}.pdf" for invoice in issued]
        for invoice in issued:
            assert archive.read(f"{invoice.number}.pdf") == browser.get(f"/invoices/{invoice.id}/pdf").data


def test_the_pdfs_of_a_run_and_of_a_filter_are_those_that_it_shows(browser: FlaskClient, session: Session) -> None:
    runs = select(Invoice.run_id).where(Invoice.status != "draft", Invoice.run_id.is_not(None))
    (run,) = fresh(session, runs.distinct())
    page = browser.get(f"/billing-runs/{run}")
    assert "Prepare PDFs (ZIP)" in words(page)
    for query, customers in ((f"run={run}", 2), ("customer=foo", 1), ("currency=EUR&status=open", 1)):
        job = browser.get(send(browser, f"/exports/documents/prepare?{query}").location)
        with zipfile.ZipFile(io.BytesIO(browser.get(link(job, "Download the file")).data)) as archive:
            assert len(archive.namelist()) == customers


def test_a_zip_file_has_documents_and_not_too_many(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    response = send(browser, "/exports/documents/prepare?status=draft")
    assert response.status_code == 409
    assert "No issued document matches. Choose other filters." in words(response)
    monkeypatch.setattr(exports, "MAX_DOCUMENTS", 1)
    assert "A ZIP file can hold 1 document, but 2 documents match." in words(
        send(browser, "/exports/documents/prepare")
    )


@pytest.mark.parametrize(("number", "name"), [("INV/2026:1", "INV-2026-1.pdf"), ("INV-1", "INV-1.pdf")])
def test_a_number_makes_a_file_name(number: str, name: str) -> None:
    names = set[str]()
    assert documents._file_name(number, names) == name
    assert documents._file_name(number, names) == name.replace(".pdf", " (2).pdf")


def test_a_file_is_for_those_who_may_see_its_list(app: Flask, browser: FlaskClient) -> None:
    job = browser.get(send(browser, "/exports/audit-events.csv/prepare").location)
    address = link(job, "Download the file")
    assert browser.get(address).status_code == 200
    viewer = signed_in(app, "viewer")
    assert viewer.get(address).status_code == 200  # who may read the audit log
    cashier = signed_in(app, "cashier")
    assert cashier.get(address).status_code == 403
    assert send(cashier, "/exports/audit-events.csv/prepare").status_code == 403
    assert browser.get(f"/exports/made/{UUID(int=1)}").status_code == 404


def test_a_large_file_is_not_hashed_for_its_page(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_HASHED_ROWS", 0)
    page = browser.get("/exports/charges")
    assert "Not calculated for large exports." in words(page)
    assert "Rows 5 charges" in words(page)
    monkeypatch.setattr(exports, "MAX_SUMMED_CHARGES", 4)
    text = words(browser.get("/exports/charges"))
    assert "Rows More than 4 Exact sum of the amounts Not calculated for large exports." in text
    assert "Prepare workbook in the background" in text
