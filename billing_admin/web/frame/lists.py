"""The tables of all lists: their columns, in order, and the totals below them.

`queries.list_sorts` has the columns by which each can be sorted.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from billing_admin.domain.receivables import BUCKET_NAMES
from billing_admin.domain.text import fold_for_search
from billing_admin.domain.translation import Phrase, plural
from billing_admin.queries import list_sorts
from billing_admin.queries.charges.charges import ChargeSum
from billing_admin.queries.invoices.invoices import InvoiceSum
from billing_admin.queries.payments.payments import PaymentSum
from billing_admin.queries.payments.receivables import AgedAccount
from billing_admin.queries.payments.refunds import RefundSum
from billing_admin.web.frame import system_lists
from billing_admin.web.frame.labels import pluralise
from billing_admin.web.frame.tables import Column, ListTable, Table, Total, plain_table

_BUCKETS = (
    Phrase("Not due"),
    Phrase("1–30 days"),
    Phrase("31–60 days"),
    Phrase("61–90 days"),
    Phrase("Over 90 days"),
)
BUCKET_LABELS = dict(zip(BUCKET_NAMES, _BUCKETS, strict=True))
# For macros: a text that a template itself marks is translated when the template is first imported, once for all readers.
AGEING_COLUMNS = [{"label": label, "numeric": True} for label in (*_BUCKETS, Phrase("Credit"), Phrase("Balance"))]


def _open_key(place: int, row: AgedAccount) -> tuple[str, int]:
    return row.currency, row.position.open[place]


CHARGES = Table(
    Phrase("Charges"),
    "charges/cells.html",
    (
        Column("day", Phrase("Day"), "title", is_descending_first=True),
        Column("customer", Phrase("Customer"), "detail", is_cut=True),
        Column("description", Phrase("Description"), is_wide=True),
        Column("service", Phrase("Service"), is_shown=False),
        Column("period", Phrase("Period"), is_shown=False),
        Column("quantity", Phrase("Quantity"), is_numeric=True),
        Column("unit_price", Phrase("Unit price"), is_numeric=True),
        Column("amount", Phrase("Amount"), "amount", is_numeric=True),
        Column("status", Phrase("Status"), "detail"),
        Column("invoice", Phrase("Invoice"), is_shown=False),
        Column("purchase_order", Phrase("Purchase order"), is_shown=False),
        Column("created_at", Phrase("Recorded"), is_descending_first=True, is_shown=False),
        Column("created_by", Phrase("Recorded by"), is_shown=False),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.CHARGES,
)

INVOICES = Table(
    Phrase("Invoices"),
    "invoices/cells.html",
    (
        Column("number", Phrase("Number"), "title", is_descending_first=True),
        Column("customer", Phrase("Customer"), "detail", is_wide=True),
        Column("kind", Phrase("Kind"), is_shown=False),
        Column("issued", Phrase("Issued"), is_descending_first=True),
        Column("due", Phrase("Due"), "detail"),
        Column("period", Phrase("Period"), is_descending_first=True, is_shown=False),
        Column("purchase_order", Phrase("Purchase order"), is_cut=True, is_shown=False),
        Column("status", Phrase("Status"), "detail"),
        Column("net", Phrase("Net"), is_numeric=True, is_shown=False),
        Column("tax", Phrase("Tax"), is_numeric=True, is_shown=False),
        Column("total", Phrase("Total"), "amount", is_numeric=True),
        Column("balance", Phrase("Balance"), is_numeric=True),
        Column("created_at", Phrase("Created"), is_descending_first=True, is_shown=False),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.INVOICES,
)
PAYMENTS = Table(
    Phrase("Payments"),
    "payments/cells.html",
    (
        Column("received", Phrase("Received"), "title", is_descending_first=True),
        Column("customer", Phrase("Customer"), "detail", is_cut=True),
        Column("method", Phrase("Method")),
        Column("reference", Phrase("Reference"), is_wide=True),
        Column("amount", Phrase("Amount"), "amount", is_numeric=True),
        Column("unallocated", Phrase("Unallocated"), is_numeric=True),
        Column("status", Phrase("Status"), "detail"),
        Column("created_at", Phrase("Recorded"), is_descending_first=True, is_shown=False),
        Column("created_by", Phrase("Recorded by"), is_shown=False),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.PAYMENTS,
)
REFUNDS = Table(
    Phrase("Refunds"),
    "payments/cells.html",
    (
        Column("paid", Phrase("Paid"), "title", is_descending_first=True),
        Column("customer", Phrase("Customer"), "detail", is_cut=True),
        Column("method", Phrase("Method")),
        Column("reference", Phrase("Reference"), is_wide=True),
        Column("amount", Phrase("Amount"), "amount", is_numeric=True),
        Column("status", Phrase("Status"), "detail"),
        Column("created_at", Phrase("Recorded"), is_descending_first=True, is_shown=False),
        Column("created_by", Phrase("Recorded by"), is_shown=False),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.REFUNDS,
)
OPEN_ITEMS = Table(
    Phrase("Open items"),
    "receivables/open_item_cells.html",
    (
        Column("number", Phrase("Number"), "title", is_descending_first=True),
        Column("customer", Phrase("Customer"), "detail", is_wide=True),
        Column("issued", Phrase("Issued"), is_descending_first=True),
        Column("due", Phrase("Due"), "detail"),
        Column("days_overdue", Phrase("Days overdue"), is_numeric=True),
        Column("total", Phrase("Total"), is_numeric=True),
        Column("open", Phrase("Open"), "amount", is_numeric=True),
    ),
    order=Phrase("Oldest due date first in each currency"),
    sorts=list_sorts.OPEN_ITEMS,
)
AGEING = Table(
    Phrase("Ageing"),
    "receivables/ageing_cells.html",
    (
        Column("customer", Phrase("Customer"), "title", is_wide=True),
        *(Column(f"open_{name}", label, is_numeric=True) for name, label in BUCKET_LABELS.items()),
        Column("unallocated", Phrase("Credit"), "detail", is_numeric=True),
        Column("balance", Phrase("Balance"), "amount", is_numeric=True),
    ),
    order=Phrase("Largest first in each currency"),
    row_keys={
        "customer": lambda row: (fold_for_search(row.name), row.currency),
        **{f"open_{name}": partial(_open_key, place) for place, name in enumerate(BUCKET_LABELS)},
        "unallocated": lambda row: (row.currency, -row.position.unallocated),
        "balance": lambda row: (row.currency, row.position.balance),
    },
)
UNALLOCATED = Table(
    Phrase("Unallocated payments"),
    "receivables/unallocated_cells.html",
    (
        Column("customer", Phrase("Customer"), "title", is_cut=True),
        Column("kind", Phrase("From")),
        Column("day", Phrase("Received or issued"), "detail"),
        Column("name", Phrase("Reference or number"), "detail", is_wide=True),
        Column("amount", Phrase("Unallocated"), "amount", is_numeric=True),
    ),
    order=Phrase("Oldest first in each currency"),
    sorts=list_sorts.UNALLOCATED,
)
OPENING_BALANCES = Table(
    Phrase("Opening balances"),
    "opening_balances/cells.html",
    (
        Column("number", Phrase("Number"), "title"),
        Column("customer", Phrase("Customer"), "detail", is_wide=True),
        Column("original_date", Phrase("Date"), is_descending_first=True),
        Column("due", Phrase("Due"), "detail"),
        Column("status", Phrase("Status"), "detail"),
        Column("opened", Phrase("Open on the cut-over day"), is_numeric=True),
        Column("balance", Phrase("Open now"), "amount", is_numeric=True),
        Column("created_at", Phrase("Recorded"), is_descending_first=True, is_shown=False),
    ),
    order=Phrase("Last recorded first"),
    sorts=list_sorts.OPENING_BALANCES,
)
MESSAGES = Table(
    Phrase("Messages"),
    "messages/cells.html",
    (
        Column("created_at", Phrase("Created"), "title", is_descending_first=True),
        Column("customer", Phrase("Customer"), "detail", is_cut=True),
        Column("subject", Phrase("Subject"), is_wide=True),
        Column("purpose", Phrase("Purpose"), is_shown=False),
        Column("documents", Phrase("Documents"), is_cut=True),
        Column("recipients", Phrase("Recipients"), is_cut=True),
        Column("state", Phrase("Status"), "detail"),
        Column("finished_at", Phrase("Finished"), is_descending_first=True, is_shown=False),
        Column("created_by", Phrase("Created by"), is_shown=False),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.MESSAGES,
)
DUPLICATES = Table(
    Phrase("Likely duplicates"),
    "duplicates/cells.html",
    (
        Column("description", Phrase("Charge"), "title", is_wide=True),
        Column("customer", Phrase("Customer"), "detail", is_cut=True),
        Column("day", Phrase("Day"), is_descending_first=True, is_shown=False),
        Column("amount", Phrase("Amount"), "amount", is_numeric=True),
        Column("created_at", Phrase("Posted"), is_descending_first=True),
        Column("created_by", Phrase("Posted by"), is_shown=False),
        Column("earlier", Phrase("Earlier charge"), "detail"),
        Column("status", Phrase("Status"), "detail"),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.DUPLICATES,
)
UNBILLED = Table(
    Phrase("Unbilled by customer"),
    "unbilled/account_cells.html",
    (
        Column("customer", Phrase("Customer"), "title", is_wide=True),
        Column("pending", Phrase("Pending"), is_numeric=True),
        Column("held", Phrase("Held"), is_numeric=True),
        Column("pending_amount", Phrase("Pending amount"), "amount", is_numeric=True),
        Column("held_amount", Phrase("Held amount"), is_numeric=True, is_shown=False),
        Column("age_0_30", Phrase("0–30 days"), is_numeric=True),
        Column("age_31_60", Phrase("31–60 days"), is_numeric=True),
        Column("age_61_90", Phrase("61–90 days"), is_numeric=True),
        Column("age_over_90", Phrase("Over 90 days"), is_numeric=True),
        Column("oldest", Phrase("Oldest day"), "detail"),
    ),
    order=Phrase("By customer name"),
    sorts=list_sorts.UNBILLED,
)
_UNBILLED_COLUMNS = (
    Column("day", Phrase("Day"), "title"),
    Column("description", Phrase("Description"), "detail", is_wide=True),
    Column("created_on", Phrase("Added"), is_shown=False),
    Column("quantity", Phrase("Quantity"), is_numeric=True),
    Column("unit_price", Phrase("Unit price"), is_numeric=True),
    Column("amount", Phrase("Amount"), "amount", is_numeric=True),
    Column("status", Phrase("Status"), "detail"),
)
UNBILLED_CHARGES = Table(
    Phrase("Unbilled charges"),
    "unbilled/cells.html",
    _UNBILLED_COLUMNS,
    order=Phrase("By customer name, then oldest first"),
    group="customer_id",
)
ACCOUNT_CHARGES = Table(
    Phrase("Unbilled charges of a customer"),
    "unbilled/cells.html",
    _UNBILLED_COLUMNS,
    order=Phrase("Oldest first"),
    sorts=list_sorts.ACCOUNT_CHARGES,
)
DRAFT_CHARGES = Table(
    Phrase("Charges"),
    "drafts/cells.html",
    tuple(column for column in _UNBILLED_COLUMNS if column.key != "created_on"),
    order=Phrase("Oldest first"),
    sorts=list_sorts.ACCOUNT_CHARGES,
)
CUSTOMERS = Table(
    Phrase("Customers"),
    "customers/cells.html",
    (
        Column("name", Phrase("Customer"), "title", is_wide=True),
        Column("reference", Phrase("Reference"), "detail"),
        Column("email", Phrase("E-mail address"), is_cut=True, is_shown=False),
        Column("country", Phrase("Country"), is_shown=False),
        Column("currency", Phrase("Currency"), is_shown=False),
        Column("balance", Phrase("Balance"), "amount", is_numeric=True),
        Column("unbilled", Phrase("Unbilled"), is_numeric=True),
        Column("overdue", Phrase("Overdue since"), "detail"),
        Column("created_at", Phrase("Added"), is_descending_first=True, is_shown=False),
    ),
    order=Phrase("By name"),
    sorts=list_sorts.CUSTOMERS,
)
SERVICES = Table(
    Phrase("Services"),
    "services/cells.html",
    (
        Column("code", Phrase("Code"), "title"),
        Column("name", Phrase("Name"), "detail", is_wide=True),
        Column("unit", Phrase("Unit")),
        Column("unit_price", Phrase("Unit price"), "amount", is_numeric=True),
        Column("tax_rate", Phrase("Tax rate")),
        Column("revenue_account", Phrase("Revenue account"), is_shown=False),
        Column("uses", Phrase("Used by"), is_numeric=True),
        Column("created_at", Phrase("Added"), is_descending_first=True, is_shown=False),
    ),
    order=Phrase("By code"),
    sorts=list_sorts.SERVICES,
)
RECURRING_CHARGES = Table(
    Phrase("Recurring charges"),
    "recurring_charges/cells.html",
    (
        Column("description", Phrase("Description"), "title", is_wide=True),
        Column("customer", Phrase("Customer"), "detail", is_cut=True),
        Column("how_often", Phrase("How often")),
        Column("quantity", Phrase("Quantity"), is_numeric=True),
        Column("unit_price", Phrase("Unit price"), is_numeric=True),
        Column("next_day", Phrase("Next day"), "detail"),
        Column("next_amount", Phrase("Next amount"), "amount", is_numeric=True),
        Column("starts_on", Phrase("First day"), is_descending_first=True, is_shown=False),
        Column("ends_on", Phrase("Last day"), is_descending_first=True),
        Column("status", Phrase("Status"), "detail"),
    ),
    order=Phrase("Newest first"),
    sorts=list_sorts.RECURRING_CHARGES,
)


def _of_currency(rows: str, currency: str) -> str:
    return Phrase("{rows} in {currency}", rows=rows, currency=currency)


def invoice_totals(sums: Iterable[InvoiceSum]) -> list[Total]:
    """Return the totals below a list of invoices."""
    return [
        Total(
            _of_currency(pluralise(row.invoices, row.kind.replace("_", " ")), row.currency),
            {"net": row.net, "tax": row.tax, "total": row.total, "balance": row.balance},
            row.currency,
        )
        for row in sums
    ]


def refund_totals(sums: Iterable[RefundSum]) -> list[Total]:
    """Return the totals below a list of refunds, without reversed refunds."""
    return [
        Total(
            plural(
                "{count} refund in {currency}, without reversed refunds",
                "{count} refunds in {currency}, without reversed refunds",
                row.refunds,
                currency=row.currency,
            ),
            {"amount": row.amount},
            row.currency,
        )
        for row in sums
    ]


def charge_totals(sums: Iterable[ChargeSum]) -> list[Total]:
    """Return the totals below a list of charges."""
    return [
        Total(_of_currency(pluralise(row.charges, "charge"), row.currency), {"amount": row.amount}, row.currency)
        for row in sums
    ]


def payment_totals(sums: Iterable[PaymentSum]) -> list[Total]:
    """Return the totals below a list of payments, without reversed payments."""
    return [
        Total(
            plural(
                "{count} payment in {currency}, without reversed payments",
                "{count} payments in {currency}, without reversed payments",
                row.payments,
                currency=row.currency,
            ),
            {"amount": row.amount, "unallocated": row.unallocated},
            row.currency,
        )
        for row in sums
    ]


LISTS = {name: table for name, table in {**globals(), **vars(system_lists)}.items() if isinstance(table, Table)}


def plain_list(name: str, rows: Sequence[Any], *hidden: str) -> ListTable:
    """Return some rows in the table of a list, without some of its columns."""
    return plain_table(LISTS[name].without(*hidden), rows)
