"""The documents that billing would make of pending charges.

Previews, billing runs and current invoices use them. Nothing here writes.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, literal, null, or_, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.billing_runs import (
    AFTER_CUT_OFF,
    HELD,
    BilledCustomer,
    BillingData,
    PreparedDocument,
    prepare_documents,
)
from billing_admin.domain.charges import AccountKey
from billing_admin.domain.document_hash import hash_data
from billing_admin.domain.invoices import ChargeGroup, Document, TaxRate
from billing_admin.domain.money import exact_sum as sum_exactly, plain_decimal
from billing_admin.domain.tax import UNTAXED_RATES, untaxed_terms
from billing_admin.models import Account, Charge, Customer, Organisation, Service, TaxRate as Rate
from billing_admin.models.base import exact_sum
from billing_admin.models.charge import is_unbilled
from billing_admin.queries.charges.charges import TO_REVIEW, ChargeSum, charges_by_id
from billing_admin.queries.charges.recurring_charges import schedules_by_charge
from billing_admin.queries.invoices.currency_totals import CurrencyTotal, sum_by_currency
from billing_admin.queries.invoices.readiness import PartyData, load_party_data
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.master_data.tax_rates import percent_by_day


@dataclass(frozen=True, slots=True)
class BillingScope:
    """The charges to bill: up to a day, and all that the other fields allow.

    `None` allows all customers, currencies or ids. `purchase_order` is for documents whose charges and customer have none.
    Documents need an exchange rate for `issue_date`, by default today. The accounts in `excluded` get no document.
    """

    through: date
    customer_ids: Collection[UUID] | None = None
    currency: str | None = None
    charge_ids: Collection[UUID] | None = None
    purchase_order: str = ""
    issue_date: date | None = None
    excluded: frozenset[AccountKey] = frozenset()

    def charge_conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for the unbilled charges in scope, whatever their day."""
        conditions: list[ColumnElement[bool]] = [is_unbilled()]
        if self.customer_ids is not None:
            conditions.append(is_any_of(Charge.customer_id, self.customer_ids))
        if self.currency is not None:
            conditions.append(Charge.currency == self.currency)
        if self.charge_ids is not None:
            conditions.append(is_any_of(Charge.id, self.charge_ids))
        return conditions

    def due_conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions by which an unbilled charge in scope is billed."""
        return [Charge.status == "pending", Charge.incurred_on <= self.through]

    def account_conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for the accounts in scope."""
        conditions: list[ColumnElement[bool]] = []
        if self.customer_ids is not None:
            conditions.append(is_any_of(Account.customer_id, self.customer_ids))
        if self.currency is not None:
            conditions.append(Account.currency == self.currency)
        return conditions


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Unbilled charges that are left out, their exact sum, and the reason."""

    customer_id: UUID
    reference: str
    name: str
    currency: str
    charges: int
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class LikelyDuplicates:
    """The likely duplicates of one account that a run would bill, and their exact sum."""

    customer_id: UUID
    reference: str
    name: str
    currency: str
    amount: Decimal
    ids: list[UUID]


@dataclass(frozen=True, slots=True)
class DueCharge:
    """A due charge of a recurring charge, with its names."""

    charge: Record
    recurring_charge_id: UUID


@dataclass(frozen=True, slots=True)
class Preview:
    """The documents that a run would make, and the charges that it would leave out.

    `digest` changes with any of them, and `document_digests` are those of the documents. `duplicates` are those
    charges on the documents that a person should review first. `due` are the charges of recurring charges that
    the run posts first; they are among the others. `refused` are the recurring charges that cannot be posted,
    with reasons.
    """

    documents: list[PreparedDocument]
    left_out: list[LeftOut]
    digest: str
    document_digests: Sequence[str]
    duplicates: Sequence[LikelyDuplicates] = ()
    due: Sequence[DueCharge] = ()
    refused: Sequence[tuple[Record, str]] = ()

    @property
    def charges(self) -> int:
        """The number of charges that would be billed."""
        return sum(prepared.document.charges for prepared in self.documents)

    @property
    def due_sums(self) -> list[ChargeSum]:
        """Count and exact sum of the due charges, per currency."""
        amounts: dict[str, list[Decimal]] = defaultdict(list)
        for due in self.due:
            amounts[due.charge.currency].append(due.charge.amount)
        return [ChargeSum(currency, len(rows), sum_exactly(rows)) for currency, rows in sorted(amounts.items())]

    @property
    def totals(self) -> list[CurrencyTotal]:
        """The documents' sums per currency."""
        documents = [prepared.document for prepared in self.documents]
        return sum_by_currency(
            (document.currency, document.net, document.tax, document.total) for document in documents
        )


