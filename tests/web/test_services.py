"""Services: list, page, new, edit with the price grid, archive."""

import re
from decimal import Decimal
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.days import LAST_DAY
from billing_admin.domain.money import UNITS_OF_ACCOUNT
from billing_admin.domain.prices import prices_on
from billing_admin.models import Charge, Service
from billing_admin.operations.charges import charges
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import services as operations
from tests.clocks import stopped_clock
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    make_customer,
    make_service,
    make_spec,
    make_tax_rate,
    post,
)
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, hidden, link, words
from tests.web.reading import fresh, queries_of

clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def stored(session: Session) -> list[Service]:
    return fresh(session, select(Service).order_by(Service.code))


def prices(service: Service) -> dict[str, Decimal | None]:
    return {currency: price.unit_price for currency, price in prices_on(LAST_DAY, service.prices).items()}


def grid(*rows: tuple[str, str]) -> dict[str, str]:
    """The price grid as a browser sends it, with a blank row at its end."""
    return {
        f"prices-{index}-{name}": value
        for index, row in enumerate([*rows, ("", "")])
        for name, value in zip(("currency", "unit_price"), row, strict=True)
    }


def add(client: FlaskClient, *rows: tuple[str, str], **changed: str) -> TestResponse:
    sent = {"id": str(uuid4()), "code": "Compute", "tax_rate": "none"} | grid(*rows) | changed
    return send(client, "/services/new", **sent)


# --- the list and the page -----------------------------------------------------------------------------------------


def test_empty_list(app: Flask, admin: FlaskClient) -> None:
    assert "No services yet" in words(admin.get("/services").text)
    text = signed_in(app, "viewer").get("/services").text
    assert "/services/new" not in text


@pytest.mark.parametrize(("typed", "code"), [("hur", "HUR"), ("hour", "HUR"), ("GiB", "E62"), ("E34", "E34"), ("", "")])
def test_a_unit_code_is_typed_as_code_or_name(admin: FlaskClient, session: Session, typed: str, code: str) -> None:
    assert add(admin, unit_code=typed).status_code == 303
    assert stored(session)[0].unit_code == code


def test_an_unknown_unit_code_is_refused_at_its_field(admin: FlaskClient, session: Session) -> None:
    response = add(admin, unit_code="qt")
    assert response.status_code == 422
    assert "“QT” is not a unit code of UN/ECE recommendation 20 or 21. Use QTR or QTL or QTI" in words(response.text)
    assert 'value="qt"' in response.text
    assert '<option value="HUR">hour</option>' in response.text
    assert stored(session) == []


@pytest.mark.parametrize(
    ("unit", "code", "text"),
    [
        ("hour", "", "C62 (one), because no code is set. For hour, use HUR (hour)."),
        ("GB", "GB", "GB (gallon (US) per day). For GB, use E34 (gigabyte)."),
        ("hour", "HUR", "HUR (hour)"),
    ],
)
def test_the_page_names_the_unit_of_e_invoices(
    session: Session, admin: FlaskClient, unit: str, code: str, text: str
) -> None:
    service = make_service(unit=unit, unit_code=code)
    assert f"Unit code {text} Tax rate" in words(admin.get(f"/services/{service.id}").text)


def test_list_shows_prices_rate_and_use(admin: FlaskClient, session: Session) -> None:
    make_tax_rate("vat", "19")
    service = make_service(code="IP", name="Address", unit="day", tax_rate="vat", prices={"USD": Decimal("0.40")})
    post(make_spec(make_customer(), service=service, quantity="2"))
    response = admin.get("/services")
    assert "IP Address day 0.40 USD vat (19 %) 1 charge" in words(response.text)
    assert "/charges?service=IP" in response.text
    assert "1 service. By code." in words(response.text)


def test_list_is_searched_and_filtered(admin: FlaskClient, session: Session) -> None:
    make_service(code="One", name="Größe")
    old = make_service(code="Two")
    transaction(operations.archive, old.id, SYSTEM, NOW)

    def codes(query: str) -> list[str]:
        text = words(admin.get(f"/services?{query}").text)
        return [code for code in ("One", "Two") if f"{code} " in text]

    assert [codes(q) for q in ("", "q=grosse", "show=archived", "show=all")] == [
        ["One"],
        ["One"],
        ["Two"],
        ["One", "Two"],
    ]
    assert "No services match" in words(admin.get("/services?q=nothing").text)


