"""Exports of customers, contacts, services, bank accounts and exchange rates.

Customers and services have every field that an import needs. They are ordered by reference or code, not by time of creation,
so that an export after an import elsewhere equals the imported file.
"""

from typing import Any

from sqlalchemy import ColumnElement, func, null
from sqlalchemy.orm import Session

from billing_admin import clock
from billing_admin.domain.customer_fields import COLUMN_PREFIX
from billing_admin.models import BankAccount, Customer, CustomerContact, ExchangeRate, Service, ServicePrice, TaxRate
from billing_admin.models.base import json_text
from billing_admin.queries.exports.columns import Export, Kind, column
from billing_admin.queries.master_data import customers as customer_queries, services as service_queries
from billing_admin.queries.master_data.bank_accounts import BankAccountFilter, select_bank_accounts
from billing_admin.queries.master_data.customer_fields import fields_in_use
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.queries.master_data.exchange_rates import RateFilter, latest_first
from billing_admin.queries.master_data.organisation import organisation, today
from billing_admin.queries.master_data.services import ServiceFilter

_NO_CURRENCY: ColumnElement[Any] = null()


def customers(session: Session, filters: CustomerFilter) -> Export:
    """Return the export of customers, by reference.

    The last columns are those of customer fields.
    """
    rows = customer_queries.customers(filters).with_only_columns(maintain_column_froms=True)
    own_columns = (
        column(
            COLUMN_PREFIX + field.key,
            Kind.TEXT if field.type in {"text", "choice"} else Kind.WORD,
            Customer.own_values[field.key].as_string(),
        )
        for field in fields_in_use(session)
    )
    return Export((*CUSTOMERS, *own_columns), rows.order_by(Customer.reference), _NO_CURRENCY)


def contacts(_session: Session, filters: CustomerFilter) -> Export:
    """Return the export of the contacts of customers.

    They are ordered by customer, then by the order in which they were added.
    """
    rows = customer_queries.customers(filters).with_only_columns(maintain_column_froms=True)
    rows = rows.join(CustomerContact, CustomerContact.customer_id == Customer.id)
    order = (Customer.reference, CustomerContact.created_at, CustomerContact.id)
    return Export(CONTACTS, rows.order_by(*order), _NO_CURRENCY)


def services(session: Session, filters: ServiceFilter) -> Export:
    """Return the export of services by code.

    Each of today's prices has a row, and so has a service without prices.
    """
    is_current = service_queries.is_price_on(today(session, clock.now()))
    rows = (
        service_queries.services(filters)
        .with_only_columns(maintain_column_froms=True)
        .join(TaxRate, TaxRate.id == Service.tax_rate_id)
        .outerjoin(ServicePrice, (ServicePrice.service_id == Service.id) & is_current)
        .order_by(Service.code, ServicePrice.currency)
    )
    return Export(SERVICES, rows, ServicePrice.currency.expression)


def bank_accounts(_session: Session, _filters: BankAccountFilter) -> Export:
    """Return the export of bank accounts, as they are listed."""
    rows = select_bank_accounts().with_only_columns(maintain_column_froms=True)
    return Export(BANK_ACCOUNTS, rows, _NO_CURRENCY)


def exchange_rates(session: Session, filters: RateFilter) -> Export:
    """Return the export of the base currency's rates, latest first."""
    rows = latest_first(filters, organisation(session).base_currency).with_only_columns(maintain_column_froms=True)
    return Export(EXCHANGE_RATES, rows, _NO_CURRENCY)


