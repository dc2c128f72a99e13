"""The organisation, its today, its tax rates."""

from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.models import Invoice, Organisation, TaxRate


def organisation(session: Session) -> Organisation:
    """The one row; migrations put it there."""
    return session.scalars(select(Organisation)).one()


def today(session: Session, now: datetime) -> date:
    """Today, where the organisation is."""
    return day_of(now, organisation(session).time_zone)


def day_of(now: datetime, time_zone: str) -> date:
    """The calendar day of a moment in a time zone."""
    return now.astimezone(ZoneInfo(time_zone)).date()


def number_format(house: Organisation, kind: str) -> str:
    """The format of the numbers of invoices or of credit notes."""
    return house.credit_note_format if kind == "credit_note" else house.invoice_format


def tax_rates(session: Session) -> list[TaxRate]:
    """Every tax rate, by code."""
    return list(session.scalars(select(TaxRate).order_by(TaxRate.code)))


def tax_rate(session: Session, id: UUID) -> TaxRate:
    """One tax rate by id, or raise NotFound."""
    found = session.get(TaxRate, id)
    if found is None:
        raise NotFound("unknown_tax_rate", f"There is no tax rate {id}.", "id")
    return found


def currency_is_locked(session: Session) -> bool:
    """Whether the base currency is fixed, as an invoice exists."""
    return session.scalar(select(Invoice.id).limit(1)) is not None
