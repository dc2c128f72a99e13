"""The tables of lists about work in the background, settings and access.

`queries.list_sorts` has the columns by which each can be sorted. Short lists, such as tokens, have no sort.
"""

from billing_admin.domain.translation import Phrase
from billing_admin.queries import list_sorts
from billing_admin.web.frame.tables import Column, Table

BILLING_RUNS = Table(
    Phrase("Billing runs"),
    "billing_runs/cells.html",
    (
        Column("created_at", Phrase("Started"), "title", is_descending_first=True),
        Column("through", Phrase("Charges up to"), "detail", is_descending_first=True),
        Column("customers", Phrase("Customers"), is_wide=True),
        Column("documents", Phrase("Documents"), "detail"),
        Column("invoices", Phrase("Invoices"), is_numeric=True),
        Column("total", Phrase("Total"), "amount", is_numeric=True),
        Column("created_by", Phrase("Started by"), is_cut=True),
        Column("finished_at", Phrase("Finished"), is_descending_first=True, is_shown=False),
        Column("state", Phrase("Status"), "detail"),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.BILLING_RUNS,
)
REMINDER_RUNS = Table(
    Phrase("Reminder runs"),
    "reminders/cells.html",
    (
        Column("created_at", Phrase("Started"), "title", is_descending_first=True),
        Column("day", Phrase("Day"), "detail", is_descending_first=True),
        Column("reminders", Phrase("Reminders"), "amount", is_numeric=True),
        Column("created_by", Phrase("Started by"), "detail", is_wide=True),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.REMINDER_RUNS,
)
JOBS = Table(
    Phrase("Jobs"),
    "jobs/cells.html",
    (
        Column("created_at", Phrase("Created"), "title", is_descending_first=True),
        Column("kind", Phrase("Job"), "detail", is_wide=True),
        Column("created_by", Phrase("Created by"), is_cut=True),
        Column("progress", Phrase("Progress"), "amount", is_numeric=True),
        Column("finished_at", Phrase("Finished"), is_descending_first=True),
        Column("state", Phrase("Status"), "detail"),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.JOBS,
)
IMPORTS = Table(
    Phrase("Imports"),
    "imports/cells.html",
    (
        Column("created_at", Phrase("Uploaded"), "title", is_descending_first=True),
        Column("file_name", Phrase("File"), "detail", is_wide=True),
        Column("kind", Phrase("Kind")),
        Column("created_by", Phrase("Uploaded by"), is_cut=True),
        Column("rows", Phrase("Rows"), "amount", is_numeric=True),
        Column("finished_at", Phrase("Finished"), is_descending_first=True, is_shown=False),
        Column("state", Phrase("Status"), "detail"),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.IMPORTS,
)
DELIVERIES = Table(
    Phrase("Deliveries"),
    "webhooks/delivery_cells.html",
    (
        Column("created_at", Phrase("Event time"), "title", is_descending_first=True),
        Column("event", Phrase("Event"), "detail"),
        Column("about", Phrase("About"), is_wide=True),
        Column("tries", Phrase("Attempts"), is_numeric=True),
        Column("result", Phrase("Last result"), is_cut=True),
        Column("finished_at", Phrase("Finished"), is_descending_first=True, is_shown=False),
        Column("state", Phrase("Status"), "detail"),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.DELIVERIES,
)
AUDIT_EVENTS = Table(
    Phrase("Audit log"),
    "audit/cells.html",
    (
        Column("at", Phrase("Time"), "title", is_descending_first=True),
        Column("actor", Phrase("Actor"), is_cut=True),
        Column("action", Phrase("Action"), "detail", is_cut=True),
        Column("object", Phrase("Object"), "detail", is_cut=True),
        Column("changes", Phrase("Before → after"), is_wide=True),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.AUDIT_EVENTS,
)
NUMBERS = Table(
    Phrase("Numbers"),
    "numbers/cells.html",
    (
        Column("number", Phrase("Number"), "title", is_descending_first=True),
        Column("customer", Phrase("Customer"), "detail", is_cut=True),
        Column("issued", Phrase("Date"), is_descending_first=True),
        Column("total", Phrase("Total"), "amount", is_numeric=True),
        Column("status", Phrase("Status"), "detail"),
        Column("remark", Phrase("Remark"), is_wide=True),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.NUMBERS,
)
SERIES = Table(
    Phrase("Series"),
    "numbers/series_cells.html",
    (
        Column("series", Phrase("Series"), "title", is_wide=True),
        Column("given", Phrase("Numbers"), "amount", is_numeric=True),
        Column("void", Phrase("Void"), is_numeric=True),
        Column("missing", Phrase("Missing"), is_numeric=True),
        Column("last_date", Phrase("Last date")),
        Column("next_number", Phrase("Next number"), "detail"),
    ),
    order=Phrase("Newest first"),
)
EXCHANGE_RATES = Table(
    Phrase("Exchange rates"),
    "exchange_rates/cells.html",
    (
        Column("day", Phrase("Day"), "title", is_descending_first=True),
        Column("rate", Phrase("Rate"), "amount", is_numeric=True),
        Column("source", Phrase("Source"), "detail", is_wide=True),
        Column("actions", Phrase("Actions"), "actions", is_label_hidden=True),
    ),
    order=Phrase("Latest first"),
    sorts={key: list_sorts.EXCHANGE_RATES[key] for key in ("day", "rate")},
)
TOKENS = Table(
    Phrase("API tokens"),
    "tokens/cells.html",
    (
        Column("name", Phrase("Name"), "title", is_cut=True),
        Column("prefix", Phrase("Begins with")),
        Column("scopes", Phrase("Scopes"), is_wide=True),
        Column("owner", Phrase("Owner"), "detail", is_cut=True),
        Column("last_used", Phrase("Last used")),
        Column("expires", Phrase("Expires")),
        Column("status", Phrase("Status"), "detail"),
        Column("actions", Phrase("Actions"), "actions", is_label_hidden=True),
    ),
    order=Phrase("Newest first"),
)
PEOPLE = Table(
    Phrase("People"),
    "users/cells.html",
    (
        Column("email", Phrase("E-mail address"), "title"),
        Column("role", Phrase("Role"), "detail"),
        Column("added", Phrase("Added")),
        Column("status", Phrase("Status"), "whole"),
        Column("actions", Phrase("Actions"), "actions", is_label_hidden=True),
    ),
    order=Phrase("By e-mail address"),
)
SESSIONS = Table(
    Phrase("Sessions"),
    "sessions/cells.html",
    (
        Column("device", Phrase("Device"), "title", is_wide=True),
        Column("address", Phrase("Address"), "detail"),
        Column("signed_in", Phrase("Signed in")),
        Column("last_seen", Phrase("Last used"), "detail"),
        Column("actions", Phrase("Actions"), "actions", is_label_hidden=True),
    ),
    order=Phrase("Last used first"),
)
APPROVALS = Table(
    Phrase("To approve"),
    "approvals/cells.html",
    (
        Column("created_at", Phrase("Asked"), "title"),
        Column("act", Phrase("Act"), "detail"),
        Column("amount", Phrase("Amount"), "amount", is_numeric=True),
        Column("maker", Phrase("Asked by"), "detail", is_cut=True),
        Column("reason", Phrase("Reason"), is_wide=True),
        Column("decided_by", Phrase("Decided by"), is_cut=True),
        Column("state", Phrase("Status"), "detail"),
    ),
    order=Phrase("Newest first"),
)
ROLES = Table(
    Phrase("Roles"),
    "roles/cells.html",
    (
        Column("name", Phrase("Role"), "title"),
        Column("description", Phrase("Description"), "detail", is_wide=True),
        Column("people", Phrase("Active people"), "amount", is_numeric=True),
        Column("conflicts", Phrase("Conflicting permissions"), is_numeric=True),
        Column("status", Phrase("Status"), "detail"),
        Column("actions", Phrase("Actions"), "actions", is_label_hidden=True),
    ),
    order=Phrase("Built-in roles first"),
)
BANK_ACCOUNTS = Table(
    Phrase("Bank accounts"),
    "bank_accounts/cells.html",
    (
        Column("account", Phrase("Account"), "title"),
        Column("currency", Phrase("Currency"), "detail"),
        Column("holder", Phrase("Holder"), "detail", is_cut=True),
        Column("bank", Phrase("Bank"), is_wide=True),
        Column("status", Phrase("Status"), "detail"),
        Column("actions", Phrase("Actions"), "actions", is_label_hidden=True),
    ),
    order=Phrase("By currency"),
)
WEBHOOKS = Table(
    Phrase("Webhooks"),
    "webhooks/cells.html",
    (
        Column("url", "URL", "title", is_wide=True),
        Column("events", Phrase("Events"), is_cut=True),
        Column("last_delivery", Phrase("Last delivery"), "detail"),
        Column("state", Phrase("Status"), "detail"),
    ),
    order=Phrase("Newest first"),
)
