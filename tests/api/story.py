"""A day of a script's life: each route is called as a script would call it, and what it answers becomes its example."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from billing_admin.api.frame.rate_limits import RateLimiter
from billing_admin.api.frame.routing import ROUTES, Route
from billing_admin.api.routes import health
from billing_admin.formats.export import FORMATS
from tests.api.conftest import BASE, Script

MASKED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")


def id_of(kind: str, number: int) -> str:
    """An id as a caller makes it; every kind has its own letter."""
    return f"{kind * 8}-5533-4c18-882a-{number:012x}"


class Recorder:
    """Calls the API, and keeps the first answer of each status of each route, with what was asked for it."""

    def __init__(self, script: Script) -> None:
        self.script, self.app = script, script.client.application
        self.routes: dict[str, Any] = {}
        self.problems: dict[str, Any] = {}

    def call(self, method: str, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        """The answer's content; it must have this status."""
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
            if (response.mimetype or "").startswith("text/")
            else None
        )
        query = {name: values[0] for name, values in response.request.args.to_dict(flat=False).items()}
        kept = self.routes.setdefault(route.name, {"parameters": names | query, "body": body, "answers": {}})
        if content is not None and route.path != "/openapi.json":
            kept["answers"].setdefault(str(status), content)
        return content

    def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return self.call("GET", path, None, status, **options)

    def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        return self.call("POST", path, body, status, **options)

    def twice(self, path: str, body: Any) -> Any:
        """Post what is made the first time, and answered with the second."""
        first = self.post(path, body, 201)
        self.post(path, body, 200)
        return first

    def patch(self, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        headers = headers or {"If-Match": self.script.get(path).headers["ETag"]}
        return self.call("PATCH", path, body, status, headers=headers)

    def _route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        urls = self.app.url_map.bind("localhost")
        endpoint, names = urls.match(BASE + path.partition("?")[0], method=method)
        (route,) = [one for one in ROUTES if f"api.{one.name}" == endpoint]
        return route, dict(names)


def tell(script: Script, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """The whole story, on a database that has one tax rate and nothing else."""
    say = Recorder(script)
    _catalogue(say)
    _charges(say)
    _recurring(say)
    _billing(say)
    _payments(say)
    _corrections(say)
    _reading(say)
    _refusals(say, monkeypatch)
    return say


def _catalogue(say: Recorder) -> None:
    say.twice(
        "/services",
        {
            "code": "database-hosting",
            "name": "Database hosting",
            "unit": "hour",
            "prices": {"EUR": "0.05", "USD": "0.06"},
        },
    )
    say.post("/services", {"code": "support", "name": "Support", "prices": {"EUR": "250.00"}}, 201)
    say.get("/services?q=host")
    say.get("/services/database-hosting")
    say.patch("/services/database-hosting", {"prices": {"EUR": "0.045", "USD": "0.06"}})
    say.get("/tax-rates")
    acme = {
        "id": id_of("c", 1),
        "reference": "ACME",
        "name": "ACME Inc",
        "email": "accounts@acme.example",
        "currency": "EUR",
    }
    say.twice("/customers", acme)
    say.get("/customers?q=acme&limit=10")
    say.get("/customers/ACME")
    say.patch("/customers/ACME", {"payment_terms_days": 14, "address": "1 Main Street\nSpringfield"})


def _charges(say: Recorder) -> None:
    one: dict[str, Any] = {"id": id_of("a", 1), "customer": "ACME", "service": "database-hosting", "quantity": "58"}
    one |= {"incurred_on": "2026-11-20", "description": "Database hosting, cluster 7", "metadata": {"cluster": "7"}}
    say.twice("/charges", one)
    say.post("/charges", one | {"quantity": "59"}, 409)
    rows = [one | {"id": id_of("a", n), "incurred_on": f"2026-11-{n:02}"} for n in range(2, 8)]
    say.twice("/charges/batch", {"charges": rows})
    alike = say.post("/charges", one | {"id": id_of("a", 9)}, 201)
    assert alike["possible_duplicate_of"]
    say.post(f"/charges/{id_of('a', 9)}/keep", {"reason": "Two clusters of that name"})
    say.get("/charges?customer=ACME&status=pending&limit=2")
    say.get(f"/charges/{id_of('a', 1)}")
    say.post(f"/charges/{id_of('a', 2)}/hold", {"reason": "The meter is being looked at"})
    say.post(f"/charges/{id_of('a', 2)}/release", {"reason": "The meter was right"})
    say.post(f"/charges/{id_of('a', 3)}/cancel", {"reason": "Metered twice"})
    say.twice(
        f"/charges/{id_of('a', 4)}/correct", {"id": id_of("a", 10), "reason": "60 hours, not 58", "quantity": "60"}
    )


def _recurring(say: Recorder) -> None:
    flat = {
        "id": id_of("f", 1),
        "customer": "ACME",
        "service": "support",
        "interval": "monthly",
        "starts_on": "2026-12-01",
    }
    say.twice("/recurring-charges", flat)
    say.get("/recurring-charges?customer=ACME")
    say.get(f"/recurring-charges/{id_of('f', 1)}")
    say.post(f"/recurring-charges/{id_of('f', 1)}/pause", {"reason": "On holiday"})
    say.post(f"/recurring-charges/{id_of('f', 1)}/resume", {"reason": "Back again"})
    change = {"id": id_of("f", 2), "from": "2027-01-01", "unit_price": "275.00", "reason": "New agreement"}
    say.twice(f"/recurring-charges/{id_of('f', 1)}/change", change)
    say.post(
        f"/recurring-charges/{id_of('f', 2)}/end", {"ends_on": "2027-12-31", "reason": "Cancelled by the customer"}
    )


def _billing(say: Recorder) -> None:
    say.get("/customers/ACME/current-invoice?through=2026-11-30")
    run = {"id": id_of("b", 1), "through": "2026-11-30", "currency": "EUR"}
    say.twice("/billing-runs", run)
    say.post("/billing-runs", {"through": "2026-11-30", "dry_run": True})
    say.get("/billing-runs")
    say.get(f"/billing-runs/{id_of('b', 1)}")
    (draft,) = say.get("/invoices?status=draft")["data"]
    say.patch(f"/invoices/{draft['id']}", {"purchase_order": "PO 4711", "note": "Thank you."})
    say.post(f"/invoices/{draft['id']}/charges", {"remove": [id_of("a", 5), id_of("a", 6), id_of("a", 7)]})
    number = say.post(f"/invoices/{draft['id']}/issue", {"issue_date": "2026-11-22"})["number"]
    assert number == "INV-2026-00001"
    say.get(f"/invoices/{number}")
    say.get(f"/invoices/{number}/explain")


def _payments(say: Recorder) -> None:
    paid: dict[str, Any] = {
        "id": id_of("d", 1),
        "customer": "ACME",
        "amount": "10.00",
        "currency": "EUR",
        "received_on": "2026-11-22",
    }
    paid |= {"method": "bank_transfer", "reference": "INV-2026-00001", "allocate": []}
    say.twice("/payments", paid)
    say.get("/payments?customer=ACME")
    wanted = {"allocate": [{"invoice": "INV-2026-00001", "amount": "4.00"}]}
    (made,) = say.post(f"/payments/{id_of('d', 1)}/allocations", wanted)["allocations"]
    say.get(f"/payments/{id_of('d', 1)}")
    say.post(f"/payments/{id_of('d', 1)}/allocations/{made['id']}/withdraw", {"reason": "Meant for another"})
    say.get("/customers/ACME/balance?as_of=2026-11-22")
    say.get("/customers/ACME/statement?from=2026-11-01&to=2026-11-30")
    say.post(f"/payments/{id_of('d', 1)}/reverse", {"reason": "Returned by the bank"})


def _corrections(say: Recorder) -> None:
    say.twice("/invoices/INV-2026-00001/credit", {"id": id_of("e", 1), "reason": "Goodwill", "amount": "5.00"})
    open_ = say.get("/invoices/INV-2026-00001")["balance"]
    say.twice(
        "/invoices/INV-2026-00001/write-off", {"id": id_of("e", 2), "amount": open_, "reason": "Too little to ask for"}
    )
    say.post("/billing-runs", {"through": "2026-11-30", "issue": True, "issue_date": "2026-11-22"}, 201)
    later = {"id": id_of("b", 2), "through": "2026-11-30", "background": True}
    say.post("/billing-runs", later, 202)
    say.post("/invoices/INV-2026-00002/void", {"reason": "Sent to the wrong address", "charges": "pending"})


def _reading(say: Recorder) -> None:
    say.get("/number-series")
    say.get("/period-lock")
    say.get(f"/audit-events?object={id_of('a', 1)}")
    for kind in ("invoices", "invoice-lines", "charges", "payments", "allocations"):
        for format in FORMATS:
            say.get(f"/{kind}.{format}?customer=ACME")
    for kind in ("customers", "services", "audit-events"):
        for format in FORMATS:
            say.get(f"/{kind}.{format}")
    for format in ("csv", "hledger"):
        say.get(f"/journal.{format}?from=2026-11-01&to=2026-11-30")
    say.get("/invoices/INV-2026-00001/pdf")
    say.get("/health")
    say.get("/openapi.json")


def _refusals(say: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """One problem of each kind."""
    say.post("/charges", b"{'customer': 'ACME'}", 400)
    say.get("/charges", 401, headers={"Authorization": "Bearer bil_0000000000000000000000000000"})
    say.get("/customers/NOBODY", 404)
    say.patch("/customers/ACME", {"name": "ACME Ltd"}, 412, **{"If-Match": '"1"'})
    say.patch("/customers/ACME", {"name": "ACME Ltd"}, 428, **{"X-Any": "header"})
    say.post("/charges", "customer=ACME", 415, content_type="application/x-www-form-urlencoded")
    say.post(
        "/charges/batch",
        {"charges": [{"customer": "ACME", "quantity": "1.2.3"}, {"customer": "ACME", "amonut": 5}]},
        422,
    )
    with _limited(say.app, monkeypatch):
        say.post("/charges", {"customer": "ACME", "service": "support", "description": "x" * 200}, 413)
    with _called_too_often(say.app, monkeypatch):
        say.get("/period-lock")
        say.get("/period-lock", 429)
    with monkeypatch.context() as patched:
        patched.setattr(health, "organisation", _gone)
        say.get("/health", 503)


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


def masked(content: Any) -> Any:
    """What is the same whenever the story is told: without the ids that the server makes, and hashes."""
    return json.loads(MASKED.sub("…", json.dumps(content, sort_keys=True, ensure_ascii=False)))
