"""Charges that a person selects on a list: an act changes exactly those of its confirmation."""

from datetime import date
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.background.runner import run_jobs
from billing_admin.db.transactions import transaction
from billing_admin.domain import selections as rules
from billing_admin.domain.access import SYSTEM
from billing_admin.models import AuditEvent, Charge, Customer
from billing_admin.operations.charges import charges
from tests.making import NOW, bill, make_customer, make_spec, post
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import hidden, link, words


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


def account(customer: Customer) -> str:
    return f"/unbilled/{customer.id}/USD"


def choose(browser: FlaskClient, url: str, **ticks: Any) -> tuple[str, TestResponse]:
    """Tick rows and press an act: the address of the confirmation, and its page."""
    answer = send(browser, url, **ticks)
    assert answer.status_code == 303
    return answer.location, browser.get(answer.location)


def confirm(browser: FlaskClient, at: str, page: TestResponse, reason: str = "Agreed") -> TestResponse:
    return send(browser, at, reason=reason, shown=hidden(page, "shown"))


def three(acme: Customer) -> list[UUID]:
    return post(*(make_spec(acme, f"{number}.001", incurred_on=date(2026, 3, number)) for number in (1, 2, 3))).ids


@pytest.mark.parametrize("place", ["/charges/select", "/unbilled", "account"])
@pytest.mark.parametrize(("act", "verb", "after"), [("hold", "Hold", "held"), ("cancel", "Cancel", "cancelled")])
def test_changes_the_ticked_charges_after_a_confirmation(
    browser: FlaskClient, acme: Customer, session: Session, place: str, act: str, verb: str, after: str
) -> None:
    ids = three(acme)
    at, page = choose(browser, f"{account(acme) if place == 'account' else place}/{act}", id=ids[:2])
    assert f"{verb} 2 charges?" in words(page)
    assert "Exact sum of 2 charges 3.002 USD" in words(page)
    assert statuses(session) == ["pending"] * 3
    done = confirm(browser, at, page)
    assert done.status_code == 303
    assert f"2 charges {after}." in words(browser.get(done.location))
    assert statuses(session) == [after, after, "pending"]
    again = confirm(browser, at, page)
    assert "Nothing changed. This was already done." in words(browser.get(again.location))
    events = session.scalars(select(AuditEvent.details).where(AuditEvent.action == f"charge.{after}")).all()
    assert [sorted(event["charges"]) for event in events] == [sorted(map(str, ids[:2]))]


def test_returns_to_the_list_with_its_filter(browser: FlaskClient, acme: Customer) -> None:
    ids = three(acme)
    for url, back in (
        ("/charges/select/hold?status=pending", "/charges?status=pending"),
        ("/unbilled/hold?age=0_30&list=charges", "/unbilled/charges?age=0_30"),
        ("/unbilled/hold?q=acme&list=accounts", "/unbilled?q=acme"),
        (f"{account(acme)}/hold?status=pending", f"{account(acme)}?status=pending"),
    ):
        _, page = choose(browser, url, id=ids)
        assert link(page, "Go back") == back


def test_says_what_cannot_be_changed_and_why(browser: FlaskClient, acme: Customer, session: Session) -> None:
    ids = three(acme)
    transaction(charges.hold, ids[:1], "", SYSTEM, NOW)
    at, page = choose(browser, "/charges/select/release", id=ids)
    assert "Release 1 charge?" in words(page)
    assert "2 charges will not change 2 charges are pending: 5.002 USD" in words(page)
    confirm(browser, at, page)
    assert statuses(session) == ["pending"] * 3
    bill()
    _, page = choose(browser, "/charges/select/release", id=ids)
    assert "None of these charges can be released 3 charges will not change 3 charges are billed" in words(page)


