"""Every list: the macro with its declared columns, sorting by each column, and pages in that order.

The order itself is tried on the queries of the lists (`tests/db/test_paging.py` has NULLs and ties of their own).
"""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Select
from sqlalchemy.orm import Session

from billing_admin.db.paging import Order, find_order, ordered_page
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.formats.export import ExportRequest, describe_export, write_export
from billing_admin.formats.verify import read_meta, verify_file
from billing_admin.operations.charges import recurring_charges as recurring_operations
from billing_admin.queries.charges import charges, recurring_charges
from billing_admin.queries.exports import FILE_KINDS
from billing_admin.queries.invoices import invoices
from billing_admin.queries.master_data import customers, services
from billing_admin.queries.payments import payments
from billing_admin.web.frame import tables
from billing_admin.web.frame.lists import LISTS
from tests.making import NOW, make_customer, make_invoice, make_payment_spec, make_service, make_spec, pay, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import Element, has_link, link, parse, words

TODAY = date(2026, 11, 22)
QUERIES: Mapping[str, Callable[[Session], Select[Any]]] = {
    "CHARGES": lambda session: charges.charges(session, charges.ChargeFilter()),
    "INVOICES": lambda session: invoices.invoices(session, invoices.InvoiceFilter(TODAY)),
    "PAYMENTS": lambda session: payments.payments(session, payments.PaymentFilter()),
    "CUSTOMERS": lambda _session: customers.customers_by_name(customers.CustomerFilter()),
    "SERVICES": lambda _session: services.services_by_code(services.ServiceFilter()),
    "RECURRING_CHARGES": lambda session: recurring_charges.recurring_charges(
        session, recurring_charges.RecurringFilter(TODAY)
    ),
}
PAGES = {
    "CHARGES": "/charges",
    "INVOICES": "/invoices",
    "PAYMENTS": "/payments",
    "CUSTOMERS": "/customers",
    "SERVICES": "/services",
    "RECURRING_CHARGES": "/recurring-charges",
}
ARROWS = str.maketrans("", "", "↕↑↓")
SORTS = [(name, key) for name, table in LISTS.items() for key in table.sorts]


@pytest.fixture
@prepared
def filled(session: Session) -> Session:
    """Rows with ties, blanks and several currencies in each list."""
    for number, (name, currency) in enumerate((("Ärger", "USD"), ("arger", "EUR"), ("Zoo", "USD"))):
        customer = make_customer(reference=f"R{number}", name=name, currency=currency)
        service = make_service(
            code=f"S{number}",
            name="Same",
            unit="hour" if number else "",
            prices={"USD": Decimal(1), "EUR": Decimal(2)},
        )
        for amount in ("2", "10", "10", "-0.0000008"):
            post(make_spec(customer, amount, incurred_on=date(2026, 3, number + 1)))
        post(make_spec(customer, service=service.code, quantity="3", unit_price="1.5"))
        quantity = Decimal(2 + number % 2)
        spec = RecurringChargeSpec(customer.reference, service.code, "monthly", date(2026, 6, 1), quantity=quantity)
        transaction(recurring_operations.create, spec, SYSTEM, NOW)
        make_invoice(customer, "30")
        pay(make_payment_spec(customer, "5", reference="Same" if number else ""))
    session.rollback()
    return session


@pytest.fixture
def browser(app: Flask, filled: Session) -> FlaskClient:
    return signed_in(app)


def test_each_list_is_tried_here() -> None:
    assert LISTS.keys() == QUERIES.keys() == PAGES.keys()


