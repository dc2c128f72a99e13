"""The CSV files: columns in their order, cells as the contract writes them, the same bytes on both databases."""

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import NotFound
from billing_admin.domain.imports.cells import escape_formula, unescape_formula
from billing_admin.domain.lifecycle import payment_status
from billing_admin.formats.csv_writer import BOM, export_csv
from billing_admin.formats.export import ControlTotals, ExportRequest, control_totals as control_totals_of
from billing_admin.models import Charge, Invoice, InvoiceLine
from billing_admin.operations.billing import runs
from billing_admin.operations.charges import posting
from billing_admin.operations.master_data import customers
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.exports import FILE_KINDS, Filters
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.queries.master_data.services import ServiceFilter
from tests.conftest import Database
from tests.databases import without_triggers
from tests.making import MARCH_END, NOW, make_customer, make_payment_spec, make_service, make_spec, make_tax_rate, pay
from tests.prepared import prepared

TODAY = date(2026, 6, 1)
EVERY = ChargeFilter()
INVOICES = InvoiceFilter(TODAY)
SPACE = UUID("5f9ad4b5-9b0b-4f14-9c4a-5c80a0e5a3b1")
HEADERS = {
    "invoices": "number,kind,status,payment_status,customer,customer_name,issue_date,due_date,currency,net,tax,total,paid,"
    "credited,balance,id",
    "invoice-lines": "invoice,position,customer,service,description,quantity,unit_price,currency,net,tax_category,tax_percent",
    "charges": "id,customer,service,description,quantity,unit_price,amount,currency,incurred_on,status,invoice",
    "payments": "id,customer,received_on,method,reference,currency,amount,allocated,unallocated,status",
    "allocations": "payment,invoice,customer,currency,amount,made_on,withdrawn_on,id",
    "customers": "reference,name,currency,email,address,tax_id,tax_treatment,payment_terms_days,notes,archived,id",
    "services": "code,name,unit,tax_rate,line_per_charge,currency,unit_price,includes_tax,archived,id",
    "audit-events": "id,at,actor_kind,actor_id,actor,request_id,action,object_type,object_id,details,seal",
}
METADATA = {"b": "ü 漢", "aa": 'say "\\"\t\n', "a": ""}
TRICKY = [
    'say "hi", twice',
    "=1+1",
    '=1,"2"',
    "+49",
    "-5",
    "@me",
    "über ¥ 漢字 🙂",
    "two  spaces ",
    "'quoted'",
    "'=1+1",
    "''-5",
    r"\.",
    r"a\nb",
    "%s %%",
]


def filters_of(kind: str) -> Filters:
    made: Filters = INVOICES if FILE_KINDS[kind].filters is InvoiceFilter else FILE_KINDS[kind].filters()  # type: ignore[call-arg]
    return replace(made, archived=None) if isinstance(made, CustomerFilter | ServiceFilter) else made


def written(session: Session, kind: str, filters: Filters | None = None, excel: bool = False) -> bytes:
    session.rollback()
    return b"".join(export_csv(session, kind, filters or filters_of(kind), excel=excel))


