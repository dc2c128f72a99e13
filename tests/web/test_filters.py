"""A filter that cannot be used is named at its field and keeps the typed text; no rows are shown."""

from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import User
from billing_admin.queries.audit import find_object
from tests.clocks import stopped_clock
from tests.making import NOW, change_settings, make_customer, make_invoice, make_payment_spec, make_service, pay
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, fields, has_link, link, words
from tests.web.reading import fresh

NOBODY = UUID(int=7)
BAD_DAY, BAD_CHOICE, BAD_CURRENCY, REVERSED = (
    "Enter a date such as",
    "is not one of the choices",
    "is not an ISO 4217 currency code",
    "The first day must not be after the last day.",
)
LATE_EARLY = "{}=2026-05-01&{}=2026-01-01"


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def acme(app: Flask, session: Session) -> UUID:
    customer = make_customer(reference="acme", name="ACME Inc", currency="EUR")
    make_invoice(customer, "1234")
    return customer.id


@pytest.fixture
@prepared
def browser(app: Flask, session: Session, acme: UUID) -> FlaskClient:
    return signed_in(app)


@pytest.mark.parametrize(
    ("path", "query", "sentence"),
    [
        *((path, "status=lost", BAD_CHOICE) for path in ("/invoices", "/charges", "/payments", "/recurring-charges")),
        *((path, "show=lost", BAD_CHOICE) for path in ("/customers", "/services")),
        *(
            (path, "currency=EURO", BAD_CURRENCY)
            for path in (
                *("/invoices", "/charges", "/payments", "/recurring-charges", "/customers", "/unbilled", "/ageing"),
                *("/open-items", "/ageing.csv", "/exports/invoices", "/exports/invoices.csv", "/exports/charges.xlsx"),
            )
        ),
        *(
            (path, f"{name}=soon", BAD_DAY)
            for path, name in (
                *(("/invoices", "issued_from"), ("/invoices", "issued_to"), ("/invoices", "due_from")),
                *(("/invoices", "due_to"), ("/charges", "from"), ("/charges", "to"), ("/payments", "from")),
                *(("/audit", "from"), ("/audit", "to"), ("/ageing", "as_of"), ("/ageing.csv", "as_of")),
                *(("/open-items", "as_of"), ("/unbilled", "through"), ("/journal", "from"), ("/journal", "to")),
                *(("/billing-runs/preview", "through"), ("/exports/payments.csv", "to"), ("/charges/many", "day")),
                *(("/customers/{acme}/statement", "from"), ("/customers/{acme}/statement.csv", "to")),
            )
        ),
        *(
            (path, LATE_EARLY.format(first, last), REVERSED)
            for path, first, last in (
                *(("/invoices", "issued_from", "issued_to"), ("/invoices", "due_from", "due_to")),
                *(("/charges", "from", "to"), ("/payments", "from", "to"), ("/audit", "from", "to")),
                *(("/exports/audit-events.csv", "from", "to"), ("/customers/{acme}/statement", "from", "to")),
            )
        ),
        ("/invoices", "kind=lost", BAD_CHOICE),
        ("/invoices", "run=lost", "is not an ID"),
        ("/invoices", f"q={'x' * 201}", "Use at most 200 characters."),
        ("/payments", "method=lost", BAD_CHOICE),
        ("/payments", "reference=A&reference=B", "Use this filter only once."),
        ("/charges", "likely_duplicates=yes", BAD_CHOICE),
        ("/audit", "type=lost", BAD_CHOICE),
        ("/audit", "object=INV-2026-99999", "No object matches “INV-2026-99999”."),
        ("/exports/audit-events.csv", "object=INV-2026-99999", "No object matches “INV-2026-99999”."),
        ("/open-items", "bucket=lost", BAD_CHOICE),
        ("/jobs", "state=lost", BAD_CHOICE),
        ("/billing-runs/preview", "through=2026-03-31&make=lost", BAD_CHOICE),
        ("/numbers/invoice/2026", "series=lost", "There is no series “lost” in this year."),
    ],
)
def test_a_filter_that_cannot_be_used_says_so(
    browser: FlaskClient, acme: UUID, path: str, query: str, sentence: str
) -> None:
    page = browser.get(f"{path.format(acme=acme)}?{query}&after=x")
    assert page.status_code in {404, 422}
    assert sentence in words(page)
    assert "1,234.00" not in page.text
    assert "INV-2026-00001" not in page.text
    name, _, value = query.split("&")[-1 if "make=" in query else 0].partition("=")
    assert f'id="filter-{name}"' in page.text
    if sentence is not BAD_CHOICE:
        assert value in fields(page, name)


def test_the_other_filters_stay(browser: FlaskClient, acme: UUID) -> None:
    page = browser.get("/invoices?customer=acme&status=lost&issued_from=2026-01-01&after=x")
    assert (field(page, "customer"), field(page, "issued_from")) == ("acme", "2026-01-01")
    assert "Open Overdue" in words(page)
    assert link(page, "Remove this filter") == "/invoices?customer=acme&issued_from=2026-01-01"
    assert "INV-2026-00001" in browser.get(link(page, "Remove this filter")).text


def test_an_export_of_a_filter_that_cannot_be_used_is_not_queued(browser: FlaskClient, acme: UUID) -> None:
    response = send(browser, "/exports/invoices.csv/prepare?status=lost")
    assert response.status_code == 422
    assert "is not one of the choices" in words(response)


def test_a_filter_is_read_in_the_date_order(browser: FlaskClient, acme: UUID) -> None:
    change_settings(date_order="day_first")
    page = browser.get("/invoices?issued_from=31/12/2025&issued_to=31.12.2026")
    assert (field(page, "issued_from"), field(page, "issued_to")) == ("31 Dec 2025", "31 Dec 2026")
    assert "INV-2026-00001" in page.text
    assert "does not fit the date order" in words(browser.get("/invoices?issued_from=12/31/2025"))


def test_the_audit_log_finds_an_object_by_its_number(browser: FlaskClient, acme: UUID) -> None:
    for typed in ("INV-2026-00001", "inv-2026-00001"):
        page = browser.get(f"/audit?object={typed}")
        assert page.status_code == 200
        assert "Billing run started" in words(page)
        assert not has_link(page, "Customer added")
        assert field(page, "object") == typed
    assert "Customer created" in words(browser.get("/audit?object=acme"))
    make_service(code="Hosting")
    text = browser.get("/exports/audit-events.csv?object=Hosting").text
    assert "service.created" in text
    assert "customer.created" not in text


@pytest.mark.both_databases
def test_an_object_is_found_by_what_people_call_it(app: Flask, session: Session, acme: UUID) -> None:
    service = make_service(code="Hosting")
    make_service(code="acme")
    payment = pay(make_payment_spec("acme", "5", reference="R-7"))
    signed_in(app)
    user = fresh(session, select(User))[0]
    for text, id in (
        ("Hosting", service.id),
        ("R-7", payment),
        (user.email, user.id),
        (str(NOBODY), NOBODY),
    ):
        assert find_object(session, text) == id, text
    with pytest.raises(
        Exception, match=f"“acme” matches several objects. Enter one of their IDs: customer {acme}, service "
    ):
        find_object(session, "acme")
    assert find_object(session, "acme", "customer") == acme
    with pytest.raises(Exception, match="No object matches “acme”"):
        find_object(session, "acme", "charge")
