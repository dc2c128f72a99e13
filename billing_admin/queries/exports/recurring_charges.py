"""Export of recurring charges."""

from datetime import date
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_admin.models import Customer, RecurringCharge, Service
from billing_admin.queries.charges.recurring_charges import RecurringFilter, conditions, state_column
from billing_admin.queries.exports.columns import Column, Export, Kind, column


def recurring_charges(session: Session, filters: RecurringFilter) -> Export:
    """Return the export of recurring charges, newest first."""
    row = RecurringCharge
    rows: Select[Any] = (
        select()
        .select_from(row)
        .join(Customer, Customer.id == row.customer_id)
        .join(Service, Service.id == row.service_id)
        .where(*conditions(session, filters))
        .order_by(row.created_at.desc(), row.id.desc())
    )
    return Export(recurring_columns(filters.today), rows, row.currency.expression)


def recurring_columns(today: date) -> tuple[Column, ...]:
    """Return the columns of recurring charges; the status depends on the day."""
    row = RecurringCharge
    return (
        column("id", Kind.WORD, row.id),
        column("customer", Kind.TEXT, Customer.reference),
        column("service", Kind.TEXT, Service.code),
        column("description", Kind.TEXT, row.description),
        column("quantity", Kind.EXACT, row.quantity),
        column("unit_price", Kind.EXACT, row.unit_price),
        column("currency", Kind.WORD, row.currency),
        column("interval", Kind.WORD, row.interval),
        column("interval_count", Kind.WHOLE, row.interval_count),
        column("timing", Kind.WORD, row.timing),
        column("starts_on", Kind.DAY, row.starts_on),
        column("ends_on", Kind.DAY, row.ends_on),
        column("anchor_on", Kind.DAY, row.anchor_on),
        column("purchase_order", Kind.TEXT, row.purchase_order),
        column("status", Kind.WORD, state_column(today)),
        column("posted_through", Kind.DAY, row.posted_through),
        column("created_at", Kind.MOMENT, row.created_at),
    )
