"""The columns by which each list can be sorted.

A list of any length can be sorted by the columns that are indexed, a shorter one by all of them. The expressions are
those of tables that both the list and its exported file join.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Float, case, cast, select

from billing_admin.db.paging import Sort
from billing_admin.models import (
    Account,
    AuditEvent,
    BillingRun,
    Charge,
    Customer,
    ExchangeRate,
    Import,
    Invoice,
    Job,
    Message,
    Payment,
    RecurringCharge,
    Refund,
    ReminderRun,
    Service,
    TaxRate,
    WebhookDelivery,
)
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
by_charge, by_invoice, by_payment, by_refund, by_customer, by_service, by_recurring, by_message = (
    partial(Sort, id=model.id)
    for model in (Charge, Invoice, Payment, Refund, Customer, Service, RecurringCharge, Message)
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
REFUNDS: Mapping[str, Sort] = {
    "paid": by_refund(Refund.paid_on, is_indexed=True),
    "customer": by_refund(Customer.sort_key),
    "method": by_refund(Refund.method),
    "reference": by_refund(Refund.reference),
    "amount": by_refund(Refund.currency, Refund.amount),
    "status": by_refund(Refund.status),
    "created_at": by_refund(Refund.created_at, is_indexed=True),
}
# The rows of these three are computed: names are those of columns of the list's query and of the exported file.
OPEN_ITEMS: Mapping[str, Sort] = {
    "number": Sort("number"),
    "customer": Sort(Customer.sort_key),
    "issued": Sort("issue_date"),
    "due": Sort("due_date"),
    "days_overdue": Sort("days_overdue"),
    "total": Sort("currency", "total"),
    "open": Sort("currency", "open_amount"),
}
UNALLOCATED: Mapping[str, Sort] = {
    "customer": Sort(Customer.sort_key),
    "kind": Sort("kind"),
    "day": Sort("day"),
    "name": Sort("name"),
    "amount": Sort("currency", "amount"),
}
OPENING_BALANCES: Mapping[str, Sort] = {
    "number": Sort("number"),
    "customer": Sort(Customer.sort_key),
    "original_date": Sort("original_date"),
    "due": Sort("due_date"),
    "status": Sort("status"),
    "opened": Sort("currency", "amount"),
    "balance": Sort("currency", "balance"),
    "created_at": Sort("created_at"),
}
MESSAGES: Mapping[str, Sort] = {
    "created_at": by_message(Message.created_at, is_indexed=True),
    "customer": by_message(_by_customer(Message.customer_id)),
    "subject": by_message(Message.subject),
    "purpose": by_message(Message.purpose),
    "state": by_message(Message.state),
    "finished_at": by_message(Message.finished_at),
}
DUPLICATES: Mapping[str, Sort] = {
    key: CHARGES[key] for key in ("description", "customer", "day", "amount", "created_at", "status")
}
UNBILLED: Mapping[str, Sort] = {
    "customer": Sort(Customer.sort_key, Customer.id, id=Account.currency, is_indexed=True),
    "pending_amount": Sort(Account.currency, _by_exact(Account.pending_amount), id=Account.customer_id),
    "held_amount": Sort(Account.currency, _by_exact(Account.held_amount), id=Account.customer_id),
}
# The charges of one account.
ACCOUNT_CHARGES: Mapping[str, Sort] = {
    "day": by_charge(Charge.incurred_on),
    "description": by_charge(Charge.description),
    "quantity": by_charge(_by_exact(Charge.quantity)),
    "unit_price": by_charge(_by_exact(Charge.unit_price)),
    "amount": by_charge(_by_exact(Charge.amount)),
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


def _log_sorts(model: Any, *names: str) -> Mapping[str, Sort]:
    """Return the sorts of rows with an index of their creation, which is the only one."""
    created = {"created_at": Sort(model.created_at, id=model.id, is_indexed=True)}
    return created | {name: Sort(getattr(model, name), id=model.id) for name in names}


BILLING_RUNS = _log_sorts(BillingRun, "through", "created_by", "state", "finished_at")
REMINDER_RUNS = _log_sorts(ReminderRun, "day", "reminders", "created_by")
JOBS = _log_sorts(Job, "kind", "created_by", "finished_at", "state")
IMPORTS = _log_sorts(Import, "kind", "file_name", "created_by", "finished_at", "state")
DELIVERIES = _log_sorts(WebhookDelivery, "event", "about", "tries", "state", "finished_at")
AUDIT_EVENTS: Mapping[str, Sort] = {
    "at": Sort(AuditEvent.at, id=AuditEvent.id, is_indexed=True),
    "actor": Sort(AuditEvent.actor_name, id=AuditEvent.id),
    "action": Sort(AuditEvent.action, id=AuditEvent.id),
}
# A rate has no id: its day and its currency are unique.
EXCHANGE_RATES: Mapping[str, Sort] = {
    "day": Sort(ExchangeRate.day, id=ExchangeRate.currency, is_indexed=True),
    "rate": Sort(ExchangeRate.currency, _by_exact(ExchangeRate.rate), id=ExchangeRate.day),
}
NUMBERS: Mapping[str, Sort] = {
    "number": by_invoice(Invoice.sequence, is_indexed=True),
    "customer": by_invoice(_by_customer(Invoice.customer_id)),
    "issued": by_invoice(Invoice.issue_date),
    "total": by_invoice(Invoice.currency, Invoice.total),
    "status": by_invoice(Invoice.status),
}
