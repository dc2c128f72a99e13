"""The pages of recurring charges."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.money import plain_decimal
from billing_admin.models import Charge, RecurringCharge
from billing_admin.operations.master_data import services
from tests.making import NOW, make_customer, make_service
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import day_field, field, has_link, link, statements, words

AT = "/recurring-charges"


@pytest.fixture(autouse=True)
def april(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 2 April 2026."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    """An admin; ACME in USD, and a service of 31 USD."""
    make_customer(reference="acme", name="ACME Inc")
    make_service(code="Hosting", prices={"USD": Decimal(31)})
    return signed_in(app)


def stored(session: Session) -> list[RecurringCharge]:
    session.rollback()
    query = select(RecurringCharge).order_by(RecurringCharge.starts_on, RecurringCharge.id)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def charges(session: Session) -> list[str]:
    session.rollback()
    rows = session.scalars(select(Charge).order_by(Charge.incurred_on))
    return [f"{row.incurred_on} {plain_decimal(row.amount)}" for row in rows]


def add(browser: FlaskClient, **changes: str) -> TestResponse:
    """Fill in the form as it is shown."""
    given = {
        "id": field(browser.get(f"{AT}/new"), "id"),
        "customer": "ACME inc",
        "service": "Hosting",
        "interval": "monthly",
        "starts_on": "2026-03-01",
    }
    return send(browser, f"{AT}/new", **(given | changes))


def test_the_empty_list_says_what_belongs_here(browser: FlaskClient) -> None:
    page = browser.get(AT)
    assert "No recurring charges yet" in words(page)
    assert link(page, "Add recurring charge") == f"{AT}/new"


def test_it_is_added_and_shows_what_comes(browser: FlaskClient, session: Session) -> None:
    response = add(browser, quantity="2", ends_on="2026-05-10")
    [row] = stored(session)
    assert (response.status_code, response.location) == (303, f"{AT}/{row.id}")
    page = words(browser.get(response.location))
    assert "Recurring charge saved." in page
    assert "List price on the day of each charge" in page
    for coming in ("62.00 USD", "With the next billing run", "1 – 10 May 2026 (10 of 31 days)", "20.00 USD"):
        assert coming in page, coming
    assert "ACME Inc" in words(browser.get(AT))
    assert "Hosting Every month" in words(browser.get(f"/customers/{row.customer_id}/recurring"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"customer": ""}, "Enter a customer"),
        ({"service": ""}, "There is no service"),
        ({"interval": "daily"}, "Choose one from the list."),
        ({"interval_count": "121"}, "Use a number from 1 to 120: a period has at most 10 years."),
        ({"interval_count": "1.5"}, "Enter a whole number such as 30."),
        ({"timing": "later"}, "Choose one from the list."),
        ({"quantity": "0"}, "Use a quantity other than zero."),
        ({"unit_price": "EUR 5"}, "Enter the amount in USD"),
        ({"currency": "EUR"}, "has no price in EUR"),
        ({"starts_on": ""}, "Enter the first day"),
        ({"ends_on": "2026-02-28"}, "Enter a last day that is not before the first day."),
    ],
)
def test_it_says_how_to_mend_it_and_keeps_the_input(
    browser: FlaskClient, session: Session, changes: dict[str, str], sentence: str
) -> None:
    response = add(browser, **changes)
    assert response.status_code == 422
    assert sentence in words(response)
    assert stored(session) == []


def test_sent_twice_it_is_stored_once(browser: FlaskClient, session: Session) -> None:
    id = str(uuid4())
    first, second = add(browser, id=id), add(browser, id=id)
    assert first.location == second.location
    assert "It was not added again." in words(browser.get(second.location))
    assert len(stored(session)) == 1


def test_what_is_due_is_posted_at_once_if_wanted(browser: FlaskClient, session: Session) -> None:
    at = add(browser).location
    assert "Post 2 charges now" in words(browser.get(at))
    page = browser.get(send(browser, f"{at}/post").location)
    assert "2 charges posted." in words(page)
    assert charges(session) == ["2026-03-01 31", "2026-04-01 31"]
    charge = browser.get(link(page, "1 – 31 Mar 2026"))
    assert link(charge, "Show the recurring charge") == at
    assert "No charges were due." in words(browser.get(send(browser, f"{at}/post").location))


def test_what_cannot_be_posted_says_why(browser: FlaskClient, session: Session) -> None:
    at = add(browser).location
    transaction(services.archive, stored(session)[0].service_id, SYSTEM, NOW)
    response = send(browser, f"{at}/post")
    assert (response.status_code, "restore it first" in words(response)) == (422, True)


def test_it_pauses_and_goes_on(browser: FlaskClient, session: Session) -> None:
    at = add(browser).location
    assert "Pause this recurring charge?" in words(browser.get(f"{at}/pause"))
    page = browser.get(send(browser, f"{at}/pause", reason="Disputed").location)
    assert "Periods that begin on 2 Apr 2026 or later are not posted, even if you resume later." in words(page)
    assert "This recurring charge is paused." in words(page)
    assert has_link(browser.get(f"{AT}?status=paused"), "Hosting")
    page = browser.get(send(browser, link(page, "Resume"), reason="").location)
    assert "Recurring charge resumed." in words(page)
    assert [row.paused_on for row in stored(session)] == [None]


def test_it_ends(browser: FlaskClient, session: Session) -> None:
    at = add(browser).location
    send(browser, f"{at}/post")
    assert day_field(browser.get(f"{at}/end"), "ends_on") == "2026-04-30"
    early = send(browser, f"{at}/end", ends_on="2026-02-01", reason="Gave notice")
    assert (early.status_code, "the first day of this recurring charge, or a later day" in words(early)) == (422, True)
    page = browser.get(send(browser, f"{at}/end", ends_on="2026-04-01", reason="Gave notice").location)
    assert "Ended" in words(page)
    assert "taken back" in words(page)
    assert not has_link(page, "Change")
    late = send(browser, f"{at}/pause", reason="")
    assert (late.status_code, "ended on 2026-04-01" in words(late)) == (422, True)


def test_the_end_that_is_offered_is_one_that_can_be(browser: FlaskClient) -> None:
    for starts_on, offered in (("2026-03-20", "2026-04-02"), ("2026-05-01", "2026-05-01")):
        at = add(browser, starts_on=starts_on).location
        assert day_field(browser.get(f"{at}/end"), "ends_on") == offered
        assert send(browser, f"{at}/end", ends_on=offered, reason="").status_code == 303


def change(browser: FlaskClient, at: str, **changes: str) -> TestResponse:
    """Fill in the form as it is shown."""
    page = browser.get(f"{at}/change")
    names = ("id", "quantity", "unit_price", "ends_on", "anchor_on", "description")
    given = {name: field(page, name) for name in names} | {"service": "Hosting", "interval": "monthly"}
    return send(browser, f"{at}/change", **(given | changes))


def test_it_changes_from_a_day(browser: FlaskClient, session: Session) -> None:
    at = add(browser).location
    unchanged = change(browser, at, **{"from": "2026-04-16"})
    assert (unchanged.status_code, "Change at least one field" in words(unchanged)) == (422, True)
    response = change(browser, at, **{"from": "2026-04-16"}, quantity="3")
    page = browser.get(response.location)
    assert link(page, "An earlier recurring charge") == at
    old = browser.get(at)
    assert "The terms changed after 15 Apr 2026" in words(old)
    assert link(old, "next recurring charge") == response.location
    assert [(row.starts_on, row.ends_on, plain_decimal(row.quantity)) for row in stored(session)] == [
        (date(2026, 3, 1), date(2026, 4, 15), "1"),
        (date(2026, 4, 16), None, "3"),
    ]


def test_the_list_is_filtered(browser: FlaskClient) -> None:
    add(browser)
    assert has_link(browser.get(f"{AT}?customer=acme&status=active&currency=USD&service=Hosting"), "Hosting")
    assert "No recurring charges match" in words(browser.get(f"{AT}?status=ended"))
    assert "There is no customer" in words(browser.get(f"{AT}?customer=nobody"))
    assert browser.get(f"{AT}?status=lost").status_code == 422
    assert browser.get(f"{AT}/{uuid4()}").status_code == 404


def test_the_list_finds_the_customer_by_a_part_of_the_name(browser: FlaskClient) -> None:
    """The field took references only, unlike that of every other list."""
    add(browser)
    page = browser.get(f"{AT}?customer=me+inc")
    assert has_link(page, "Hosting")
    assert "Customer reference or name" in words(page)


def test_takes_as_many_statements_for_many_as_for_few(app: Flask, browser: FlaskClient) -> None:
    add(browser)
    with statements(app) as few:
        browser.get(AT)
    for _ in range(5):
        add(browser)
    with statements(app) as many:
        browser.get(AT)
    assert len(many) == len(few) <= 12


def test_a_viewer_sees_no_buttons_and_writes_nothing(app: Flask, browser: FlaskClient, session: Session) -> None:
    at = add(browser).location
    viewer = signed_in(app, "viewer")
    page = viewer.get(at)
    assert page.status_code == 200
    assert [has_link(page, label) for label in ("Pause", "Change", "End")] == [False] * 3
    assert "now" not in words(page).split()
    for url in (f"{AT}/new", *(f"{at}/{verb}" for verb in ("pause", "resume", "end", "change", "post"))):
        assert send(viewer, url, reason="x").status_code == 403
    assert charges(session) == []


def test_the_form_says_when_the_next_charges_are_posted_and_for_which_period(
    browser: FlaskClient, session: Session
) -> None:
    shown = add(browser, customer="", starts_on="2026-03-16", anchor_on="2026-01-31", then="preview")
    assert shown.status_code == 200
    assert "Due now, for 16 – 30 Mar 2026 (15 of 31 days)" in words(shown)
    assert "On 30 Apr 2026, for 30 Apr – 30 May 2026" in words(shown)
    later = words(add(browser, interval="weekly", interval_count="2", timing="in_arrears", then="preview"))
    assert (
        "Due now, for 1 – 14 Mar 2026 Due now, for 15 – 28 Mar 2026 On 11 Apr 2026, for 29 Mar – 11 Apr 2026" in later
    )
    wrong = add(browser, interval_count="0", ends_on="2026-13-01", then="preview")
    assert (wrong.status_code, "Enter a date such as 2026-11-22." in words(wrong)) == (422, True)
    assert stored(session) == []


def test_a_half_yearly_charge_in_arrears_is_added_and_changed(browser: FlaskClient, session: Session) -> None:
    response = add(browser, interval="half_yearly", timing="in_arrears", starts_on="2026-01-01")
    page = words(browser.get(response.location))
    assert "How often Every half-year, in arrears" in page
    assert "1 Jan – 30 Jun 2026 30 Jun 2026" in page
    form = browser.get(f"{response.location}/change")
    assert field(form, "interval_count") == "1"
    given = {
        "id": field(form, "id"),
        "from": "2026-07-01",
        "service": "Hosting",
        "quantity": "1",
        "interval_count": "2",
    }
    given |= {"interval": "weekly", "timing": "in_advance"}
    preview = words(send(browser, f"{response.location}/change", **given, then="preview"))
    assert "On 1 Jul 2026, for 1 Jul 2026 (1 of 14 days) On 2 Jul 2026, for 2 – 15 Jul 2026" in preview
    changed = send(browser, f"{response.location}/change", **given)
    assert "How often Every 2 weeks" in words(browser.get(changed.location))
    assert len(stored(session)) == 2


def test_a_purchase_order_is_entered_shown_and_changed(browser: FlaskClient, session: Session) -> None:
    response = add(browser, purchase_order="PO-1")
    assert "Purchase order number PO-1" in words(browser.get(response.location))
    form = browser.get(f"{response.location}/change")
    assert field(form, "purchase_order") == "PO-1"
    given = {
        "id": field(form, "id"),
        "from": "2027-07-01",
        "service": "Hosting",
        "quantity": "1",
        "interval": "monthly",
    }
    given |= {"interval_count": "1", "timing": "in_advance"}
    changed = send(browser, f"{response.location}/change", **given, purchase_order="PO-2")
    assert "Purchase order number PO-2" in words(browser.get(changed.location))
    refused = add(browser, id=str(uuid4()), purchase_order="x" * 201)
    assert (refused.status_code, "Use at most 200 characters." in words(refused)) == (422, True)