def preview(session: Session, scope: BillingScope) -> Preview:
    """Return every document that a billing run would make of the pending charges.

    The preview also has all charges that the run would leave out, each with the reason.
    """
    prepared = load_documents(session, scope)
    documents = [document for document in prepared if document.reason is None]
    left_out = [_left_out(document) for document in prepared if document.reason is not None]
    left_out += _not_due(session, scope)
    left_out.sort(key=lambda row: (row.reference, row.currency, row.reason))
    digests = [item.document.digest() for item in documents]
    # The layout of both lists is frozen: a digest that was shown must still match.
    hashed_documents = [
        [str(item.customer_id), digest, *([item.purchase_order] if item.purchase_order else [])]
        for item, digest in zip(documents, digests, strict=True)
    ]
    hashed_left_out = [
        [str(row.customer_id), row.currency, row.charges, plain_decimal(row.amount), row.reason] for row in left_out
    ]
    digest = hash_data([hashed_documents, hashed_left_out])
    return Preview(documents, left_out, digest, digests, _likely_duplicates(session, scope, documents))


def unbilled_sums(scope: BillingScope) -> Select[Any]:
    """Select count and exact sum of unbilled charges, by account and status."""
    by: tuple[Any, ...] = (Charge.customer_id, Charge.currency, Charge.status)
    return (
        select(*by, func.count().label("charges"), exact_sum(Charge.amount).label("amount"))
        .where(*scope.charge_conditions())
        .group_by(*by)
    )


def due_charges(session: Session, charge_ids: Collection[UUID]) -> list[DueCharge]:
    """Return charges that recurring charges posted, by customer and day."""
    schedules = schedules_by_charge(session, charge_ids)
    rows = sorted(
        charges_by_id(session, charge_ids).values(),
        key=lambda row: (row.customer_reference, row.currency, row.incurred_on, row.description, row.id),
    )
    return [DueCharge(row, schedules[row.id]) for row in rows]


def _likely_duplicates(
    session: Session, scope: BillingScope, documents: Sequence[PreparedDocument]
) -> list[LikelyDuplicates]:
    """Return the likely duplicates on documents, in the order of the documents."""
    query = (
        select(Charge.id, Charge.customer_id, Charge.currency, Charge.amount)
        .where(*scope.charge_conditions(), TO_REVIEW, *scope.due_conditions())
        .order_by(Charge.created_at, Charge.id)
    )
    charges: dict[AccountKey, list[Any]] = defaultdict(list)
    for row in session.execute(query):
        charges[row.customer_id, row.currency].append(row)
    return [
        LikelyDuplicates(
            prepared.customer_id,
            prepared.reference,
            prepared.name,
            prepared.document.currency,
            sum_exactly(row.amount for row in charges[prepared.key]),
            [row.id for row in charges[prepared.key]],
        )
        for prepared in documents
        if prepared.key in charges
    ]


def due_charge_ids(session: Session, scope: BillingScope, accounts: Collection[AccountKey]) -> list[UUID]:
    """Return the ids of the charges that a run would bill to some accounts."""
    query = select(Charge.id, Charge.customer_id, Charge.currency).where(
        *scope.charge_conditions(),
        *scope.due_conditions(),
        is_any_of(Charge.customer_id, {customer_id for customer_id, _ in accounts}),
    )
    return [id for id, customer_id, currency in session.execute(query) if (customer_id, currency) in accounts]


