"""To approve: the page, and acts above a limit from pages and the API."""

from decimal import Decimal
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.models import ApprovalRequest, Customer, Invoice, User
from billing_admin.operations.access import roles, tokens
from billing_admin.operations.limits import set_limits
from tests.clocks import stopped_clock
from tests.making import NOW, change_settings, make_customer, make_invoice, make_payment_spec, make_service, pay
from tests.people import send, signed_in
from tests.prepared import prepared
from tests.web.pages import has_link, link, words

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def invoice(session: Session) -> Invoice:
    """An invoice of 100 USD; billers may credit and void up to 50 USD."""
    change_settings(base_currency="USD")
    transaction(set_limits, "biller", {"credit": Decimal(50), "void": Decimal(50)}, SYSTEM, NOW)
    return make_invoice(make_customer(reference="ACME"), "100")


@pytest.fixture
@prepared
def biller(app: Flask, invoice: Invoice) -> FlaskClient:
    return signed_in(app, "biller")


def status(session: Session, invoice: Invoice) -> str:
    session.rollback()
    return session.scalars(select(Invoice.status).where(Invoice.id == invoice.id)).one()


def requests(session: Session) -> list[ApprovalRequest]:
    session.rollback()
    return list(session.scalars(select(ApprovalRequest).order_by(ApprovalRequest.created_at, ApprovalRequest.id)))


def shown(client: FlaskClient, url: str) -> str:
    """The fingerprint on the page of a request."""
    page = client.get(url).text
    return page.partition('name="shown"')[2].partition('value="')[2].partition('"')[0]


def test_an_act_from_a_page_waits_and_is_approved_by_another_person(
    app: Flask, biller: FlaskClient, session: Session, invoice: Invoice
) -> None:
    void = {"charges": "pending", "reason": "Wrong customer"}
    waiting = send(biller, f"/invoices/{invoice.id}/void", **void)
    again = send(biller, f"/invoices/{invoice.id}/void", **void)
    assert (waiting.status_code, again.location) == (303, waiting.location)
    page = biller.get(waiting.location)
    assert "It waits for the approval of another person." in words(page)
    assert "Open balance 100.00 USD 0.00 USD" in words(page)
    assert not has_link(page, "Reject")
    assert send(biller, f"{waiting.location}/approve", shown=shown(biller, waiting.location)).status_code == 403
    assert status(session, invoice) == "issued"

    admin = signed_in(app)
    home = admin.get("/")
    assert "To approve 1 1 act above the limit of a role" in words(home)
    assert "Void INV-2026-00001 100.00 USD biller@example.com" in words(admin.get("/approvals?state=waiting"))
    fingerprint = shown(admin, waiting.location)
    pay(make_payment_spec(session.scalars(select(Customer)).one(), "30", {str(invoice.number): "30"}))
    stale = send(admin, f"{waiting.location}/approve", shown=fingerprint)
    assert "Nothing was done: check the preview again." in words(stale)
    assert "Open balance 70.00 USD 0.00 USD" in words(stale)
    refused = send(admin, f"{waiting.location}/approve", shown=shown(admin, waiting.location))
    assert status(session, invoice) == "issued"  # a paid invoice cannot be voided
    assert refused.status_code == 422
    rejected = send(admin, f"{waiting.location}/reject", reason="It is paid")
    assert "Decision It is paid" in words(biller.get(rejected.location))


def test_an_approved_act_is_done_once(app: Flask, biller: FlaskClient, session: Session, invoice: Invoice) -> None:
    url = send(biller, f"/invoices/{invoice.id}/void", charges="pending", reason="Wrong").location
    admin = signed_in(app)
    fingerprint = shown(admin, url)
    done = send(admin, f"{url}/approve", shown=fingerprint)
    assert "Void approved and done." in words(admin.get(done.location))
    assert status(session, invoice) == "void"
    assert send(admin, f"{url}/approve", shown=fingerprint).status_code == 409
    assert send(biller, f"{url}/withdraw").status_code == 409
    history = words(admin.get(link(admin.get(f"/invoices/{invoice.id}"), "History")))
    assert "biller@example.com" in history
    assert "admin@example.com" in history


def test_a_script_gets_403_with_the_address_and_never_approves(
    app: Flask, biller: FlaskClient, session: Session, invoice: Invoice
) -> None:
    owner = session.scalars(select(User.id).where(User.email == "biller@example.com")).one()
    secrets = [
        transaction(tokens.create, name, list(SCOPES), user_id=owner, actor=SYSTEM, now=NOW)[1] for name in ("a", "b")
    ]
    script, headers = app.test_client(), [{"Authorization": f"Bearer {secret}"} for secret in secrets]
    url, body = f"/api/v1/invoices/{invoice.number}/credit", {"id": str(UUID(int=7)), "amount": "60", "reason": "Wrong"}
    refused = script.post(url, json=body, headers=headers[0])
    assert refused.json
    assert (refused.status_code, refused.json["code"], refused.json["act"]) == (403, "needs_approval", "credit")
    address = f"/api/v1/approvals/{refused.json['approval']}"
    repeated = script.post(url, json=body, headers=headers[0]).json
    assert repeated
    assert repeated["approval"] == refused.json["approval"]
    for other in headers:
        stored = script.get(address, headers=other).json
        assert stored
        assert (stored["state"], stored["amount"], stored["currency"]) == ("waiting", "60.00", "USD")
        assert script.post(f"{address}/approve", json={}, headers=other).status_code == 404
    listed = script.get("/api/v1/approvals?state=waiting", headers=headers[1]).json
    assert listed
    assert [row["id"] for row in listed["data"]] == [refused.json["approval"]]

    page = f"/approvals/{refused.json['approval']}"
    give_approval(session, owner)  # the person behind the token may approve now, but not this
    person = signed_in(app, "biller", "second@example.com")
    assert send(person, f"{page}/approve", shown=shown(person, page)).status_code == 403
    admin = signed_in(app)
    assert send(admin, f"{page}/approve", shown=shown(admin, page)).status_code == 303
    stored = script.get(address, headers=headers[0]).json
    assert stored
    assert stored["state"] == "approved"
    replayed = script.post(url, json=body, headers=headers[0])
    assert (replayed.status_code, replayed.json and replayed.json["total"]) == (200, "60.00")


