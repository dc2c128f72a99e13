"""The review of a preview: flags of documents, and missing accounts.

An account is missing if it is usually billed and has nothing to bill now.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.billing_review import (
    COMPARED_INVOICES,
    AccountHistory,
    EarlierInvoice,
    ReviewedDocument,
    average_amount,
    review_document,
)
from billing_admin.domain.charges import AccountKey
from billing_admin.models import Account, Customer, Invoice, InvoiceLine
from billing_admin.queries.billing.preview import BillingScope, Preview
from billing_admin.queries.charges import late

COMPARED_DAYS: Final = timedelta(400)  # invoices before are not compared
MAX_NAMED_ACCOUNTS: Final = 1_000  # the invoices of more accounts are read with those of all others
ROWS_AT_ONCE: Final = 2_000
USUAL_DAYS: Final = timedelta(100)
USUAL_INVOICES: Final = 2  # in USUAL_DAYS make an account one that is usually billed
_ISSUED = (Invoice.status == "issued", Invoice.kind == "invoice")


@dataclass(frozen=True, slots=True)
class UnbilledAccount:
    """An account that is usually billed and has no document in a preview.

    `invoices` are those of the last 100 days.
    """

    customer_id: UUID
    reference: str
    name: str
    currency: str
    invoices: int
    last_issued: date
    average: int


@dataclass(frozen=True, slots=True)
class Review:
    """The documents of a preview with their flags, and the missing accounts."""

    documents: Sequence[ReviewedDocument]
    missing: Sequence[UnbilledAccount]


def review(session: Session, scope: BillingScope, preview: Preview, threshold: int) -> Review:
    """Return the documents of a preview with their flags, in their order.

    `threshold` is the share in percent from which a change of the amount is flagged.
    """
    keys = {prepared.key for prepared in preview.documents}
    histories = account_histories(session, keys, scope.through)
    duplicates = {(row.customer_id, row.currency): len(row.ids) for row in preview.duplicates}
    late_charges = Counter(late.count_pending_late(session, {key[0] for key in keys}, scope.through))
    late_charges.update((due.charge.customer_id, due.charge.currency) for due in preview.due if due.charge.late)
    documents = [
        review_document(
            prepared,
            histories.get(prepared.key, AccountHistory()),
            threshold,
            duplicates.get(prepared.key, 0),
            late_charges[prepared.key],
        )
        for prepared in preview.documents
    ]
    is_limited = scope.charge_ids is not None  # then no other account is expected
    return Review(documents, [] if is_limited else _missing_accounts(session, scope, preview))


def account_histories(
    session: Session, keys: Collection[AccountKey], through: date
) -> Mapping[AccountKey, AccountHistory]:
    """Return what accounts were billed within 400 days before a cut-off, or later."""
    invoices = _last_invoices(session, keys, through)
    prices = _prices(session, invoices)
    histories = {key: AccountHistory(rows, prices.get(key, {}), is_new=False) for key, rows in invoices.items()}
    histories.update((key, AccountHistory(is_new=False)) for key in _billed_before(session, keys - invoices.keys()))
    return histories


def _last_invoices(
    session: Session, keys: Collection[AccountKey], through: date
) -> dict[AccountKey, list[EarlierInvoice]]:
    """Return up to COMPARED_INVOICES invoices of each account, newest first.

    They are read in the order of their days until each account has so many: a window function would sort all of them.
    """
    query = (
        select(Invoice.customer_id, Invoice.currency, Invoice.id, Invoice.number, Invoice.net)
        .where(Invoice.issue_date >= through - COMPARED_DAYS, *_ISSUED)
        .order_by(Invoice.issue_date.desc(), Invoice.sequence.desc(), Invoice.id)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    if len(keys) <= MAX_NAMED_ACCOUNTS:
        query = query.where(is_any_of(Invoice.customer_id, {customer_id for customer_id, _ in keys}))
    invoices: dict[AccountKey, list[EarlierInvoice]] = {}
    incomplete = set(keys)
    with session.execute(query) as result:
        for customer_id, currency, id, number, net in result:
            key = customer_id, currency
            if key in incomplete:
                rows = invoices.setdefault(key, [])
                rows.append(EarlierInvoice(id, number or "", net))
                if len(rows) == COMPARED_INVOICES:
                    incomplete.remove(key)
                    if not incomplete:
                        break
    return invoices


def _prices(
    session: Session, invoices: Mapping[AccountKey, Sequence[EarlierInvoice]]
) -> dict[AccountKey, dict[UUID, frozenset[Decimal]]]:
    """Return the last unit prices of each service, by account.

    They are those of the newest of the invoices that has the service.
    """
    ids = [invoice.id for rows in invoices.values() for invoice in rows]
    query = (
        select(InvoiceLine.invoice_id, InvoiceLine.service_id, InvoiceLine.unit_price)
        .where(
            is_any_of(InvoiceLine.invoice_id, ids),
            InvoiceLine.service_id.is_not(None),
            InvoiceLine.unit_price.is_not(None),
        )
        .distinct()
    )
    lines: dict[UUID, dict[UUID, set[Decimal]]] = defaultdict(lambda: defaultdict(set))
    for invoice_id, service_id, unit_price in session.execute(query):
        if service_id is not None and unit_price is not None:
            lines[invoice_id][service_id].add(unit_price)
    prices: dict[AccountKey, dict[UUID, frozenset[Decimal]]] = {}
    for key, rows in invoices.items():
        newest = prices.setdefault(key, {})
        for invoice in rows:
            for service_id, amounts in lines.get(invoice.id, {}).items():
                newest.setdefault(service_id, frozenset(amounts))
    return prices


def _billed_before(session: Session, keys: Collection[AccountKey]) -> set[AccountKey]:
    """Return which accounts have an issued invoice of any day."""
    if not keys:
        return set()
    query = (
        select(Invoice.customer_id, Invoice.currency)
        .where(is_any_of(Invoice.customer_id, {customer_id for customer_id, _ in keys}), *_ISSUED)
        .distinct()
    )
    return {(customer_id, currency) for customer_id, currency in session.execute(query)} & set(keys)


def _missing_accounts(session: Session, scope: BillingScope, preview: Preview) -> list[UnbilledAccount]:
    """Return the accounts that are usually billed and have nothing to bill.

    They are in the order of customer references. Accounts that the run leaves out for a reason are named with it instead.
    """
    accounted: set[Any] = {prepared.key for prepared in preview.documents}
    accounted |= {(row.customer_id, row.currency) for row in preview.left_out}
    invoices = (
        select(
            Invoice.customer_id,
            Invoice.currency,
            func.count().label("invoices"),
            func.max(Invoice.issue_date).label("last_issued"),
            func.sum(Invoice.net).label("net"),
        )
        .where(Invoice.issue_date.between(scope.through - USUAL_DAYS, scope.through), *_ISSUED)
        .group_by(Invoice.customer_id, Invoice.currency)
        .having(func.count() >= USUAL_INVOICES)
        .subquery()
    )
    usual = invoices.c
    query = (
        select(
            Customer.id, Customer.reference, Customer.name, usual.currency, usual.invoices, usual.last_issued, usual.net
        )
        .join(invoices, usual.customer_id == Customer.id)
        .join(Account, (Account.customer_id == usual.customer_id) & (Account.currency == usual.currency))
        .where(
            Customer.archived_at.is_(None),
            or_(Account.billed_through.is_(None), Account.billed_through < scope.through),
            *scope.account_conditions(),
        )
        .order_by(Customer.reference, usual.currency)
    )
    return [
        UnbilledAccount(row.id, row.reference, row.name, row.currency, row.invoices, row.last_issued, _average(row))
        for row in session.execute(query)
        if (row.id, row.currency) not in accounted
    ]


def _average(row: Any) -> int:
    return average_amount(int(row.net), row.invoices)
