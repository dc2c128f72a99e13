"""Example requests to each route, as a script sends them; the requests and responses are the examples of the OpenAPI document."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy.exc import OperationalError

from billing_admin.api.frame.routing import ROUTES, Route
from billing_admin.api.routes import health
from billing_admin.clock import now
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.formats.export import FORMATS
from billing_admin.http.rate_limits import RateLimiter
from billing_admin.operations.access import tokens, users
from billing_admin.operations.limits import set_limits
from tests.api.conftest import BASE, Script

MASKED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")
COST_CENTRE = [{"label": "Cost centre", "value": "4711"}]
CHOSEN = "-5533-4c18-882a-"  # the middle of ids that callers choose


def id_of(kind: str, number: int) -> str:
    """Return an id that a caller may choose; each kind of object has its own letter."""
    return f"{kind * 8}{CHOSEN}{number:012x}"


class Recorder:
    """Calls the API and records the first response of each status of each route, with its request."""

    def __init__(self, script: Script) -> None:
        self.script, self.app = script, script.client.application
        self.routes: dict[str, Any] = {}
        self.problems: dict[str, Any] = {}

    def call(self, method: str, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        """Return the content of the response, which must have this status."""
        response = self.script.call(method, path, body, **options)
        assert response.status_code == status, (method, path, response.text)
        route, names = self._route(method, path)
        if status >= 400:
            self.problems.setdefault(str(status), response.json)
            return response.json
        content = (
            response.json
            if response.is_json
            else response.text
            if (response.mimetype or "").startswith(("text/", "application/xml"))
            else None
        )
        query = {name: values[0] for name, values in response.request.args.to_dict(flat=False).items()}
        example = self.routes.setdefault(route.name, {"parameters": names | query, "body": body, "answers": {}})
        if content is not None and route.path != "/openapi.json":
            example["answers"].setdefault(str(status), content)
        return content

    def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return self.call("GET", path, None, status, **options)

    def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        return self.call("POST", path, body, status, **options)

    def twice(self, path: str, body: Any) -> Any:
        """Post a body twice: the first request creates an object, the second returns it."""
        first = self.post(path, body, 201)
        self.post(path, body, 200)
        return first

    def patch(self, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        headers = headers or {"If-Match": self.script.get(path).headers["ETag"]}
        return self.call("PATCH", path, body, status, headers=headers)

    def _route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        urls = self.app.url_map.bind("localhost")
        endpoint, names = urls.match(BASE + path.partition("?")[0], method=method)
        (route,) = [candidate for candidate in ROUTES if f"api.{candidate.name}" == endpoint]
        return route, dict(names)


def record_examples(script: Script, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Send all example requests to a database that has one tax rate only, and return the recorder."""
    api = Recorder(script)
    _catalogue(api)
    _charges(api)
    _recurring(api)
    _billing(api)
    _payments(api)
    _messages(api)
    _corrections(api)
    _reading(api)
    _opening_balances(api)
    _approvals(api)
    _refusals(api, monkeypatch)
    return api


def _catalogue(api: Recorder) -> None:
    api.twice(
        "/services",
        {
            "code": "database-hosting",
            "name": "Database hosting",
            "unit": "hour",
            "prices": {"EUR": "0.05", "USD": "0.06"},
        },
    )
    api.post("/services", {"code": "support", "name": "Support", "prices": {"EUR": "250.00"}}, 201)
    api.get("/services?q=host")
    api.get("/services/database-hosting")
    api.patch("/services/database-hosting", {"prices": {"EUR": "0.045", "USD": "0.06"}})
    support_price = {"currency": "EUR", "unit_price": "275.00", "valid_from": "2027-01-01"}
    api.twice("/services/support/prices", support_price)
    api.get("/services/support/prices")
    api.post("/services/support/prices/remove", {"currency": "EUR", "valid_from": "2027-01-01"})
    api.get("/tax-rates")
    _organisation(api)
    acme = {
        "id": id_of("c", 1),
        "reference": "ACME",
        "name": "ACME Inc",
        "email": "accounts@acme.example",
        "currency": "EUR",
    }
    api.twice("/customers", acme)
    api.get("/customers?q=acme&limit=10")
    api.get("/customers/ACME")
    address = {"street": "1 Main Street", "postcode": "62701", "city": "Springfield", "region": "IL", "country": "US"}
    api.patch("/customers/ACME", {"payment_terms_days": 14, "custom_lines": COST_CENTRE, **address})
    contact = {"id": id_of("c", 2), "name": "Ann Lee", "email": "ann@acme.example", "invoices": "cc"}
    api.twice("/customers/ACME/contacts", contact)
    api.post("/customers/ACME/contacts", {"id": id_of("c", 3), "email": "old@acme.example"}, 201)
    api.post(f"/customers/ACME/contacts/{id_of('c', 3)}/remove", {})
    api.get("/customers/ACME/contacts")
    api.get(f"/customers/ACME/contacts/{id_of('c', 2)}")
    api.patch(f"/customers/ACME/contacts/{id_of('c', 2)}", {"statements": "to"})


