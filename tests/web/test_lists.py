"""Every list: the macro with its declared columns, sorting by each column, and pages in that order.

The order itself is tried on the queries of the lists (`tests/db/test_paging.py` has NULLs and ties of their own).
"""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_admin.db.paging import Order, find_order, ordered_page
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.domain.messages import Recipient
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.domain.refunds import RefundSpec
from billing_admin.formats.export import ExportRequest, describe_export, write_export
from billing_admin.formats.verify import read_meta, verify_file
from billing_admin.models import (
    ApprovalRequest,
    BillingRun,
    Customer,
    ExchangeRate,
    Import,
    Invoice,
    ReminderRun,
    WebhookDelivery,
    WebhookEndpoint,
)
from billing_admin.operations import jobs as job_operations
from billing_admin.operations.access import tokens as token_operations
from billing_admin.operations.charges import recurring_charges as recurring_operations
from billing_admin.operations.messages.outbox import NewMessage, enqueue_messages
from billing_admin.operations.payments import refunds as refund_operations
from billing_admin.queries import audit, imports, jobs
from billing_admin.queries.billing import runs
from billing_admin.queries.charges import charges, recurring_charges, unbilled
from billing_admin.queries.exports import FILE_KINDS
from billing_admin.queries.invoices import invoices, numbers
from billing_admin.queries.master_data import customers, exchange_rates, services
from billing_admin.queries.messages import messages, reminders
from billing_admin.queries.payments import open_items, opening_balances, payments, refunds, unallocated
from billing_admin.queries.webhooks import endpoints
from billing_admin.web.frame import tables
from billing_admin.web.frame.lists import LISTS
from tests.levels import sample, samples
from tests.making import (
    NOW,
    make_bank_account,
    make_customer,
    make_invoice,
    make_opening,
    make_payment_spec,
    make_service,
    make_spec,
    pay,
    post,
)
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import Element, has_link, link, parse, words

