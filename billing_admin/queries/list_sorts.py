"""The columns by which each list can be sorted.

A list of any length can be sorted by the columns that are indexed, a shorter one by all of them. Where an expression is
the name of a column of the list's query, it is written as text.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Float, case, cast, select

from billing_admin.db.paging import Sort
from billing_admin.models import Charge, Customer, Invoice, RecurringCharge, Service, TaxRate


def _by_exact(amount: Any) -> ColumnElement[float]:
    """Return the order of an exact decimal.

    SQLite keeps it as text. For the order alone, numbers with the same first fifteen digits count as equal.
    """
    return cast(amount, Float)


def _by_customer(customer_id: Any) -> ColumnElement[str]:
    """Return the order of the customer's name, for queries without the customer."""
    return select(Customer.sort_key).where(Customer.id == customer_id).scalar_subquery()


_TAX_RATE = select(TaxRate.name).where(TaxRate.id == Service.tax_rate_id).scalar_subquery()
_IS_OWED = (Invoice.status == "issued") & (Invoice.kind != "credit_note")
_BALANCE = case((_IS_OWED, Invoice.total - Invoice.paid - Invoice.credited), else_=0)
# Amounts are compared within a currency only.
CHARGES: Mapping[str, Sort] = {
    "day": Sort("incurred_on"),
    "customer": Sort(Customer.sort_key),
    "description": Sort("description"),
    "service": Sort("service_code"),
    "period": Sort("period_from"),
    "quantity": Sort(_by_exact(Charge.quantity)),
    "unit_price": Sort("currency", _by_exact(Charge.unit_price)),
    "amount": Sort("currency", _by_exact(Charge.amount)),
    "status": Sort("status"),
    "invoice": Sort("invoice_number"),
    "purchase_order": Sort("purchase_order"),
    "created_at": Sort("created_at", is_indexed=True),
}
INVOICES: Mapping[str, Sort] = {
    "number": Sort("number", is_indexed=True),
    "customer": Sort(_by_customer(Invoice.customer_id)),
    "kind": Sort("kind"),
    "issued": Sort("issue_date", is_indexed=True),
    "due": Sort("due_date"),
    "period": Sort("period_to"),
    "purchase_order": Sort("purchase_order"),
    "net": Sort("currency", "net"),
    "tax": Sort("currency", "tax"),
    "total": Sort("currency", "total"),
    "balance": Sort("currency", _BALANCE),
    "created_at": Sort("created_at", is_indexed=True),
}
PAYMENTS: Mapping[str, Sort] = {
    "received": Sort("received_on", is_indexed=True),
    "customer": Sort(Customer.sort_key),
    "method": Sort("method"),
    "reference": Sort("reference", is_indexed=True),
    "amount": Sort("currency", "amount"),
    "unallocated": Sort("currency", "left"),
    "status": Sort("status"),
    "created_at": Sort("created_at", is_indexed=True),
}
CUSTOMERS: Mapping[str, Sort] = {
    "name": Sort("sort_key", is_indexed=True),
    "reference": Sort("reference", is_indexed=True),
    "email": Sort("email"),
    "country": Sort("country"),
    "currency": Sort("currency"),
    "created_at": Sort("created_at", is_indexed=True),
}
SERVICES: Mapping[str, Sort] = {
    "code": Sort("code", is_indexed=True),
    "name": Sort("name"),
    "unit": Sort("unit"),
    "tax_rate": Sort(_TAX_RATE),
    "revenue_account": Sort("revenue_account"),
    "created_at": Sort("created_at", is_indexed=True),
}
RECURRING_CHARGES: Mapping[str, Sort] = {
    "description": Sort("description"),
    "customer": Sort(Customer.sort_key),
    "quantity": Sort(_by_exact(RecurringCharge.quantity)),
    "unit_price": Sort("currency", _by_exact(RecurringCharge.unit_price)),
    "starts_on": Sort("starts_on"),
    "ends_on": Sort("ends_on"),
}
