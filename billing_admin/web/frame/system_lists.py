"""The tables of lists about work in the background, settings and access.

`queries.list_sorts` has the columns by which each can be sorted. Short lists, such as tokens, have no sort.
"""

from billing_admin.queries import list_sorts
from billing_admin.web.frame.tables import Column, Table

BILLING_RUNS = Table(
    "Billing runs",
    "billing_runs/cells.html",
    (
        Column("created_at", "Started", "title", is_descending_first=True),
        Column("through", "Charges up to", "detail", is_descending_first=True),
        Column("customers", "Customers", is_wide=True),
        Column("documents", "Documents", "detail"),
        Column("invoices", "Invoices", is_numeric=True),
        Column("total", "Total", "amount", is_numeric=True),
        Column("created_by", "Started by", is_cut=True),
        Column("finished_at", "Finished", is_descending_first=True, is_shown=False),
        Column("state", "Status", "detail"),
    ),
    order="Newest first",
    sorts=list_sorts.BILLING_RUNS,
)
REMINDER_RUNS = Table(
    "Reminder runs",
    "reminders/cells.html",
    (
        Column("created_at", "Started", "title", is_descending_first=True),
        Column("day", "Day", "detail", is_descending_first=True),
        Column("reminders", "Reminders", "amount", is_numeric=True),
        Column("created_by", "Started by", "detail", is_wide=True),
    ),
    order="Newest first",
    sorts=list_sorts.REMINDER_RUNS,
)
JOBS = Table(
    "Jobs",
    "jobs/cells.html",
    (
        Column("created_at", "Created", "title", is_descending_first=True),
        Column("kind", "Job", "detail", is_wide=True),
        Column("created_by", "Created by", is_cut=True),
        Column("progress", "Progress", "amount", is_numeric=True),
        Column("finished_at", "Finished", is_descending_first=True),
        Column("state", "Status", "detail"),
    ),
    order="Newest first",
    sorts=list_sorts.JOBS,
)
IMPORTS = Table(
    "Imports",
    "imports/cells.html",
    (
        Column("created_at", "Uploaded", "title", is_descending_first=True),
        Column("file_name", "File", "detail", is_wide=True),
        Column("kind", "Kind"),
        Column("created_by", "Uploaded by", is_cut=True),
        Column("rows", "Rows", "amount", is_numeric=True),
        Column("finished_at", "Finished", is_descending_first=True, is_shown=False),
        Column("state", "Status", "detail"),
    ),
    order="Newest first",
    sorts=list_sorts.IMPORTS,
)
DELIVERIES = Table(
    "Deliveries",
    "webhooks/delivery_cells.html",
    (
        Column("created_at", "Event time", "title", is_descending_first=True),
        Column("event", "Event", "detail"),
        Column("about", "About", is_wide=True),
        Column("tries", "Attempts", is_numeric=True),
        Column("result", "Last result", is_cut=True),
        Column("finished_at", "Finished", is_descending_first=True, is_shown=False),
        Column("state", "Status", "detail"),
    ),
    order="Newest first",
    sorts=list_sorts.DELIVERIES,
)
AUDIT_EVENTS = Table(
    "Audit log",
    "audit/cells.html",
    (
        Column("at", "Time", "title", is_descending_first=True),
        Column("actor", "Actor", is_cut=True),
        Column("action", "Action", "detail", is_cut=True),
        Column("object", "Object", "detail", is_cut=True),
        Column("changes", "Before → after", is_wide=True),
    ),
    order="Newest first",
    sorts=list_sorts.AUDIT_EVENTS,
)
NUMBERS = Table(
    "Numbers",
    "numbers/cells.html",
    (
        Column("number", "Number", "title", is_descending_first=True),
        Column("customer", "Customer", "detail", is_cut=True),
        Column("issued", "Date", is_descending_first=True),
        Column("total", "Total", "amount", is_numeric=True),
        Column("status", "Status", "detail"),
        Column("remark", "Remark", is_wide=True),
    ),
    order="Newest first",
    sorts=list_sorts.NUMBERS,
)
SERIES = Table(
    "Series",
    "numbers/series_cells.html",
    (
        Column("series", "Series", "title", is_wide=True),
        Column("given", "Numbers", "amount", is_numeric=True),
        Column("void", "Void", is_numeric=True),
        Column("missing", "Missing", is_numeric=True),
        Column("last_date", "Last date"),
        Column("next_number", "Next number", "detail"),
    ),
    order="Newest first",
)
EXCHANGE_RATES = Table(
    "Exchange rates",
    "exchange_rates/cells.html",
    (
        Column("day", "Day", "title", is_descending_first=True),
        Column("rate", "Rate", "amount", is_numeric=True),
        Column("source", "Source", "detail", is_wide=True),
        Column("actions", "Actions", "actions", is_label_hidden=True),
    ),
    order="Latest first",
    sorts={key: list_sorts.EXCHANGE_RATES[key] for key in ("day", "rate")},
)
TOKENS = Table(
    "API tokens",
    "tokens/cells.html",
    (
        Column("name", "Name", "title", is_cut=True),
        Column("prefix", "Begins with"),
        Column("scopes", "Scopes", is_wide=True),
        Column("owner", "Owner", "detail", is_cut=True),
        Column("last_used", "Last used"),
        Column("expires", "Expires"),
        Column("status", "Status", "detail"),
        Column("actions", "Actions", "actions", is_label_hidden=True),
    ),
    order="Newest first",
)
PEOPLE = Table(
    "People",
    "users/cells.html",
    (
        Column("email", "E-mail address", "title", is_wide=True),
        Column("role", "Role", "detail"),
        Column("added", "Added"),
        Column("status", "Status", "detail"),
        Column("actions", "Actions", "actions", is_label_hidden=True),
    ),
    order="By e-mail address",
)
BANK_ACCOUNTS = Table(
    "Bank accounts",
    "bank_accounts/cells.html",
    (
        Column("account", "Account", "title"),
        Column("currency", "Currency", "detail"),
        Column("holder", "Holder", "detail", is_cut=True),
        Column("bank", "Bank", is_wide=True),
        Column("status", "Status", "detail"),
        Column("actions", "Actions", "actions", is_label_hidden=True),
    ),
    order="By currency",
)
WEBHOOKS = Table(
    "Webhooks",
    "webhooks/cells.html",
    (
        Column("url", "URL", "title", is_wide=True),
        Column("events", "Events", is_cut=True),
        Column("last_delivery", "Last delivery", "detail"),
        Column("state", "Status", "detail"),
    ),
    order="Newest first",
)
