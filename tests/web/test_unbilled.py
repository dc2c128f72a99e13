"""The review of what is unbilled."""

import re
from datetime import date
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Charge, Customer
from billing_admin.operations.charges import charges
from billing_admin.queries.charges import unbilled
from tests.making import NOW, bill, make_customer, make_service, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, link, statements, words


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    return make_customer(reference="acme", name="ACME Inc")


@pytest.fixture
@prepared
def browser(app: Flask, acme: Customer) -> FlaskClient:
    return signed_in(app)


def statuses(session: Session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(Charge.status).order_by(Charge.incurred_on, Charge.id)))


def account(customer: Customer, currency: str = "USD") -> str:
    return f"/unbilled/{customer.id}/{currency}"


def test_nothing_to_bill(browser: FlaskClient) -> None:
    assert "Nothing to bill Charges are listed here" in words(browser.get("/unbilled"))
    assert "Nothing to bill up to 30 Nov 2026" in words(browser.get("/unbilled?through=2026-11-30"))
    assert "No unbilled charges match" in words(browser.get("/unbilled?q=nobody"))


@time_machine.travel(NOW, tick=False)
def test_customers_with_held_charges_only_are_not_counted(app: Flask, acme: Customer, session: Session) -> None:
    browser, foo = signed_in(app), make_customer(reference="foo")
    post(make_spec(acme, "7"))
    (held,) = post(make_spec(foo, "9")).ids
    transaction(charges.hold, [held], "Unclear", SYSTEM, NOW)
    for query, words_of_figure in (("", "1 charge"), ("?through=2026-04-02", "1 pending charge")):
        assert f"{words_of_figure} of 1 customer, plus 1 held" in words(browser.get(f"/unbilled{query}"))


@time_machine.travel(NOW, tick=False)
def test_shows_amounts_ages_and_totals(app: Flask, acme: Customer, session: Session) -> None:
    browser = signed_in(app)
    foo = make_customer(reference="foo", name="Foo Ltd", currency="EUR")
    days = {
        "1": date(2026, 4, 2),
        "20": date(2026, 3, 3),
        "300.0000008": date(2026, 3, 2),
        "4000": date(2026, 2, 1),
        "50000": date(2025, 1, 1),
    }
    post(*(make_spec(acme, amount, incurred_on=day) for amount, day in days.items()))
    post(make_spec(foo, "7", incurred_on=date(2026, 5, 1)), make_spec(foo, "9"))
    held = session.scalars(select(Charge.id).where(Charge.amount == 9)).one()
    transaction(charges.hold, [held], "", SYSTEM, NOW)
    page = words(browser.get("/unbilled"))
    assert "Pending in USD 54,321.00 USD, exactly 54,321.0000008 USD 5 charges of 1 customer" in page
    assert "Pending in EUR 7.00 EUR 1 charge of 1 customer, plus 1 held" in page
    assert "ACME Inc 5 – none 54,321.00 USD, exactly 54,321.0000008 USD" in page
    assert "USD 21.00 4,300.00, exactly 4,300.0000008 USD – none 50,000.00 1 Jan 2025" in page
    assert "Foo Ltd 1 1 7.00 EUR 7.00 – none – none – none 15 Mar 2026" in page
    page = words(browser.get("/unbilled?through=2026-03-31"))
    assert "Due up to 31 Mar 2026 in USD 54,320.00 USD, exactly 54,320.0000008 USD 4 pending charges" in page
    assert "Foo Ltd 0 1 – none – none – none – none – none 15 Mar 2026" in page
    assert "ACME Inc 4 – none 54,320.00 USD, exactly 54,320.0000008 USD" in page
    assert "USD 320.00, exactly 320.0000008 USD 4,000.00 – none 50,000.00 1 Jan 2025" in page
    assert "Foo Ltd" not in words(browser.get("/unbilled?currency=USD"))
    assert "Pending in USD" not in words(browser.get("/unbilled?q=FOO"))


def test_both_lists_have_the_same_figures_of_a_customer(browser: FlaskClient, acme: Customer, session: Session) -> None:
    """One list added held charges to the sum, the other did not."""
    ids = post(make_spec(acme, "10"), make_spec(acme, "20"), make_spec(acme, "400")).ids
    transaction(charges.hold, [ids[2]], "", SYSTEM, NOW)
    assert "ACME Inc 2 1 30.00 USD" in words(browser.get("/unbilled"))
    page = browser.get("/unbilled/charges?currency=USD")
    assert "ACME Inc 2 pending charges, 1 held 30.00 USD 400.00 USD held" in words(page)
    assert link(page, "Run billing") == "/billing-runs/new?currency=USD"