def test_all_of_a_filter_are_those_of_that_moment(
    browser: FlaskClient, acme: Customer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    foo = make_customer(reference="foo", name="Foo Ltd")
    post(*(make_spec(acme, str(number)) for number in range(1, 6)), make_spec(foo, "50"))
    assert "All 6 charges of this filter" in words(browser.get("/unbilled/charges"))
    assert "All 5 charges of this filter" in words(browser.get("/unbilled/charges?q=acme"))
    at, page = choose(browser, "/unbilled/hold?q=acme", all="1")
    assert "Hold 5 charges?" in words(page)
    assert "Exact sum of 5 charges 15.00 USD" in words(page)
    post(make_spec(acme, "100"))
    confirm(browser, at, page)
    assert sorted(statuses(session)) == ["held"] * 5 + ["pending"] * 2


def test_asks_again_when_the_selected_charges_changed(browser: FlaskClient, acme: Customer, session: Session) -> None:
    ids = three(acme)
    at, page = choose(browser, "/unbilled/cancel", id=ids)
    transaction(charges.cancel, ids[:1], "", SYSTEM, NOW)
    response = confirm(browser, at, page)
    assert response.status_code == 422
    assert "changed after you selected them" in words(response)
    assert "Cancel 2 charges?" in words(response)
    assert "Exact sum of 2 charges 5.002 USD" in words(response)
    assert statuses(session) == ["cancelled", "pending", "pending"]
    assert confirm(browser, at, response).status_code == 303
    assert statuses(session) == ["cancelled"] * 3


def test_whole_accounts_and_customers_are_selected_within_the_filter(
    browser: FlaskClient, acme: Customer, session: Session
) -> None:
    post(make_spec(acme, "1"), make_spec(acme, "2", currency="EUR"), make_spec(acme, "4", incurred_on=date(2026, 1, 1)))
    url = "/unbilled/hold?through=2026-02-01"
    for ticked, text in (
        (f"{acme.id}:USD", "Exact sum of 2 charges 5.00 USD"),
        (f"{acme.id}:EUR", "Exact sum of 1 charge 2.00 EUR"),
        (str(acme.id), "Exact sum of 1 charge 2.00 EUR Exact sum of 2 charges 5.00 USD"),
    ):
        _, page = choose(browser, "/unbilled/hold", account=ticked)
        assert text in words(page)
    _, page = choose(browser, url, account=str(acme.id))
    assert "Exact sum of 1 charge 4.00 USD" in words(page)


def test_a_selection_is_a_filter_of_the_list(browser: FlaskClient, acme: Customer) -> None:
    ids = three(acme)
    _, page = choose(browser, "/unbilled/hold", id=ids[:2])
    selected = words(browser.get(link(page, "Show the selected charges")))
    assert "Only: selected charges" in selected
    assert "All 2 charges of this filter" in selected
    assert "1.001 USD" not in words(browser.get("/charges?selection=" + str(uuid4())))
    exported = send(browser, "/charges/select/export", id=ids[1:])
    assert "5.002" in words(browser.get(exported.location))


def test_selected_charges_are_billed_by_a_run_of_their_own(
    app: Flask, browser: FlaskClient, acme: Customer, session: Session
) -> None:
    ids = three(acme)
    at = send(browser, "/unbilled/bill?through=2026-03-31", id=ids[1:]).location
    page = browser.get(at)
    assert "This run bills 2 selected charges only." in words(page)
    assert "Issue 1 invoice, 5.00 USD" in words(page)
    assert "This run bills 2 selected charges only." in words(browser.get(link(page, "Go back")))
    assert "Issue 1 invoice, 6.00 USD" in words(browser.get(link(page, "bill all charges")))
    confirmed = send(browser, at, id=hidden(page, "id"), digest=hidden(page, "digest"))
    assert confirmed.status_code == 303
    run_jobs(app)
    assert statuses(session) == ["pending", "billed", "billed"]
    assert "2 selected charges" in words(browser.get(confirmed.location))
    assert browser.get(f"/billing-runs/preview?through=2026-03-31&selection={uuid4()}").status_code == 404


def test_nothing_ticked_or_too_much_says_so(
    browser: FlaskClient, acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    three(acme)
    for url in ("/charges/select/hold", "/unbilled/export", f"{account(acme)}/release"):
        back = send(browser, url, id="nonsense", account="nonsense:XXX")
        assert "Select at least one charge." in words(browser.get(back.location))
    monkeypatch.setattr(rules, "MAX_SELECTED", 2)
    back = send(browser, "/charges/select/hold", all="1")
    assert "At most 2 rows can be selected at once." in words(browser.get(back.location))


def test_a_reason_is_needed_and_the_form_keeps_the_selection(
    browser: FlaskClient, acme: Customer, session: Session
) -> None:
    at, page = choose(browser, "/unbilled/cancel", id=three(acme))
    response = confirm(browser, at, page, reason=" ")
    assert response.status_code == 422
    assert "Enter a reason." in words(response)
    assert confirm(browser, at, response).status_code == 303
    assert statuses(session) == ["cancelled"] * 3


def test_a_selection_that_is_gone_says_so(browser: FlaskClient) -> None:
    page = browser.get(f"/charges/selected/hold?selection={uuid4()}")
    assert page.status_code == 404
    assert "Select the charges again." in words(page)
    assert browser.get("/charges/selected/hold").status_code == 404


def test_the_way_back_stays_on_this_site(browser: FlaskClient, acme: Customer) -> None:
    at, _ = choose(browser, "/charges/select/hold", id=three(acme))
    for target in ("https://example.com/", "//example.com", "/\\example.com"):
        page = browser.get(f"{at.partition('&back=')[0]}&back={quote(target)}")
        assert link(page, "Go back") == "/charges"


def test_charges_of_other_customers_are_out_of_reach_of_an_account(
    browser: FlaskClient, acme: Customer, session: Session
) -> None:
    ids = post(make_spec(make_customer(reference="foo"), "1")).ids
    back = send(browser, f"{account(acme)}/hold", id=ids)
    assert back.location == account(acme)
    assert statuses(session) == ["pending"]


@pytest.mark.parametrize(
    ("status", "acts"),
    [
        ("", {"Hold", "Release", "Cancel", "Export", "Bill"}),
        ("pending", {"Hold", "Cancel", "Export", "Bill"}),
        ("held", {"Release", "Cancel", "Export"}),
        ("billed", {"Export"}),
        ("cancelled", {"Export"}),
    ],
)
def test_only_acts_that_apply_to_the_filter_are_offered(
    acme: Customer, browser: FlaskClient, status: str, acts: set[str]
) -> None:
    ids = three(acme)
    bill(through=date(2026, 3, 1))
    transaction(charges.hold, [ids[1]], "", SYSTEM, NOW)
    cancelled = post(make_spec(acme, "9")).ids
    transaction(charges.cancel, cancelled, "", SYSTEM, NOW)
    page = words(browser.get(f"/charges?status={status}"))
    verbs = ("Hold", "Release", "Cancel", "Export", "Bill")
    assert {verb for verb in verbs if f"{verb} charges" in page} == acts