def control_totals(session: Session, kind: str, filters: Filters) -> ControlTotals:
    return control_totals_of(session, ExportRequest(kind, filters))


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def make_month() -> None:
    """Charges in four currencies with every kind of text; those of March billed and issued."""
    make_tax_rate()
    make_customer(reference="ACME", name='=ACME "Inc", Ltd')
    make_customer(reference="NULL", name="Plain", address="1 Road\n=Town", notes="'=1", payment_terms_days=0)
    make_customer(reference="-gone", currency="EUR", tax_treatment="exempt", tax_id="+49")
    transaction(customers.archive, make_customer(reference="old").id, SYSTEM, NOW)
    make_service(code="free", name="No price", prices={}, unit="h")
    make_service(code="shop", prices={"EUR": Decimal("1.19"), "USD": Decimal(0)}, prices_include_tax=["EUR"])
    service = make_service(prices={"USD": Decimal("2.50"), "JPY": Decimal("0.5")}, tax_rate="VAT19")
    specs = [
        make_spec("ACME", "12.3400", description=text, id=uuid5(SPACE, text))
        for text in TRICKY  # each stands alone, on a line of its own
    ]
    specs += [
        make_spec("ACME", service=service, quantity="58", id=uuid5(SPACE, "service")),
        make_spec("ACME", service=service, quantity="3", currency="JPY", id=uuid5(SPACE, "yen")),
        make_spec("NULL", "1.2345", currency="BHD", id=uuid5(SPACE, "dinar")),
        make_spec("NULL", "0.00000001", currency="KWD", id=uuid5(SPACE, "small")),
        make_spec("NULL", "-12.00", description="A rebate", id=uuid5(SPACE, "rebate")),
        make_spec("NULL", "7", incurred_on=date(2026, 4, 1), id=uuid5(SPACE, "april"), metadata=METADATA),
    ]
    transaction(posting.post, specs, SYSTEM, NOW)
    spec = runs.RunSpec(through=MARCH_END, issue=True, issue_date=MARCH_END)
    runs.run_billing(transaction, spec, SYSTEM, NOW)
    for currency, amount in (("USD", "12.34"), ("JPY", "500"), ("BHD", "1.234")):
        pay(make_payment_spec("ACME", amount, currency=currency, reference=f"-{amount}"))


def _run(session: Session, statement: Update) -> None:
    without_triggers(session.connection())
    session.execute(statement)


@pytest.fixture
@prepared
def month(session: Session) -> Session:
    make_month()
    session.rollback()
    return session


@pytest.mark.parametrize("kind", HEADERS)
def test_columns_and_an_empty_file(session: Session, kind: str) -> None:
    content = written(session, kind)
    assert content.endswith(b"\r\n")
    assert content.count(b"\n") == 1
    assert content.decode().strip().startswith(HEADERS[kind])
    totals = control_totals(session, kind, filters_of(kind))
    assert (totals.rows, dict(totals.sums), totals.sha256) == (0, {}, hashlib.sha256(content).hexdigest())


def test_excel_gets_a_bom(month: Session) -> None:
    assert written(month, "charges", excel=True) == BOM + written(month, "charges")


def test_charges_are_exact(month: Session) -> None:
    by_id = {row["id"]: row for row in read(written(month, "charges"))}
    yen, small = by_id[str(uuid5(SPACE, "yen"))], by_id[str(uuid5(SPACE, "small"))]
    assert (yen["quantity"], yen["unit_price"], yen["amount"]) == ("3", "0.5", "1.5")
    assert (small["quantity"], small["unit_price"], small["amount"]) == ("1", "", "0.00000001")
    assert by_id[str(uuid5(SPACE, "rebate"))]["amount"] == "-12"
    april = by_id[str(uuid5(SPACE, "april"))]
    assert (april["status"], april["invoice"], april["late"]) == ("pending", "", "false")
    assert json.loads(april["metadata"]) == METADATA
    assert yen["metadata"] == ""
    assert (april["incurred_on"], april["created_at"]) == ("2026-04-01", "2026-04-02T09:30:00Z")
    assert yen["invoice"].startswith("INV-2026-")
    assert len(by_id) == len(TRICKY) + 6


def test_documents_have_the_digits_of_their_currency(month: Session) -> None:
    by_currency = {row["currency"]: row for row in read(written(month, "invoices"))}
    assert by_currency["JPY"]["net"] == "2"
    assert by_currency["BHD"]["total"] == "1.235"
    net = Decimal("12.34") * len(TRICKY) + 145
    assert by_currency["USD"]["net"] == f"{net:.2f}"
    assert Decimal(by_currency["USD"]["tax"]) == Decimal("27.55")
    assert "KWD" not in by_currency  # its total is zero
    lines = read(written(month, "invoice-lines"))
    assert {line["net"] for line in lines if line["currency"] == "USD"} == {"12.34", "145.00"}
    assert next(line for line in lines if line["currency"] == "BHD")["net"] == "1.235"


