"""The menu: one table; each person sees the pages that they may read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import current_app, request, url_for

from billing_admin.db.engine import db
from billing_admin.domain.access import Actor
from billing_admin.domain.translation import Phrase
from billing_admin.queries.messages.messages import ATTENTION
from billing_admin.queries.work_queue import MenuCounts, menu_counts
from billing_admin.web.frame.guard import permission_for
from billing_admin.web.frame.signed_in import now

OUTBOX = "messages.index"
# (group, label, icon, endpoint). The first item is the home page.
MENU = (
    ("", Phrase("Dashboard"), "layout-dashboard", "dashboard.home"),
    ("", Phrase("Customers"), "users", "customers.index"),
    (Phrase("Billing"), Phrase("Unbilled"), "hourglass-low", "unbilled.index"),
    (Phrase("Billing"), Phrase("Billing runs"), "player-play", "billing_runs.index"),
    (Phrase("Billing"), Phrase("Invoices"), "file-invoice", "invoices.index"),
    (Phrase("Billing"), Phrase("Charges"), "list-details", "charges.index"),
    (Phrase("Billing"), Phrase("Recurring charges"), "refresh", "recurring_charges.index"),
    (Phrase("Billing"), Phrase("Month end"), "calendar", "month_end.show"),
    (Phrase("Money"), Phrase("Payments"), "credit-card", "payments.index"),
    (Phrase("Money"), Phrase("Ageing"), "clock", "receivables.ageing"),
    (Phrase("Money"), Phrase("Reminders"), "send", "reminders.index"),
    (Phrase("Records"), Phrase("To approve"), "check", "approvals.index"),
    (Phrase("Records"), Phrase("Outbox"), "send", OUTBOX),
    (Phrase("Records"), Phrase("Number register"), "list-numbers", "numbers.index"),
    (Phrase("Records"), Phrase("Imports"), "upload", "imports.index"),
    (Phrase("Records"), Phrase("Jobs"), "list-check", "jobs.index"),
    (Phrase("Records"), Phrase("Journal"), "receipt", "journal.index"),
    (Phrase("Records"), Phrase("Mailbox"), "inbox", "mailbox.index"),  # in development only
    (Phrase("Records"), Phrase("Audit log"), "history", "audit.index"),
    (Phrase("Set-up"), Phrase("Services"), "package", "services.index"),
    (Phrase("Set-up"), Phrase("People"), "user", "users.index"),
    (Phrase("Set-up"), Phrase("API tokens"), "key", "tokens.index"),
    (Phrase("Set-up"), Phrase("Webhooks"), "send", "webhooks.index"),
    (Phrase("Set-up"), "API", "code", "api_docs.index"),
    (Phrase("Set-up"), Phrase("Settings"), "settings", "settings.index"),
)
# Endpoint → the key that leads to it after G.
GO_KEYS = {
    "dashboard.home": "d",
    "customers.index": "c",
    "unbilled.index": "u",
    "billing_runs.index": "b",
    "invoices.index": "i",
    "charges.index": "h",
    "recurring_charges.index": "r",
    "payments.index": "p",
    "receivables.ageing": "a",
    "reminders.index": "m",
    OUTBOX: "o",
    "services.index": "s",
}
# Blueprint → blueprint of the menu item under which its pages are.
PARENT_BLUEPRINT = {
    "set_up": "dashboard",
    "drafts": "invoices",
    "corrections": "invoices",
    "rebilling": "invoices",
    "sending": "invoices",
    "sending_runs": "invoices",
    "e_invoices": "invoices",
    "charge_corrections": "charges",
    "duplicates": "charges",
    "many_charges": "charges",
    "selected_charges": "charges",
    "imports.customers": "imports",
    "imports.services": "imports",
    "imports.charges": "imports",
    "imports.payments": "imports",
    "refunds": "payments",
    "imports.contacts": "imports",
    "imports.opening-balances": "imports",
    "imports.recurring-charges": "imports",
    "opening_balances": "receivables",
    "person_sessions": "users",
    "periods": "settings",
    "roles": "users",
    "tax_rates": "settings",
    "bank_accounts": "settings",
    "customer_fields": "settings",
    "exchange_rates": "settings",
    "mail": "settings",
    "journal_accounts": "settings",
    "reminder_pauses": "reminders",
    "message_texts": "settings",
    "statements": "customers",
    "reminder_levels": "settings",
}


# Endpoint → the number on its item, and the words that a screen reader adds to it.
COUNTS: Mapping[str, tuple[Callable[[MenuCounts], int], str]] = {
    "unbilled.index": (lambda waiting: waiting.pending_charges, Phrase("pending charges")),
    "invoices.index": (lambda waiting: waiting.drafts, Phrase("drafts")),
    "jobs.index": (lambda waiting: waiting.failed_jobs, Phrase("failed")),
    "approvals.index": (lambda waiting: waiting.approvals, Phrase("waiting")),
    OUTBOX: (lambda waiting: waiting.messages + waiting.delayed_messages, Phrase("need attention")),
}


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One item of the menu.

    `count` is the number of rows on its page that wait for a person, and `noun` says what they are.
    """

    endpoint: str
    group: str
    label: str
    icon: str
    url: str
    active: bool
    count: int = 0
    noun: str = ""
    key: str = ""


def build_menu(reader: Actor) -> list[MenuItem]:
    """Return the items that the reader may open, with the current one marked."""
    current = PARENT_BLUEPRINT.get(request.blueprint or "", request.blueprint)
    waiting = menu_counts(db.session(), now())
    return [
        _menu_item(endpoint, group, label, icon, _blueprint_of(endpoint) == current, waiting)
        for group, label, icon, endpoint in MENU
        if may_open(endpoint, reader)
    ]


def _menu_item(endpoint: str, group: str, label: str, icon: str, active: bool, waiting: MenuCounts) -> MenuItem:
    """Return an item of the menu.

    That of the outbox leads to the messages that need attention or have waited for long, if there are any.
    """
    count_of, noun = COUNTS.get(endpoint, (lambda _: 0, ""))
    state = ATTENTION if waiting.messages else "waiting" if waiting.delayed_messages else None
    url = url_for(endpoint, state=state if endpoint == OUTBOX else None)
    return MenuItem(endpoint, group, label, icon, url, active, count_of(waiting), noun, GO_KEYS.get(endpoint, ""))


def _blueprint_of(endpoint: str) -> str:
    return endpoint.partition(".")[0]


def may_open(endpoint: str, reader: Actor) -> bool:
    """Return whether a reader may open the page of an endpoint."""
    if endpoint not in current_app.view_functions:
        return False
    rules = current_app.url_map.iter_rules(endpoint)
    return any(
        permission_for(current_app, rule) in reader.permissions for rule in rules if "GET" in (rule.methods or ())
    )