def test_totals_equal_those_kept(browser: FlaskClient, acme: Customer, session: Session) -> None:
    post(make_spec(acme, "0.1"), make_spec(acme, "0.2"))
    bill()
    post(make_spec(acme, "0.7"))
    [kept] = unbilled.unbilled_totals(session)
    assert f"Pending in USD {kept.pending_amount.normalize()}0 USD" in words(browser.get("/unbilled"))
    assert f"1 charge in USD {kept.pending_amount.normalize()}0 USD" in words(browser.get("/charges?status=pending"))


def test_opens_an_account_oldest_first(browser: FlaskClient, acme: Customer) -> None:
    post(make_spec(acme, "2", incurred_on=date(2026, 3, 9)), make_spec(acme, "1", incurred_on=date(2026, 3, 1)))
    at = link(browser.get("/unbilled?through=2026-03-31"), "ACME Inc")
    assert at == f"{account(acme)}?through=2026-03-31"
    page = words(browser.get(at))
    assert page.index("1 Mar 2026") < page.index("9 Mar 2026")
    assert "2 pending 3.00 USD" in page
    assert "1 pending 1.00 USD" in words(browser.get(f"{account(acme)}?through=2026-03-05"))
    assert "Nothing to bill up to 1 Jan 2026" in words(browser.get(f"{account(acme)}?through=2026-01-01"))
    assert browser.get(f"/unbilled/{acme.id}/XXX").status_code == 404
    assert browser.get("/unbilled/00000000-0000-0000-0000-000000000001/USD").status_code == 404


FILTERS = {
    "q=foo": {"Foo 1", "Foo 2"},
    "currency=USD": {"ACME 1", "ACME 40", "ACME 400"},
    "status=held": {"Foo 2"},
    "status=pending&currency=EUR": {"Foo 1"},
    "through=2026-01-31": {"ACME 400", "Foo 1", "Foo 2"},
    "age=0_30": {"ACME 1"},
    "age=31_60": {"ACME 40"},
    "age=61_90": {"Foo 1"},
    "age=over_90": {"ACME 400", "Foo 2"},
    "min=40": {"ACME 40", "ACME 400"},
    "min=40.000000000001": {"ACME 400"},
    "max=1.000000000000": {"ACME 1", "Foo 1"},
    "max=0.999999999999": set(),
    "min=2&max=40": {"ACME 40", "Foo 2"},
    "service=hosting": {"ACME 400"},
    "service=unknown": set(),
    "likely_duplicates=1": {"ACME 1"},
}
ROWS = ("ACME 1", "ACME 40", "ACME 400", "Foo 1", "Foo 2")


@time_machine.travel(NOW, tick=False)
def test_each_filter_has_the_same_charges_on_all_pages(app: Flask, acme: Customer, session: Session) -> None:
    """Both lists and the page of an account agree with what is expected."""
    foo = make_customer(reference="foo", name="Foo Ltd", currency="EUR")
    make_service(code="hosting", prices={"USD": Decimal(1)})
    post(
        make_spec(acme, "1", description="ACME 1", incurred_on=date(2026, 3, 3)),
        make_spec(acme, "40", description="ACME 40", incurred_on=date(2026, 3, 2)),
        make_spec(acme, "400", description="ACME 400", incurred_on=date(2026, 1, 1), service="hosting"),
        make_spec(foo, "1", description="Foo 1", incurred_on=date(2026, 1, 5)),
        make_spec(foo, "2", description="Foo 2", incurred_on=date(2025, 6, 1)),
    )
    held = session.scalars(select(Charge.id).where(Charge.description == "Foo 2")).one()
    transaction(charges.hold, [held], "", SYSTEM, NOW)
    post(make_spec(acme, "1", description="ACME 1", incurred_on=date(2026, 3, 3)))  # a likely duplicate
    browser = signed_in(app)
    for query, expected in FILTERS.items():
        assert _listed(browser, f"/unbilled/charges?{query}") == expected, query
        accounts = browser.get(f"/unbilled?{query}")
        assert has_link(accounts, "ACME Inc") is any(row.startswith("ACME") for row in expected), query
        assert has_link(accounts, "Foo Ltd") is any(row.startswith("Foo") for row in expected), query
        if not re.search("q=|currency=", query):  # they select accounts
            of_account = {row for row in expected if row.startswith("ACME")}
            assert _listed(browser, f"{account(acme)}?{query}") == of_account, query


