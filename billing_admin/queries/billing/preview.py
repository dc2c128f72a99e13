"""What billing would make of the pending charges. It writes nothing; preview, run and current invoice share it."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, literal, null, or_, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
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
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.readiness import Party
from billing_admin.domain.tax import UNTAXED_RATES
from billing_admin.models import Account, Charge, Customer, Service, TaxRate as Rate
from billing_admin.models.base import exact_sum
from billing_admin.models.charge import is_unbilled
from billing_admin.queries.invoices.currency_totals import CurrencyTotal, sum_by_currency
from billing_admin.queries.invoices.readiness import seller
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.master_data.tax_rates import percent_by_day


@dataclass(frozen=True, slots=True)
class BillingScope:
    """Which pending charges billing looks at: up to a day, of some customers or all, in one currency or any; or only some."""

    through: date
    customer_ids: Collection[UUID] | None = None
    currency: str | None = None
    charge_ids: Collection[UUID] | None = None

    def charge_conditions(self) -> list[ColumnElement[bool]]:
        """The conditions that hold for every unbilled charge of these customers, whatever its day."""
        conditions: list[ColumnElement[bool]] = [is_unbilled()]
        if self.customer_ids is not None:
            conditions.append(is_any_of(Charge.customer_id, self.customer_ids))
        if self.currency is not None:
            conditions.append(Charge.currency == self.currency)
        if self.charge_ids is not None:
            conditions.append(is_any_of(Charge.id, self.charge_ids))
        return conditions

    def account_conditions(self) -> list[ColumnElement[bool]]:
        """The conditions of customers and currency, of accounts."""
        conditions: list[ColumnElement[bool]] = []
        if self.customer_ids is not None:
            conditions.append(is_any_of(Account.customer_id, self.customer_ids))
        if self.currency is not None:
            conditions.append(Account.currency == self.currency)
        return conditions


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Unbilled charges that get on no document, their exact sum, and why."""

    customer_id: UUID
    reference: str
    name: str
    currency: str
    charges: int
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would make and what it would leave out. `digest` changes when anything shown here does."""

    documents: list[PreparedDocument]
    left_out: list[LeftOut]
    digest: str

    @property
    def charges(self) -> int:
        """How many charges would be billed."""
        return sum(prepared.document.charges for prepared in self.documents)

    @property
    def totals(self) -> list[CurrencyTotal]:
        """The documents' sums per currency."""
        return sum_by_currency(
            (p.document.currency, p.document.net, p.document.tax, p.document.total) for p in self.documents
        )


def preview(session: Session, scope: BillingScope) -> Preview:
    """Return every document that a run would make, and all charges that it would leave out and why."""
    prepared = load_documents(session, scope)
    documents = [document for document in prepared if document.reason is None]
    left_out = [_left_out(document) for document in prepared if document.reason is not None]
    left_out += _not_due(session, scope)
    left_out.sort(key=lambda row: (row.reference, row.currency, row.reason))
    # The layout of both lists is frozen: a digest that was shown must still match.
    hashed_documents = [[str(document.customer_id), document.document.digest()] for document in documents]
    hashed_left_out = [
        [str(row.customer_id), row.currency, row.charges, plain_decimal(row.amount), row.reason] for row in left_out
    ]
    return Preview(documents, left_out, hash_data([hashed_documents, hashed_left_out]))


def load_documents(session: Session, scope: BillingScope) -> list[PreparedDocument]:
    """Load the charges due by the cut-off and make a document for each account, in the order of customer references."""
    return prepare_documents(load_billing_data(session, scope))


def load_billing_data(session: Session, scope: BillingScope) -> BillingData:
    """Load the rows that decide what is billed."""
    groups = _groups(session, scope)
    settings = organisation(session)
    return BillingData(
        groups=groups,
        customers=_customers(session, {customer_id for customer_id, _ in groups}),
        seller=seller(settings),
        tax_notes={treatment: getattr(settings, f"{treatment}_note") for treatment in UNTAXED_RATES},
    )


def _customers(session: Session, ids: set[UUID]) -> dict[UUID, BilledCustomer]:
    party = (Customer.name, Customer.address, Customer.tax_id)
    query = select(Customer.id, Customer.reference, Customer.tax_treatment, *party)
    rows = session.execute(query.where(is_any_of(Customer.id, ids)))
    return {id: BilledCustomer(reference, treatment, Party(*party)) for id, reference, treatment, *party in rows}


