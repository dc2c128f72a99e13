"""Pages for people: one file a subject, each with its blueprint, its forms and its views.

A subject states at its blueprint what its pages need; the guard refuses a page for which nothing is stated. A view reads through
`queries` and `db.session`, changes through `transaction(operations.…)`, and knows neither SQL nor arithmetic.
"""

from types import ModuleType

from flask import Flask

from billing_admin.config import Settings
from billing_admin.web import (
    account,
    api_docs,
    audit,
    billing_runs,
    charge_corrections,
    charges,
    corrections,
    customers,
    dashboard,
    drafts,
    duplicates,
    exports,
    imports,
    invoices,
    jobs,
    journal,
    many_charges,
    numbers,
    payments,
    periods,
    receivables,
    recurring_charges,
    search,
    services,
    settings,
    sign_in,
    tax_rates,
    tokens,
    unbilled,
    users,
    verifying,
    webhooks,
)
from billing_admin.web.context import init_context
from billing_admin.web.errors import init_errors
from billing_admin.web.filters import init_filters
from billing_admin.web.guard import init_guard
from billing_admin.web.people import init_people
from billing_admin.web.security import init_security

# Each has a blueprint `pages`, made by `guard.subject`.
SUBJECTS: tuple[ModuleType, ...] = (
    sign_in,
    dashboard,
    search,
    customers,
    services,
    charges,
    many_charges,
    charge_corrections,
    duplicates,
    recurring_charges,
    unbilled,
    billing_runs,
    invoices,
    drafts,
    corrections,
    payments,
    receivables,
    numbers,
    exports,
    imports,
    jobs,
    verifying,
    journal,
    tokens,
    webhooks,
    api_docs,
    settings,
    tax_rates,
    users,
    periods,
    audit,
    account,
)


def init_web(app: Flask, config: Settings) -> None:
    """Add the pages; what guards them comes before any page."""
    init_security(app, config)
    init_people(app, config)
    init_guard(app)
    init_errors(app)
    init_filters(app)
    init_context(app)
    for subject in SUBJECTS:
        app.register_blueprint(subject.pages)