@pytest.mark.parametrize(("name", "key"), SORTS)
def test_pages_of_each_sort_lead_through_the_whole_list_and_back(filled: Session, name: str, key: str) -> None:
    query, sort = QUERIES[name](filled), LISTS[name].sorts[key]
    for descending in (False, True):
        order = Order(sort, descending)
        whole = [
            row.id
            for row in filled.execute(order.apply(query).with_only_columns(*_ids(query), maintain_column_froms=True))
        ]
        forwards, previous, after = [], [], None
        while True:
            page = ordered_page(filled, query, order, 2, after)
            forwards += [row.id for row in page.rows]
            previous.append(page.previous)
            after = page.next
            if after is None:
                break
        assert forwards == whole
        assert len(set(whole)) == len(whole) > 2
        for number in range(len(previous) - 1, 0, -1):
            rows = ordered_page(filled, query, order, 2, previous[number]).rows
            assert [row.id for row in rows] == whole[2 * number - 2 : 2 * number]


def _ids(query: Select[Any]) -> list[Any]:
    return [query.selected_columns["id"]]


@pytest.mark.parametrize("name", LISTS)
def test_each_list_shows_its_columns_and_its_sort(browser: FlaskClient, name: str) -> None:
    table, path = LISTS[name], PAGES[name]
    page = browser.get(path)
    assert _labels(page) == [column.label for column in table.columns if column.is_shown or column.is_fixed]
    assert not list(parse(page).elements("th", **{"aria-sort": "ascending"}))
    everything = browser.get(f"{path}?columns={','.join(column.key for column in table.columns)}")
    assert _labels(everything) == [column.label for column in table.columns]
    for column in table.columns:
        if column.key in table.sorts:
            for sort, state in ((column.key, "ascending"), (f"-{column.key}", "descending")):
                head = next(
                    parse(browser.get(f"{path}?sort={sort}&columns={column.key}")).elements(
                        "th", **{"aria-sort": state}
                    )
                )
                assert column.label in head.text()
        else:
            assert browser.get(f"{path}?sort={column.key}").status_code == 422


def _labels(page: Any) -> list[str]:
    (head,) = list(_table(page).elements("thead"))
    labels = [" ".join(cell.text().translate(ARROWS).split()) for cell in head.elements("th")]
    return [label for label in labels if label]  # the column of check boxes has none


def _table(page: Any) -> Element:
    return next(parse(page).elements("table", **{"class": "list"}))


def _titles(page: Any) -> list[str]:
    (body,) = list(_table(page).elements("tbody"))
    cells = [
        [cell for cell in row.elements("td") if "role-title" in cell.attributes["class"]] for row in body.elements("tr")
    ]
    return [cell.text().strip() for (cell,) in cells]


def test_sort_is_kept_by_filters_pages_columns_and_exports(
    browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables.load_table, "__defaults__", (4,))
    page = browser.get("/charges?sort=amount&columns=customer&columns=service&currency=USD")
    assert "sort=amount" in link(page, "Next page")
    assert "columns=customer,service" in link(page, "Next page")
    assert "sort=amount" in link(page, "Export CSV")
    assert ("sort", "amount") in _hidden(page)
    assert "sort=-amount" in link(page, "Amount↑")
    second = browser.get(link(page, "Next page"))
    assert "after=" not in link(second, "First page")
    assert "sort=amount" in link(second, "First page")
    assert "sort=-amount" in link(second, "Amount↑")
    assert "after=" not in link(second, "Amount↑")
    assert _titles(browser.get(link(second, "Previous page"))) == _titles(page)


def _hidden(page: Any) -> set[tuple[str, str]]:
    form = next(parse(page).elements("form", **{"class": "filter-bar"}))
    return {(field.attributes["name"], field.attributes["value"]) for field in form.elements("input", type="hidden")}


