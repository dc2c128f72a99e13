"""A field of a customer or a service is in every place that shows, reads or writes it, and so is a filter of a list.

Each test names the place that a new field or filter still lacks (docs/development.md, "Add a field").
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields as fields_of
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from billing_client import answers, asking
from flask import Flask
from sqlalchemy.orm import Session
from wtforms.fields.core import UnboundField

from billing_admin.api.frame import openapi
from billing_admin.api.routes import (
    bank_accounts as bank_account_routes,
    catalogue as catalogue_routes,
    customers as customer_routes,
    organisation as organisation_routes,
)
from billing_admin.domain.bank_accounts import BankAccountFields
from billing_admin.domain.errors import Invalid
from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.domain.master_data import (
    CUSTOMER_RULES,
    ORGANISATION_RULES,
    SERVICE_RULES,
    CustomerFields,
    OrganisationFields,
    Rule,
    ServiceFields,
    check_fields,
)
from billing_admin.domain.parties import ADDRESS_PARTS
from billing_admin.models import BankAccount, Customer, Organisation, Service
from billing_admin.operations.master_data import organisation as organisation_operations
from billing_admin.queries.exports import catalogue as exports
from billing_admin.web.frame.forms import Form, TextField
from billing_admin.web.master_data.bank_accounts import NewBankAccountForm
from billing_admin.web.master_data.customers import CustomerForm
from billing_admin.web.master_data.services import ServiceForm
from billing_admin.web.master_data.settings import SECTIONS
from tests.making import make_customer, make_customer_field, make_invoice, make_service
from tests.people import signed_in
from tests.web.pages import statements

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
PAGING = {"limit", "after"}
# Shown as `printed_address` and `delivery_address`, which documents have.
ADDRESS_FIELDS = {"address", *ADDRESS_PARTS, *(f"delivery_{part}" for part in ADDRESS_PARTS)}


def _columns(model: type[Any], *others: str) -> set[str]:
    """Return the columns of a model that people fill in, without keys and bookkeeping."""
    bookkeeping = {"id", "search", "sort_key", "archived_at", "created_at", "version", *others}
    return {column.key for column in model.__table__.columns} - bookkeeping


def _form(form: type[Form]) -> set[str]:
    names = {name for name in dir(form) if isinstance(getattr(form, name), UnboundField)}
    return names - {"csrf_token"}


def _client(name: str) -> set[str]:
    return set(get_type_hints(getattr(asking, name))) - {"id", "archived"}


def _answer(answer: type[Any]) -> set[str]:
    return {field.name for field in fields_of(answer)} - {"id", "archived", "created_at", "etag", "replayed"}


def _import(kind: str) -> set[str]:
    fields = IMPORT_KINDS[kind].fields.values()
    return {field.name for field in fields if not field.part_of} - {"id", "archived"}


def _in_template(path: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, (TEMPLATES / path).read_text(encoding="utf-8")))


CUSTOMER_PLACES: Mapping[str, Callable[[], set[str]]] = {
    # The e-mail address is stored with the contact.
    "models.customer.Customer": lambda: _columns(Customer) | {"email"},
    # The form has a field for each customer field, and shows them in a loop.
    "web.master_data.customers.CustomerForm": lambda: _form(CustomerForm) | {"metadata"},
    "templates/customers/form.html": lambda: (
        _in_template("customers/form.html", r"(?:field\(|in )\s*form\.(\w+)") | {"metadata"}
    ),
    "api CustomerIn": lambda: set(customer_routes.CustomerIn.model_fields) - {"id"},
    "api CustomerChanges": lambda: set(customer_routes.CustomerChanges.model_fields) - {"archived"},
    "api CustomerOut": lambda: set(customer_routes.CustomerOut.model_fields) - {"id", "archived", "created_at"},
    # Files have a column for each customer field.
    "queries.exports.catalogue.CUSTOMERS": lambda: (
        {column.name for column in exports.CUSTOMERS} - {"id", "archived"} | {"metadata"}
    ),
    "domain.imports.fields, customers": lambda: _import("customers") | {"metadata"},
    "client NewCustomer": lambda: _client("NewCustomer"),
    "client CustomerChanges": lambda: _client("CustomerChanges"),
    "client Customer": lambda: _answer(answers.Customer),
}
SERVICE_PLACES: Mapping[str, Callable[[], set[str]]] = {
    # Prices are rows of their own; the rate is stored by its id and named by its code.
    "models.service.Service": lambda: _columns(Service, "tax_rate_id") | {"tax_rate", "prices", "prices_include_tax"},
    # Whether a price includes tax is asked beside each price.
    "web.master_data.services.ServiceForm": lambda: _form(ServiceForm) | {"prices_include_tax"},
    "templates/services/form.html": lambda: (
        _in_template("services/form.html", r"(?:field\(|in )\s*form\.(\w+)") | {"prices", "prices_include_tax"}
    ),
    "api ServiceIn": lambda: set(catalogue_routes.ServiceIn.model_fields) - {"id"},
    "api ServiceChanges": lambda: set(catalogue_routes.ServiceChanges.model_fields) - {"archived"},
    "api ServiceOut": lambda: set(catalogue_routes.ServiceOut.model_fields) - {"id", "archived", "created_at"},
    "queries.exports.catalogue.SERVICES": lambda: _price_columns(column.name for column in exports.SERVICES),
    "domain.imports.fields, services": lambda: _price_columns(_import("services")),
    "client NewService": lambda: _client("NewService"),
    "client ServiceChanges": lambda: _client("ServiceChanges"),
    "client Service": lambda: _answer(answers.Service),
}


ORGANISATION_PLACES: Mapping[str, Callable[[], set[str]]] = {
    # These have pages and acts of their own; the rate is stored by its id and named by its code.
    "models.organisation.Organisation": lambda: (
        _columns(
            Organisation,
            *("locked_through", "is_demo", "journal_accounts", "logo", "default_tax_rate_id"),
            "requires_second_factor",
            *("reminder_levels", "daily_reminders", "daily_reminders_from"),
        )
        | {"default_tax_rate"}
    ),
    "domain.master_data.ORGANISATION_RULES": lambda: set(ORGANISATION_RULES),
    "operations.master_data.organisation.FIELDS": lambda: {*organisation_operations.FIELDS, "default_tax_rate"},
    "web.master_data.settings.SECTIONS": lambda: set().union(
        *(_form(section.form) - {"version"} for section in SECTIONS.values())
    ),
    "templates/settings/sections": lambda: set().union(
        *(_in_template(f"settings/sections/{name}.html", r"field\(\s*form\.(\w+)") for name in SECTIONS)
    ),
    "templates/settings/show.html": lambda: (
        (
            _in_template("settings/show.html", r"[^\"_/]settings\.(\w+)")
            # Shown as the printed address, the next number and the words of the order.
            | {*ADDRESS_PARTS, "address", "invoice_format", "credit_note_format", "date_order"}
        )
        - {"locked_through", "journal_accounts", "reminder_levels", "daily_reminders"}
    ),
    "api OrganisationChanges": lambda: set(organisation_routes.OrganisationChanges.model_fields),
    "api OrganisationOut": lambda: set(organisation_routes.OrganisationOut.model_fields) - {"logo", "locked_through"},
    "client OrganisationChanges": lambda: _client("OrganisationChanges"),
    "client Organisation": lambda: _answer(answers.Organisation) - {"logo", "locked_through"},
}
BANK_ACCOUNT_PLACES: Mapping[str, Callable[[], set[str]]] = {
    "models.organisation.BankAccount": lambda: _columns(BankAccount, "is_default"),
    "web.master_data.bank_accounts.NewBankAccountForm": lambda: _form(NewBankAccountForm) - {"id", "is_default"},
    "templates/bank_accounts/form.html": lambda: (
        _in_template("bank_accounts/form.html", r"field\(\s*form\.(\w+)") - {"is_default"}
    ),
    "api BankAccountIn": lambda: set(bank_account_routes.BankAccountIn.model_fields) - {"id", "default"},
    "api BankAccountChanges": lambda: (
        set(bank_account_routes.BankAccountChanges.model_fields) - {"default", "archived"} | {"currency"}
    ),
    "api BankAccountOut": lambda: (
        set(bank_account_routes.BankAccountOut.model_fields) - {"id", "default", "archived", "created_at"}
    ),
    "queries.exports.catalogue.BANK_ACCOUNTS": lambda: (
        {column.name for column in exports.BANK_ACCOUNTS} - {"id", "default", "archived"}
    ),
    "client NewBankAccount": lambda: _client("NewBankAccount") - {"default"},
    "client BankAccountChanges": lambda: _client("BankAccountChanges") - {"default"} | {"currency"},
    "client BankAccount": lambda: _answer(answers.BankAccount) - {"default"},
}


def _price_columns(names: Collection[str] | Any) -> set[str]:
    """Return the fields that the columns of a file stand for: a row holds one price, with its currency, tax and day."""
    columns = set(names) - {"id", "archived"}
    of_price = {"currency", "unit_price", "includes_tax", "valid_from"}
    assert columns >= of_price
    return (columns - of_price) | {"prices", "prices_include_tax"}


@pytest.mark.parametrize("place", CUSTOMER_PLACES)
def test_each_field_of_a_customer_is_in(place: str) -> None:
    assert CUSTOMER_PLACES[place]() == set(CustomerFields.__annotations__)


@pytest.mark.parametrize("place", SERVICE_PLACES)
def test_each_field_of_a_service_is_in(place: str) -> None:
    assert SERVICE_PLACES[place]() == set(ServiceFields.__annotations__)


@pytest.mark.parametrize("place", ORGANISATION_PLACES)
def test_each_field_of_the_organisation_is_in(place: str) -> None:
    assert ORGANISATION_PLACES[place]() == set(OrganisationFields.__annotations__)


@pytest.mark.parametrize("place", BANK_ACCOUNT_PLACES)
def test_each_field_of_a_bank_account_is_in(place: str) -> None:
    assert BANK_ACCOUNT_PLACES[place]() == set(BankAccountFields.__annotations__)


def test_no_field_of_the_organisation_is_in_two_sections() -> None:
    fields = [name for section in SECTIONS.values() for name in _form(section.form) - {"version"}]
    assert len(fields) == len(set(fields))


def test_the_forms_return_each_field(app: Flask) -> None:
    with app.test_request_context():
        assert CustomerForm(reference="ACME").fields().keys() == CustomerFields.__annotations__.keys()
        assert ServiceForm().fields().keys() == ServiceFields.__annotations__.keys()


@pytest.mark.parametrize(
    ("rules", "form", "schema", "undocumented"),
    [
        (CUSTOMER_RULES, CustomerForm, "CustomerIn", set()),
        (SERVICE_RULES, ServiceForm, "ServiceIn", {"revenue_account"}),
    ],
)
def test_page_and_api_have_the_maximum_lengths_of_the_domain(
    app: Flask, rules: Mapping[str, Rule], form: type[Form], schema: str, undocumented: set[str]
) -> None:
    properties = openapi.document("test")["components"]["schemas"][schema]["properties"]
    with app.test_request_context():
        max_lengths = {field.name: field.max_length for field in form() if isinstance(field, TextField)}
    assert {name for name in max_lengths if "maxLength" not in properties[name]} == undocumented
    for name, max_length in max_lengths.items():
        assert properties[name].get("maxLength", max_length) == max_length, name
        longest = "a@".ljust(max_length, "x")
        assert check_fields(rules, {name: longest}) == {name: longest}
        with pytest.raises(Invalid):
            check_fields(rules, {name: f"{longest}x"})


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (
            "customers/show.html",
            set(CustomerFields.__annotations__) - {"reference", "name", "currency", "metadata"} - ADDRESS_FIELDS,
        ),
        ("services/show.html", set(ServiceFields.__annotations__) - {"code", "name", "prices", "prices_include_tax"}),
    ],
)
def test_each_field_is_shown_on_the_page(page: str, shown: set[str]) -> None:
    """What is left out is in the header, in the balance, in printed addresses, or in the prices over time."""
    assert shown - _in_template(page, r"(?:customer|service)\.(\w+)") == set()


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ("docs/files.md", {*CustomerFields.__annotations__, *ServiceFields.__annotations__}),
        ("docs/importing.md", {*CustomerFields.__annotations__, *ServiceFields.__annotations__}),
    ],
)
def test_each_column_is_documented(document: str, fields: set[str]) -> None:
    named = set(re.findall(r"`(\w+)`", (ROOT / document).read_text(encoding="utf-8")))
    assert fields - {"prices", "prices_include_tax"} - named == set()


@dataclass(frozen=True)
class ListFilters:
    """The filters of a list: the client's type for them, and for each of the API's its query on the page.

    A filter without a query here is a text with the same name on the page. `elsewhere` says how the page offers
    the others.
    """

    client: str
    queries: Mapping[str, str]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def page_queries(self, api_filters: Collection[str]) -> Mapping[str, str]:
        """Return the query on the page of each of the API's filters that it has."""
        return {name: self.queries.get(name, f"{name}=ACME") for name in api_filters - self.elsewhere.keys()}


