"""People need the permission `credits:write` for negative charges; a refused form keeps what was entered."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.domain.access import ROLES
from billing_admin.models import Charge
from tests.making import make_customer, make_service, make_spec, post
from tests.people import send, signed_in
from tests.web.pages import field, words
from tests.web.test_imports import check

DENIED = "You need the permission “credits:write” to add a negative charge."


@pytest.fixture
def clerk(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """Somebody who may add charges, but no negative ones."""
    monkeypatch.setitem(ROLES, "viewer", frozenset({"read", "charges:write"}))
    make_customer(reference="acme")
    make_service()
    return signed_in(app, "viewer")


def stored(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Charge)) or 0


def test_the_form_keeps_a_negative_charge_and_names_the_permission(clerk: FlaskClient, session: Session) -> None:
    fields = {"customer": "acme", "service": "GenericCompute", "quantity": "-3", "day": "2026-03-15"}
    refused = send(clerk, "/charges/new", id=field(clerk.get("/charges/new"), "id"), **fields)
    assert (refused.status_code, DENIED in words(refused), field(refused, "quantity")) == (422, True, "-3")
    assert stored(session) == 0


def test_the_grid_names_the_row_of_a_negative_charge(clerk: FlaskClient, session: Session) -> None:
    page = clerk.get("/charges/many")
    rows = {f"rows-{n}-{name}": field(page, f"rows-{n}-{name}") for n in range(2) for name in ("id", "day")}
    rows |= {f"rows-{n}-service": "GenericCompute" for n in range(2)}
    rows |= {"rows-0-quantity": "1", "rows-1-quantity": "-1", "customer": "acme", "day": "2026-03-15"}
    for action in ("check", "save"):
        refused = send(clerk, "/charges/many", then=action, **rows)
        assert (refused.status_code, f"Row 2: {DENIED}" in words(refused)) == (422, True)
    assert stored(session) == 0


def test_a_correction_to_a_negative_amount_is_refused_at_its_field(clerk: FlaskClient, session: Session) -> None:
    at = f"/charges/{post(make_spec('acme', '5')).ids[0]}/correct"
    page = clerk.get(at)
    names = ("id", "customer", "description", "quantity", "day")
    fields = {name: field(page, name) for name in names} | {"amount": "-5", "reason": "Refund"}
    refused = send(clerk, at, **fields)
    assert (refused.status_code, DENIED in words(refused), field(refused, "reason")) == (422, True, "Refund")


@pytest.mark.parametrize(("role", "refused"), [("viewer", True), ("admin", False)])
def test_an_import_in_the_background_has_the_rights_of_who_asked(
    app: Flask, clerk: FlaskClient, session: Session, role: str, refused: bool
) -> None:
    content = b"customer,description,amount\nacme,Work,5\nacme,Refund,-5\n"
    page = check(clerk if role == "viewer" else signed_in(app, role), "charges", content)
    assert (f"3 amount -5 {DENIED}" in words(page)) == refused
