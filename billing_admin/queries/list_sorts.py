"""The columns by which each list can be sorted.

A list of any length can be sorted by the columns that are indexed, a shorter one by all of them. The expressions are
those of tables that both the list and its exported file join.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Float, case, cast, select

from billing_admin.db.paging import Sort
from billing_admin.models import Charge, Customer, Invoice, Payment, RecurringCharge, Service, TaxRate
from billing_admin.queries.payments.payments import unallocated_amount


def _by_exact(amount: Any) -> ColumnElement[float]:
    """Return the order of an exact decimal.

    SQLite keeps it as text. For the order alone, numbers with the same first fifteen digits count as equal.
    """
    return cast(amount, Float)


def _by_customer(customer_id: Any) -> ColumnElement[str]:
    """Return the order of the customer's name, for queries without the customer."""
    name = select(Customer.sort_key).where(Customer.id == customer_id)
    return name.correlate(customer_id.class_).scalar_subquery()


_TAX_RATE = select(TaxRate.name).where(TaxRate.id == Service.tax_rate_id).correlate(Service).scalar_subquery()
_IS_OWED = (Invoice.status == "issued") & (Invoice.kind != "credit_note")
_BALANCE = case((_IS_OWED, Invoice.total - Invoice.paid - Invoice.credited), else_=0)
by_charge, by_invoice, by_payment, by_customer, by_service, by_recurring = (
    partial(Sort, id=model.id) for model in (Charge, Invoice, Payment, Customer, Service, RecurringCharge)
)
# Amounts are compared within a currency only.
CHARGES: Mapping[str, Sort] = {
    "day": by_charge(Charge.incurred_on),
    "customer": by_charge(Customer.sort_key),
    "description": by_charge(Charge.description),
    "service": by_charge(Service.code),
    "period": by_charge(Charge.period_from),
    "quantity": by_charge(_by_exact(Charge.quantity)),
    "unit_price": by_charge(Charge.currency, _by_exact(Charge.unit_price)),
    "amount": by_charge(Charge.currency, _by_exact(Charge.amount)),
    "status": by_charge(Charge.status),
    "invoice": by_charge(Invoice.number),
    "purchase_order": by_charge(Charge.purchase_order),
    "created_at": by_charge(Charge.created_at, is_indexed=True),
}
INVOICES: Mapping[str, Sort] = {
    "number": by_invoice(Invoice.number, is_indexed=True),
    "customer": by_invoice(_by_customer(Invoice.customer_id)),
    "kind": by_invoice(Invoice.kind),
    "issued": by_invoice(Invoice.issue_date, is_indexed=True),
    "due": by_invoice(Invoice.due_date),
    "period": by_invoice(Invoice.period_to),
    "purchase_order": by_invoice(Invoice.purchase_order),
    "net": by_invoice(Invoice.currency, Invoice.net),
    "tax": by_invoice(Invoice.currency, Invoice.tax),
    "total": by_invoice(Invoice.currency, Invoice.total),
    "balance": by_invoice(Invoice.currency, _BALANCE),
    "created_at": by_invoice(Invoice.created_at, is_indexed=True),
}
PAYMENTS: Mapping[str, Sort] = {
    "received": by_payment(Payment.received_on, is_indexed=True),
    "customer": by_payment(Customer.sort_key),
    "method": by_payment(Payment.method),
    "reference": by_payment(Payment.reference, is_indexed=True),
    "amount": by_payment(Payment.currency, Payment.amount),
    "unallocated": by_payment(Payment.currency, unallocated_amount()),
    "status": by_payment(Payment.status),
    "created_at": by_payment(Payment.created_at, is_indexed=True),
}
CUSTOMERS: Mapping[str, Sort] = {
    "name": by_customer(Customer.sort_key, is_indexed=True),
    "reference": by_customer(Customer.reference, is_indexed=True),
    "email": by_customer(Customer.email),
    "country": by_customer(Customer.country),
    "currency": by_customer(Customer.currency),
    "created_at": by_customer(Customer.created_at, is_indexed=True),
}
SERVICES: Mapping[str, Sort] = {
    "code": by_service(Service.code, is_indexed=True),
    "name": by_service(Service.name),
    "unit": by_service(Service.unit),
    "tax_rate": by_service(_TAX_RATE),
    "revenue_account": by_service(Service.revenue_account),
    "created_at": by_service(Service.created_at, is_indexed=True),
}
RECURRING_CHARGES: Mapping[str, Sort] = {
    "description": by_recurring(RecurringCharge.description),
    "customer": by_recurring(Customer.sort_key),
    "quantity": by_recurring(_by_exact(RecurringCharge.quantity)),
    "unit_price": by_recurring(RecurringCharge.currency, _by_exact(RecurringCharge.unit_price)),
    "starts_on": by_recurring(RecurringCharge.starts_on),
    "ends_on": by_recurring(RecurringCharge.ends_on),
}