def test_a_negative_charge_waits_from_a_form_and_from_a_script(
    app: Flask, biller: FlaskClient, session: Session, invoice: Invoice
) -> None:
    transaction(set_limits, "biller", {"negative_charge": Decimal(50)}, SYSTEM, NOW)
    owner = session.scalars(select(User.id).where(User.email == "biller@example.com")).one()
    secret = transaction(tokens.create, "a", list(SCOPES), user_id=owner, actor=SYSTEM, now=NOW)[1]
    charge = {"id": str(UUID(int=8)), "customer": "ACME", "description": "Goodwill", "amount": "-60"}
    script, url = app.test_client(), "/api/v1/charges"
    refused = script.post(url, json=charge, headers={"Authorization": f"Bearer {secret}"}).json
    assert refused
    assert (refused["code"], refused["act"]) == ("needs_approval", "negative_charge")
    rows = [charge, charge | {"id": str(UUID(int=9)), "amount": "-50"}]
    batch = script.post(f"{url}/batch", json={"charges": rows}, headers={"Authorization": f"Bearer {secret}"})
    assert (batch.status_code, batch.json and batch.json["errors"][0]["pointer"]) == (403, "/charges/0/amount")
    form = {"customer": "ACME", "description": "Goodwill", "quantity": "1", "unit_price": "-70", "day": "2026-04-01"}
    waiting = send(biller, "/charges/new", id=str(UUID(int=10)), **form)
    assert "Unbilled 0.00 USD −70.00 USD" in words(biller.get(waiting.location))
    assert [(asked.amount, asked.reason) for asked in requests(session)] == [(6000, "Goodwill"), (7000, "Goodwill")]
    admin, page = signed_in(app), f"/approvals/{refused['approval']}"
    assert send(admin, f"{page}/approve", shown=shown(admin, page)).status_code == 303
    stored = script.post(url, json=charge, headers={"Authorization": f"Bearer {secret}"})
    assert (stored.status_code, stored.json and stored.json["amount"]) == (200, "-60")


def test_a_price_change_waits_from_a_form_and_from_a_script(app: Flask, session: Session, invoice: Invoice) -> None:
    service = make_service(prices={"USD": Decimal(20)})
    transaction(roles.create, "Pricing", ["catalogue:write"], None, SYSTEM, NOW)
    transaction(set_limits, "Pricing", {"price": Decimal(10)}, SYSTEM, NOW)
    clerk, admin = signed_in(app, "Pricing"), signed_in(app)
    url = f"/services/{service.id}/prices/new"
    form = {"currency": "USD", "valid_from": "2026-05-01", "version": "1"}
    waiting = send(clerk, url, unit_price="25", **form)
    page = words(clerk.get(waiting.location))
    assert f"Price change {service.code}" in page
    assert "Change 25 %" in page
    assert "Price from 1 May 2026 20.00 USD 25.00 USD" in page
    assert "25 %" in words(admin.get("/approvals"))
    edited = send(clerk, f"/services/{service.id}/edit", **{**EDITED, "code": service.code})
    assert edited.status_code == 422
    assert "differs by more than the limit of your role" in words(edited)
    owner = session.scalars(select(User.id).where(User.role == "Pricing")).one()
    secret = transaction(tokens.create, "a", list(SCOPES), user_id=owner, actor=SYSTEM, now=NOW)[1]
    script, headers = app.test_client(), {"Authorization": f"Bearer {secret}"}
    prices = f"/api/v1/services/{service.code}/prices"
    body = {"currency": "USD", "unit_price": "25", "valid_from": "2026-05-01"}
    refused = script.post(prices, json=body, headers=headers).json
    assert refused
    assert (refused["code"], refused["act"]) == ("needs_approval", "price")
    stored = script.get(f"/api/v1/approvals/{refused['approval']}", headers=headers).json
    assert stored
    assert (stored["percent"], stored["amount"], stored["object_type"]) == ("25", None, "service")
    assert send(admin, f"{waiting.location}/approve", shown=shown(admin, waiting.location)).status_code == 303
    assert script.post(prices, json=body, headers=headers).status_code == 200


# The form of a service with another price.
EDITED = {"tax_rate": "none", "prices-0-currency": "USD", "prices-0-unit_price": "30", "version": "1"}


def give_approval(session: Session, owner: UUID) -> None:
    """Give the owner of the tokens a role that may approve."""
    permissions = ["approvals:write", "corrections:write"]
    transaction(roles.create, "Approver", permissions, None, SYSTEM, NOW)
    transaction(lambda session: session.execute(update(User).where(User.id == owner).values(role="Approver")))


def test_limits_are_set_on_the_page_of_roles(app: Flask, invoice: Invoice) -> None:
    admin = signed_in(app)
    url = link(admin.get("/settings/roles"), "Limits of Cashier")
    wrong = send(admin, url, refund="much", write_off="")
    assert wrong.status_code == 422
    assert 'value="much"' in wrong.text
    saved = send(admin, url, refund="1,000.50 USD", unlock="y")
    assert "The limits of the role Cashier were saved." in words(admin.get(saved.location))
    page = admin.get(url)
    assert 'value="1000.5"' in page.text
    assert admin.get("/settings/roles/limits?role=nobody").status_code == 404