def test_a_long_list_is_not_sorted_by_a_column_without_an_index(
    browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_SORTED_ROWS", 1)
    page = browser.get("/payments?sort=-amount")
    assert "This list has more than 1 rows, too many to sort by amount. Add filters first." in words(page)
    assert not has_link(page, "Amount↕")
    assert has_link(page, "Received↕")
    assert "Newest first" in words(page)


@pytest.mark.parametrize(
    "query", ["sort=nothing", "sort=--amount", "sort=created_by", "columns=nothing", "columns=day,%00x"]
)
def test_a_sort_or_column_that_does_not_exist_is_refused(browser: FlaskClient, query: str) -> None:
    response = browser.get(f"/charges?{query}")
    assert response.status_code == 422
    assert "Check the filter" in words(response)


def test_small_amounts_are_shown_by_their_limit_and_exactly_on_focus(browser: FlaskClient) -> None:
    page = words(browser.get("/charges?currency=USD"))
    assert "> −0.01 USD, exactly −0.0000008 USD" in page
    assert "≈" not in page


def test_presets_set_both_days(browser: FlaskClient) -> None:
    page = browser.get("/charges?from=2026-11-01&to=2026-11-30&currency=USD")
    assert "currency=USD" in link(page, "Last month")


def test_the_table_class_is_declared_once() -> None:
    for name, table in LISTS.items():
        keys = [column.key for column in table.columns]
        assert len(set(keys)) == len(keys), name
        assert [column.role for column in table.columns].count("title") == 1, name
        assert table.sorts.keys() <= set(keys), name


FILES = {
    "charges": "CHARGES",
    "invoices": "INVOICES",
    "invoice-lines": "INVOICES",
    "payments": "PAYMENTS",
    "customers": "CUSTOMERS",
    "services": "SERVICES",
    "recurring-charges": "RECURRING_CHARGES",
}


def test_each_file_that_can_be_sorted_is_tried_here() -> None:
    own_rows = {"allocations", "contacts"}
    assert FILES.keys() | own_rows == {kind for kind, file in FILE_KINDS.items() if file.sorts}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_has_the_order_of_its_list(browser: FlaskClient, filled: Session, kind: str) -> None:
    name = FILES[kind]
    query = QUERIES[name](filled)
    for key in LISTS[name].sorts:
        for sort in (key, f"-{key}"):
            listed = filled.execute(
                find_order(LISTS[name].sorts, sort)
                .apply(query)
                .with_only_columns(*_ids(query), maintain_column_froms=True)
            ).scalars()
            file = browser.get(f"/exports/{kind}.csv?sort={sort}").text
            rows = list(csv.DictReader(io.StringIO(file)))
            ids = [row["invoice_id" if kind == "invoice-lines" else "id"] for row in rows]
            assert list(dict.fromkeys(ids)) == [str(id) for id in listed], sort


def test_the_export_page_and_the_job_state_the_order(browser: FlaskClient) -> None:
    assert "Order Newest first" in words(browser.get("/exports/charges?currency=USD"))
    page = browser.get("/exports/charges?currency=USD&sort=-amount")
    assert "Order Sorted by Amount, descending" in words(page)
    file = browser.get("/exports/charges.csv?currency=USD&sort=-amount").data
    stated = json.loads(browser.get("/exports/charges.csv.meta.json?currency=USD&sort=-amount").data)
    assert (stated["sort"], stated["sha256"]) == ("-amount", hashlib.sha256(file).hexdigest())
    job = send(browser, "/exports/charges.csv/prepare?currency=USD&sort=-amount")
    zipped = browser.get(link(browser.get(job.location), "Download the file"))
    with zipfile.ZipFile(io.BytesIO(zipped.data)) as archive:
        assert archive.read(archive.namelist()[0]) == file
    assert browser.get("/exports/charges?sort=created_by").status_code == 422
    assert "sort" not in json.loads(browser.get("/exports/charges.csv.meta.json").data)


def test_a_sorted_file_is_verified_in_its_order(filled: Session) -> None:
    request = ExportRequest("charges", charges.ChargeFilter(), sort="-amount")
    file = io.BytesIO()
    about = describe_export(request, "charges.csv", write_export(filled, request, file), NOW, "Ada")
    result = verify_file(filled, file, read_meta(json.dumps(about).encode()), TODAY)
    assert (result.same_bytes, result.same_now) == (True, True)
    with pytest.raises(Invalid):
        read_meta(json.dumps(about | {"sort": "nothing"}).encode())