def load_documents(session: Session, scope: BillingScope) -> list[PreparedDocument]:
    """Return a document per account with charges due, by customer reference."""
    data, _ = load_billing_data(session, scope)
    return prepare_documents(data)


def load_billing_data(session: Session, scope: BillingScope) -> tuple[BillingData, PartyData]:
    """Load the rows that decide what is billed, and the parties of the documents."""
    settings = organisation(session)
    groups = _charge_groups(session, scope, settings)
    parties = load_party_data(session, settings, groups, scope.issue_date)
    data = BillingData(
        groups=groups,
        customers={
            id: BilledCustomer(row.reference, row.tax_treatment, row.name, row.purchase_order or scope.purchase_order)
            for id, row in parties.customers.items()
        },
        facts=parties.facts,
        untaxed=untaxed_terms(
            {treatment: getattr(settings, f"{treatment}_note") for treatment in UNTAXED_RATES}, settings.exempt_vatex
        ),
        excluded=scope.excluded,
    )
    return data, parties


class _GroupSums(NamedTuple):
    """A row of `_group_sums`: the columns that group charges, then their sums."""

    customer_id: UUID
    currency: str
    service_id: UUID | None
    unit_price: Decimal | None
    tax_included: bool
    charge_id: UUID | None
    purchase_order: str
    percent: Decimal | None
    charges: int
    quantity: Decimal
    amount: Decimal
    period_from: date
    period_to: date
    with_period: int
    period_of_days: int | None
    first_description: str
    last_description: str


def _charge_groups(
    session: Session, scope: BillingScope, settings: Organisation
) -> dict[AccountKey, list[ChargeGroup]]:
    services = _service_terms(session, settings)
    separate = [id for id, service in services.items() if id is not None and service.line_per_charge]
    groups: dict[AccountKey, list[ChargeGroup]] = defaultdict(list)
    rows = session.connection().execute(_group_sums(session, scope, separate)).all()  # faster than row by row
    for row in map(_GroupSums._make, rows):
        service = services[row.service_id]
        tax = service.tax if row.percent is None else TaxRate(service.tax.category, row.percent)
        has_one_description = row.first_description == row.last_description or row.service_id is None
        groups[row.customer_id, row.currency].append(
            ChargeGroup(
                service_id=service.id,  # one object for all lines: ids are converted to text once per object
                service_code=service.code,
                unit_price=row.unit_price,
                charge_id=row.charge_id,
                description=row.first_description if has_one_description else service.name,
                quantity=row.quantity,
                amount=row.amount,
                charges=row.charges,
                period_from=row.period_from,
                period_to=row.period_to,
                tax=tax,
                included_percent=tax.percent if row.tax_included else None,
                tax_note=service.tax_note,
                has_period=row.with_period > 0,
                period_of_days=row.period_of_days,
                unit=service.unit,
                purchase_order=row.purchase_order,
                unit_code=service.unit_code,
                vatex=service.vatex,
            )
        )
    return groups


class _ServiceTerms(NamedTuple):
    id: UUID | None
    code: str
    name: str
    tax: TaxRate
    tax_note: str
    vatex: str
    line_per_charge: bool = False
    unit: str = ""
    unit_code: str = ""


def _service_terms(session: Session, settings: Organisation) -> dict[UUID | None, _ServiceTerms]:
    """Return the terms of every service by id.

    The terms of charges without a service are stored under None.
    """
    default = settings.default_tax_rate
    without_service = _ServiceTerms(
        None, "", "", TaxRate(default.category, default.percent), default.note, default.vatex
    )
    terms: dict[UUID | None, _ServiceTerms] = {None: without_service}
    columns = (
        Service.id,
        Service.code,
        Service.name,
        Service.line_per_charge,
        Rate.category,
        Rate.percent,
        Rate.note,
        Rate.vatex,
        Service.unit,
        Service.unit_code,
    )
    for row in session.execute(select(*columns).join(Rate, Rate.id == Service.tax_rate_id)):
        tax = TaxRate(row.category, row.percent)
        terms[row.id] = _ServiceTerms(
            *(row.id, row.code, row.name, tax, row.note, row.vatex, row.line_per_charge, row.unit, row.unit_code)
        )
    return terms


