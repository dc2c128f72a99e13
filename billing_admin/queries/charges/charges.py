"""Charges as people and scripts read them: with the names of customer, service, invoice and poster beside them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.errors import NotFound
from billing_admin.models import AuditEvent, Charge, Customer, Invoice, InvoiceLine, Service, VoidedCharge
from billing_admin.models.base import exact_sum
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.services import service
from billing_admin.queries.object_ids import invoice_id

LARGE_RESULT = 10_000
# A likely duplicate on which nobody has decided: neither kept nor cancelled.
TO_REVIEW = and_(Charge.duplicate_of_id.is_not(None), Charge.duplicate_kept_at.is_(None), Charge.status != "cancelled")
_Replacement = aliased(Charge)


@dataclass(frozen=True, slots=True)
class ChargeFilter:
    """Which charges; an empty text is no filter. `from_` and `to` are days of incurring, both included."""

    customer: str = ""
    service: str = ""
    status: str = ""
    currency: str = ""
    from_: date | None = None
    to: date | None = None
    invoice: str = ""
    line: UUID | None = None
    likely_duplicates: bool | None = None
    """Those that a person has yet to decide on, or all others."""


def conditions(session: Session, filters: ChargeFilter) -> list[ColumnElement[bool]]:
    """The filter as SQL conditions. Raises NotFound for a customer, service or invoice that does not exist."""
    f = filters
    wanted: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.customer, lambda: Charge.customer_id == customer(session, f.customer).id),
        (f.service, lambda: Charge.service_id == service(session, f.service).id),
        (f.status, lambda: Charge.status == f.status),
        (f.currency, lambda: Charge.currency == f.currency),
        (f.from_, lambda: Charge.incurred_on >= f.from_),
        (f.to, lambda: Charge.incurred_on <= f.to),
        (f.invoice, lambda: Charge.invoice_line_id.in_(_lines_of(session, f.invoice))),
        (f.line, lambda: Charge.invoice_line_id == f.line),
        (f.likely_duplicates is not None, lambda: TO_REVIEW if f.likely_duplicates else ~TO_REVIEW),
    ]
    return [condition() for given, condition in wanted if given]


def _lines_of(session: Session, name: str) -> Select[UUID]:
    return select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id(session, name))


_VIEWS: Select[Any] = (
    select(
        *Charge.__table__.c,
        Customer.reference.label("customer_reference"),
        Customer.name.label("customer_name"),
        Service.code.label("service_code"),
        Service.name.label("service_name"),
        Service.unit.label("service_unit"),
        Invoice.id.label("invoice_id"),
        Invoice.number.label("invoice_number"),
        AuditEvent.actor_name.label("created_by"),
        select(_Replacement.id).where(_Replacement.replaces_id == Charge.id).scalar_subquery().label("replaced_by_id"),
        TO_REVIEW.label("is_likely_duplicate"),
    )
    .join(Customer, Customer.id == Charge.customer_id)
    .outerjoin(Service, Service.id == Charge.service_id)
    .outerjoin(InvoiceLine, InvoiceLine.id == Charge.invoice_line_id)
    .outerjoin(Invoice, Invoice.id == InvoiceLine.invoice_id)
    .join(AuditEvent, AuditEvent.id == Charge.event_id)
)
_VIEW = _VIEWS.where(Charge.id == bindparam("id"))


def charge(session: Session, id: UUID) -> Record:
    """One charge with its names, or raise NotFound."""
    row = session.execute(_VIEW, {"id": id}).one_or_none()
    if row is None:
        raise NotFound("unknown_charge", f"There is no charge {id}.", "id")
    return row


def void_invoices(session: Session, charge_id: UUID) -> Sequence[Record]:
    """Id and number of the void invoices that a charge once stood on, the first first."""
    query = (
        select(Invoice.id, Invoice.number)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .join(VoidedCharge, VoidedCharge.invoice_line_id == InvoiceLine.id)
        .where(VoidedCharge.charge_id == charge_id)
    )
    return session.execute(query.order_by(Invoice.issued_at)).all()


def charges(session: Session, filters: ChargeFilter) -> Select[Any]:
    """The charges that a filter lets through, newest first, each with its names; for `paging.page`."""
    return _VIEWS.where(*conditions(session, filters)).order_by(Charge.created_at.desc(), Charge.id.desc())


def charges_with(*more: Any) -> Select[Any]:
    """Charges with their names and, where more is joined, its columns."""
    return _VIEWS.add_columns(*more)


def charges_by_id(session: Session, ids: Iterable[UUID]) -> dict[UUID, Record]:
    """These charges with their names, by id; what is not there is left out."""
    return {row.id: row for row in session.execute(_VIEWS.where(is_any_of(Charge.id, ids)))}


@dataclass(frozen=True, slots=True)
class ChargeSum:
    """Charges of one currency: how many, and their exact sum."""

    currency: str
    charges: int
    amount: Decimal


def charge_sums(session: Session, filters: ChargeFilter) -> list[ChargeSum]:
    """Count and sum the whole filter exactly, per currency."""
    query = (
        select(Charge.currency, func.count(), exact_sum(Charge.amount))
        .where(*conditions(session, filters))
        .group_by(Charge.currency)
        .order_by(Charge.currency)
    )
    return [ChargeSum(currency, count, amount) for currency, count, amount in session.execute(query)]


def is_large(session: Session, filters: ChargeFilter) -> bool:
    """Whether the filter lets more than 10,000 charges through: too many to sum while somebody waits."""
    some = select(Charge.id).where(*conditions(session, filters)).limit(LARGE_RESULT + 1).subquery()
    return (session.scalar(select(func.count()).select_from(some)) or 0) > LARGE_RESULT


def sums_by_id(session: Session, ids: Sequence[UUID]) -> list[ChargeSum]:
    """Count and sum some charges exactly, per currency."""
    query = (
        select(Charge.currency, func.count(), exact_sum(Charge.amount))
        .where(is_any_of(Charge.id, ids))
        .group_by(Charge.currency)
        .order_by(Charge.currency)
    )
    return [ChargeSum(currency, count, amount) for currency, count, amount in session.execute(query)]


def charge_ids(session: Session, filters: ChargeFilter) -> list[UUID]:
    """The ids of every charge that the filter lets through."""
    return list(session.scalars(select(Charge.id).where(*conditions(session, filters))))
