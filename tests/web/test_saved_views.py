"""Saved views: save, share, rename, delete, open a list in one, and what is refused."""

from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain import saved_views as rules
from billing_admin.domain.errors import Invalid
from billing_admin.models import AuditEvent, DefaultView, SavedView
from billing_admin.operations.access import saved_views as operations
from tests.making import make_customer
from tests.people import send, signed_in
from tests.web.pages import has_link, link, words

LIST = "customers.index"
NEW = f"/saved-views/new?list={LIST}&query=currency%3DEUR%26sort%3Dreference%26columns%3Demail"


@pytest.fixture
def browser(app: Flask, session: Session) -> FlaskClient:
    make_customer(reference="eur", name="Euro Ltd", currency="EUR")
    make_customer(reference="usd", name="Dollar Ltd", currency="USD")
    session.rollback()
    return signed_in(app)


def colleague(app: Flask) -> FlaskClient:
    return signed_in(app, "viewer")


def save(browser: FlaskClient, name: str = "Euro", **fields: str) -> str:
    response = send(browser, NEW, name=name, **fields)
    assert response.status_code == 303
    return response.location


def test_a_view_keeps_filter_order_and_columns(browser: FlaskClient, session: Session) -> None:
    page = browser.get("/customers?currency=EUR&sort=reference&columns=email&after=x")
    saved = parse_qs(urlsplit(link(page, "Save this view")).query)["query"][0]
    assert parse_qs(saved) == {"currency": ["EUR"], "sort": ["reference"], "columns": ["email"]}
    shown = browser.get(save(browser))
    assert "The view “Euro” is saved." in words(shown)
    assert ("Euro Ltd" in shown.text, "Dollar Ltd" in shown.text) == (True, False)
    assert "E-mail address" in words(shown)
    assert has_link(browser.get("/customers"), "Euro")
    assert not has_link(browser.get("/charges"), "Euro")
    actions = [event.action for event in session.scalars(select(AuditEvent)) if event.object_type == "saved_view"]
    assert actions == ["saved_view.saved"]


def test_a_list_opens_in_its_default_view_and_plain_on_request(browser: FlaskClient) -> None:
    saved = save(browser, is_default="y")
    assert browser.get("/customers").location == saved
    plain = link(browser.get(saved), "Clear filters")
    assert plain == "/customers?view=none"
    assert "Dollar Ltd" in browser.get(plain).text
    assert browser.get("/customers?q=Dollar").status_code == 200
    assert send(browser, f"/saved-views/plain?list={LIST}").status_code == 303
    assert browser.get("/customers").status_code == 200


def test_a_shared_view_is_offered_to_everybody_and_changed_by_its_owner_only(
    app: Flask, browser: FlaskClient, session: Session
) -> None:
    save(browser, "Mine")
    save(browser, "Ours", is_shared="y")
    other = colleague(app)
    page = other.get("/customers")
    assert (has_link(page, "Mine"), has_link(page, "Ours shared")) == (False, True)
    views = {view.name: view.id for view in session.scalars(select(SavedView))}
    for name, status in (("Ours", 403), ("Mine", 404)):
        assert send(other, f"/saved-views/{views[name]}/delete").status_code == status
    assert other.get(f"/saved-views/{views['Mine']}").status_code == 404
    assert send(other, f"/saved-views/{views['Ours']}/default").status_code == 303
    assert str(views["Ours"]) in other.get("/customers").location
    assert browser.get("/customers").status_code == 200
    assert send(browser, f"/saved-views/{views['Ours']}", name="Only me").status_code == 303
    assert other.get("/customers").status_code == 200  # its owner no longer shares it


def test_a_view_is_renamed_replaced_and_deleted(browser: FlaskClient, session: Session) -> None:
    save(browser, "One")
    save(browser, "Two", is_default="y")
    save(browser, "Two")
    views = {view.name: view.id for view in session.scalars(select(SavedView))}
    assert views.keys() == {"One", "Two"}
    taken = send(browser, f"/saved-views/{views['One']}", name="Two")
    assert (taken.status_code, "another view of this name" in words(taken)) == (422, True)
    assert send(browser, f"/saved-views/{views['One']}", name="Three").status_code == 303
    assert "Three" in words(browser.get(f"/saved-views?list={LIST}"))
    assert send(browser, f"/saved-views/{views['Two']}/delete").status_code == 303
    session.rollback()
    assert [view.name for view in session.scalars(select(SavedView))] == ["Three"]
    assert session.scalars(select(DefaultView)).all() == []
    assert browser.get("/customers").status_code == 200


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\nb\u202e"])
def test_a_name_that_cannot_be_shown_is_refused_at_its_field(browser: FlaskClient, name: str) -> None:
    response = send(browser, NEW, name=name)
    assert (response.status_code, 'id="name-error"' in response.text) == (422, True)


def test_the_number_of_views_is_limited(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MAX_VIEWS", 1)
    save(browser, "One")
    response = send(browser, NEW, name="Two")
    assert (response.status_code, "Delete one of them first." in words(response)) == (422, True)


def test_a_query_is_saved_without_its_place() -> None:
    assert rules.clean_query("q=%C3%A4%26b&after=x&view=none&sort=-name") == "q=%C3%A4%26b&sort=-name"
    with pytest.raises(Invalid):
        rules.clean_query("q=" + "x" * 2_001)


@pytest.mark.parametrize("query", ["view=x", "view=019a52c7-3f21-7c4e-9d0a-5b1e6f7a8b9c", "view=none"])
def test_a_view_that_is_gone_shows_the_filters_of_the_address(browser: FlaskClient, query: str) -> None:
    response = browser.get(f"/customers?{query}&currency=EUR")
    assert response.status_code == (422 if query == "view=x" else 200)
