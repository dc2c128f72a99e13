"""The pages of charges."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.models import Charge
from billing_admin.queries.charges import charges as charge_queries
from billing_admin.web.frame import tables
from tests.making import MARCH, all_invoices, bill, change_settings, make_customer, make_service, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, has_link, link, objects, statements, words


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin; ACME in USD, and a service of 2.50 USD."""
    make_customer(reference="acme", name="ACME Inc")
    make_service()
    return signed_in(app)


def stored(session: Session) -> list[Charge]:
    session.rollback()
    return list(session.scalars(select(Charge).order_by(Charge.created_at, Charge.id)))


def add(browser: FlaskClient, **changes: str) -> TestResponse:
    """Fill in the form as it is shown."""
    page = browser.get("/charges/new")
    given = {
        "id": field(page, "id"),
        "customer": "acme",
        "service": "GenericCompute",
        "quantity": "3",
        "day": "2026-03-15",
    }
    return send(browser, "/charges/new", **(given | changes))


# --- adding ----------------------------------------------------------------------------------------------------------


def test_adds_a_charge_at_the_list_price(browser: FlaskClient, session: Session) -> None:
    response = add(browser)
    [charge] = stored(session)
    assert (response.status_code, response.location) == (303, f"/charges/{charge.id}")
    assert (charge.quantity, charge.unit_price, charge.amount) == (Decimal(3), Decimal("2.5"), Decimal("7.5"))
    assert (charge.incurred_on, charge.description, charge.currency) == (MARCH, "GenericCompute", "USD")
    page = browser.get(response.location)
    assert "Charge saved." in words(page)
    assert "Quantity 3" in words(page)
    assert "Exact amount 7.50 USD" in words(page)
    assert "Posted by admin@example.com" in words(page)
    assert "Charge saved." not in words(browser.get(response.location))


def test_takes_a_price_an_amount_a_description_and_another_currency(browser: FlaskClient, session: Session) -> None:
    add(browser, unit_price="$1,234.50", quantity="")
    add(browser, amount="-0.0000008", quantity="", description="Goodwill", service="")
    add(browser, amount="EUR 20", currency="EUR", quantity="", description="In euros", service="")
    assert [(charge.amount, charge.currency, charge.description) for charge in stored(session)] == [
        (Decimal("1234.5"), "USD", "GenericCompute"),
        (Decimal("-0.0000008"), "USD", "Goodwill"),
        (Decimal(20), "EUR", "In euros"),
    ]


def test_form_knows_prices_currencies_and_what_the_address_says(browser: FlaskClient) -> None:
    page = browser.get("/charges/new?customer=acme&day=2026-03-01")
    assert (field(page, "customer"), field(page, "day")) == ("acme", "1 Mar 2026")
    known = (
        "{&#34;GenericCompute&#34;: {&#34;prices&#34;: {&#34;USD&#34;: [[&#34;1970-01-01&#34;, &#34;2.5&#34;, false]]}"
    )
    assert known in page.text
    assert "{&#34;acme&#34;: &#34;USD&#34;}" in page.text


