"""CSV files over the API: complete, with the filters of the lists, and control totals in a separate response."""

import csv
import hashlib
import io
from contextvars import Context
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

from billing_admin.db.engine import db
from tests.api.conftest import Script, pointers
from tests.prepared import prepared

FIRST = {
    "invoices": "number,kind,status,payment_status,customer,customer_name,issue_date,due_date,currency"
    ",net,tax,total,paid,credited,balance,id",
    "invoice-lines": "invoice,position,customer,service,description,quantity,unit_price,currency,net,tax_category,tax_percent",
    "charges": "id,customer,service,description,quantity,unit_price,amount,currency,incurred_on,status,invoice",
    "payments": "id,customer,received_on,method,reference,currency,amount,allocated,unallocated,status",
    "allocations": "payment,invoice,customer,currency,amount,made_on,withdrawn_on,id",
    "customers": "reference,name,currency,email,address,tax_id,tax_treatment,payment_terms_days,notes,archived,id",
    "services": "code,name,unit,tax_rate,line_per_charge,currency,unit_price,includes_tax,archived,id",
    "audit-events": "id,at,actor_kind,actor_id,actor,request_id,action,object_type,object_id,details,seal",
}


@pytest.fixture
@prepared
def billed(script: Script) -> Script:
    """One invoice of two lines, and one pending charge."""
    rows = [
        {"customer": "ACME", "service": "hosting", "quantity": 58, "incurred_on": "2026-11-20"},
        {"customer": "ACME", "description": "=1+1", "amount": "1", "incurred_on": "2026-11-21"},
        {"customer": "ACME", "description": "Later", "amount": "-12.00", "incurred_on": "2026-12-21"},
    ]
    script.post("/charges/batch", {"charges": rows})
    script.post("/billing-runs", {"through": "2026-11-30", "issue": True, "issue_date": "2026-11-22"})
    return script


@pytest.mark.parametrize("kind", FIRST)
def test_columns_and_totals(billed: Script, kind: str) -> None:
    totals: Any = billed.get(f"/{kind}.csv?totals=1").json  # first, since a download adds an audit event
    response = billed.get(f"/{kind}.csv")
    assert (response.status_code, response.content_type) == (200, "text/csv; charset=utf-8")
    header = response.text.split("\r\n")[0]
    assert header.startswith(FIRST[kind])
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert totals["rows"] == len(rows)
    assert totals["sha256"] == hashlib.sha256(response.data).hexdigest()
    for_excel = billed.get(f"/{kind}.csv?excel=1").data
    assert for_excel.startswith(b"\xef\xbb\xbf" + header.encode())
    assert kind == "audit-events" or for_excel == b"\xef\xbb\xbf" + response.data
    assert (totals["name"], totals["kind"], totals["columns"]) == (f"{kind}.csv", kind, header.split(","))
    assert totals["made_by"]


@pytest.mark.parametrize("kind", FIRST)
def test_workbooks(billed: Script, kind: str) -> None:
    totals: Any = billed.get(f"/{kind}.xlsx?totals=1").json
    response = billed.get(f"/{kind}.xlsx")
    assert response.status_code == 200
    assert totals["sha256"] == hashlib.sha256(response.data).hexdigest()
    [sheet] = load_workbook(io.BytesIO(response.data)).worksheets
    assert [cell.value for cell in next(sheet.iter_rows(max_row=1))] == totals["columns"]
    assert sheet.max_row == 1 + totals["rows"]


def test_the_journal(billed: Script) -> None:
    days = "from=2026-11-01&to=2026-11-30"
    text = billed.get(f"/journal.hledger?{days}").text
    assert "2026-11-22 * (INV-2026-00001)" in text
    assert "    Assets:Receivable:ACME" in text
    rows = list(csv.DictReader(io.StringIO(billed.get(f"/journal.csv?{days}").text)))
    totals: Any = billed.get(f"/journal.csv?{days}&totals=1").json
    assert (totals["rows"], totals["transactions"]) == (len(rows), 1)
    assert totals["debits"] == totals["credits"] == {"EUR": "3.90"}
    before: Any = billed.get("/journal.csv?to=2026-10-31&totals=1").json
    assert before["rows"] == 0
    assert "Opening balances" in billed.get("/journal.hledger?from=2026-12-01&opening=1").text
    assert pointers(billed.get("/journal.csv?from=2026-12-01&to=2026-11-01")) == ["/from"]
    assert billed.get("/journal.csv?from=yesterday").status_code == 422


def test_a_service_has_an_account(billed: Script) -> None:
    created = billed.post("/services", {"code": "own", "revenue_account": "Income:Own"})
    answer: Any = created.json
    assert (created.status_code, answer["revenue_account"]) == (201, "Income:Own")
    assert pointers(billed.post("/services", {"code": "other", "revenue_account": "a  b"})) == ["/revenue_account"]


def test_the_filters_are_those_of_the_list(billed: Script) -> None:
    assert billed.get("/invoices.csv?status=issued&issued_to=2026-11-30").text.count("\r\n") == 2
    assert billed.get("/invoices.csv?status=draft").text.count("\r\n") == 1
    assert billed.get("/charges.csv?from=2026-12-01").text.count("\r\n") == 2
    assert billed.get("/charges.csv?invoice=INV-2026-00001").text.count("\r\n") == 3
    lines = list(csv.DictReader(io.StringIO(billed.get("/invoice-lines.csv?customer=ACME").text)))
    assert [(line["description"], line["net"]) for line in lines] == [("Database hosting", "2.90"), ("'=1+1", "1.00")]


@pytest.mark.parametrize("query", ["limit=5", "after=x", "excel=yes", "totals=true", "colour=red", "customer=%00"])
def test_a_wrong_parameter_is_named(billed: Script, query: str) -> None:
    response = billed.get(f"/charges.csv?{query}")
    assert (response.status_code, pointers(response)) == (422, [f"/{query.partition('=')[0]}"])


def test_an_unknown_customer_is_said_before_anything_is_sent(billed: Script) -> None:
    assert billed.get("/charges.csv?customer=nobody").status_code == 404


def test_the_connection_comes_back_when_the_reader_goes(billed: Script) -> None:
    with billed.client.application.app_context():
        pool: Any = db.engine.pool

    def read_a_part() -> None:
        headers = {"Authorization": f"Bearer {billed.token}"}
        response = FlaskClient.open(billed.client, "/api/v1/charges.csv", headers=headers)
        next(response.iter_encoded())
        response.close()

    for _ in range(3):
        Context().run(read_a_part)
        assert pool.checkedout() == 0


@pytest.mark.both_databases
def test_the_file_of_likely_duplicates_has_them(script: Script) -> None:
    for _ in range(2):
        script.post(
            "/charges", {"customer": "ACME", "description": "Twice", "amount": "1", "incurred_on": "2026-11-20"}
        )
    (row,) = csv.DictReader(io.StringIO(script.get("/charges.csv?possible_duplicate=true").text))
    assert (row["description"], row["amount"]) == ("Twice", "1")
