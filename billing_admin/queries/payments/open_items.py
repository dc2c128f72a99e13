"""Open items: the invoices with an open amount on a day.

They make the ageing of that day. Money is in minor units.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Select, Subquery, and_, case, cast, func, literal, select, type_coerce
from sqlalchemy.orm import Session

from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Invalid
from billing_admin.domain.receivables import BUCKET_NAMES, ageing_buckets
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer
from billing_admin.models.base import days_between
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.payments.receivables import counted_through, invoice_amounts, is_within

Rows: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class OpenItemFilter:
    """A filter for open items on the day `as_of`.

    `customer` is a reference or id, `bucket` one of `domain.receivables.BUCKET_NAMES`.

    Raises:
        Invalid: There is no such bucket, or no ageing of the day.
    """

    as_of: date
    customer: str = ""
    currency: str = ""
    bucket: str = ""

    def __post_init__(self) -> None:
        check_calendar_day(self.as_of, "as_of")
        if self.bucket not in {"", *BUCKET_NAMES}:
            raise Invalid(
                "not_a_choice", Phrase("Use one of {bucket_names}.", bucket_names=", ".join(BUCKET_NAMES)), "bucket"
            )


def open_item_columns(items: Any, as_of: date) -> dict[str, ColumnElement[Any]]:
    """Return the columns of open items by name.

    `items` has the columns of `invoice_amounts`.
    """
    overdue = days_between(literal(as_of), items.due_date)
    bucket = case(*((condition, name) for name, condition in _bucket_conditions(items, as_of).items()))
    return {
        "number": items.number,
        "customer": Customer.reference.expression,
        "customer_name": Customer.name.expression,
        "currency": items.currency,
        "issue_date": type_coerce(items.document_date, items.issue_date.type),
        "due_date": items.due_date,
        "days_overdue": case((overdue > 0, overdue), else_=0),
        "bucket": bucket,
        "total": items.total,
        "open_amount": _open_amount(items),
        "as_of": literal(as_of),
        "id": items.id,
    }


def _open_amount(items: Any) -> ColumnElement[Any]:
    # PostgreSQL's sums of BIGINT are NUMERIC.
    return cast(items.invoiced - items.credited - items.allocated, BigInteger)


def _bucket_conditions(items: Any, as_of: date) -> dict[str, ColumnElement[bool]]:
    return {
        bucket.name: and_(*is_within(items.due_date, bucket.first, bucket.last)) for bucket in ageing_buckets(as_of)
    }


def open_item_rows(session: Session, filters: OpenItemFilter) -> tuple[Subquery, Rows]:
    """Return the invoices with their amounts, and a query for those that are open.

    The query has no columns yet; the oldest due date is first in each currency.

    Raises:
        NotFound: The customer is unknown.
    """
    f = filters
    customer_ids = [customer(session, f.customer).id] if f.customer else None
    invoices = invoice_amounts(counted_through(session, f.as_of), customer_ids, only_open=True)
    items = invoices.c
    conditions = [_open_amount(items) > 0]
    if f.currency:
        conditions.append(items.currency == f.currency)
    if f.bucket:
        conditions.append(_bucket_conditions(items, f.as_of)[f.bucket])
    rows: Rows = select().select_from(invoices).join(Customer, Customer.id == items.customer_id).where(*conditions)
    # Issued invoices have both; paging must not take the columns for nullable ones.
    due_date, number = (type_coerce(column, column.type) for column in (items.due_date, items.number))
    return invoices, rows.order_by(items.currency, due_date, number)


def open_items(session: Session, filters: OpenItemFilter) -> Rows:
    """Select the open items of a filter, oldest due first; for `paging.page`."""
    invoices, rows = open_item_rows(session, filters)
    columns = open_item_columns(invoices.c, filters.as_of)
    return rows.add_columns(*(column.label(name) for name, column in columns.items()), invoices.c.customer_id)


@dataclass(frozen=True, slots=True)
class OpenSum:
    """The open amounts and invoices in a currency, by ageing bucket."""

    currency: str
    amounts: tuple[int, ...]
    invoices: tuple[int, ...]


def open_sums(session: Session, filters: OpenItemFilter) -> list[OpenSum]:
    """Return the sums of the open items of a filter, per currency."""
    invoices, rows = open_item_rows(session, filters)
    items = invoices.c
    sums = [
        aggregate
        for condition in _bucket_conditions(items, filters.as_of).values()
        for aggregate in (
            func.sum(case((condition, _open_amount(items)), else_=0)),
            func.count().filter(condition),
        )
    ]
    query = rows.order_by(None).add_columns(items.currency, *sums).group_by(items.currency).order_by(items.currency)
    return [
        OpenSum(currency, tuple(int(amount) for amount in values[::2]), tuple(values[1::2]))
        for currency, *values in session.execute(query)
    ]
