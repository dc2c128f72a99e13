"""The review of what is unbilled."""

from datetime import date
from typing import Any
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
from billing_admin.web.frame import list_params
from tests.making import NOW, bill, make_customer, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import field, fields, has_link, link, statements, words


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
    assert "Pending in USD ≈ 54,321.00 USD exactly 54,321.0000008 USD 5 charges of 1 customer" in page
    assert "Pending in EUR 7.00 EUR 1 charge of 1 customer, plus 1 held" in page
    assert "ACME Inc 5 – none ≈ 54,321.00 USD 21.00 ≈ 4,300.00 – none 50,000.00 1 Jan 2025" in page
    assert "Foo Ltd 1 1 7.00 EUR 7.00 – none – none – none 1 May 2026" in page
    page = words(browser.get("/unbilled?through=2026-03-31"))
    assert "Due up to 31 Mar 2026 in USD ≈ 54,320.00 USD exactly 54,320.0000008 USD 4 pending charges" in page
    assert "Foo Ltd" not in page
    assert "ACME Inc 4 – none ≈ 54,320.00 USD ≈ 320.00 4,000.00 – none 50,000.00 1 Jan 2025" in page
    assert "Foo Ltd" not in words(browser.get("/unbilled?currency=USD"))
    assert "Pending in USD" not in words(browser.get("/unbilled?q=FOO"))


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


@pytest.mark.parametrize(
    ("move", "word", "reason", "after"),
    [("hold", "Hold", "Disputed", "held"), ("cancel", "Cancel", "Never ordered", "cancelled")],
)
def test_moves_the_ticked_charges_after_a_confirmation(
    browser: FlaskClient, acme: Customer, session: Session, move: str, word: str, reason: str, after: str
) -> None:
    ids = post(*(make_spec(acme, f"{number}.001", incurred_on=date(2026, 3, number)) for number in (1, 2, 3))).ids
    page = send(browser, f"{account(acme)}/{move}", id=ids[:2])
    assert page.status_code == 200
    assert f"{word} 2 charges?" in words(page)
    assert "Exact sum 3.002 USD" in words(page)
    assert statuses(session) == ["pending"] * 3
    sent: dict[str, Any] = {
        "id": fields(page, "id"),
        "count": field(page, "count"),
        "amount": field(page, "amount"),
        "reason": reason,
    }
    done = send(browser, f"{account(acme)}/{move}", **sent)
    assert (done.status_code, done.location) == (303, account(acme))
    assert f"2 charges {'held' if move == 'hold' else 'cancelled'}." in words(browser.get(done.location))
    assert statuses(session) == [after, after, "pending"]
    again = send(browser, f"{account(acme)}/{move}", **sent)
    assert again.status_code == 303
    assert "Nothing changed. This was already done." in words(browser.get(again.location))


def test_releases_only_what_is_held(browser: FlaskClient, acme: Customer, session: Session) -> None:
    ids = post(make_spec(acme, "1"), make_spec(acme, "2")).ids
    transaction(charges.hold, [ids[0]], "", SYSTEM, NOW)
    page = send(browser, f"{account(acme)}/release", id=ids)
    assert "Release 1 charge? " in words(page) + " "
    send(
        browser,
        f"{account(acme)}/release",
        id=ids,
        reason="Agreed",
        count=field(page, "count"),
        amount=field(page, "amount"),
    )
    assert statuses(session) == ["pending", "pending"]


def test_nothing_ticked_says_so(browser: FlaskClient, acme: Customer) -> None:
    post(make_spec(acme, "1"))
    back = send(browser, f"{account(acme)}/release", id="nonsense")
    assert "None of the selected charges can be released." in words(browser.get(back.location))


@pytest.mark.parametrize("move", ["cancel", "hold"])
def test_a_move_needs_a_reason(browser: FlaskClient, acme: Customer, session: Session, move: str) -> None:
    ids = post(make_spec(acme, "1")).ids
    page = send(browser, f"{account(acme)}/{move}", id=ids)
    response = send(
        browser, f"{account(acme)}/{move}", id=ids, count=field(page, "count"), amount=field(page, "amount")
    )
    assert response.status_code == 422
    assert "Enter a reason." in words(response)
    assert statuses(session) == ["pending"]


def test_select_all_reaches_across_pages_and_asks_again_when_more_came(
    browser: FlaskClient, acme: Customer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_params.load_page, "__defaults__", (2,))
    post(*(make_spec(acme, str(number)) for number in range(1, 6)))
    page = browser.get(account(acme))
    ticked = browser.get(link(page, "Select all 5"))
    assert "All 5 charges are selected" in words(ticked)
    assert ticked.text.count(" checked") >= 2
    shown = send(browser, f"{account(acme)}/hold", all="1")
    assert "Hold 5 charges?" in words(shown)
    post(make_spec(acme, "100"))
    sent = {"all": "1", "reason": "x", "count": field(shown, "count"), "amount": field(shown, "amount")}
    response = send(browser, f"{account(acme)}/hold", **sent)
    assert response.status_code == 422
    assert "changed after you selected them" in words(response)
    assert "Exact sum 115.00 USD" in words(response)
    assert set(statuses(session)) == {"pending"}
    sent = {"all": "1", "reason": "x", "count": field(response, "count"), "amount": field(response, "amount")}
    assert send(browser, f"{account(acme)}/hold", **sent).status_code == 303
    assert statuses(session) == ["held"] * 6


def test_other_customers_charges_are_out_of_reach(browser: FlaskClient, acme: Customer, session: Session) -> None:
    foo = make_customer(reference="foo")
    ids = post(make_spec(foo, "1")).ids
    assert send(browser, f"{account(acme)}/hold", id=ids, count="1", amount="1", reason="x").status_code == 303
    assert statuses(session) == ["pending"]


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
    assert len(many) == len(few) <= 14


def test_a_viewer_looks_and_moves_nothing(app: Flask, acme: Customer, session: Session) -> None:
    ids = post(make_spec(acme, "1")).ids
    viewer = signed_in(app, "viewer")
    page = viewer.get(account(acme))
    assert page.status_code == 200
    assert "Hold" not in words(page).replace("Held", "")
    assert not has_link(page, "Bill this customer")
    assert send(viewer, f"{account(acme)}/hold", id=ids, count="1", amount="1").status_code == 403
    assert statuses(session) == ["pending"]
