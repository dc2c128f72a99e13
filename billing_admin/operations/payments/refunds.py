"""Record and reverse refunds, which pay a customer's credit back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_id
from billing_admin.db.paging import Record
from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import Submission
from billing_admin.domain.errors import Invalid
from billing_admin.domain.master_data import refuse_differences
from billing_admin.domain.money import Money, plain_decimal
from billing_admin.domain.payments import differing_fields
from billing_admin.domain.refunds import RefundPart as Part, RefundSpec, plan_refund
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank, refuse_unprintable
from billing_admin.domain.translation import Phrase
from billing_admin.models import Refund, RefundPart
from billing_admin.operations import audit
from billing_admin.operations.limits import require_within_limit
from billing_admin.operations.payments.allocations import add_to_payments, lock_account_and_invoices
from billing_admin.operations.payments.payments import find_customer, money_text, resolve_day
from billing_admin.operations.webhooks.outbox import enqueue_refund
from billing_admin.queries.payments.refunds import refund, refundable_payments


@dataclass(frozen=True, slots=True)
class RecordedRefund:
    """The refund's id, and whether it is new."""

    id: UUID
    created: bool


def record(session: Session, spec: RefundSpec, actor: Actor, now: datetime) -> RecordedRefund:
    """Record a refund of a customer's credit, the oldest credit first.

    A repeated request with the same id returns the original. Raises Invalid for wrong values, such as an amount above
    the credit, and Conflict when the id belongs to a refund with other values.
    """
    customer = find_customer(session, spec.customer)
    stored = _find_stored(session, spec.id)
    currency = spec.currency or (stored.currency if stored else customer.currency)
    amount = Money.exactly(spec.amount, currency, "amount").minor
    if stored is not None:
        values = {"customer_id": customer.id, "currency": spec.currency, "amount": amount, "paid_on": spec.paid_on}
        return _check_same(stored, values | {"method": spec.method, "reference": spec.reference})
    refuse_unprintable(spec.reference or "", "reference")
    day = resolve_day(session, spec.paid_on, now, "paid_on")
    key = customer.id, currency
    lock_account_and_invoices(session, key, [])
    parts = plan_refund(refundable_payments(session, *key), amount, day, currency)
    id = spec.id or new_id(now)
    require_within_limit(session, actor, _submission(spec, key, customer.reference, amount), now)
    details = {"customer": customer.reference, "amount": money_text(amount, key), "paid_on": day.isoformat()}
    details |= {"reference": spec.reference} if spec.reference else {}
    event_id = audit.record(session, actor, now, "refund.recorded", "refund", id, details)
    row = {
        "id": id,
        "customer_id": customer.id,
        "currency": currency,
        "amount": amount,
        "paid_on": day,
        "method": spec.method,
        "reference": spec.reference or "",
        "status": "recorded",
        "reversed_on": None,
        "reversal_reason": "",
        "created_at": now,
        "event_id": event_id,
    }
    insert_many(session, Refund, [row])
    _insert_parts(session, id, key, parts)
    add_to_payments(session, dict(parts))
    enqueue_refund(session, "refund.recorded", id, now)
    return RecordedRefund(id, True)


def _submission(spec: RefundSpec, key: tuple[UUID, str], reference: str, amount: int) -> Submission:
    customer_id, currency = key
    fields = {
        "amount": plain_decimal(spec.amount),
        "method": spec.method,
        "currency": currency,
        "paid_on": None if spec.paid_on is None else spec.paid_on.isoformat(),
        "reference": spec.reference,
        "id": None if spec.id is None else str(spec.id),
    }
    return Submission("refund", "customer", customer_id, reference, fields, spec.reference or "", amount, currency)


def record_as_submitted(
    session: Session, customer_id: UUID, fields: Mapping[str, Any], actor: Actor, now: datetime
) -> RecordedRefund:
    """Record the refund of a submission; raises as `record` does."""
    return record(session, spec_as_submitted(customer_id, fields), actor, now)


def spec_as_submitted(customer_id: UUID, fields: Mapping[str, Any]) -> RefundSpec:
    """Return the request of a submission."""
    return RefundSpec(
        str(customer_id),
        Decimal(fields["amount"]),
        fields["method"],
        fields["currency"],
        None if fields["paid_on"] is None else date.fromisoformat(fields["paid_on"]),
        fields["reference"],
        None if fields["id"] is None else UUID(fields["id"]),
    )


def _find_stored(session: Session, id: UUID | None) -> Record | None:
    return None if id is None else session.execute(select(Refund.__table__).where(Refund.id == id)).one_or_none()


def _check_same(stored: Record, values: Mapping[str, object]) -> RecordedRefund:
    differs = ["customer" if name == "customer_id" else name for name in differing_fields(values, stored)]
    refuse_differences(Phrase("Refund {stored_id}", stored_id=stored.id), differs, "id")
    return RecordedRefund(stored.id, False)


def _insert_parts(session: Session, refund_id: UUID, key: tuple[UUID, str], parts: Sequence[Part]) -> None:
    customer_id, currency = key
    account = {"customer_id": customer_id, "currency": currency}
    rows = [{"refund_id": refund_id, "payment_id": id, "amount": amount, **account} for id, amount in parts]
    insert_many(session, RefundPart, rows)


def reverse(
    session: Session, refund_id: UUID, reason: str, reversed_on: date | None, actor: Actor, now: datetime
) -> bool:
    """Reverse a refund on a day or today: the money is the customer's credit again.

    Returns False when it was already reversed. Raises NotFound, and Invalid for a day in the locked period or before
    the refund.
    """
    check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    row = refund(session, refund_id)
    lock_account_and_invoices(session, (row.customer_id, row.currency), [])
    row = refund(session, refund_id)
    if row.status == "reversed":
        return False
    refuse_unprintable(reason, "reason")
    day = resolve_day(session, reversed_on, now, "reversed_on")
    if day < row.paid_on:
        message = Phrase("Use {paid_on} or later: the refund was paid on that day.", paid_on=row.paid_on.isoformat())
        raise Invalid("before_last_change", message, "reversed_on")
    parts = session.execute(select(RefundPart.payment_id, RefundPart.amount).where(RefundPart.refund_id == refund_id))
    add_to_payments(session, {id: -amount for id, amount in parts})
    values = {"status": "reversed", "reversed_on": day, "reversal_reason": reason}
    session.execute(
        update(Refund).where(Refund.id == refund_id).values(values).execution_options(synchronize_session=False)
    )
    details = audit.changed_fields({"status": row.status}, {"status": "reversed", "reversed_on": day.isoformat()})
    audit.record(session, actor, now, "refund.reversed", "refund", refund_id, details | {"reason": reason})
    enqueue_refund(session, "refund.reversed", refund_id, now)
    return True
