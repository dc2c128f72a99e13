"""What many tests need first: customers, services, charges and invoices, made through the operations and committed.

Each function opens its own `transaction` in the test's application context, so ask for the fixture `session` (or `app`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Unpack
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.bank_accounts import BankAccountFields
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.customer_fields import CustomerFieldFields
from billing_admin.domain.master_data import CustomerFields, OrganisationFields, ServiceFields, TaxRateFields
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.opening_balances import OpeningSpec
from billing_admin.domain.payments import AllocationRequest, AllocationSpec, PaymentSpec
from billing_admin.models import BankAccount, Customer, CustomerField, Invoice, Organisation, Service, TaxRate
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.charges import posting
from billing_admin.operations.charges.posting import PostingResult
from billing_admin.operations.invoices import credit_notes, opening_balances, voids
from billing_admin.operations.master_data import (
    bank_accounts,
    customer_fields,
    customers,
    organisation,
    services,
    tax_rates,
)
from billing_admin.operations.payments import payments
from billing_admin.queries.invoices.credit_notes import CreditSpec

NOW = datetime(2026, 4, 2, 9, 30, tzinfo=UTC)
MARCH, MARCH_END = date(2026, 3, 15), date(2026, 3, 31)


def make_customer(**fields: Unpack[CustomerFields]) -> Customer:
    """A customer billed in USD by default; `reference` defaults to the next free one."""
    given: CustomerFields = {"name": fields.get("reference", "A customer"), "currency": "USD"}
    given.update(fields)
    return transaction(customers.create, given, None, SYSTEM, NOW)[0]


def make_service(**fields: Unpack[ServiceFields]) -> Service:
    """A service, by default `GenericCompute` at 2.50 USD."""
    given: ServiceFields = {"code": "GenericCompute", "prices": {"USD": Decimal("2.50")}}
    given.update(fields)
    return transaction(services.create, given, None, SYSTEM, NOW)[0]


def make_tax_rate(code: str = "VAT19", percent: str = "19", category: str = "S") -> TaxRate:
    """A tax rate."""
    fields: TaxRateFields = {"code": code, "name": code, "category": category, "percent": Decimal(percent)}
    return transaction(tax_rates.create, fields, SYSTEM, NOW)


def change_tax(rate: TaxRate, valid_from: date, percent: str) -> TaxRate:
    """The rate with another percentage from a day on."""
    return transaction(tax_rates.change_percent, rate.id, valid_from, Decimal(percent), None, SYSTEM, NOW)


def change_settings(**fields: Unpack[OrganisationFields]) -> Organisation:
    """The organisation with these settings changed."""
    return transaction(organisation.update, fields, None, SYSTEM, NOW)


def make_customer_field(**fields: Unpack[CustomerFieldFields]) -> CustomerField:
    """A customer field; by default one of texts with the key `region`."""
    given: CustomerFieldFields = {"key": "region", "label": "Region", **fields}
    return transaction(customer_fields.create, given, None, SYSTEM, NOW)[0]


def make_bank_account(*, is_default: bool = False, **fields: Unpack[BankAccountFields]) -> BankAccount:
    """A bank account, in euros by default."""
    given: BankAccountFields = {"currency": "EUR"}
    given.update(fields)
    if "account_number" not in fields:
        given.setdefault("iban", "DE89370400440532013000")
    return transaction(bank_accounts.create, given, None, is_default, SYSTEM, NOW)[0]


def make_spec(
    customer: Customer | str,
    amount: str | None = None,
    *,
    service: Service | str | None = None,
    description: str | None = None,
    quantity: str | None = None,
    unit_price: str | None = None,
    currency: str | None = None,
    incurred_on: date = MARCH,
    metadata: Mapping[str, str] | None = None,
    tax_included: bool | None = None,
    id: UUID | None = None,
) -> ChargeSpec:
    """What to ask of a charge, with numbers as text. Without a service it is called `Work`."""
    return ChargeSpec(
        customer=customer if isinstance(customer, str) else customer.reference,
        service=service.code if isinstance(service, Service) else service,
        description="Work" if description is None and service is None else description,
        quantity=None if quantity is None else exact_decimal(quantity),
        unit_price=None if unit_price is None else exact_decimal(unit_price),
        amount=None if amount is None else exact_decimal(amount),
        currency=currency,
        incurred_on=incurred_on,
        metadata=metadata,
        tax_included=tax_included,
        id=id,
    )


def post(*specs: ChargeSpec, now: datetime = NOW) -> PostingResult:
    """Post charges in one go."""
    return transaction(posting.post, specs, SYSTEM, now)


def bill(
    through: date = MARCH_END,
    *,
    issue: bool = True,
    issue_date: date | None = None,
    customers: Sequence[Customer] | None = None,
    currency: str | None = None,
    confirmed: str | None = None,
    id: UUID | None = None,
    now: datetime = NOW,
) -> UUID:
    """Run billing to its end, issuing unless told otherwise; returns the run's id."""
    spec = RunSpec(
        through=through,
        customers=None if customers is None else tuple(customer.reference for customer in customers),
        currency=currency,
        issue=issue,
        issue_date=issue_date,
        confirmed=confirmed,
        id=id,
    )
    return runs.run_billing(transaction, spec, SYSTEM, now)[0]


