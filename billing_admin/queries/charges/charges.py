"""Charges for people and scripts, with the names of related objects.

They are the names of customer, service, invoice and actor.
"""

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
from billing_admin.domain.translation import Phrase
from billing_admin.models import AuditEvent, Charge, Customer, Invoice, InvoiceLine, Service, VoidedCharge
from billing_admin.models.base import exact_sum
from billing_admin.models.charge import is_unbilled
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.services import service
from billing_admin.queries.object_ids import invoice_id
from billing_admin.queries.selections import is_selected

LARGE_RESULT = 10_000
# A likely duplicate that was neither kept nor cancelled. It may be billed.
IS_LIKELY_DUPLICATE = and_(
    Charge.duplicate_of_id.is_not(None), Charge.duplicate_kept_at.is_(None), Charge.status != "cancelled"
)
# A likely duplicate that a person can still keep or cancel, in the words of the index `ix_charges_to_review`.
TO_REVIEW = and_(Charge.duplicate_of_id.is_not(None), Charge.duplicate_kept_at.is_(None), is_unbilled())
_Replacement = aliased(Charge)


@dataclass(frozen=True, slots=True)
class ChargeFilter:
    """A filter for charges.

    `from_` and `to` are the days on which charges are incurred, both included.

    `likely_duplicates` selects the charges that a person has yet to review, or all others. `selection` is the id of the
    charges that a person selected.
    """

    customer: str = ""
    service: str = ""
    status: str = ""
    currency: str = ""
    from_: date | None = None
    to: date | None = None
    invoice: str = ""
    line: UUID | None = None
    likely_duplicates: bool | None = None
    selection: UUID | None = None


def conditions(session: Session, filters: ChargeFilter) -> list[ColumnElement[bool]]:
    """Return the filter as SQL conditions.

    Raises NotFound for an unknown customer, service or invoice.
    """
    f = filters
    candidates: list[tuple[object, Callable[[], ColumnElement[bool]]]] = [
        (f.customer, lambda: Charge.customer_id == customer(session, f.customer).id),
        (f.service, lambda: Charge.service_id == service(session, f.service).id),
        # The first condition makes the databases use the index of unbilled charges.
        (f.status in {"pending", "held"}, is_unbilled),
        (f.status, lambda: Charge.status == f.status),
        (f.currency, lambda: Charge.currency == f.currency),
        (f.from_, lambda: Charge.incurred_on >= f.from_),
        (f.to, lambda: Charge.incurred_on <= f.to),
        (f.invoice, lambda: Charge.invoice_line_id.in_(_lines_of(session, f.invoice))),
        (f.line, lambda: Charge.invoice_line_id == f.line),
        (f.likely_duplicates is not None, lambda: TO_REVIEW if f.likely_duplicates else ~TO_REVIEW),
        (f.selection, lambda: is_selected(Charge.id, f.selection)),
    ]
    return [condition() for value, condition in candidates if value]


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
        IS_LIKELY_DUPLICATE.label("is_likely_duplicate"),
    )
    .join(Customer, Customer.id == Charge.customer_id)
    .outerjoin(Service, Service.id == Charge.service_id)
    .outerjoin(InvoiceLine, InvoiceLine.id == Charge.invoice_line_id)
    .outerjoin(Invoice, Invoice.id == InvoiceLine.invoice_id)
    .join(AuditEvent, AuditEvent.id == Charge.event_id)
)
_VIEW = _VIEWS.where(Charge.id == bindparam("id"))
_NOT_LISTED = (
    *("customer_id", "customer_name", "service_id", "service_name", "service_unit", "invoice_line_id", "invoice_id"),
    *("event_id", "fingerprint", "created_on", "duplicate_kept_at", "status_reason"),
)
_LISTED = _VIEWS.with_only_columns(*(column for column in _VIEWS.selected_columns if column.key not in _NOT_LISTED))
_NEWEST_FIRST = (Charge.created_at.desc(), Charge.incurred_on.desc(), Charge.id.desc())


