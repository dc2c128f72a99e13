"""The menu: one table, of which a person sees what they may read."""

from dataclasses import dataclass

from flask import current_app, request, url_for

from billing_admin.domain.access import Actor
from billing_admin.web.guard import permission_for

# Label, icon, endpoint. The first is home.
MENU = (
    ("Dashboard", "layout-dashboard", "dashboard.home"),
    ("Customers", "users", "customers.index"),
    ("Services", "package", "services.index"),
    ("Charges", "list-details", "charges.index"),
    ("Recurring", "refresh", "recurring_charges.index"),
    ("Unbilled", "hourglass-low", "unbilled.index"),
    ("Billing runs", "player-play", "billing_runs.index"),
    ("Invoices", "file-invoice", "invoices.index"),
    ("Payments", "credit-card", "payments.index"),
    ("Ageing", "clock", "receivables.ageing"),
    ("Number register", "list-numbers", "numbers.index"),
    ("People", "user", "users.index"),
    ("API tokens", "key", "tokens.index"),
    ("Settings", "settings", "settings.index"),
    ("Audit log", "history", "audit.index"),
)
# Pages of a subject that have a blueprint of their own.
PART_OF = {"drafts": "invoices", "corrections": "invoices", "periods": "settings"}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the menu."""

    endpoint: str
    label: str
    icon: str
    url: str
    active: bool


def menu(reader: Actor) -> list[Item]:
    """The lines whose page exists and which the reader may open."""
    here = PART_OF.get(request.blueprint or "", request.blueprint)
    return [
        Item(endpoint, label, icon, url_for(endpoint), _subject(endpoint) == here)
        for label, icon, endpoint in MENU
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
