"""The history of an object: the events about it, whichever object they name.

A payment changes invoices, a billing run makes them, a credit note corrects one. Each event is stored once, with the
object of the act; the other objects are found from the tables. Nothing is stored for it, so that events of earlier
versions are found as well.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, and_, cast, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from billing_admin.domain.opening_balances import without_void_suffix
from billing_admin.models import (
    Allocation,
    ApiToken,
    AuditEvent,
    Charge,
    Customer,
    Invoice,
    InvoiceLine,
    Job,
    Message,
    MessageDocument,
    Payment,
    RecurringCharge,
    RecurringPosting,
    Refund,
    RefundPart,
    VoidedCharge,
)
from billing_admin.models.audit import IS_BULK_CHANGE, IS_DISCARD

Ids: TypeAlias = Select[*tuple[Any, ...]]

_Event, _Discarded = aliased(AuditEvent), aliased(AuditEvent)
_IS_RUN_START = _Event.action == "billing_run.started"
# Documents have the moment of the event of their part of the run.
_IS_RUN_PART = and_(_Event.action == "billing_run.billed", _Event.at == Invoice.created_at)


def is_about(session: Session, object: UUID) -> ColumnElement[bool]:
    """Return the condition that an event is about an object, alone or with others."""
    selects = [_events(_Event.object_id == object), *_of_others(object)]
    row = session.execute(select(Invoice.number, Invoice.id).where(Invoice.id == object)).one_or_none()
    if row is not None:
        selects += _of_invoice(object, row.number and without_void_suffix(row.number))
    return AuditEvent.id.in_(union_all(*selects))


def _events(*conditions: ColumnElement[bool]) -> Ids:
    return select(_Event.id).where(*conditions)


def _of_documents(documents: ColumnElement[bool]) -> Iterator[Ids]:
    """Select the events of documents, with those of their runs and common issue."""
    yield _events(_Event.object_id.in_(select(Invoice.id).where(documents)))
    yield from _of_runs(documents)
    yield _issued_together(documents)


def _of_runs(documents: ColumnElement[bool]) -> Iterator[Ids]:
    yield _events(_IS_RUN_START, _Event.object_id.in_(select(Invoice.run_id).where(documents)))
    yield _events(_IS_RUN_PART).join(Invoice, Invoice.run_id == _Event.object_id).where(documents)


def _issued_together(documents: ColumnElement[bool]) -> Ids:
    is_common_issue = and_(
        _Event.object_id.is_(None), _Event.action == "invoice.issued", _names(cast(Invoice.id, Text))
    )
    return _events(is_common_issue).join(Invoice, _Event.at == Invoice.issued_at).where(documents)


def _names(id: Any) -> ColumnElement[bool]:
    """Return the condition that the details of an event contain an id."""
    return cast(_Event.details, Text).contains(id)


def _of_invoice(id: UUID, number: str | None) -> Iterator[Ids]:
    """Select the events of an invoice's run, issue, messages, money and credits."""
    yield from _of_documents(Invoice.id == id)
    notes = select(Invoice.id).where(Invoice.corrects_id == id)
    yield _events(_Event.object_id.in_(notes), _Event.action == "credit_note.issued")
    replaced = select(Invoice.replaces_id).where(Invoice.id == id)
    yield _events(_Event.object_id.in_(replaced), _Event.action == "invoice.voided")
    messages = select(MessageDocument.message_id).where(MessageDocument.invoice_id == id)
    yield _events(_Event.object_id.in_(messages))
    payments = select(Allocation.payment_id).where(Allocation.invoice_id == id)
    ended_by_reversal = payments.join(Payment, Payment.id == Allocation.payment_id).where(
        Allocation.withdrawn_on >= Payment.reversed_on
    )
    yield _events(_Event.object_id.in_(ended_by_reversal), _Event.action == "payment.reversed")
    parts = select(RefundPart.refund_id).where(RefundPart.payment_id.in_(payments))
    yield _events(_Event.object_id.in_(parts))
    if number is not None:
        of_customer = select(Invoice.customer_id).where(Invoice.id == id).scalar_subquery()
        later = select(Invoice.id).where(Invoice.customer_id == of_customer)
        corrects = _Event.details["corrects"].as_string() == number
        yield _events(_Event.object_id.in_(later), _Event.action == "invoice.billed_again", corrects)
        names_invoice = or_(
            _Event.details["allocated"][number].as_string().is_not(None),
            _Event.details["invoice"].as_string() == number,
        )
        yield _events(_Event.object_id.in_(payments), names_invoice)