def _organisation(api: Recorder) -> None:
    api.get("/organisation")
    address = {"street": "Wolkenallee 12", "postcode": "10999", "city": "Berlin", "country": "DE"}
    api.patch("/organisation", address | {"tax_id": "DE136695976", "terms": "Pay within 30 days.", "accent": "#0b57d0"})
    logo = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20"/></svg>'
    stored = api.post("/organisation/logo", {"file": base64.b64encode(logo).decode()})
    api.get(f"/organisation/logos/{stored['sha256']}")
    api.post("/organisation/logo/remove", {})
    api.get("/message-texts")
    api.get("/message-texts/invoice/en")
    api.patch("/message-texts/invoice/en", {"subject": "Your invoice {number}"})
    api.post("/message-texts/invoice/en/restore", {})
    field = {"id": id_of("8", 1), "key": "region", "label": "Region", "type": "choice", "choices": ["North", "South"]}
    api.twice("/customer-fields", field)
    api.get("/customer-fields")
    api.get(f"/customer-fields/{id_of('8', 1)}")
    api.patch(f"/customer-fields/{id_of('8', 1)}", {"choices": ["North", "South", "West"], "listed": True})
    account = {"id": id_of("9", 1), "currency": "EUR", "iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX"}
    api.twice("/bank-accounts", account)
    api.get("/bank-accounts")
    api.get(f"/bank-accounts/{id_of('9', 1)}")
    api.patch(f"/bank-accounts/{id_of('9', 1)}", {"bank_name": "Commerzbank", "default": True})
    rate = {"currency": "USD", "day": "2026-11-20", "rate": "1.0832", "source": "ECB"}
    api.twice("/exchange-rates", rate)
    api.get("/exchange-rates?currency=USD&from=2026-11-01")
    api.post("/exchange-rates/USD/remove", {"day": "2026-11-20"})


def _charges(api: Recorder) -> None:
    charge: dict[str, Any] = {"id": id_of("a", 1), "customer": "ACME", "service": "database-hosting", "quantity": "58"}
    charge |= {"incurred_on": "2026-11-20", "description": "Database hosting, cluster 7", "metadata": {"cluster": "7"}}
    api.twice("/charges", charge)
    api.post("/charges", charge | {"quantity": "59"}, 409)
    rows = [charge | {"id": id_of("a", n), "incurred_on": f"2026-11-{n:02}"} for n in range(2, 8)]
    api.twice("/charges/batch", {"charges": rows})
    alike = api.post("/charges", charge | {"id": id_of("a", 9)}, 201)
    assert alike["possible_duplicate_of"]
    api.post(f"/charges/{id_of('a', 9)}/keep", {"reason": "Two clusters of that name"})
    api.get("/charges?customer=ACME&status=pending&limit=2")
    api.get(f"/charges/{id_of('a', 1)}")
    api.post(f"/charges/{id_of('a', 2)}/hold", {"reason": "The meter is being looked at"})
    api.post(f"/charges/{id_of('a', 2)}/release", {"reason": "The meter was right"})
    api.post(f"/charges/{id_of('a', 3)}/cancel", {"reason": "Metered twice"})
    held = {"charges": [id_of("a", 5), id_of("a", 6)], "reason": "The meter is being looked at"}
    api.post("/charges/hold", held)
    api.post("/charges/release", held | {"reason": "The meter was right"})
    late = {"filter": {"customer": "ACME", "from": "2026-11-07"}, "reason": "Not agreed", "dry_run": True}
    api.post("/charges/cancel", late)
    api.twice(
        f"/charges/{id_of('a', 4)}/correct", {"id": id_of("a", 10), "reason": "60 hours, not 58", "quantity": "60"}
    )