def test_use_counts_billed_and_unbilled_charges_once(admin: FlaskClient, session: Session) -> None:
    service, customer = make_service(), make_customer()

    def used() -> str:
        return next(f for f in ("No charges", "1 charge", "2 charges") if f"Used by {f}" in page())

    def page() -> str:
        return words(admin.get(f"/services/{service.id}").text)

    assert used() == "No charges"
    _, second = post(make_spec(customer, service=service), make_spec(customer, service=service, quantity="2")).ids
    assert used() == "2 charges"
    bill(issue=False)
    assert used() == "2 charges"
    transaction(invoices.discard, all_invoices()[0].id, SYSTEM, NOW)
    assert used() == "2 charges"
    transaction(charges.cancel, [second], "twice", SYSTEM, NOW)
    assert used() == "1 charge"


def test_list_takes_the_same_queries_for_5_and_50(app: Flask, admin: FlaskClient, session: Session) -> None:
    counts, customer = [], make_customer()
    for number in range(50):
        post(make_spec(customer, service=make_service(code=f"S{number}")))
        if number in {4, 49}:
            counts.append(queries_of(app, admin, "/services"))
    assert counts[0] == counts[1] < 15


def test_page_of_nothing(admin: FlaskClient) -> None:
    for path in ("", "/edit"):
        assert admin.get(f"/services/{uuid4()}{path}").status_code == 404
    for action in ("edit", "archive", "restore"):
        assert send(admin, f"/services/{uuid4()}/{action}").status_code == 404


# --- new -----------------------------------------------------------------------------------------------------------


def test_adds_with_prices(admin: FlaskClient, session: Session) -> None:
    response = add(admin, ("USD", "0.0000008"), ("EUR", "1,234.50"), ("", "BHD 2"), unit="hour", line_per_charge="y")
    (service,) = stored(session)
    assert (response.status_code, response.location) == (303, f"/services/{service.id}")
    assert prices(service) == {"BHD": Decimal(2), "EUR": Decimal("1234.50"), "USD": Decimal("0.0000008")}
    assert (service.name, service.unit, service.line_per_charge) == ("Compute", "hour", True)
    assert "Compute was added." in admin.get(response.location).text


def test_new_form_shows_three_blank_rows(admin: FlaskClient) -> None:
    text = admin.get("/services/new").text
    assert [f"prices-{row}-unit_price" in text for row in range(4)] == [True, True, True, False]
    assert "Changed prices apply to charges from today on." in words(text)


def test_double_submit_adds_one(admin: FlaskClient, session: Session) -> None:
    id = str(uuid4())
    first, second = (add(admin, ("USD", "2.50"), id=id) for _ in range(2))
    assert (second.status_code, second.location) == (303, first.location)
    assert len(stored(session)) == 1


@pytest.mark.parametrize(
    ("rows", "changed", "sentence"),
    [
        ([], {"code": ""}, "Enter a code, such as GenericCompute."),
        ([], {"code": "TAKEN"}, "Code TAKEN belongs to another service."),
        ([], {"tax_rate": "nothing"}, "Choose one from the list."),
        ([("USD", "")], {}, "Enter the unit price in USD, or clear the currency."),
        ([("", "2")], {}, "Choose the currency of this price."),
        ([("XXX", "2")], {}, "Choose one from the list."),
        ([("USD", "-2")], {}, "Enter a price of zero or more."),
        ([("USD", "1.234,50")], {}, "can mean 1234.50 or 1.23450: enter 1234.50 or 1.23450."),
        ([("USD", "12 3x")], {}, "“12 3x” is not a number such as 1,234.50."),
        ([("USD", "EUR 2")], {}, "Enter the amount in USD: “EUR 2” is in EUR. If you mean 2 USD, enter 2."),
        ([("USD", "2"), ("USD", "3")], {}, "There is another price in USD above. Remove one of them."),
    ],
)
def test_refusals_stand_at_their_field(
    admin: FlaskClient, session: Session, rows: list[tuple[str, str]], changed: dict[str, str], sentence: str
) -> None:
    make_service(code="TAKEN")
    response = add(admin, *rows, **({"unit": "kept"} | changed))
    assert response.status_code == 422
    assert "Error: New service" in response.text
    assert response.text.count(sentence) == 2  # in the summary and at the field
    assert "{" not in words(response.text)
    assert "kept" in response.text
    for _, typed in rows:
        assert f'value="{typed}"' in response.text
    assert len(stored(session)) == 1


# --- edit ----------------------------------------------------------------------------------------------------------