CUSTOMERS = (
    column("reference", Kind.TEXT, Customer.reference),
    column("name", Kind.TEXT, Customer.name),
    column("currency", Kind.WORD, Customer.currency),
    column("email", Kind.TEXT, Customer.email),
    column("address", Kind.TEXT, Customer.address),
    column("tax_id", Kind.TEXT, Customer.tax_id),
    column("tax_treatment", Kind.WORD, Customer.tax_treatment),
    column("payment_terms_days", Kind.WHOLE, Customer.payment_terms_days),
    column("notes", Kind.TEXT, Customer.notes),
    column("archived", Kind.FLAG, Customer.archived_at.is_not(None)),
    column("id", Kind.WORD, Customer.id),
    column("purchase_order", Kind.TEXT, Customer.purchase_order),
    column("street", Kind.TEXT, Customer.street),
    column("street2", Kind.TEXT, Customer.street2),
    column("postcode", Kind.TEXT, Customer.postcode),
    column("city", Kind.TEXT, Customer.city),
    column("region", Kind.TEXT, Customer.region),
    column("country", Kind.TEXT, Customer.country),
    column("registration_id", Kind.TEXT, Customer.registration_id),
    column("registration_scheme", Kind.TEXT, Customer.registration_scheme),
    column("electronic_address", Kind.TEXT, Customer.electronic_address),
    column("electronic_scheme", Kind.TEXT, Customer.electronic_scheme),
    column("language", Kind.TEXT, Customer.language),
    column("paper", Kind.TEXT, Customer.paper),
    column("e_invoice", Kind.WORD, Customer.e_invoice),
    column("buyer_reference", Kind.TEXT, Customer.buyer_reference),
    column("contract", Kind.TEXT, Customer.contract),
    column("custom_lines", Kind.TEXT, func.nullif(json_text(Customer.custom_lines), "[]")),
    column("delivery_name", Kind.TEXT, Customer.delivery_name),
    column("delivery_street", Kind.TEXT, Customer.delivery_street),
    column("delivery_street2", Kind.TEXT, Customer.delivery_street2),
    column("delivery_postcode", Kind.TEXT, Customer.delivery_postcode),
    column("delivery_city", Kind.TEXT, Customer.delivery_city),
    column("delivery_region", Kind.TEXT, Customer.delivery_region),
    column("delivery_country", Kind.TEXT, Customer.delivery_country),
    column("monthly_statements", Kind.FLAG, Customer.monthly_statements),
)
CONTACTS = (
    column("customer", Kind.TEXT, Customer.reference),
    column("name", Kind.TEXT, CustomerContact.name),
    column("email", Kind.TEXT, CustomerContact.email),
    column("invoices", Kind.WORD, CustomerContact.invoices),
    column("reminders", Kind.WORD, CustomerContact.reminders),
    column("statements", Kind.WORD, CustomerContact.statements),
    column("id", Kind.WORD, CustomerContact.id),
)
SERVICES = (
    column("code", Kind.TEXT, Service.code),
    column("name", Kind.TEXT, Service.name),
    column("unit", Kind.TEXT, Service.unit),
    column("tax_rate", Kind.TEXT, TaxRate.code),
    column("line_per_charge", Kind.FLAG, Service.line_per_charge),
    column("currency", Kind.WORD, ServicePrice.currency),
    column("unit_price", Kind.EXACT, ServicePrice.unit_price),
    column("includes_tax", Kind.FLAG, ServicePrice.includes_tax),
    column("archived", Kind.FLAG, Service.archived_at.is_not(None)),
    column("id", Kind.WORD, Service.id),
    column("revenue_account", Kind.TEXT, Service.revenue_account),
    column("valid_from", Kind.DAY, ServicePrice.valid_from),
    column("unit_code", Kind.TEXT, Service.unit_code),
)
BANK_ACCOUNTS = (
    column("currency", Kind.WORD, BankAccount.currency),
    column("holder", Kind.TEXT, BankAccount.holder),
    column("iban", Kind.TEXT, BankAccount.iban),
    column("account_number", Kind.TEXT, BankAccount.account_number),
    column("bic", Kind.TEXT, BankAccount.bic),
    column("bank_name", Kind.TEXT, BankAccount.bank_name),
    column("default", Kind.FLAG, BankAccount.is_default),
    column("archived", Kind.FLAG, BankAccount.archived_at.is_not(None)),
    column("id", Kind.WORD, BankAccount.id),
)
EXCHANGE_RATES = (
    column("currency", Kind.WORD, ExchangeRate.currency),
    column("day", Kind.DAY, ExchangeRate.day),
    column("rate", Kind.EXACT, ExchangeRate.rate),
    column("source", Kind.TEXT, ExchangeRate.source),
    column("base_currency", Kind.WORD, ExchangeRate.base_currency),
)