def _groups(session: Session, scope: BillingScope) -> dict[AccountKey, list[ChargeGroup]]:
    services, apart = _services(session)
    groups: dict[AccountKey, list[ChargeGroup]] = defaultdict(list)
    summed = session.connection().execute(_grouped(session, scope, apart)).all()  # to fetch row by row takes longer
    for row in summed:
        customer_id, currency, service_id, unit_price, inclusive, charge_id, percent, *row_sums = row
        charges, quantity, amount, since, until, *words = row_sums
        code, name, tax, note = services[service_id]
        if percent is not None:
            tax = TaxRate(tax.category, percent)
        groups[customer_id, currency].append(
            ChargeGroup(
                service_id=service_id,
                service_code=code,
                unit_price=unit_price,
                charge_id=charge_id,
                description=words[0] if words[0] == words[1] or service_id is None else name,
                quantity=quantity,
                amount=amount,
                charges=charges,
                period_from=since,
                period_to=until,
                tax=tax,
                included_percent=tax.percent if inclusive else None,
                tax_note=note,
            )
        )
    return groups


def _services(session: Session) -> tuple[dict[UUID | None, tuple[str, str, TaxRate, str]], list[UUID]]:
    """Code, name, tax rate and its note of every service, those of no service under None; and which want a line per charge."""
    house = organisation(session).default_tax_rate
    usual = ("", "", TaxRate(house.category, house.percent), house.note)
    known: dict[UUID | None, tuple[str, str, TaxRate, str]] = {None: usual}
    columns = (Service.id, Service.code, Service.name, Service.line_per_charge, Rate.category, Rate.percent, Rate.note)
    apart = []
    for id, code, name, line_per_charge, category, percent, note in session.execute(
        select(*columns).join(Rate, Rate.id == Service.tax_rate_id)
    ):
        known[id] = (code, name, TaxRate(category, percent), note)
        if line_per_charge:
            apart.append(id)
    return known, apart


def _grouped(session: Session, scope: BillingScope, apart: Sequence[UUID]) -> Select[Any]:
    """Sum the due charges in the database: by service, unit price and tax; alone where there is no service or it wants a
    line each.
    """
    stands_alone: ColumnElement[bool] = Charge.service_id.is_(None)
    if apart:
        stands_alone |= Charge.service_id.in_(apart)
    charge_id = case((stands_alone, Charge.id), else_=null()).label("charge_id")
    by = (Charge.customer_id, Charge.currency, Charge.service_id, Charge.unit_price, Charge.tax_included, charge_id)
    percent = percent_by_day(session)
    return (
        select(
            *by,
            null() if percent is None else percent,
            func.count().label("charges"),
            exact_sum(Charge.quantity).label("quantity"),
            exact_sum(Charge.amount).label("amount"),
            func.min(Charge.incurred_on).label("period_from"),
            func.max(Charge.incurred_on).label("period_to"),
            func.min(Charge.description).label("first_description"),
            func.max(Charge.description).label("last_description"),
        )
        .where(*scope.charge_conditions(), Charge.status == "pending", Charge.incurred_on <= scope.through)
        .group_by(*by, *(() if percent is None else (percent,)))
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
    reason = case((Charge.status == "held", literal(HELD)), else_=literal(AFTER_CUT_OFF)).label("reason")
    by = (Charge.customer_id, Charge.currency, reason)
    parts = (
        select(*by, func.count().label("charges"), exact_sum(Charge.amount).label("amount"))
        .where(*scope.charge_conditions(), or_(Charge.status == "held", Charge.incurred_on > scope.through))
        .group_by(*by)
        .subquery()
    )
    query = select(
        Customer.id,
        Customer.reference,
        Customer.name,
        parts.c.currency,
        parts.c.charges,
        parts.c.amount,
        parts.c.reason,
    ).join(parts, parts.c.customer_id == Customer.id)
    return [LeftOut(*row) for row in session.execute(query)]


def current_invoice(session: Session, customer_id: UUID, currency: str, through: date) -> Document | None:
    """What a customer's pending charges would make if billed now, or None without any; computed, never stored."""
    prepared = prepare_current_document(session, customer_id, currency, through)
    return None if prepared is None else prepared.document


def prepare_current_document(
    session: Session, customer_id: UUID, currency: str, through: date
) -> PreparedDocument | None:
    """Return the current invoice with the reason for which a billing run would leave it out."""
    return next(iter(load_documents(session, BillingScope(through, [customer_id], currency))), None)