def _recurring(api: Recorder) -> None:
    flat = {
        "id": id_of("f", 1),
        "customer": "ACME",
        "service": "support",
        "interval": "monthly",
        "starts_on": "2026-12-01",
    }
    api.twice("/recurring-charges", flat)
    api.get("/recurring-charges?customer=ACME")
    api.get(f"/recurring-charges/{id_of('f', 1)}")
    api.post(f"/recurring-charges/{id_of('f', 1)}/pause", {"reason": "On holiday"})
    api.post(f"/recurring-charges/{id_of('f', 1)}/resume", {"reason": "Back again"})
    change = {"id": id_of("f", 2), "from": "2027-01-01", "unit_price": "275.00", "reason": "New agreement"}
    api.twice(f"/recurring-charges/{id_of('f', 1)}/change", change)
    api.post(
        f"/recurring-charges/{id_of('f', 2)}/end", {"ends_on": "2027-12-31", "reason": "Cancelled by the customer"}
    )


def _billing(api: Recorder) -> None:
    api.get("/customers/ACME/current-invoice?through=2026-11-30")
    run = {"id": id_of("b", 1), "through": "2026-11-30", "currency": "EUR"}
    api.twice("/billing-runs", run)
    api.post("/billing-runs", {"through": "2026-11-30", "dry_run": True})
    api.get("/billing-runs")
    api.get(f"/billing-runs/{id_of('b', 1)}")
    (draft,) = api.get("/invoices?status=draft")["data"]
    api.patch(f"/invoices/{draft['id']}", {"purchase_order": "PO 4711", "note": "Thank you."})
    api.post(f"/invoices/{draft['id']}/charges", {"remove": [id_of("a", 5), id_of("a", 6), id_of("a", 7)]})
    api.get(f"/invoices/{draft['id']}/readiness")
    number = api.post(f"/invoices/{draft['id']}/issue", {"issue_date": "2026-11-22"})["number"]
    assert number == "INV-2026-00001"
    api.get(f"/invoices/{number}")
    api.get(f"/invoices/{number}/explain")


def _payments(api: Recorder) -> None:
    paid: dict[str, Any] = {
        "id": id_of("d", 1),
        "customer": "ACME",
        "amount": "10.00",
        "currency": "EUR",
        "received_on": "2026-11-22",
    }
    paid |= {"method": "bank_transfer", "reference": "INV-2026-00001", "allocate": []}
    api.twice("/payments", paid)
    api.get("/payments?customer=ACME")
    body = {"allocate": [{"invoice": "INV-2026-00001", "amount": "4.00"}]}
    (allocation,) = api.post(f"/payments/{id_of('d', 1)}/allocations", body)["allocations"]
    api.get(f"/payments/{id_of('d', 1)}")
    api.post(f"/payments/{id_of('d', 1)}/allocations/{allocation['id']}/withdraw", {"reason": "Meant for another"})
    api.get("/customers/ACME/balance?as_of=2026-11-22")
    api.get("/customers/ACME/statement?from=2026-11-01&to=2026-11-30")
    api.get("/customers/ACME/statement.pdf?currency=EUR")
    sent = {"currency": "EUR", "period_from": "2026-11-01", "period_to": "2026-11-22"}
    api.twice("/customers/ACME/statements", {"id": id_of("5", 1), **sent})
    api.get("/open-items?as_of=2026-11-30&customer=ACME")
    _reminders(api)
    refund = {"id": id_of("9", 1), "customer": "ACME", "amount": "2.50", "paid_on": "2026-11-22"}
    api.twice("/refunds", refund | {"method": "bank_transfer", "reference": "Credit of November"})
    api.get("/refunds?customer=ACME")
    api.get(f"/refunds/{id_of('9', 1)}")
    api.post(f"/refunds/{id_of('9', 1)}/reverse", {"reason": "Returned by the bank"})
    api.post(f"/payments/{id_of('d', 1)}/reverse", {"reason": "Returned by the bank"})


