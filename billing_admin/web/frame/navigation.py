"""The menu: one table, of which a person sees what they may read."""

from dataclasses import dataclass

from flask import current_app, request, url_for

from billing_admin.domain.access import Actor
from billing_admin.web.frame.guard import permission_for

# Group, label, icon, endpoint: what waits first, then money, what it is about, and what is set up once. The first is home.
MENU = (
    ("", "Dashboard", "layout-dashboard", "dashboard.home"),
    ("", "Customers", "users", "customers.index"),
    ("Billing", "Unbilled", "hourglass-low", "unbilled.index"),
    ("Billing", "Billing runs", "player-play", "billing_runs.index"),
    ("Billing", "Invoices", "file-invoice", "invoices.index"),
    ("Billing", "Charges", "list-details", "charges.index"),
    ("Billing", "Recurring charges", "refresh", "recurring_charges.index"),
    ("Money", "Payments", "credit-card", "payments.index"),
    ("Money", "Ageing", "clock", "receivables.ageing"),
    ("Records", "Number register", "list-numbers", "numbers.index"),
    ("Records", "Imports", "upload", "imports.index"),
    ("Records", "Jobs", "list-check", "jobs.index"),
    ("Records", "Journal", "receipt", "journal.index"),
    ("Records", "Audit log", "history", "audit.index"),
    ("Set-up", "Services", "package", "services.index"),
    ("Set-up", "People", "user", "users.index"),
    ("Set-up", "API tokens", "key", "tokens.index"),
    ("Set-up", "Webhooks", "send", "webhooks.index"),
    ("Set-up", "API", "code", "api_docs.index"),
    ("Set-up", "Settings", "settings", "settings.index"),
)
# Pages of a subject that have a blueprint of their own.
PARENT_SECTION = {
    "drafts": "invoices",
    "corrections": "invoices",
    "charge_corrections": "charges",
    "duplicates": "charges",
    "many_charges": "charges",
    "imports.customers": "imports",
    "imports.services": "imports",
    "imports.charges": "imports",
    "imports.payments": "imports",
    "periods": "settings",
    "tax_rates": "settings",
    "journal_accounts": "settings",
}


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One line of the menu."""

    endpoint: str
    group: str
    label: str
    icon: str
    url: str
    active: bool


def build_menu(reader: Actor) -> list[MenuItem]:
    """The lines whose page exists and which the reader may open."""
    here = PARENT_SECTION.get(request.blueprint or "", request.blueprint)
    return [
        MenuItem(endpoint, group, label, icon, url_for(endpoint), _subject(endpoint) == here)
        for group, label, icon, endpoint in MENU
        if _may_open(endpoint, reader)
    ]


def _subject(endpoint: str) -> str:
    return endpoint.partition(".")[0]


def _may_open(endpoint: str, reader: Actor) -> bool:
    if endpoint not in current_app.view_functions:
        return False
    rules = current_app.url_map.iter_rules(endpoint)
    return any(
        permission_for(current_app, rule) in reader.permissions for rule in rules if "GET" in (rule.methods or ())
    )
