"""The organisation: its settings, its current day, its tax rates."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import Invoice, Organisation, TaxRate


def organisation(session: Session) -> Organisation:
    """Return the one row of settings, which a migration creates."""
    return session.scalars(select(Organisation)).one()


def today(session: Session, now: datetime) -> date:
    """Return the current day in the organisation's time zone."""
    return day_of(now, organisation(session).time_zone)


def day_of(now: datetime, time_zone: str) -> date:
    """Return the calendar day of a time in a time zone."""
    return now.astimezone(ZoneInfo(time_zone)).date()


def start_of_day(session: Session, day: date | None, days: int = 0) -> datetime:
    """Return when a day, plus `days`, begins in the organisation's time zone, in UTC.

    Python has no dates outside of the years 1 to 9999; the first or last day replaces them.
    """
    zone = ZoneInfo(organisation(session).time_zone)
    try:
        return datetime.combine((day or date.max) + timedelta(days), time(), zone).astimezone(UTC)
    except OverflowError:
        return datetime.combine(date.max if days else date.min, time(), UTC)


def document_number_format(settings: Organisation, kind: str) -> str:
    """Return the format of the numbers of invoices or of credit notes."""
    return settings.credit_note_format if kind == "credit_note" else settings.invoice_format


def tax_rates(session: Session) -> list[TaxRate]:
    """Return every tax rate, by code."""
    return list(session.scalars(select(TaxRate).options(selectinload(TaxRate.changes)).order_by(TaxRate.code)))


def tax_rate(session: Session, id: UUID) -> TaxRate:
    """Return one tax rate by id.

    Raises:
        NotFound: No tax rate has this id.
    """
    rate = session.get(TaxRate, id)
    if rate is None:
        raise NotFound("unknown_tax_rate", Phrase("There is no tax rate {id}.", id=id), "id")
    return rate


def currency_is_locked(session: Session) -> bool:
    """Return whether the base currency can no longer change.

    It cannot change once an invoice exists.
    """
    return session.scalar(select(Invoice.id).limit(1)) is not None