def test_edit_changes_prices_and_no_charge(admin: FlaskClient, session: Session) -> None:
    service = make_service(prices={"USD": Decimal("2.50"), "EUR": Decimal(2)})
    post(make_spec(make_customer(), service=service, quantity="3"))
    page = admin.get(f"/services/{service.id}/edit").text
    assert "Used by 1 charge" in words(page)
    assert [f"prices-{row}-unit_price" in page for row in range(6)] == [True] * 5 + [False]
    sent = {"code": "New", "name": "Name", "tax_rate": "none", "version": hidden(page, "version")}
    response = send(admin, f"/services/{service.id}/edit", **sent, **grid(("USD", "9"), ("JPY", "300")))
    assert response.status_code == 303
    (now,) = stored(session)
    assert (now.code, now.name, prices(now)) == ("New", "Name", {"JPY": Decimal(300), "USD": Decimal(9)})
    (charge,) = fresh(session, select(Charge))
    assert charge.amount == Decimal("7.5")
    assert "New prices apply to charges from today on." in admin.get(response.location).text


def test_stale_edit_shows_both_values_and_can_be_sent_again(admin: FlaskClient, session: Session) -> None:
    service = make_service(code="A", prices={"USD": Decimal("2.50")})
    transaction(operations.update, service.id, {"prices": {"USD": Decimal(3)}}, None, SYSTEM, NOW)
    sent = {"code": "A", "name": "A", "tax_rate": "none", "version": "1"} | grid(("USD", "4"))
    response = send(admin, f"/services/{service.id}/edit", **sent)
    assert response.status_code == 422
    assert "A has been changed since you opened the form. Review the change, then try again." in response.text
    assert "Prices USD 3.00 USD 4.00" in words(response.text)
    assert prices(stored(session)[0]) == {"USD": Decimal(3)}
    sent["version"] = hidden(response.text, "version")
    assert send(admin, f"/services/{service.id}/edit", **sent).status_code == 303
    assert prices(stored(session)[0]) == {"USD": Decimal(4)}


def test_edit_refuses_a_taken_code(admin: FlaskClient, session: Session) -> None:
    make_service(code="TAKEN")
    service = make_service(code="A")
    sent = {"code": "TAKEN", "name": "A", "tax_rate": "none", "version": "1"} | grid()
    response = send(admin, f"/services/{service.id}/edit", **sent)
    assert response.status_code == 422
    assert "TAKEN is already the code of TAKEN." in response.text


# --- archive -------------------------------------------------------------------------------------------------------


def test_archives_and_restores(admin: FlaskClient, session: Session) -> None:
    service = make_service()
    for _ in range(2):
        assert send(admin, f"/services/{service.id}/archive").status_code == 303
    page = admin.get(f"/services/{service.id}").text
    assert "was archived. You can no longer add charges for it." in page
    assert "/charges/new" not in page
    assert stored(session)[0].archived_at is not None
    for _ in range(2):
        assert send(admin, f"/services/{service.id}/restore").status_code == 303
    assert stored(session)[0].archived_at is None


def test_viewer_reads_and_writes_nothing(app: Flask, session: Session) -> None:
    viewer, service = signed_in(app, "viewer"), make_service()
    page = viewer.get(f"/services/{service.id}").text
    for path in ("/services/new", *(f"/services/{service.id}/{verb}" for verb in ("edit", "archive", "restore"))):
        assert path not in page
        response = send(viewer, path, code="X")
        assert response.status_code == 403
        assert "catalogue:write" in response.text
    assert [one.code for one in stored(session)] == ["GenericCompute"]


# --- prices from a day on ---------------------------------------------------------------------------------------------


def set_price(admin: FlaskClient, at: str, **fields: str) -> TestResponse:
    """Fill in the page to set a price as it is shown."""
    page = admin.get(f"{at}/prices/new").text
    given = {"currency": "USD", "unit_price": "3.00", "valid_from": "2027-01-01", "version": hidden(page, "version")}
    return send(admin, f"{at}/prices/new", **(given | fields))


