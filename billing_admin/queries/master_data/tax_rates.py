"""Tax rates whose percentage changes.

The percentage of a charge depends on the day on which it is incurred.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal, null, or_, select
from sqlalchemy.orm import Session, selectinload

from billing_admin.domain.tax import UNTAXED_RATES
from billing_admin.models import Charge, Customer, InvoiceLine, Service, TaxRate, TaxRateChange
from billing_admin.models.base import ExactDecimal
from billing_admin.queries.master_data.organisation import organisation


def percent_by_day(session: Session) -> ColumnElement[Decimal] | None:
    """Return the column of a charge's percentage, or None if no rate changes.

    The column is NULL for charges whose rate does not change over time. It is also NULL for net prices of
    customers who are charged no tax, since these prices do not depend on the percentage.
    """
    with_changes = select(TaxRate).where(TaxRate.id.in_(select(TaxRateChange.tax_rate_id)))
    changing = session.scalars(with_changes.options(selectinload(TaxRate.changes))).all()
    if not changing:
        return None
    default_rate_id = organisation(session).default_tax_rate_id
    untaxed = Charge.customer_id.in_(select(Customer.id).where(Customer.tax_treatment.in_(UNTAXED_RATES)))
    cases: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [(and_(untaxed, ~Charge.tax_included), null())]
    for rate in changing:
        of_rate = Charge.service_id.in_(select(Service.id).where(Service.tax_rate_id == rate.id))
        uses_rate = or_(of_rate, Charge.service_id.is_(None)) if rate.id == default_rate_id else of_rate
        cases += [
            (and_(uses_rate, Charge.incurred_on >= change.valid_from), literal(change.percent, ExactDecimal()))
            for change in reversed(rate.changes)
        ]
        cases.append((uses_rate, literal(rate.percent, ExactDecimal())))
    return case(*cases, else_=null()).label("percent_by_day")


def matches_line_tax(session: Session) -> list[ColumnElement[bool]]:
    """Return the conditions that a charge has the same tax as an invoice line."""
    conditions = [Charge.tax_included == InvoiceLine.gross.is_not(None)]
    percent = percent_by_day(session)
    if percent is not None:
        of_line = case((InvoiceLine.gross.is_(None), InvoiceLine.tax_percent), else_=InvoiceLine.included_percent)
        conditions.append(or_(percent.is_(None), percent == of_line))
    return conditions
