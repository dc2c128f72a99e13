"""The JSON API for scripts.

`frame` holds the shared parts, `routes` one module for each subject.
"""

import json
from functools import cache
from importlib import import_module
from typing import Final

from flask import Flask

from billing_admin.api.frame import openapi, problems
from billing_admin.api.frame.routing import blueprint
from billing_admin.api.routes.charge_poster import init_charge_poster
from billing_admin.config import VERSION, Settings
from billing_admin.http.api_document import init_api_document
from billing_admin.http.rate_limits import init_rate_limits

SUBJECTS: Final = (
    "health",
    "charges",
    "selected_charges",
    "recurring_charges",
    "customers",
    "contacts",
    "customer_fields",
    "catalogue",
    "organisation",
    "bank_accounts",
    "exchange_rates",
    "invoices",
    "journal",
    "message_texts",
    "explanation",
    "readiness",
    "drafts",
    "e_invoices",
    "void_and_credit",
    "numbers",
    "billing_runs",
    "payments",
    "refunds",
    "opening_balances",
    "receivables",
    "messages",
    "reminders",
    "sending_runs",
    "audit_events",
    "files",
    "pdf",
    "statements",
    "approvals",
)

blueprint.register_error_handler(Exception, problems.error_response)
for _subject in SUBJECTS:
    import_module(f"{__name__}.routes.{_subject}")


def init_api(app: Flask, settings: Settings) -> None:
    """Add the API's routes and its OpenAPI document."""
    init_rate_limits(app, settings)
    init_charge_poster(app)
    init_api_document(app, cache(lambda: json.dumps(openapi.document(VERSION))))
    app.register_blueprint(blueprint)