def _listed(browser: FlaskClient, url: str) -> set[str]:
    """Return the charges that a page lists, by their descriptions."""
    text = words(browser.get(url))
    return {row for row in ROWS if f" {row} " in text}


def test_amounts_of_filters_are_read_as_the_organisation_writes_them(browser: FlaskClient, acme: Customer) -> None:
    post(make_spec(acme, "1234.5"))
    assert "ACME Inc" in words(browser.get("/unbilled/charges?min=1,234.50&max=1,234.50"))
    page = browser.get("/unbilled/charges?min=much")
    assert page.status_code == 422
    assert "much" in words(page)


def test_next_and_previous_customer_follow_the_list(browser: FlaskClient, acme: Customer, session: Session) -> None:
    for name, currency in (("Zeta", "USD"), ("Beta", "EUR"), ("Beta two", "USD")):
        post(make_spec(make_customer(reference=name.lower(), name=name, currency=currency), "1"))
    post(make_spec(acme, "1"), make_spec(acme, "1", currency="EUR"))
    at = link(browser.get("/unbilled?through=2026-12-31"), "ACME Inc")
    names = []
    while True:
        page = browser.get(at)
        names.append(" in ".join(re.findall(r"^(.*?) Unbilled charges in (...)", words(page))[0]))
        assert "through=2026-12-31" in at
        if not has_link(page, "Next customer"):
            break
        assert link(browser.get(link(page, "Next customer")), "Previous customer") == at
        at = link(page, "Next customer")
    assert names == ["ACME Inc in EUR", "ACME Inc in USD", "Beta in EUR", "Beta two in USD", "Zeta in USD"]
    euro = browser.get(link(browser.get("/unbilled?currency=EUR"), "ACME Inc"))
    assert words(browser.get(link(euro, "Next customer"))).startswith("Beta Unbilled charges in EUR")
    ids = session.scalars(select(Charge.id).where(Charge.customer_id == acme.id)).all()
    transaction(charges.cancel, ids, "x", SYSTEM, NOW)
    assert words(browser.get(link(browser.get(account(acme)), "Next customer"))).startswith("Beta Unbilled")


def test_bill_this_customer_previews_only_that_one(browser: FlaskClient, acme: Customer) -> None:
    post(make_spec(acme, "1"), make_spec(make_customer(reference="foo", name="Foo Ltd"), "1"))
    at = link(browser.get(f"{account(acme)}?through=2026-03-31"), "Bill this customer")
    assert parse_qs(urlsplit(at).query) == {"through": ["2026-03-31"], "customer": ["acme"], "currency": ["USD"]}
    page = words(browser.get(at))
    assert "Issue 1 invoice, 1.00 USD" in page
    assert "Foo Ltd" not in page


def test_takes_as_many_statements_for_many_as_for_few(app: Flask, browser: FlaskClient, acme: Customer) -> None:
    post(make_spec(acme, "1"))
    with statements(app) as few:
        browser.get("/unbilled?through=2026-03-31")
    for number in range(9):
        post(make_spec(make_customer(reference=f"c{number}"), "1"))
    with statements(app) as many:
        browser.get("/unbilled?through=2026-03-31")
    assert len(many) == len(few) <= 17  # incomplete data, services and saved views are read as well


def test_a_viewer_looks_and_moves_nothing(app: Flask, acme: Customer, session: Session) -> None:
    ids = post(make_spec(acme, "1")).ids
    viewer = signed_in(app, "viewer")
    page = viewer.get(account(acme))
    assert page.status_code == 200
    assert "Hold" not in words(page).replace("Held", "")
    assert not has_link(page, "Bill this customer")
    assert send(viewer, f"{account(acme)}/hold", id=ids).status_code == 403
    assert send(viewer, "/unbilled/hold", id=ids).status_code == 403
    assert statuses(session) == ["pending"]