TODAY = date(2026, 11, 22)
ENDPOINT = UUID(int=0xE)
QUERIES: Mapping[str, Callable[[Session], Select[Any]]] = {
    "CHARGES": lambda session: charges.charges(session, charges.ChargeFilter()),
    "INVOICES": lambda session: invoices.invoices(session, invoices.InvoiceFilter(TODAY)),
    "PAYMENTS": lambda session: payments.payments(session, payments.PaymentFilter()),
    "CUSTOMERS": lambda _session: customers.customers_by_name(customers.CustomerFilter()),
    "SERVICES": lambda _session: services.services_by_code(services.ServiceFilter()),
    "RECURRING_CHARGES": lambda session: recurring_charges.recurring_charges(
        session, recurring_charges.RecurringFilter(TODAY)
    ),
    "REFUNDS": lambda session: refunds.refunds(session, refunds.RefundFilter()),
    "OPEN_ITEMS": lambda session: open_items.open_items(session, open_items.OpenItemFilter(TODAY)),
    "UNALLOCATED": lambda session: unallocated.unallocated_items(session, unallocated.UnallocatedFilter(TODAY)),
    "OPENING_BALANCES": lambda _session: opening_balances.opening_rows(),
    "MESSAGES": lambda session: messages.messages(session, messages.MessageFilter()),
    "DUPLICATES": lambda session: charges.charges(session, charges.ChargeFilter(likely_duplicates=True)),
    "UNBILLED": lambda _session: unbilled.unbilled_accounts(),
    "ACCOUNT_CHARGES": lambda session: unbilled.charges_of_account(_account(session)),
    "DRAFT_CHARGES": lambda session: unbilled.charges_of_account(_account(session)),
    "BILLING_RUNS": lambda _session: runs.runs(),
    "REMINDER_RUNS": lambda _session: reminders.reminder_runs(),
    "JOBS": lambda _session: jobs.jobs(),
    "IMPORTS": lambda _session: imports.imports(),
    "DELIVERIES": lambda _session: endpoints.deliveries(ENDPOINT),
    "AUDIT_EVENTS": lambda session: audit.shown_events(session, audit.AuditFilter()),
    "NUMBERS": lambda _session: numbers.number_register(numbers.SeriesFilter("invoice", 2026)),
    "EXCHANGE_RATES": lambda _session: exchange_rates.latest_first(exchange_rates.RateFilter(), "EUR"),
}
# Lists whose rows are loaded whole or grouped, and therefore not sorted by a query.
UNSORTED = {
    "UNBILLED_CHARGES",
    "AGEING",
    "SERIES",
    "TOKENS",
    "PEOPLE",
    "APPROVALS",
    "SESSIONS",
    "ROLES",
    "BANK_ACCOUNTS",
    "WEBHOOKS",
}
PAGES = {
    "CHARGES": "/charges",
    "INVOICES": "/invoices",
    "PAYMENTS": "/payments",
    "CUSTOMERS": "/customers",
    "SERVICES": "/services",
    "RECURRING_CHARGES": "/recurring-charges",
    "REFUNDS": "/refunds",
    "OPEN_ITEMS": "/open-items",
    "AGEING": "/ageing",
    "UNALLOCATED": "/unallocated",
    "OPENING_BALANCES": "/opening-balances",
    "MESSAGES": "/messages",
    "DUPLICATES": "/charges/duplicates",
    "UNBILLED": "/unbilled",
    "UNBILLED_CHARGES": "/unbilled/charges",
    "ACCOUNT_CHARGES": "/unbilled/{customer}/USD",
    "DRAFT_CHARGES": "/invoices/{draft}/charges",
    "BILLING_RUNS": "/billing-runs",
    "REMINDER_RUNS": "/reminders",
    "JOBS": "/jobs",
    "IMPORTS": "/imports",
    "DELIVERIES": f"/webhooks/{ENDPOINT}",
    "AUDIT_EVENTS": "/audit",
    "NUMBERS": "/numbers/invoice/2026",
    "SERIES": "/numbers",
    "EXCHANGE_RATES": "/settings/exchange-rates",
    "TOKENS": "/tokens",
    "PEOPLE": "/users",
    "SESSIONS": "/account/sessions",
    "APPROVALS": "/approvals",
    "ROLES": "/settings/roles",
    "BANK_ACCOUNTS": "/settings/bank-accounts",
    "WEBHOOKS": "/webhooks",
}


def _account(session: Session) -> unbilled.UnbilledFilter:
    customer_id = session.scalars(select(Customer.id).where(Customer.reference == "R0")).one()
    return unbilled.UnbilledFilter(customer_id=customer_id, currency="USD")


ARROWS = str.maketrans("", "", "↕↑↓")


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
        pay(make_payment_spec(customer, "7", ()))
        for hours in range(3):
            post(make_spec(customer, "8"), now=NOW + timedelta(hours=hours))
        transaction(refund_operations.record, RefundSpec(customer.reference, Decimal(1), "bank_transfer"), SYSTEM, NOW)
        make_opening(customer, f"O{number}", "-5" if number else "5")
    make_invoice(make_customer(reference="DRAFT", name="Draft", currency="USD"), issue=False)
    _fill_logs(session.scalars(select(Customer.id).limit(1)).one())
    session.rollback()
    return session


def _fill_logs(customer_id: UUID) -> None:
    """Store rows of lists about work in the background and settings."""
    make_bank_account(holder="Ada", currency="USD", account_number="1")
    transaction(token_operations.create, "Script", ["read"], actor=SYSTEM, now=NOW)
    transaction(_store_log_rows)
    for number in range(3):
        recipient = Recipient("Ann", "ann@example.com", "to")
        subject = f"Reminder {number // 2}"
        message = NewMessage(customer_id, "reminder", "USD", "en", [recipient], subject, "Please pay.")
        transaction(enqueue_messages, [message], SYSTEM, NOW)
        transaction(job_operations.enqueue, "export", UUID(int=number), "billing:write", SYSTEM, NOW)