def test_a_price_is_planned_shown_with_its_history_and_removed(admin: FlaskClient, session: Session) -> None:
    at = f"/services/{make_service().id}"
    saved = set_price(admin, at)
    assert (saved.status_code, saved.location) == (303, at)
    page = words(admin.get(at).text)
    assert "The price in USD from 1 Jan 2027 was saved." in page
    assert "USD Start 2.50 USD Current" in page
    assert "USD 1 Jan 2027 3.00 USD Future" in page
    asked = admin.get(link(admin.get(at), "Remove the price in USD from 1 Jan 2027"))
    assert "Remove the price in USD from 1 Jan 2027?" in words(asked)
    fields = {name: field(asked, name) for name in ("currency", "valid_from")}
    removed = send(admin, f"{at}/prices/remove", **fields)
    assert "The price in USD from 1 Jan 2027 was removed." in admin.get(removed.location).text
    assert prices(stored(session)[0]) == {"USD": Decimal("2.5")}


def test_an_edited_price_begins_today_and_the_earlier_one_stays(admin: FlaskClient, session: Session) -> None:
    service = make_service()
    sent = {"code": service.code, "name": service.name, "tax_rate": "none", "version": "1"} | grid(("USD", "4"))
    response = send(admin, f"/services/{service.id}/edit", **sent)
    page = words(admin.get(response.location).text)
    assert "USD Start 2.50 USD Past" in page
    assert f"USD {NOW.day} {NOW:%b %Y} 4.00 USD Current" in page
    assert "4.00 USD" in words(admin.get("/services").text)
    assert "2.50 USD" not in words(admin.get("/services").text)


def test_an_edit_of_a_used_price_of_today_says_to_use_a_later_day(admin: FlaskClient, session: Session) -> None:
    service = make_service()
    set_price(admin, f"/services/{service.id}", valid_from=f"{NOW:%Y-%m-%d}")
    post(make_spec(make_customer(), None, service=service, incurred_on=NOW.date()))
    sent = {"code": service.code, "name": service.name, "tax_rate": "none", "version": "2"} | grid(("USD", "4"))
    refused = send(admin, f"/services/{service.id}/edit", **sent)
    assert (refused.status_code, "Set the new price from a later day" in words(refused.text)) == (422, True)
    assert 'value="4"' in refused.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"currency": ""}, "Choose the currency of the price."),
        ({"unit_price": ""}, "Enter the price of one unit, such as 2.50."),
        ({"unit_price": "-1"}, "Enter a price of zero or more."),
        ({"valid_from": ""}, "Enter the first day of the price, such as 2027-01-01."),
        ({"valid_from": "1969-12-31"}, "Use a day between 1970 and 2199."),
        ({"valid_from": "1970-01-01"}, "Charges use the price of GenericCompute in USD from 1 Jan 1970."),
        ({"version": "7"}, "GenericCompute has been changed since you opened the form."),
    ],
)
def test_a_wrong_price_is_refused_and_kept(
    admin: FlaskClient, session: Session, fields: dict[str, str], sentence: str
) -> None:
    service = make_service()
    post(make_spec(make_customer(), service=service))
    refused = set_price(admin, f"/services/{service.id}", includes_tax="y", **fields)
    assert (refused.status_code, sentence in refused.text) == (422, True)
    assert "checked" in refused.text
    assert prices(stored(session)[0]) == {"USD": Decimal("2.5")}


def test_the_page_to_correct_a_price_is_filled_with_it(admin: FlaskClient, session: Session) -> None:
    at = f"/services/{make_service(prices={'USD': Decimal(2), 'EUR': Decimal(7)}).id}"
    page = admin.get(f"{at}/prices/new?currency=USD&day=1970-01-01").text
    assert 'value="2.00"' in page
    assert 'value="1 Jan 1970"' in page


def test_a_new_service_begins_with_the_base_currency(app: Flask, session: Session) -> None:
    """A price is not needed, and the list of currencies begins with those in use."""
    change_settings(base_currency="CHF")
    make_customer(currency="SEK")
    admin = signed_in(app)
    page = admin.get("/services/new").text
    first = page.partition('name="prices-0-currency"')[2].partition("</select>")[0]
    assert '<option selected value="CHF">' in first
    codes = re.findall(r'value="([A-Z]*)"', first)
    assert codes[:5] == ["", "CHF", "SEK", "EUR", "USD"]
    assert "AED" in codes
    assert not UNITS_OF_ACCOUNT & set(codes)
    second = page.partition('name="prices-1-currency"')[2].partition("</select>")[0]
    assert '<option selected value="CHF">' not in second
    fields = {"code": "PLAIN", "tax_rate": "none", "id": hidden(page, "id"), "prices-0-currency": "CHF"}
    assert send(admin, "/services/new", **fields, **{"prices-0-unit_price": ""}).status_code == 303
    session.rollback()
    assert session.scalars(select(Service)).one().prices == []