CUSTOMER = {"customer": "customer=ACME"}
CURRENCY = {"currency": "currency=EUR"}
DAYS = {"from": "from=2026-01-01", "to": "to=2026-12-31"}
DUE = {"due_from": "due_from=2026-01-01", "due_to": "due_to=2026-12-31"}
ISSUED = {"issued_from": "issued_from=2026-01-01", "issued_to": "issued_to=2026-12-31"}
SEARCH = {"q": "q=ACME"}
LISTS = {
    "/customers": ListFilters(
        "CustomerFilter",
        {**SEARCH, **CURRENCY, "archived": "show=archived", "metadata": "metadata.region=South"},
    ),
    "/services": ListFilters("ServiceFilter", {**SEARCH, "archived": "show=archived"}),
    "/charges": ListFilters(
        "ChargeFilter",
        {
            **CUSTOMER,
            **CURRENCY,
            **DAYS,
            "service": "service=hosting",
            "status": "status=held",
            "invoice": "invoice=INV-2026-00001",
            "possible_duplicate": "likely_duplicates=1",
        },
        {"line": "each line of an invoice opens into its charges"},
    ),
    "/recurring-charges": ListFilters(
        "RecurringFilter", {**CUSTOMER, **CURRENCY, "service": "service=hosting", "status": "status=paused"}
    ),
    "/invoices": ListFilters(
        "InvoiceFilter",
        {
            **CUSTOMER,
            **CURRENCY,
            **ISSUED,
            **DUE,
            "kind": "kind=credit_note",
            "run": "run={run}",
            "sent": "sent=0",
        },
        {"status": "tabs", "overdue": "the tab of overdue invoices"},
    ),
    "/payments": ListFilters(
        "PaymentFilter",
        {**CUSTOMER, **CURRENCY, **DAYS, "method": "method=card", "reference": "reference=x"},
        {"status": "tabs"},
    ),
    "/refunds": ListFilters(
        "RefundFilter",
        {**CUSTOMER, **CURRENCY, **DAYS, "method": "method=card", "reference": "reference=x"},
        {"status": "tabs"},
    ),
    "/open-items": ListFilters(
        "OpenItemFilter", {**CUSTOMER, **CURRENCY, "as_of": "as_of=2026-01-31", "bucket": "bucket=1_30"}
    ),
    "/exchange-rates": ListFilters("ExchangeRateFilter", {**DAYS, "currency": "currency=USD"}),
    "/messages": ListFilters(
        "MessageFilter",
        {
            **CUSTOMER,
            **DAYS,
            "purpose": "purpose=reminder",
            "document": "document=INV-2026-00001",
            "undelivered": "undelivered=1",
        },
        {"state": "tabs"},
    ),
    "/audit-events": ListFilters(
        "AuditFilter", {**DAYS, "actor": "actor=someone", "object": "object=3135f216-5533-4c18-882a-f96c09cfc73c"}
    ),
}
PAGES = {
    "/recurring-charges": "/recurring-charges",
    "/audit-events": "/audit",
    "/exchange-rates": "/settings/exchange-rates",
}


