"""A database with an object of each kind, and every route of pages and API with the ids of these objects."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from billing_admin import clock
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES, SYSTEM
from billing_admin.models import (
    Allocation,
    ApiToken,
    BankAccount,
    BillingRun,
    Charge,
    Customer,
    CustomerField,
    Import,
    Invoice,
    InvoiceLine,
    Job,
    Logo,
    Payment,
    RecurringCharge,
    Service,
    TaxRate,
    User,
    WebhookEndpoint,
)
from billing_admin.operations.access import tokens
from billing_admin.web.frame.guard import is_api
from tests.api.conftest import Script
from tests.api.example_requests import record_examples
from tests.background.hooks import make_endpoint
from tests.importing import bring
from tests.making import make_invoice, make_tax_rate
from tests.people import csrf_token, signed_in

WRITING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Which row an address's `id` names, by the first part of its endpoint; within the API, of its path.
_OBJECTS: Final[dict[str, Any]] = {
    "bank-accounts": BankAccount,
    "bank_accounts": BankAccount,
    "billing-runs": BillingRun,
    "billing_runs": BillingRun,
    "charge_corrections": Charge,
    "charges": Charge,
    "corrections": Invoice,
    "customer-fields": CustomerField,
    "customer_fields": CustomerField,
    "customers": Customer,
    "drafts": Invoice,
    "duplicates": Charge,
    "imports": Import,
    "invoices": Invoice,
    "jobs": Job,
    "payments": Payment,
    "recurring-charges": RecurringCharge,
    "recurring_charges": RecurringCharge,
    "services": Service,
    "tax_rates": TaxRate,
    "tokens": ApiToken,
    "users": User,
    "webhooks": WebhookEndpoint,
}


class Everything:
    """An application with data, a signed-in admin's browser, and a token for everything."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.script_client = app, app.test_client()
        with app.app_context(), time_machine.travel("2026-11-22T10:00:00Z", tick=False):
            make_tax_rate("standard")
            self.token = transaction(tokens.create, "all", tuple(SCOPES), 365, actor=SYSTEM, now=clock.now())[1]
            record_examples(Script(self.script_client, self.token), monkeypatch)
            make_invoice(issue=False)
            make_endpoint(app)
            bring("customers", b"reference,name\nNEW,New Ltd\n")
            self.ids = {kind: _first(model) for kind, model in _OBJECTS.items()}
            self.logo = db.session.scalars(select(Logo.sha256)).one()
            self.others = {"customer_id": _first(Customer), "invoice_id": _first(Invoice)} | {
                "allocation_id": _first(Allocation),
                "line_id": _first(InvoiceLine),
            }
        self.browser: FlaskClient = signed_in(app)
        self.csrf_token = csrf_token(self.browser)

    def addresses(self, *methods: str) -> Iterator[tuple[str, str]]:
        """Each method and address of pages and API that may ask the database."""
        for rule in self.app.url_map.iter_rules():
            for method in sorted((rule.methods or set()) & set(methods)):
                if rule.endpoint != "static":
                    yield method, self._address(rule)

    def call(self, method: str, url: str) -> TestResponse:
        """Call a page as the admin, or a route of the API as the script. A write sends an empty form or JSON object."""
        if url.startswith("/api/v1/"):
            body: dict[str, Any] = {"json": {}} if method in WRITING else {}
            return self.script_client.open(
                url, method=method, headers={"Authorization": f"Bearer {self.token}"}, **body
            )
        data = {"csrf_token": self.csrf_token} if method in WRITING else None
        return self.browser.open(url, method=method, data=data)

    def _address(self, rule: Rule) -> str:
        kind = rule.rule.split("/")[3] if is_api(rule.endpoint) else rule.endpoint.partition(".")[0]
        id = self.ids.get(kind) or uuid4()
        values = {name: self._value(name, converter, id) for name, converter in rule._converters.items()}
        method = next(iter(rule.methods or ()))
        return str(self.app.url_map.bind("localhost").build(rule.endpoint, values, method=method))

    def _value(self, name: str, converter: Any, id: UUID) -> object:
        named = {"ref": "ACME", "reference": "ACME", "code": "support", "currency": "EUR", "year": 2026} | self.others
        named |= {"number": "INV-2026-00001", "sha256": self.logo, "key": "invoice", "language": "en"}
        return next(iter(getattr(converter, "items", ())), named.get(name, id))


def _first(model: Any) -> UUID:
    id: UUID = db.session.scalars(select(model.id).order_by(model.id)).first() or uuid4()
    return id