def _messages(api: Recorder) -> None:
    api.patch(f"/customers/ACME/contacts/{id_of('c', 2)}", {"invoices": "to"})
    message = {"id": id_of("7", 1), "recipients": [{"name": "Ann Lee", "address": "ann@acme.example"}]}
    api.twice("/invoices/INV-2026-00001/send", message)
    api.get("/messages?document=INV-2026-00001")
    api.get(f"/messages/{id_of('7', 1)}")
    api.post("/invoices/INV-2026-00001/send", {"id": id_of("7", 2)}, 409)
    api.post(f"/messages/{id_of('7', 1)}/cancel", {"reason": "Goes by letter instead"})
    letter = {"id": id_of("7", 3), "reason": "By letter on 22 November"}
    api.post("/invoices/INV-2026-00001/mark-sent", letter)
    again = {"id": id_of("7", 4), "reason": "The letter did not arrive"}
    api.twice(f"/messages/{id_of('7', 3)}/again", again)
    api.post(f"/messages/{id_of('7', 4)}/mark-sent", {"reason": "Given to Ann Lee in person"})
    api.post("/outbox/resume", {})
    run = {"id": id_of("7", 5), "act": "mark_sent", "reason": "By letter", "invoices": ["INV-2026-00001"]}
    api.twice("/sending-runs", run)
    later = {"id": id_of("7", 6), "act": "send", "invoices": ["INV-2026-00001"], "background": True}
    api.post("/sending-runs", later, 202)
    api.get("/sending-runs")
    api.get(f"/sending-runs/{id_of('7', 5)}")


def _reminders(api: Recorder) -> None:
    levels = api.get("/reminder-settings")["levels"]
    levels = [{name: value for name, value in level.items() if name != "level"} for level in levels]
    levels[0]["days_after_due"] = 5
    api.patch("/reminder-settings", {"levels": levels})
    pause = {"id": id_of("8", 1), "invoice": "INV-2026-00001", "through": "2026-12-31", "reason": "Delivery disputed"}
    api.twice("/reminder-pauses", pause)
    api.get("/reminder-pauses")
    api.post(f"/reminder-pauses/{id_of('8', 1)}/end", {})
    api.post("/reminder-runs", {"dry_run": True})
    api.twice("/reminder-runs", {"id": id_of("8", 2)})
    api.get("/reminder-runs")
    api.get(f"/reminder-runs/{id_of('8', 2)}")


def _corrections(api: Recorder) -> None:
    api.twice("/invoices/INV-2026-00001/credit", {"id": id_of("e", 1), "reason": "Goodwill", "amount": "5.00"})
    open_ = api.get("/invoices/INV-2026-00001")["balance"]
    api.twice(
        "/invoices/INV-2026-00001/write-off", {"id": id_of("e", 2), "amount": open_, "reason": "Too little to ask for"}
    )
    (line, *_) = api.get("/invoices/INV-2026-00001")["lines"]
    corrected = {"line": line["id"], "quantity": "1", "unit_price": line["unit_price"]}
    again = {"id": id_of("e", 3), "reason": "Half of it was agreed", "lines": [corrected]}
    # The id of its charge differs each time: a second later, the charge is the newest one in lists all the same.
    with time_machine.travel("2026-11-22T10:00:01Z", tick=False):
        api.twice("/invoices/INV-2026-00001/bill-again", again)
    api.post("/billing-runs", {"through": "2026-11-30", "issue": True, "issue_date": "2026-11-22"}, 201)
    later = {"id": id_of("b", 2), "through": "2026-11-30", "background": True}
    api.post("/billing-runs", later, 202)
    api.post("/invoices/INV-2026-00002/void", {"reason": "Sent to the wrong address", "charges": "pending"})


def _reading(api: Recorder) -> None:
    api.get("/number-series")
    api.get("/period-lock")
    api.get(f"/audit-events?object={id_of('a', 1)}")
    for kind in (
        "invoices",
        "invoice-lines",
        "charges",
        "recurring-charges",
        "payments",
        "allocations",
        "refunds",
        "open-items",
    ):
        for format in FORMATS:
            api.get(f"/{kind}.{format}?customer=ACME")
    for kind in ("customers", "contacts", "services", "bank-accounts", "exchange-rates", "messages", "audit-events"):
        for format in FORMATS:
            api.get(f"/{kind}.{format}")
    for format in ("csv", "hledger"):
        api.get(f"/journal.{format}?from=2026-11-01&to=2026-11-30")
    api.get("/invoices/INV-2026-00001/pdf")
    api.get("/invoices/INV-2026-00001/e-invoice?syntax=ubl")
    api.get("/health")
    api.get("/openapi.json")


