"""Unallocated money on a day, by payment.

It has the payments with a remainder, and the invoices that were covered twice on that day. It is the
column “Credit” of the ageing. Money is in minor units.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Select, cast, func, literal, select, type_coerce, union_all
from sqlalchemy.orm import Session

from billing_admin.domain.days import check_calendar_day
from billing_admin.models import Customer, Payment
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.payments.receivables import counted_through, invoice_amounts, unallocated_payments

Rows: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class UnallocatedFilter:
    """A filter for unallocated money on the day `as_of`.

    `customer` is a reference or id.

    Raises:
        Invalid: There is no ageing of the day.
    """

    as_of: date
    customer: str = ""
    currency: str = ""

    def __post_init__(self) -> None:
        check_calendar_day(self.as_of, "as_of")


def unallocated_items(session: Session, filters: UnallocatedFilter) -> Rows:
    """Select the unallocated money of a filter; for `paging.page`.

    The oldest is first in each currency. `kind` is payment or invoice, `name` its reference or number,
    `day` that of its receipt or issue.

    Raises:
        NotFound: The customer is unknown.
    """
    as_of = counted_through(session, filters.as_of)
    customer_ids = [customer(session, filters.customer).id] if filters.customer else None
    payments = unallocated_payments(as_of, customer_ids).subquery().c
    invoices = invoice_amounts(as_of, customer_ids).c
    # A backdated entry may cover an invoice twice for some days; the excess is credit on these days.
    excess = cast(invoices.allocated + invoices.credited - invoices.invoiced, BigInteger)
    items = union_all(
        select(
            literal("payment").label("kind"),
            payments.id,
            payments.reference.label("name"),
            payments.customer_id,
            payments.currency,
            payments.received_on.label("day"),
            payments.amount,
        ),
        select(
            literal("invoice"),
            invoices.id,
            invoices.number,
            invoices.customer_id,
            invoices.currency,
            invoices.issue_date,
            excess,
        ).where(excess > 0),
    ).subquery()
    item = items.c
    day = type_coerce(item.day, Payment.received_on.type)  # paging must not take it for a nullable column
    query: Rows = select(
        *(item.kind, item.id, item.name, item.customer_id, item.currency, item.amount),
        day.label("day"),
        Customer.name.label("customer_name"),
    ).join(Customer, Customer.id == item.customer_id)
    if filters.currency:
        query = query.where(item.currency == filters.currency)
    return query.order_by(item.currency, day, item.id)


def unallocated_totals(session: Session, filters: UnallocatedFilter) -> dict[str, int]:
    """Return the sums of the unallocated money of a filter, by currency."""
    items = unallocated_items(session, filters).order_by(None).subquery().c
    query: Rows = select(items.currency, func.sum(items.amount)).group_by(items.currency).order_by(items.currency)
    return {currency: int(amount) for currency, amount in session.execute(query)}