def all_invoices() -> list[Invoice]:
    """Every invoice as it is stored now, with lines and taxes: numbered ones first, in their order."""
    db.session.rollback()
    query = select(Invoice).options(selectinload(Invoice.lines), selectinload(Invoice.taxes))
    found = db.session.scalars(query.execution_options(populate_existing=True))
    return sorted(found, key=lambda invoice: (invoice.number is None, invoice.number, invoice.customer_reference))


def make_invoice(
    customer: Customer | None = None, amount: str = "10", *, issue: bool = True, now: datetime = NOW
) -> Invoice:
    """The invoice over one fresh charge of a customer."""
    billed = customer or make_customer()
    post(make_spec(billed, amount), now=now)
    run_id = bill(issue=issue, customers=[billed], now=now)
    return next(invoice for invoice in all_invoices() if invoice.run_id == run_id)


def void(invoice: Invoice, charges: str = "pending", *, reason: str = "Wrong", now: datetime = NOW) -> UUID | None:
    """Void an invoice; returns the id of the draft in its place, if one was asked for."""
    return transaction(voids.void_invoice, invoice.id, reason, charges, SYSTEM, now)[1]


def credit(
    invoice: Invoice,
    amount: str | None = None,
    lines: Mapping[UUID, str] | None = None,
    *,
    reason: str = "Agreed",
    issue_date: date | None = None,
    id: UUID | None = None,
    now: datetime = NOW,
) -> Invoice:
    """Credit an amount of an invoice, or net amounts of its lines; returns the credit note."""
    asked = [(line, exact_decimal(net)) for line, net in (lines or {}).items()]
    spec = CreditSpec(reason, None if amount is None else exact_decimal(amount), asked, issue_date, id)
    made = transaction(credit_notes.credit_invoice, invoice.id, spec, SYSTEM, now)[0]
    return next(one for one in all_invoices() if one.id == made)


def make_payment_spec(
    customer: Customer | str,
    amount: str = "10",
    allocate: Mapping[str, str] | AllocationRequest = "oldest",
    *,
    currency: str | None = None,
    received_on: date | None = None,
    method: str = "bank_transfer",
    reference: str | None = None,
    id: UUID | None = None,
) -> PaymentSpec:
    """What to ask of a payment; by hand, it is allocated as `{invoice: amount}`."""
    parts = allocate if isinstance(allocate, str | tuple) else _parts(allocate)
    return PaymentSpec(
        customer=customer if isinstance(customer, str) else customer.reference,
        amount=exact_decimal(amount),
        method=method,
        allocate=parts,
        currency=currency,
        received_on=received_on,
        reference=reference,
        id=id,
    )


def _parts(allocate: Mapping[str, str]) -> tuple[AllocationSpec, ...]:
    return tuple(AllocationSpec(invoice, exact_decimal(amount)) for invoice, amount in allocate.items())


def pay(spec: PaymentSpec, now: datetime = NOW) -> UUID:
    """Record a payment; returns its id."""
    return transaction(payments.record, spec, SYSTEM, now).id


def make_opening(customer: Customer | str, number: str, amount: str, *, now: datetime = NOW, **fields: Any) -> UUID:
    """An open invoice of an earlier system, or a credit below zero: of 10 March 2026, open on 31 March."""
    given: dict[str, Any] = {"original_date": date(2026, 3, 10), "opened_on": MARCH_END} | fields
    amounts = {
        name: exact_decimal(value) for name, value in given.items() if isinstance(value, str) and "original_t" in name
    }
    reference = customer if isinstance(customer, str) else customer.reference
    spec = OpeningSpec(reference, number, open_amount=exact_decimal(amount), **given | amounts)
    return transaction(opening_balances.record, spec, SYSTEM, now).id