def test_a_customer_is_found_by_words_and_asked_for_when_there_are_several(
    browser: FlaskClient, session: Session
) -> None:
    make_customer(reference="foo", name="Föö Ltd", currency="EUR")
    make_customer(reference="bar", name="Bar Ltd", currency="EUR")
    response = add(browser, customer="ltd")
    assert "Several customers match: Bar Ltd (bar), Föö Ltd (foo). Enter one of the references." in words(response)
    assert field(response, "customer") == "ltd"
    unclear = add(browser, customer=" foo l ", unit_price="1.234,50")
    assert field(unclear, "customer") == "foo"
    assert "&#34;foo&#34;: &#34;EUR&#34;" in unclear.text
    add(browser, customer="foo l", unit_price="7")
    assert [charge.currency for charge in stored(session)] == ["EUR"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"customer": ""}, "Enter a customer reference, or part of the name."),
        ({"customer": "nobody"}, "No customer matches “nobody”."),
        ({"service": "nothing"}, "Choose one from the list."),
        ({"service": "", "quantity": ""}, "Enter a service, or a description with a price."),
        ({"service": "", "description": "Work"}, "Enter a unit price or an amount"),
        ({"unit_price": "1", "amount": "1"}, "Enter a unit price or an amount, not both."),
        ({"quantity": "1 or 2"}, "“1 or 2” is not a number such as 1,234.50."),
        ({"quantity": "1.234,50"}, "can mean 1234.50 or 1.23450: enter 1234.50 or 1.23450."),
        ({"quantity": "NaN"}, "is not a"),
        ({"unit_price": "-0"}, "Enter 0, not −0."),
        ({"quantity": "5 EUR"}, "Remove EUR: a quantity has no currency."),
        ({"unit_price": "EUR 5"}, "Enter the amount in USD: “EUR 5” is in EUR. If you mean 5 USD, enter 5."),
        ({"currency": "EUR"}, "GenericCompute has no price in EUR"),
        (
            {"quantity": "999999999999999999", "unit_price": "999999999999999999"},
            "more than 18 digits before the point",
        ),
        ({"day": ""}, "Enter the day of the charge"),
        ({"day": "2026-02-30"}, "Enter a date such as 2026-11-22."),
        ({"day": "1969-12-31"}, "Use a day between 1970 and 2199."),
        ({"period_from": "2026-03-10"}, "Enter the first and the last day of the period, or leave both blank."),
        ({"period_from": "2026-03-10", "period_to": "2026-03-09"}, "Use 2026-03-10, the first day of the period, or"),
        ({"description": "a\x00b"}, "Remove the control character U+0000 at position 2."),
        ({"id": "x"}, "The form is incomplete. Reload the page and try again."),
    ],
)
def test_says_how_to_mend_it_and_keeps_the_input(
    browser: FlaskClient, session: Session, changes: dict[str, str], sentence: str
) -> None:
    response = add(browser, **changes)
    assert response.status_code == 422
    assert sentence in words(response)
    assert "<title>Error: " in response.text
    assert field(response, "quantity") == changes.get("quantity", "3")
    assert stored(session) == []


def test_a_period_is_shown_on_the_charge_and_on_its_invoice(browser: FlaskClient, session: Session) -> None:
    response = add(browser, period_from="2026-03-10", period_to="2026-03-19")
    assert "Period 10 – 19 Mar 2026" in words(browser.get(response.location))
    post(replace(make_spec("acme", "8.325"), period_from=MARCH, period_to=MARCH, period_of_days=31))
    customer = next(iter(stored(session))).customer_id
    assert "10 – 19 Mar 2026" in words(browser.get(f"/customers/{customer}"))
    bill()
    [invoice] = all_invoices()
    page = words(browser.get(f"/invoices/{invoice.id}"))
    assert "GenericCompute 10 – 19 Mar 2026" in page
    assert "Work 15 Mar 2026 (1 of 31 days)" in page
    assert "Charges of 10 – 19 Mar 2026" in page
    assert "15 Mar 2026</time> (1 of 31 days)" in browser.get(f"/invoices/{invoice.id}").text
    assert "Work 15 Mar 2026 (1 of 31 days)" in words(browser.get(f"/invoices/{invoice.id}/credit"))


def test_sent_twice_it_is_one_charge(browser: FlaskClient, session: Session) -> None:
    id = str(uuid4())
    first, second = add(browser, id=id), add(browser, id=id)
    assert first.location == second.location == f"/charges/{id}"
    assert "It was not added again." in words(browser.get(second.location))
    assert len(stored(session)) == 1


def test_sent_again_with_other_values_it_asks_and_then_adds_a_second(browser: FlaskClient, session: Session) -> None:
    id = str(uuid4())
    add(browser, id=id)
    response = add(browser, id=id, quantity="4")
    assert response.status_code == 422
    assert "already saved with a different quantity. Send it again to add a second charge." in words(response)
    assert add(browser, id=field(response, "id"), quantity="4").status_code == 303
    assert [charge.quantity for charge in stored(session)] == [3, 4]