def _opening_balances(api: Recorder) -> None:
    invoice = {
        "id": id_of("f", 1),
        "customer": "ACME",
        "number": "RE-4711",
        "original_date": "2026-10-05",
        "due_date": "2026-11-04",
        "open_amount": "119.00",
        "opened_on": "2026-11-20",
    }
    api.twice("/opening-balances", invoice | {"original_total": "238.00", "original_tax": "38.00"})
    api.post(
        "/opening-balances",
        {"customer": "ACME", "number": "G-12", "original_date": "2026-10-30", "open_amount": "-20.00"},
        201,
    )
    api.get("/opening-balances")
    api.get("/opening-balances/totals")


def _approvals(api: Recorder) -> None:
    """Ask for an act above the limit of a token's owner."""
    with api.app.app_context():
        password = users.generate_password()
        person = transaction(users.create_user, "clerk@example.com", password, "biller", SYSTEM, now())
        transaction(set_limits, "biller", {"credit": Decimal(0)}, SYSTEM, now())
        scopes = ["read", "billing:write"]
        secret = transaction(tokens.create, "credits", scopes, user_id=person.id, actor=SYSTEM, now=now())[1]
    limited = Recorder(Script(api.script.client, secret))
    charge = {"customer": "ACME", "description": "Training", "amount": "80.00"}
    assert api.script.call("POST", "/charges", charge).status_code == 201
    run = {"through": "2026-11-30", "issue": True, "issue_date": "2026-11-22", "customers": ["ACME"]}
    started = api.script.call("POST", "/billing-runs", run).json
    assert started
    listed = api.script.get(f"/invoices?run={started['id']}").json
    assert listed
    number = listed["data"][0]["number"]
    waiting = limited.post(f"/invoices/{number}/credit", {"amount": "0.01", "reason": "Rounding"}, 403)
    api.get("/approvals?state=waiting")
    api.get(f"/approvals/{waiting['approval']}")


def _refusals(api: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record one problem of each status."""
    api.post("/charges", b"{'customer': 'ACME'}", 400)
    api.get("/charges", 401, headers={"Authorization": "Bearer bil_0000000000000000000000000000"})
    api.get("/customers/NOBODY", 404)
    api.patch("/customers/ACME", {"name": "ACME Ltd"}, 412, **{"If-Match": '"1"'})
    api.patch("/customers/ACME", {"name": "ACME Ltd"}, 428, **{"X-Any": "header"})
    api.post("/charges", "customer=ACME", 415, content_type="application/x-www-form-urlencoded")
    api.post(
        "/charges/batch",
        {"charges": [{"customer": "ACME", "quantity": "1.2.3"}, {"customer": "ACME", "amonut": 5}]},
        422,
    )
    with _limited(api.app, monkeypatch):
        api.post("/charges", {"customer": "ACME", "service": "support", "description": "x" * 200}, 413)
    with _called_too_often(api.app, monkeypatch):
        api.get("/period-lock")
        api.get("/period-lock", 429)
    with monkeypatch.context() as patched:
        patched.setattr(health, "organisation", _gone)
        api.get("/health", 503)


def _gone(_session: object) -> None:
    raise OperationalError("SELECT 1", {}, Exception("gone"))


@contextmanager
def _limited(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setitem(app.config, "MAX_CONTENT_LENGTH", 100)
        yield


@contextmanager
def _called_too_often(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings = app.extensions["billing_settings"].model_copy(update={"rate_limit": "1/minute"})
    with monkeypatch.context() as patched:
        patched.setitem(app.extensions, "billing_rate_limiter", RateLimiter(settings))
        yield


def numbered(content: Any) -> str:
    """Return the content as JSON, its ids and hashes numbered, so that each recording gives the same text.

    Ids that a caller chose stay.
    """
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        value = match[0]
        if CHOSEN in value:
            return value
        n = numbers.setdefault(value, len(numbers) + 1)
        return f"01a202b2-c500-7000-8000-{n:012x}" if "-" in value else hashlib.sha256(b"%d" % n).hexdigest()

    return MASKED.sub(number, json.dumps(content, indent=1, ensure_ascii=False)) + "\n"


def masked(content: Any) -> Any:
    """Return the content without the ids that the server makes and without hashes, which differ each time."""
    return json.loads(MASKED.sub("…", json.dumps(content, sort_keys=True, ensure_ascii=False)))