def _store_log_rows(session: Session) -> None:
    session.add(
        ApprovalRequest(
            id=UUID(int=7),
            act="void",
            object_type="invoice",
            object_id=None,
            object_name="INV-2026-00001",
            input={},
            digest="",
            fingerprint="",
            reason="Wrong",
            amount=100,
            currency="USD",
            in_base=Decimal(1),
            state="rejected",
            maker_kind="token",
            maker_id=UUID(int=8),
            maker_name="Script",
            created_at=NOW,
            decided_by="ann@example.com",
            decided_at=NOW,
            decision_reason="Unclear",
        )
    )
    session.add(
        WebhookEndpoint(
            id=ENDPOINT,
            url="https://example.com",
            description="",
            events=["invoice.issued"],
            state="active",
            salt="",
            secret_hash="",
            given_up_in_a_row=0,
            silent=0,
            version=1,
            created_at=NOW,
            created_by="Ada",
        )
    )
    session.flush()
    for number in range(3):
        id, at = UUID(int=0x100 + number), NOW + timedelta(hours=number // 2)
        created: dict[str, Any] = {"id": id, "created_at": at}
        log = created | {"created_by": "Ada" if number else "Bo"}
        finished = at if number else None
        delivery = {"event_id": id, "event": "ping", "state": "delivered", "body": "{}", "asked_at": at}
        upload = {
            "kind": "charges",
            "state": "done" if number else "uploaded",
            "file_name": "a.csv",
            "size": 1,
            "done": 0,
        }
        run = {"through": TODAY, "issue": True, "issue_date": TODAY, "state": "done"}
        rate = {"base_currency": "EUR", "currency": "USD", "rate": Decimal("1.1"), "source": "ECB"}
        session.add_all(
            [
                BillingRun(**log, **run, finished_at=finished),
                ReminderRun(**log, day=TODAY, without_customers=[], without_invoices=[], reminders=number // 2),
                Import(**log, **upload, sha256=str(number), finished_at=finished),
                WebhookDelivery(
                    **created, **delivery, endpoint_id=ENDPOINT, finished_at=at, about="", tries=number // 2
                ),
                ExchangeRate(**rate, day=TODAY - timedelta(number)),
            ]
        )


@pytest.fixture
def browser(app: Flask, filled: Session) -> FlaskClient:
    return signed_in(app)


def test_each_list_is_tried_here() -> None:
    assert LISTS.keys() == QUERIES.keys() | UNSORTED == PAGES.keys()
    assert {name for name, table in LISTS.items() if table.sorts} == QUERIES.keys()


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("most_pages", [4, pytest.param(100, marks=pytest.mark.deep)])
def test_pages_of_each_sort_lead_through_the_whole_list_and_back(filled: Session, name: str, most_pages: int) -> None:
    query = QUERIES[name](filled)
    for sort in LISTS[name].sorts.values():
        for descending in (False, True):
            _follow_pages(filled, query, Order(sort, descending), most_pages)


def _follow_pages(session: Session, query: Select[Any], order: Order, most_pages: int) -> None:
    names, whole = _key_names(query), _keys(session, order.apply(query))
    size = max(2, -(-len(whole) // most_pages))
    forwards, previous, after = [], [], None
    while True:
        page = ordered_page(session, query, order, size, after)
        forwards += [tuple(getattr(row, name) for name in names) for row in page.rows]
        previous.append(page.previous)
        after = page.next
        if after is None:
            break
    assert forwards == whole
    assert len(set(whole)) == len(whole) > 2
    for number in range(len(previous) - 1, 0, -1):
        rows = ordered_page(session, query, order, size, previous[number]).rows
        keys = [tuple(getattr(row, name) for name in names) for row in rows]
        assert keys == whole[size * (number - 1) : size * number]


def _key_names(query: Select[Any]) -> list[str]:
    if "id" in query.selected_columns:
        return ["id"]
    return ["currency", "day" if "day" in query.selected_columns else "customer_id"]


def _keys(session: Session, query: Select[Any]) -> list[tuple[Any, ...]]:
    """Return the keys of the rows of a query, in its order."""
    columns = [query.selected_columns[name] for name in _key_names(query)]
    return [tuple(row) for row in session.execute(query.with_only_columns(*columns, maintain_column_froms=True))]


@pytest.mark.parametrize("name", LISTS)
@samples(8)
def test_each_list_shows_its_columns_and_its_sort(browser: FlaskClient, filled: Session, name: str, step: int) -> None:
    table, path = LISTS[name], PAGES[name]
    if "{" in path:
        draft = filled.scalars(select(Invoice.id).where(Invoice.status == "draft")).one()
        path = path.format(customer=_account(filled).customer_id, draft=draft)
    page = browser.get(path)
    assert _labels(page) == [column.label for column in table.columns if column.is_shown or column.is_fixed]
    sorts = [*table.sorts, *table.row_keys]
    if not sorts and not table.group:
        return
    assert not list(parse(page).elements("th", **{"aria-sort": "ascending"}))
    everything = browser.get(f"{path}?columns={','.join(column.key for column in table.columns)}")
    assert _labels(everything) == [column.label for column in table.columns]
    for column in sample(table.columns, step):
        if column.key in sorts:
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


def test_a_whole_list_is_printed_with_its_filter_and_time(
    browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables.load_table, "__defaults__", (2,))
    page = browser.get("/charges?currency=USD&sort=-amount")
    printed = browser.get(link(page, "Print whole list"))
    assert len(_titles(page)) == 2 < len(_titles(printed))
    assert not has_link(printed, "Next page")
    assert has_link(printed, "Back to the list")
    assert "Currency: USD" in words(printed)
    assert "Sorted by Amount, descending" in words(printed)
    (head,) = parse(printed).elements("p", **{"class": "print-head"})
    assert "As at" in head.text()
    monkeypatch.setattr(tables, "MAX_PRINTED_ROWS", 3)
    assert "Only the first 3 rows are printed. Add filters, or export the list." in words(
        browser.get("/charges?print=1")
    )


def test_the_ageing_is_sorted_and_paged(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.list_rows, "__defaults__", (2,))
    names = ["Ärger", "arger", "Zoo"]
    first = browser.get("/ageing?sort=customer")
    second = browser.get(link(first, "Next page"))
    assert sorted(_titles(first) + _titles(second)) == sorted(names)
    assert _titles(second) == ["Zoo"]
    assert _titles(browser.get("/ageing?sort=-customer"))[0] == "Zoo"
    assert "The first page is shown" in browser.get("/ageing?after=9999").text


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
    "refunds": "REFUNDS",
    "open-items": "OPEN_ITEMS",
    "messages": "MESSAGES",
}


def test_each_file_that_can_be_sorted_is_tried_here() -> None:
    # Their rows have no id of the list, or each download adds one.
    others = {"allocations", "contacts", "exchange-rates", "audit-events"}
    assert FILES.keys() | others == {kind for kind, file in FILE_KINDS.items() if file.sorts}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_has_the_order_of_its_list(browser: FlaskClient, filled: Session, kind: str) -> None:
    name = FILES[kind]
    query = QUERIES[name](filled)
    for key in LISTS[name].sorts:
        for sort in (key, f"-{key}"):
            listed = [key[0] for key in _keys(filled, find_order(LISTS[name].sorts, sort).apply(query))]
            file = browser.get(f"/exports/{kind}.csv?sort={sort}").text
            rows = list(csv.DictReader(io.StringIO(file)))
            ids = [row["invoice_id" if kind == "invoice-lines" else "id"] for row in rows]
            # Opening invoices have no lines.
            assert list(dict.fromkeys(ids)) == [
                str(id) for id in listed if kind != "invoice-lines" or str(id) in ids
            ], sort


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