def _api_filters(path: str) -> set[str]:
    operation = openapi.document("test")["paths"][f"/api/v1{path}"]["get"]
    return {parameter["name"] for parameter in operation["parameters"] if parameter.get("in") == "query"} - PAGING


def test_each_list_is_known() -> None:
    paths = openapi.document("test")["paths"]
    lists = {
        path.removeprefix("/api/v1")
        for path, operations in paths.items()
        if "{" not in path and any(parameter.get("name") == "after" for parameter in _parameters(operations))
    }
    assert lists == LISTS.keys() | {
        "/approvals",
        "/billing-runs",
        "/opening-balances",
        "/reminder-pauses",
        "/reminder-runs",
        "/sending-runs",
    }  # which have no filters


def _parameters(operations: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(operations.get("get", {}).get("parameters", []))


@pytest.mark.parametrize("path", LISTS)
def test_each_filter_is_in_the_client(path: str) -> None:
    assert {name.rstrip("_") for name in get_type_hints(getattr(asking, LISTS[path].client))} == _api_filters(path)


@pytest.mark.parametrize("path", LISTS)
def test_each_filter_is_on_the_page(app: Flask, session: Session, path: str) -> None:
    """A filter in force selects rows, has a control, and is named above the list with a link that removes it."""
    run = make_invoice(make_customer(reference="ACME", currency="EUR")).run_id
    make_service(code="hosting")
    make_customer_field(key="region", is_listed=True)
    filters, browser, page = LISTS[path], signed_in(app), PAGES.get(path, path)
    names = _api_filters(path)
    assert filters.queries.keys() | filters.elsewhere.keys() <= names
    browser.get(page)  # its statements include those of a first request
    with statements(app) as unfiltered:
        browser.get(page)
    for name, query in filters.page_queries(names).items():
        with statements(app) as filtered:
            text = browser.get(f"{page}?{query.format(run=run)}").text
        assert text.count("Remove filter") == 1, f"read_filters or filter_chips of {page} lacks {name}"
        assert f' name="{query.partition("=")[0]}"' in text, f"the filter bar of {page} lacks {name}"
        assert _unnumbered(unfiltered) - _unnumbered(filtered), f"the query of {page} has no condition on {name}"


def _unnumbered(sent: Sequence[str]) -> set[str]:
    """Return statements without the numbers that paging gives its columns, which count up in a process."""
    return {re.sub(r"_sqlakeyset_oc_\d+", "", statement) for statement in sent}