def charge(session: Session, id: UUID) -> Record:
    """Return one charge with its names.

    Raises:
        NotFound: No charge has this id.
    """
    row = session.execute(_VIEW, {"id": id}).one_or_none()
    if row is None:
        raise NotFound("unknown_charge", Phrase("There is no charge {id}.", id=id), "id")
    return row


def void_invoices(session: Session, charge_id: UUID) -> Sequence[Record]:
    """Return id and number of the void invoices that a charge was on, oldest first."""
    query = (
        select(Invoice.id, Invoice.number)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .join(VoidedCharge, VoidedCharge.invoice_line_id == InvoiceLine.id)
        .where(VoidedCharge.charge_id == charge_id)
    )
    return session.execute(query.order_by(Invoice.issued_at)).all()


def charges(session: Session, filters: ChargeFilter) -> Select[Any]:
    """Select the charges that match a filter, with their names, newest first."""
    return _VIEWS.where(*conditions(session, filters)).order_by(*_NEWEST_FIRST)


def listed_charges(session: Session, filters: ChargeFilter) -> Select[Any]:
    """Select the charges that match a filter, newest first.

    Columns that only pages show are left out.
    """
    return _LISTED.where(*conditions(session, filters)).order_by(*_NEWEST_FIRST)


def charges_with_names() -> Select[Any]:
    """Select all charges with their names; the caller joins and filters."""
    return _VIEWS


def charges_by_id(session: Session, ids: Iterable[UUID]) -> dict[UUID, Record]:
    """Return charges with their names, by id; unknown ids are omitted."""
    return {row.id: row for row in session.execute(_VIEWS.where(is_any_of(Charge.id, ids)))}


def charge_states(session: Session, ids: Sequence[UUID]) -> Sequence[Record]:
    """Return charges with the numbers of their invoices, in the order of their ids."""
    query = (
        select(*Charge.__table__.c, Invoice.number.label("invoice_number"))
        .outerjoin(InvoiceLine, InvoiceLine.id == Charge.invoice_line_id)
        .outerjoin(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(is_any_of(Charge.id, ids))
    )
    return session.execute(query.order_by(Charge.id)).all()


def selected_charges(session: Session, ids: Sequence[UUID]) -> Sequence[Record]:
    """Return id, status, currency and amount of charges, in the order of their ids."""
    query = select(Charge.id, Charge.status, Charge.currency, Charge.amount).where(is_any_of(Charge.id, ids))
    return session.execute(query.order_by(Charge.id)).all()


@dataclass(frozen=True, slots=True)
class ChargeSum:
    """The count and exact sum of charges in one currency."""

    currency: str
    charges: int
    amount: Decimal


def charge_sums(session: Session, filters: ChargeFilter) -> list[ChargeSum]:
    """Count and sum the charges that match a filter, per currency."""
    query = (
        select(Charge.currency, func.count(), exact_sum(Charge.amount))
        .where(*conditions(session, filters))
        .group_by(Charge.currency)
        .order_by(Charge.currency)
    )
    return [ChargeSum(currency, count, amount) for currency, count, amount in session.execute(query)]


def is_large(session: Session, filters: ChargeFilter, limit: int) -> bool:
    """Return whether more charges than `limit` match a filter."""
    matches = select(Charge.id).where(*conditions(session, filters)).limit(limit + 1).subquery()
    return (session.scalar(select(func.count()).select_from(matches)) or 0) > limit


def sums_by_id(session: Session, ids: Sequence[UUID]) -> list[ChargeSum]:
    """Count and sum charges by their ids, per currency."""
    query = (
        select(Charge.currency, func.count(), exact_sum(Charge.amount))
        .where(is_any_of(Charge.id, ids))
        .group_by(Charge.currency)
        .order_by(Charge.currency)
    )
    return [ChargeSum(currency, count, amount) for currency, count, amount in session.execute(query)]


def charge_ids(session: Session, filters: ChargeFilter, limit: int | None = None) -> list[UUID]:
    """Return the ids of the charges that match a filter, up to `limit` of them."""
    return list(session.scalars(select(Charge.id).where(*conditions(session, filters)).limit(limit)))
