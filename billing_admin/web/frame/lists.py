"""The tables of all lists: their columns, in order, and the totals below them.

`queries.list_sorts` has the columns by which each can be sorted.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from billing_admin.domain.receivables import BUCKET_NAMES
from billing_admin.domain.text import fold_for_search
from billing_admin.queries import list_sorts
from billing_admin.queries.charges.charges import ChargeSum
from billing_admin.queries.invoices.invoices import InvoiceSum
from billing_admin.queries.payments.payments import PaymentSum
from billing_admin.queries.payments.receivables import AgedAccount
from billing_admin.queries.payments.refunds import RefundSum
from billing_admin.web.frame import system_lists
from billing_admin.web.frame.labels import pluralise
from billing_admin.web.frame.tables import Column, ListTable, Table, Total, plain_table

BUCKET_LABELS = dict(
    zip(BUCKET_NAMES, ("Not due", "1–30 days", "31–60 days", "61–90 days", "Over 90 days"), strict=True)
)


def _open_key(place: int, row: AgedAccount) -> tuple[str, int]:
    return row.currency, row.position.open[place]


CHARGES = Table(
    "Charges",
    "charges/cells.html",
    (
        Column("day", "Day", "title", is_descending_first=True),
        Column("customer", "Customer", "detail", is_cut=True),
        Column("description", "Description", is_wide=True),
        Column("service", "Service", is_shown=False),
        Column("period", "Period", is_shown=False),
        Column("quantity", "Quantity", is_numeric=True),
        Column("unit_price", "Unit price", is_numeric=True),
        Column("amount", "Amount", "amount", is_numeric=True),
        Column("status", "Status", "detail"),
        Column("invoice", "Invoice", is_shown=False),
        Column("purchase_order", "Purchase order", is_shown=False),
        Column("created_at", "Recorded", is_descending_first=True, is_shown=False),
        Column("created_by", "Recorded by", is_shown=False),
    ),
    order="Newest first",
    sorts=list_sorts.CHARGES,
)

INVOICES = Table(
    "Invoices",
    "invoices/cells.html",
    (
        Column("number", "Number", "title", is_descending_first=True),
        Column("customer", "Customer", "detail", is_wide=True),
        Column("kind", "Kind", is_shown=False),
        Column("issued", "Issued", is_descending_first=True),
        Column("due", "Due", "detail"),
        Column("period", "Period", is_descending_first=True, is_shown=False),
        Column("purchase_order", "Purchase order", is_cut=True, is_shown=False),
        Column("status", "Status", "detail"),
        Column("net", "Net", is_numeric=True, is_shown=False),
        Column("tax", "Tax", is_numeric=True, is_shown=False),
        Column("total", "Total", "amount", is_numeric=True),
        Column("balance", "Balance", is_numeric=True),
        Column("created_at", "Created", is_descending_first=True, is_shown=False),
    ),
    order="Newest first",
    sorts=list_sorts.INVOICES,
)
PAYMENTS = Table(
    "Payments",
    "payments/cells.html",
    (
        Column("received", "Received", "title", is_descending_first=True),
        Column("customer", "Customer", "detail", is_cut=True),
        Column("method", "Method"),
        Column("reference", "Reference", is_wide=True),
        Column("amount", "Amount", "amount", is_numeric=True),
        Column("unallocated", "Unallocated", is_numeric=True),
        Column("status", "Status", "detail"),
        Column("created_at", "Recorded", is_descending_first=True, is_shown=False),
        Column("created_by", "Recorded by", is_shown=False),
    ),
    order="Newest first",
    sorts=list_sorts.PAYMENTS,
)
REFUNDS = Table(
    "Refunds",
    "payments/cells.html",
    (
        Column("paid", "Paid", "title", is_descending_first=True),
        Column("customer", "Customer", "detail", is_cut=True),
        Column("method", "Method"),
        Column("reference", "Reference", is_wide=True),
        Column("amount", "Amount", "amount", is_numeric=True),
        Column("status", "Status", "detail"),
        Column("created_at", "Recorded", is_descending_first=True, is_shown=False),
        Column("created_by", "Recorded by", is_shown=False),
    ),
    order="Newest first",
    sorts=list_sorts.REFUNDS,
)
OPEN_ITEMS = Table(
    "Open items",
    "receivables/open_item_cells.html",
    (
        Column("number", "Number", "title", is_descending_first=True),
        Column("customer", "Customer", "detail", is_wide=True),
        Column("issued", "Issued", is_descending_first=True),
        Column("due", "Due", "detail"),
        Column("days_overdue", "Days overdue", is_numeric=True),
        Column("total", "Total", is_numeric=True),
        Column("open", "Open", "amount", is_numeric=True),
    ),
    order="Oldest due date first in each currency",
    sorts=list_sorts.OPEN_ITEMS,
)
AGEING = Table(
    "Ageing",
    "receivables/ageing_cells.html",
    (
        Column("customer", "Customer", "title", is_wide=True),
        *(Column(f"open_{name}", label, is_numeric=True) for name, label in BUCKET_LABELS.items()),
        Column("unallocated", "Unallocated", "detail", is_numeric=True),
        Column("balance", "Balance", "amount", is_numeric=True),
    ),
    order="Largest first in each currency",
    row_keys={
        "customer": lambda row: (fold_for_search(row.name), row.currency),
        **{f"open_{name}": partial(_open_key, place) for place, name in enumerate(BUCKET_LABELS)},
        "unallocated": lambda row: (row.currency, -row.position.unallocated),
        "balance": lambda row: (row.currency, row.position.balance),
    },
)
UNALLOCATED = Table(
    "Unallocated money",
    "receivables/unallocated_cells.html",
    (
        Column("customer", "Customer", "title", is_cut=True),
        Column("kind", "From"),
        Column("day", "Received or issued", "detail"),
        Column("name", "Reference or number", "detail", is_wide=True),
        Column("amount", "Unallocated", "amount", is_numeric=True),
    ),
    order="Oldest first in each currency",
    sorts=list_sorts.UNALLOCATED,
)
OPENING_BALANCES = Table(
    "Opening balances",
    "opening_balances/cells.html",
    (
        Column("number", "Number", "title"),
        Column("customer", "Customer", "detail", is_wide=True),
        Column("original_date", "Date", is_descending_first=True),
        Column("due", "Due", "detail"),
        Column("status", "Status", "detail"),
        Column("opened", "Open on the cut-over day", is_numeric=True),
        Column("balance", "Open now", "amount", is_numeric=True),
        Column("created_at", "Recorded", is_descending_first=True, is_shown=False),
    ),
    order="Last recorded first",
    sorts=list_sorts.OPENING_BALANCES,
)
MESSAGES = Table(
    "Messages",
    "messages/cells.html",
    (
        Column("created_at", "Created", "title", is_descending_first=True),
        Column("customer", "Customer", "detail", is_cut=True),
        Column("subject", "Subject", is_wide=True),
        Column("purpose", "Purpose", is_shown=False),
        Column("documents", "Documents", is_cut=True),
        Column("recipients", "Recipients", is_cut=True),
        Column("state", "Status", "detail"),
        Column("finished_at", "Finished", is_descending_first=True, is_shown=False),
        Column("created_by", "Created by", is_shown=False),
    ),
    order="Newest first",
    sorts=list_sorts.MESSAGES,
)
DUPLICATES = Table(
    "Likely duplicates",
    "duplicates/cells.html",
    (
        Column("description", "Charge", "title", is_wide=True),
        Column("customer", "Customer", "detail", is_cut=True),
        Column("day", "Day", is_descending_first=True, is_shown=False),
        Column("amount", "Amount", "amount", is_numeric=True),
        Column("created_at", "Posted", is_descending_first=True),
        Column("created_by", "Posted by", is_shown=False),
        Column("earlier", "Earlier charge", "detail"),
        Column("status", "Status", "detail"),
    ),
    order="Newest first",
    sorts=list_sorts.DUPLICATES,
)
UNBILLED = Table(
    "Unbilled by customer",
    "unbilled/account_cells.html",
    (
        Column("customer", "Customer", "title", is_wide=True),
        Column("pending", "Pending", is_numeric=True),
        Column("held", "Held", is_numeric=True),
        Column("pending_amount", "Pending amount", "amount", is_numeric=True),
        Column("held_amount", "Held amount", is_numeric=True, is_shown=False),
        Column("age_0_30", "0–30 days", is_numeric=True),
        Column("age_31_60", "31–60 days", is_numeric=True),
        Column("age_61_90", "61–90 days", is_numeric=True),
        Column("age_over_90", "Over 90 days", is_numeric=True),
        Column("oldest", "Oldest day", "detail"),
    ),
    order="By customer name",
    sorts=list_sorts.UNBILLED,
)
_UNBILLED_COLUMNS = (
    Column("day", "Day", "title"),
    Column("description", "Description", "detail", is_wide=True),
    Column("created_on", "Added", is_shown=False),
    Column("quantity", "Quantity", is_numeric=True),
    Column("unit_price", "Unit price", is_numeric=True),
    Column("amount", "Amount", "amount", is_numeric=True),
    Column("status", "Status", "detail"),
)
UNBILLED_CHARGES = Table(
    "Unbilled charges",
    "unbilled/cells.html",
    _UNBILLED_COLUMNS,
    order="By customer name, then oldest first",
    group="customer_id",
)
ACCOUNT_CHARGES = Table(
    "Unbilled charges of a customer",
    "unbilled/cells.html",
    _UNBILLED_COLUMNS,
    order="Oldest first",
    sorts=list_sorts.ACCOUNT_CHARGES,
)
DRAFT_CHARGES = Table(
    "Charges",
    "drafts/cells.html",
    tuple(column for column in _UNBILLED_COLUMNS if column.key != "created_on"),
    order="Oldest first",
    sorts=list_sorts.ACCOUNT_CHARGES,
)
CUSTOMERS = Table(
    "Customers",
    "customers/cells.html",
    (
        Column("name", "Customer", "title", is_wide=True),
        Column("reference", "Reference", "detail"),
        Column("email", "E-mail address", is_cut=True, is_shown=False),
        Column("country", "Country", is_shown=False),
        Column("currency", "Currency", is_shown=False),
        Column("balance", "Balance", "amount", is_numeric=True),
        Column("unbilled", "Unbilled", is_numeric=True),
        Column("overdue", "Overdue since", "detail"),
        Column("created_at", "Added", is_descending_first=True, is_shown=False),
    ),
    order="By name",
    sorts=list_sorts.CUSTOMERS,
)
SERVICES = Table(
    "Services",
    "services/cells.html",
    (
        Column("code", "Code", "title"),
        Column("name", "Name", "detail", is_wide=True),
        Column("unit", "Unit"),
        Column("unit_price", "Unit price", "amount", is_numeric=True),
        Column("tax_rate", "Tax rate"),
        Column("revenue_account", "Revenue account", is_shown=False),
        Column("uses", "Used by", is_numeric=True),
        Column("created_at", "Added", is_descending_first=True, is_shown=False),
    ),
    order="By code",
    sorts=list_sorts.SERVICES,
)
RECURRING_CHARGES = Table(
    "Recurring charges",
    "recurring_charges/cells.html",
    (
        Column("description", "Description", "title", is_wide=True),
        Column("customer", "Customer", "detail", is_cut=True),
        Column("how_often", "How often"),
        Column("quantity", "Quantity", is_numeric=True),
        Column("unit_price", "Unit price", is_numeric=True),
        Column("next_day", "Next day", "detail"),
        Column("next_amount", "Next amount", "amount", is_numeric=True),
        Column("starts_on", "First day", is_descending_first=True, is_shown=False),
        Column("ends_on", "Last day", is_descending_first=True),
        Column("status", "Status", "detail"),
    ),
    order="Newest first",
    sorts=list_sorts.RECURRING_CHARGES,
)


def invoice_totals(sums: Iterable[InvoiceSum]) -> list[Total]:
    """Return the totals below a list of invoices."""
    return [
        Total(
            f"{pluralise(row.invoices, row.kind.replace('_', ' '))} in {row.currency}",
            {"net": row.net, "tax": row.tax, "total": row.total, "balance": row.balance},
            row.currency,
        )
        for row in sums
    ]


def refund_totals(sums: Iterable[RefundSum]) -> list[Total]:
    """Return the totals below a list of refunds, without reversed refunds."""
    return [
        Total(
            f"{pluralise(row.refunds, 'refund')} in {row.currency}, without reversed refunds",
            {"amount": row.amount},
            row.currency,
        )
        for row in sums
    ]


def charge_totals(sums: Iterable[ChargeSum]) -> list[Total]:
    """Return the totals below a list of charges."""
    return [
        Total(f"{pluralise(row.charges, 'charge')} in {row.currency}", {"amount": row.amount}, row.currency)
        for row in sums
    ]


def payment_totals(sums: Iterable[PaymentSum]) -> list[Total]:
    """Return the totals below a list of payments, without reversed payments."""
    return [
        Total(
            f"{pluralise(row.payments, 'payment')} in {row.currency}, without reversed payments",
            {"amount": row.amount, "unallocated": row.unallocated},
            row.currency,
        )
        for row in sums
    ]


LISTS = {name: table for name, table in {**globals(), **vars(system_lists)}.items() if isinstance(table, Table)}


def plain_list(name: str, rows: Sequence[Any], *hidden: str) -> ListTable:
    """Return some rows in the table of a list, without some of its columns."""
    return plain_table(LISTS[name].without(*hidden), rows)