def _of_charge(id: UUID) -> Iterator[Ids]:
    """Select the events of a charge's posting, correction and invoices."""
    yield select(Charge.event_id).where(Charge.id == id)
    yield _events(and_(IS_BULK_CHANGE, _names(str(id))))
    original = select(Charge.replaces_id).where(Charge.id == id)
    yield _events(_Event.object_id.in_(original), _Event.action == "charge.corrected")
    of_customer = select(Invoice.id).join(Charge, Charge.customer_id == Invoice.customer_id).where(Charge.id == id)
    yield _events(_Event.object_id.in_(of_customer), _Event.action == "invoice.charges_moved", _names(str(id)))
    voided = select(VoidedCharge.invoice_line_id).where(VoidedCharge.charge_id == id)
    lines = select(InvoiceLine.invoice_id).where(
        or_(InvoiceLine.id.in_(voided), InvoiceLine.id.in_(select(Charge.invoice_line_id).where(Charge.id == id)))
    )
    yield _events(
        _Event.object_id.in_(lines), or_(_Event.action == "invoice.issued", _Event.action == "invoice.voided")
    )
    yield from _of_runs(Invoice.id.in_(lines))
    yield _issued_together(Invoice.id.in_(lines))


def _of_payment(id: UUID) -> Iterator[Ids]:
    """Select the credit notes that withdrew allocations of a payment, and its refunds."""
    of_payment = and_(Allocation.payment_id == id, Allocation.withdrawn_on == Invoice.issue_date)
    notes = select(Invoice.id).join(Allocation, Allocation.invoice_id == Invoice.corrects_id).where(of_payment)
    freed_credit = _Event.details["became_credit"].as_string().is_not(None)
    yield _events(_Event.object_id.in_(notes), _Event.action == "credit_note.issued", freed_credit)
    yield _events(_Event.object_id.in_(select(RefundPart.refund_id).where(RefundPart.payment_id == id)))


def _of_customer(id: UUID) -> Iterator[Ids]:
    """Select the events of a customer's documents, money, charges and messages."""
    yield from _of_documents(Invoice.customer_id == id)
    for owned in (Payment, Refund, RecurringCharge, Charge, Message):
        yield _events(_Event.object_id.in_(select(owned.id).where(owned.customer_id == id)))
    yield select(Charge.event_id).where(Charge.customer_id == id)
    reference = select(Customer.reference).where(Customer.id == id).scalar_subquery()
    discarded = select(_Discarded.object_id).where(IS_DISCARD, _Discarded.details["customer"].as_string() == reference)
    yield _events(_Event.object_id.in_(discarded))


def _of_others(id: UUID) -> Iterator[Ids]:
    """Select the events of what belongs to objects of other kinds.

    Objects of another kind with this id do not exist, so that their parts select nothing.
    """
    yield from _of_charge(id)
    yield from _of_payment(id)
    yield from _of_customer(id)
    postings = select(RecurringPosting.charge_id).where(RecurringPosting.recurring_charge_id == id)
    yield select(Charge.event_id).where(Charge.id.in_(postings))
    predecessor = select(RecurringCharge.follows_id).where(RecurringCharge.id == id)
    yield _events(_Event.object_id.in_(predecessor), _Event.action == "recurring_charge.changed")
    yield _events(_Event.object_id.in_(select(Job.id).where(Job.subject_id == id)))
    yield _events(_Event.object_id.in_(select(ApiToken.id).where(ApiToken.user_id == id)))