def test_save_and_add_another_keeps_customer_and_day(browser: FlaskClient) -> None:
    response = add(browser, then="another")
    page = browser.get(response.location)
    assert [field(page, name) for name in ("customer", "day", "quantity")] == ["acme", "15 Mar 2026", ""]
    assert "Last saved: GenericCompute, 15 Mar 2026, 7.50 USD for ACME Inc." in words(page)


def test_a_likely_duplicate_is_named_with_a_link(browser: FlaskClient, session: Session) -> None:
    add(browser)
    second = add(browser)
    first = next(charge for charge in stored(session) if charge.duplicate_of_id is None)
    page = browser.get(second.location)
    assert "Likely duplicate" in words(page)
    assert link(page, "An earlier charge") == f"/charges/{first.id}"
    again = browser.get(add(browser, then="another").location)
    assert "It has the same values as an earlier charge." in words(again)


def test_a_likely_duplicate_is_held_where_the_house_wants_it(browser: FlaskClient) -> None:
    change_settings(hold_likely_duplicates=True)
    add(browser)
    page = browser.get(add(browser).location)
    assert "This charge is held until you keep or cancel it." in words(page)


def test_without_customers_says_what_to_do_first(app: Flask) -> None:
    assert "No customers yet" in words(signed_in(app).get("/charges/new"))


# --- one charge ------------------------------------------------------------------------------------------------------


def test_is_held_released_and_cancelled(browser: FlaskClient, session: Session) -> None:
    at = add(browser).location
    assert "Hold this charge?" in words(browser.get(f"{at}/hold"))
    assert send(browser, f"{at}/hold", reason="Waits for an order").location == at
    assert "Held: Waits for an order" in words(browser.get(at))
    send(browser, f"{at}/hold", reason="Again")
    assert "already has this status" in words(browser.get(at))
    send(browser, f"{at}/release", reason="It came")
    assert "It is pending again." in words(browser.get(at))
    refused = send(browser, f"{at}/cancel", reason=" ")
    assert refused.status_code == 422
    assert "Enter a reason." in words(refused)
    send(browser, f"{at}/cancel", reason="Never ordered")
    page = browser.get(at)
    assert "Cancelled: Never ordered" in words(page)
    assert not has_link(page, "Cancel charge")
    late = send(browser, f"{at}/hold", reason="x")
    assert late.status_code == 422
    assert "“GenericCompute” of 15 Mar 2026 is cancelled. To bill it, add it again." in words(late)


def test_a_billed_charge_names_its_invoice_and_stays(browser: FlaskClient, session: Session) -> None:
    at = add(browser).location
    bill()
    page = browser.get(at)
    assert has_link(page, "INV-2026-00001")
    assert not has_link(page, "Hold")
    assert send(browser, f"{at}/cancel", reason="Too late").status_code == 422


def test_an_unknown_charge_is_not_there(browser: FlaskClient) -> None:
    assert browser.get(f"/charges/{uuid4()}").status_code == 404
    assert browser.get("/charges/x").status_code == 404


# --- the list --------------------------------------------------------------------------------------------------------


def test_empty_list_says_what_belongs_here(app: Flask) -> None:
    page = signed_in(app).get("/charges")
    assert "No charges yet" in words(page)
    assert has_link(page, "Add charge")