def test_minor_units_become_decimals_exactly(month: Session) -> None:
    digits = {"JPY": 0, "USD": 2, "BHD": 3}
    for minor in (0, 5, -5, 100, -100, 123456, -123456, 2**63 - 1, -(2**63) + 1):
        transaction(_run, update(InvoiceLine).values(net=minor))
        for row in read(written(month, "invoice-lines")):
            assert row["net"] == f"{Decimal(minor).scaleb(-digits[row['currency']]):f}"


def test_text_cells_are_guarded_and_numbers_are_not(month: Session) -> None:
    rows = read(written(month, "charges"))
    assert {unescape_formula(row["description"]) for row in rows} >= set(TRICKY)
    for row in rows:
        assert row["description"][0] not in "=+-@\t\r"
    assert next(row for row in rows if row["amount"] == "-12")
    assert {row["customer_name"] for row in read(written(month, "invoices"))} == {'\'=ACME "Inc", Ltd', "Plain"}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(texts=["'=", "''@", "'", "=", "''"])
@example(texts=["＝1", "'＋1", "\n=1", "－", "＠a"])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=len(TRICKY)))
def test_any_text_comes_back(month: Session, texts: list[str]) -> None:
    ids = [str(uuid5(SPACE, text)) for text in TRICKY][: len(texts)]

    def rename(session: Session) -> None:
        for id, text in zip(ids, texts, strict=False):
            session.execute(update(Charge).where(Charge.id == UUID(id)).values(description=text))

    transaction(rename)
    found = {row["id"]: row["description"] for row in read(written(month, "charges"))}
    for id, text in zip(ids, texts, strict=False):
        assert found[id] == escape_formula(text)
        assert unescape_formula(found[id]) == text
        assert not found[id].startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


def test_payment_status_is_that_of_the_domain(month: Session) -> None:
    amounts = [(0, 0), (10, 0), (0, 10), (119, 0), (0, 119), (100, 19)]
    days = [TODAY, date(2026, 5, 31)]
    states = [("issued", paid, credited) for paid, credited in amounts] + [("void", 0, 0)]
    for (status, paid, credited), due in itertools.product(states, days):
        amounts_due = {"net": 100, "tax": 19, "total": 119, "paid": paid, "credited": credited, "due_date": due}
        voided_on = TODAY if status == "void" else None
        transaction(_run, update(Invoice).values(amounts_due | {"status": status, "voided_on": voided_on}))
        month.rollback()
        invoice = month.scalars(select(Invoice).limit(1).execution_options(populate_existing=True)).one()
        expected = payment_status(invoice, TODAY)
        assert {row["payment_status"] for row in read(written(month, "invoices"))} == {expected or ""}


def test_customers_and_services_have_what_adding_them_needs(month: Session) -> None:
    people = {row["reference"]: row for row in read(written(month, "customers"))}
    assert list(people) == ["'-gone", "ACME", "NULL", "old"]
    assert (people["NULL"]["address"], people["NULL"]["payment_terms_days"]) == ("1 Road\n=Town", "0")
    assert (people["ACME"]["payment_terms_days"], people["ACME"]["archived"]) == ("", "false")
    assert (people["NULL"]["notes"], people["'-gone"]["tax_id"], people["old"]["archived"]) == ("''=1", "'+49", "true")
    prices = [
        (row["code"], row["currency"], row["unit_price"], row["includes_tax"], row["tax_rate"])
        for row in read(written(month, "services"))
    ]
    assert prices == [
        ("GenericCompute", "JPY", "0.5", "false", "VAT19"),
        ("GenericCompute", "USD", "2.5", "false", "VAT19"),
        ("free", "", "", "", "none"),
        ("shop", "EUR", "1.19", "true", "none"),
        ("shop", "USD", "0", "false", "none"),
    ]
    assert control_totals(month, "services", ServiceFilter(archived=None)).rows == 5
    assert control_totals(month, "customers", CustomerFilter(archived=True)).rows == 1