def _group_sums(session: Session, scope: BillingScope, separate: Sequence[UUID]) -> Select[Any]:
    """Sum the charges due by service, unit price, tax, purchase order and period.

    The columns are those of `_GroupSums`.

    A charge without a service, of a service in `separate`, or for some days of a period, forms a group of its own.
    The days of a group are its period, or without one those of its charges.
    """
    is_separate: ColumnElement[bool] = Charge.service_id.is_(None) | Charge.period_of_days.is_not(None)
    if separate:
        is_separate |= Charge.service_id.in_(separate)
    charge_id = case((is_separate, Charge.id), else_=null()).label("charge_id")
    by = (
        *(Charge.customer_id, Charge.currency, Charge.service_id, Charge.unit_price, Charge.tax_included),
        *(charge_id, Charge.purchase_order),
    )
    percent = percent_by_day(session)
    return (
        select(
            *by,
            null() if percent is None else percent,
            func.count().label("charges"),
            exact_sum(Charge.quantity).label("quantity"),
            exact_sum(Charge.amount).label("amount"),
            func.min(func.coalesce(Charge.period_from, Charge.incurred_on)).label("period_from"),
            func.max(func.coalesce(Charge.period_to, Charge.incurred_on)).label("period_to"),
            func.count(Charge.period_from).label("with_period"),
            func.max(Charge.period_of_days).label("period_of_days"),
            func.min(Charge.description).label("first_description"),
            func.max(Charge.description).label("last_description"),
        )
        .where(*scope.charge_conditions(), *scope.due_conditions())
        .group_by(*by, Charge.period_from, Charge.period_to, *(() if percent is None else (percent,)))
    )


def _left_out(prepared: PreparedDocument) -> LeftOut:
    document = prepared.document
    return LeftOut(
        prepared.customer_id,
        prepared.reference,
        prepared.name,
        document.currency,
        document.charges,
        document.amount,
        prepared.reason or "",
    )


def _not_due(session: Session, scope: BillingScope) -> list[LeftOut]:
    # A later charge is no part of this run, held or not.
    is_later = Charge.incurred_on > scope.through
    reason = case((is_later, literal(AFTER_CUT_OFF)), else_=literal(HELD)).label("reason")
    by = (Charge.customer_id, Charge.currency, reason)
    sums = (
        select(*by, func.count().label("charges"), exact_sum(Charge.amount).label("amount"))
        .where(*scope.charge_conditions(), or_(Charge.status == "held", is_later))
        .group_by(*by)
        .subquery()
    )
    query = select(
        Customer.id,
        Customer.reference,
        Customer.name,
        sums.c.currency,
        sums.c.charges,
        sums.c.amount,
        sums.c.reason,
    ).join(sums, sums.c.customer_id == Customer.id)
    return [LeftOut(*row) for row in session.execute(query)]  # the columns are in the order of the fields


def current_invoice(session: Session, customer_id: UUID, currency: str, through: date) -> Document | None:
    """Return the invoice that a customer's pending charges would make today.

    The result is None without charges.
    """
    prepared = prepare_current_document(session, customer_id, currency, through)
    return None if prepared is None else prepared.document


def prepare_current_document(
    session: Session, customer_id: UUID, currency: str, through: date
) -> PreparedDocument | None:
    """Return the current invoice as a billing run would prepare it.

    It has the reason for which a run would leave it out.
    """
    return next(iter(load_documents(session, BillingScope(through, [customer_id], currency))), None)