def test_filters_chips_and_totals(browser: FlaskClient, session: Session) -> None:
    make_customer(reference="foo", name="Foo Ltd", currency="EUR")
    post(
        make_spec("acme", service="GenericCompute", quantity="2", incurred_on=date(2026, 3, 1)),
        make_spec("acme", "0.0000008"),
        make_spec("acme", "0.0000008"),
        make_spec("foo", "10", incurred_on=date(2026, 4, 1)),
    )
    everything = words(browser.get("/charges"))
    assert "1 charge in EUR 10.00 EUR" in everything
    assert "3 charges in USD 5.00 USD, exactly 5.0000016 USD" in everything
    for query, expected in {
        "customer=acme": "3 charges in USD 5.00 USD, exactly 5.0000016 USD",
        "customer=foo l": "1 charge in EUR 10.00 EUR",
        "service=GenericCompute": "1 charge in USD 5.00 USD",
        "currency=EUR": "1 charge in EUR 10.00 EUR",
        "from=2026-03-02&to=2026-03-31": "2 charges in USD < 0.01 USD, exactly 0.0000016 USD",
        "likely_duplicates=1": "1 charge in USD < 0.01 USD, exactly 0.0000008 USD",
        "status=pending": "3 charges in USD 5.00 USD, exactly 5.0000016 USD",
        "status=pending&currency=EUR": "1 charge in EUR 10.00 EUR",
    }.items():
        page = browser.get(f"/charges?{query}")
        assert expected in words(page), query
        assert has_link(page, "Clear filters"), query
    page = browser.get("/charges?status=held&customer=acme")
    assert "No charges match" in words(page)
    assert link(page, "Remove filter Status: Held") == "/charges?customer=acme"


def test_what_the_url_says_wrongly_is_left_out_or_named(browser: FlaskClient) -> None:
    post(make_spec("acme", "1"))
    page = browser.get("/charges?after=nonsense&_external=1&endpoint=x")
    assert "1 charge in USD 1.00 USD" in words(page)
    assert not has_link(page, "Clear filters")
    for query in ("customer=nobody", "service=nothing", "invoice=INV-1"):
        page = browser.get(f"/charges?{query}")
        assert page.status_code == 200
        assert "There is no" in words(page), query


def test_pages_keep_the_filter_and_show_each_charge_once(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.load_table, "__defaults__", (2,))
    post(*(make_spec("acme", str(number)) for number in range(1, 6)))
    post(make_spec("acme", "99", description="Other", service="GenericCompute"))
    url, seen = "/charges?to=2026-03-31&service=", []
    while True:
        page = browser.get(url)
        assert "6 charges in USD 114.00 USD" in words(page)
        seen += objects(page, "/charges/")
        if not has_link(page, "Next page"):
            break
        url = link(page, "Next page")
        assert "to=2026-03-31" in url
    assert len(set(seen)) == len(seen) == 6
    back = link(page, "First page")
    assert "to=2026-03-31" in back
    assert "after" not in back


def test_too_many_to_add_up_says_so(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charge_queries, "LARGE_RESULT", 1)
    post(make_spec("acme", "1"), make_spec("acme", "2"))
    assert "More than 1 charges." in words(browser.get("/charges"))
    assert "2 charges in USD 3.00 USD" in words(browser.get("/charges?status=pending"))


def test_takes_as_many_statements_for_many_as_for_few(app: Flask, browser: FlaskClient) -> None:
    post(make_spec("acme", "1"))
    with statements(app) as few:
        browser.get("/charges?to=2026-12-31")
    for number in range(9):
        make_customer(reference=f"c{number}")
        post(make_spec(f"c{number}", "1"))
    with statements(app) as many:
        browser.get("/charges?to=2026-12-31")
    assert len(many) == len(few) <= 16


def test_a_viewer_sees_no_buttons_and_writes_nothing(app: Flask, browser: FlaskClient, session: Session) -> None:
    at = add(browser).location
    viewer = signed_in(app, "viewer")
    for url in ("/charges", at):
        page = viewer.get(url)
        assert page.status_code == 200
        assert not has_link(page, "Add charge")
        assert not has_link(page, "Hold")
    for url in ("/charges/new", f"{at}/hold", f"{at}/cancel"):
        refused = send(viewer, url, reason="x")
        assert refused.status_code == 403
        assert "charges:write" in refused.text
    assert [charge.status for charge in stored(session)] == ["pending"]