def test_filters_are_those_of_the_lists(month: Session) -> None:
    assert {row["customer"] for row in read(written(month, "charges", ChargeFilter(customer="ACME")))} == {"ACME"}
    assert len(read(written(month, "charges", ChargeFilter(from_=date(2026, 4, 1))))) == 1
    assert len(read(written(month, "charges", replace(EVERY, status="held")))) == 0
    assert {row["currency"] for row in read(written(month, "invoice-lines", replace(INVOICES, currency="JPY")))} == {
        "JPY"
    }
    assert len(read(written(month, "invoices", replace(INVOICES, q="100%_")))) == 0
    assert {row["customer"] for row in read(written(month, "invoices", replace(INVOICES, q="plain")))} == {"NULL"}
    with pytest.raises(NotFound):
        written(month, "charges", ChargeFilter(customer="nobody"))


def test_control_totals(month: Session) -> None:
    totals = control_totals(month, "charges", EVERY)
    rows = read(written(month, "charges"))
    assert totals.rows == len(rows)
    assert totals.sha256 == hashlib.sha256(written(month, "charges")).hexdigest()
    for currency, amount in totals.sums.items():
        assert amount == sum(Decimal(row["amount"]) for row in rows if row["currency"] == currency)
    for kind, column in (("invoices", "total"), ("invoice-lines", "net")):
        rows = read(written(month, kind))
        sums = control_totals(month, kind, INVOICES).sums
        assert {row["currency"] for row in rows} == set(sums)
        for currency, amount in sums.items():
            assert f"{amount:f}" == f"{sum(Decimal(row[column]) for row in rows if row['currency'] == currency):f}"


def test_what_breaks_on_the_way_is_not_swallowed(month: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that sees the iterator end has the whole file."""
    monkeypatch.setattr("billing_admin.formats.csv_writer.BLOCK_ROWS", 1)
    parts = export_csv(month, "charges", EVERY)
    assert next(parts).startswith(b"id,")
    assert next(parts).endswith(b"\r\n")
    connection = month.connection().connection.driver_connection
    assert connection is not None
    connection.close()
    with pytest.raises(Exception, match=r"(?i)clos|cannot operate"):
        list(parts)
    month.connection().invalidate()


def test_one_snapshot(month: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written while a file is being sent is not in it."""
    monkeypatch.setattr("billing_admin.formats.csv_writer.BLOCK_ROWS", 1)
    before = written(month, "charges")
    month.rollback()
    parts = export_csv(month, "charges", EVERY)
    seen = [next(parts), next(parts)]
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT", postgresql_readonly=False) as other:
        if db.engine.dialect.name == "sqlite":
            other.exec_driver_sql("PRAGMA query_only = OFF")
        other.execute(update(Charge).values(description="changed"))
    assert b"".join([*seen, *parts]) == before


def _ids() -> Iterator[int]:
    return itertools.count(1)


@pytest.mark.parametrize("kind", HEADERS)
def test_both_databases_write_the_same_bytes(
    sqlite: Database, postgresql: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for database in (sqlite, postgresql):
        database.reset()
        ids = _ids()
        monkeypatch.setattr("billing_admin.db.ids.os.urandom", lambda size, ids=ids: next(ids).to_bytes(size, "big"))
        monkeypatch.setattr("billing_admin.db.ids._COUNTER", itertools.count())
        with database.app.app_context():
            make_month()
            files.append(written(db.session(), kind))
    assert files[0] == files[1]
    assert files[0].count(b"\r\n") == len(read(files[0])) + 1
