"""Record, allocate, withdraw and reverse payments, and write off small remainders.

Each change of a balance has a day outside of the locked period: the receipt of a payment, the day of a reversal or
write-off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_id
from billing_admin.db.lookup import is_any_of, parse_uuid
from billing_admin.db.paging import Record
from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import Submission
from billing_admin.domain.document_hash import Row
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.formatting import format_money
from billing_admin.domain.lifecycle import refuse_before_issue_date
from billing_admin.domain.master_data import refuse_differences
from billing_admin.domain.money import Money, exact_decimal, plain_decimal
from billing_admin.domain.payments import (
    WRITE_OFF,
    AllocationPart,
    AllocationRequest,
    PaymentSpec,
    allocate_oldest_first,
    allocation_parts,
    allocation_text,
    differing_fields,
)
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank, check_text, refuse_unprintable
from billing_admin.domain.translation import Phrase
from billing_admin.models import Allocation, Customer, Invoice, Payment
from billing_admin.operations import audit
from billing_admin.operations.limits import require_within_limit
from billing_admin.operations.master_data.accounts import AccountKey
from billing_admin.operations.master_data.periods import require_open_day
from billing_admin.operations.payments.allocations import (
    PlannedAllocation,
    load_active_allocations,
    lock_account_and_invoices,
    plan_allocations,
    store_allocations,
    withdraw_allocations,
)
from billing_admin.operations.webhooks.outbox import enqueue_invoices_paid
from billing_admin.queries.master_data import organisation
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.payments.payments import open_invoices
from billing_admin.queries.payments.refunds import last_change, refunds_of_payments


@dataclass(frozen=True, slots=True)
class RecordedPayment:
    """The payment's id, and whether it is new."""

    id: UUID
    created: bool


@dataclass(frozen=True, slots=True)
class _NewPayment:
    """A payment to be stored: `key` is its account, `amount` is in minor units."""

    key: AccountKey
    amount: int
    received_on: date
    method: str
    reference: str = ""
    reason: str = ""


def record(session: Session, spec: PaymentSpec, actor: Actor, now: datetime) -> RecordedPayment:
    """Record a payment and allocate it as requested.

    A repeated request with the same id returns the original. Raises Invalid for wrong values, such as allocations
    above the amount, and Conflict when the invoices do not allow the allocations or the id belongs to a payment with
    other values.
    """
    customer_row = find_customer(session, spec.customer)
    stored = _find_stored(session, spec.id)
    currency = spec.currency or (stored.currency if stored else customer_row.currency)
    amount = Money.exactly(spec.amount, currency, "amount").minor
    requested = _resolve_request(session, spec.allocate, currency)
    if stored is not None:
        values = {
            "customer_id": customer_row.id,
            "currency": spec.currency,
            "amount": amount,
            "received_on": spec.received_on,
        }
        values |= {"method": spec.method, "reference": spec.reference, "asked": allocation_text(requested)}
        return _check_same(stored, values)
    refuse_unprintable(spec.reference or "", "reference")
    received_on = resolve_day(session, spec.received_on, now, "received_on")
    if not isinstance(requested, str) and sum(part for _, part in requested) > amount:
        raise Invalid("above_payment", Phrase("Allocate no more than the payment's amount."), "allocate")
    payment = _NewPayment((customer_row.id, currency), amount, received_on, spec.method, spec.reference or "")
    lock_account_and_invoices(session, payment.key, None if isinstance(requested, str) else [id for id, _ in requested])
    id = spec.id or new_id(now)
    _store(session, id, payment, requested, customer_row.reference, actor, now)
    return RecordedPayment(id, True)


def find_customer(session: Session, name: str) -> Customer:
    """Return the customer with an id or reference.

    Raises Invalid at the field `customer` when there is none.
    """
    # An unknown customer in the body is an error of the request (422), not a missing resource (404).
    try:
        return customer(session, name)
    except NotFound as error:
        raise Invalid(error.code, error.message, "customer") from None


def _find_stored(session: Session, id: UUID | None) -> Record | None:
    return None if id is None else session.execute(select(Payment.__table__).where(Payment.id == id)).one_or_none()


# Columns with another name in the API.
_API_NAMES = {"customer_id": "customer", "asked": "allocate"}


def _check_same(stored: Record, values: Mapping[str, object]) -> RecordedPayment:
    differs = [_API_NAMES.get(name, name) for name in differing_fields(values, stored)]
    refuse_differences(Phrase("Payment {stored_id}", stored_id=stored.id), differs, "id")
    return RecordedPayment(stored.id, False)


def _resolve_request(
    session: Session, allocate: AllocationRequest, currency: str
) -> Literal["oldest"] | tuple[AllocationPart, ...]:
    """Return the requested allocation, invoices by id.

    Raises Invalid for an unknown invoice.
    """
    if isinstance(allocate, str):
        return allocate
    names = [spec.invoice for spec in allocate]
    ids = [id for id in map(parse_uuid, names) if id is not None]
    query = select(Invoice.id, Invoice.number).where(or_(is_any_of(Invoice.id, ids), is_any_of(Invoice.number, names)))
    ids_by_name = {name: id for id, number in session.execute(query) for name in (str(id), number)}
    for place, name in enumerate(names):
        if _canonical_name(name) not in ids_by_name:
            raise Invalid(
                "unknown_invoice", Phrase("There is no invoice “{name}”.", name=name[:80]), "allocate", place, "invoice"
            )
    return allocation_parts(allocate, [ids_by_name[_canonical_name(name)] for name in names], currency)


def _canonical_name(name: str) -> str:
    id = parse_uuid(name)
    return name if id is None else str(id)


def resolve_day(session: Session, day: date | None, now: datetime, field: str) -> date:
    """Return the given day or today.

    Raises Invalid for a day in the future or in the locked period.
    """
    counted_on = day or organisation.today(session, now)
    require_open_day(session, counted_on, now, field)
    return counted_on


def _store(
    session: Session,
    id: UUID,
    payment: _NewPayment,
    requested: Literal["oldest"] | Sequence[AllocationPart],
    reference: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Insert a payment, its allocations and their audit event.

    The caller has locked the invoices and the account.
    """
    parts = (
        allocate_oldest_first(open_invoices(session, *payment.key), payment.amount)
        if isinstance(requested, str)
        else requested
    )
    planned = plan_allocations(session, payment.key, parts, payment.received_on)
    details = {
        "customer": reference,
        "amount": money_text(payment.amount, payment.key),
        "received_on": payment.received_on.isoformat(),
    }
    details |= {name: value for name, value in (("reference", payment.reference), ("reason", payment.reason)) if value}
    action = "payment.written_off" if payment.method == WRITE_OFF else "payment.recorded"
    event_id = audit.record(
        session, actor, now, action, "payment", id, details | _allocation_details(planned, payment.key)
    )
    row = {
        "id": id,
        "customer_id": payment.key[0],
        "currency": payment.key[1],
        "amount": payment.amount,
        "allocated": 0,
        "received_on": payment.received_on,
        "method": payment.method,
        "reference": payment.reference,
        "asked": allocation_text(requested),
        "status": "recorded",
        "reason": payment.reason,
        "reversed_on": None,
        "reversal_reason": "",
        "created_at": now,
        "event_id": event_id,
        "original_date": None,
    }
    insert_many(session, Payment, [row])
    _allocate(session, id, payment.key, planned, now)


def _allocate(
    session: Session, payment_id: UUID, key: AccountKey, planned: Sequence[PlannedAllocation], now: datetime
) -> None:
    """Store allocations, and enqueue webhooks for invoices that are now paid in full."""
    store_allocations(session, payment_id, key, planned, now)
    if planned:
        enqueue_invoices_paid(session, [allocation.invoice_id for allocation in planned], now)


def money_text(minor: int, key: AccountKey) -> str:
    """Return an amount for the audit log, where it is stored: `1234.50 EUR`."""
    return f"{Money(minor, key[1])} {key[1]}"


def _allocation_details(planned: Sequence[PlannedAllocation], key: AccountKey) -> dict[str, dict[str, str]]:
    """Return the audit details of allocations: the amount by invoice number."""
    return {"allocated": {allocation.number: money_text(allocation.amount, key) for allocation in planned}}


def allocate(
    session: Session,
    payment_id: UUID,
    spec: AllocationRequest,
    actor: Actor,
    now: datetime,
    expected: int | None = None,
) -> int:
    """Allocate the remainder of a payment, or parts of it, as of today.

    Returns the allocated minor units. `expected` is the remainder that a person has seen, so that a form sent twice
    allocates once. Raises NotFound, Conflict for a reversed payment, another remainder and allocations above it, and
    otherwise as `record` does.
    """
    payment = _load_payment(session, payment_id)
    key = payment.customer_id, payment.currency
    today = resolve_day(session, None, now, "allocate")
    requested = _resolve_request(session, spec, payment.currency)
    lock_account_and_invoices(session, key, None if isinstance(requested, str) else [id for id, _ in requested])
    payment = _load_payment(session, payment_id)
    if payment.status == "reversed":
        raise Conflict(
            "payment_reversed", Phrase("This payment has been reversed, so nothing is left to allocate."), "status"
        )
    remainder = payment.amount - payment.allocated
    if expected not in {None, remainder}:
        raise Conflict(
            "changed_meanwhile",
            Phrase(
                "Only {remainder} of this payment is left now: check the amounts again.",
                remainder=format_money(remainder, key[1]),
            ),
            "left",
        )
    parts = allocate_oldest_first(open_invoices(session, *key), remainder) if isinstance(requested, str) else requested
    amount = sum(part for _, part in parts)
    if amount > remainder:
        message = Phrase(
            "Only {remainder} of this payment is left: allocate no more than that.",
            remainder=format_money(remainder, key[1]),
        )
        raise Conflict("above_payment", message, "allocate")
    if parts:
        planned = plan_allocations(session, key, parts, today)
        audit.record(session, actor, now, "payment.allocated", "payment", payment_id, _allocation_details(planned, key))
        _allocate(session, payment_id, key, planned, now)
    return amount


def _load_payment(session: Session, id: UUID) -> Record:
    payment = _find_stored(session, id)
    if payment is None:
        raise NotFound("unknown_payment", Phrase("There is no payment {id}.", id=id), "id")
    return payment


def withdraw_allocation(
    session: Session, payment_id: UUID, allocation_id: UUID, reason: str, actor: Actor, now: datetime
) -> bool:
    """Withdraw an allocation as of today; its amount becomes credit.

    Returns False when it was already withdrawn. Raises NotFound for an allocation of another payment, and Conflict for a
    write-off: it is no money. The reason may be empty.
    """
    check_text(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    payment = _load_payment(session, payment_id)
    key = payment.customer_id, payment.currency
    condition = (Allocation.id == allocation_id) & (Allocation.payment_id == payment_id)
    row = session.execute(select(Allocation.invoice_id, Invoice.number).join(Invoice).where(condition)).one_or_none()
    if row is None:
        raise NotFound(
            "unknown_allocation",
            Phrase("This payment has no allocation {allocation_id}.", allocation_id=allocation_id),
            "id",
        )
    today = resolve_day(session, None, now, "withdrawn_on")
    lock_account_and_invoices(session, key, [row.invoice_id])
    active = load_active_allocations(session, condition)
    if active:
        _refuse_write_off(payment)
        refuse_unprintable(reason, "reason")
    for allocation in active:
        details = {"invoice": row.number, "amount": money_text(allocation.amount, key), "reason": reason}
        audit.record(session, actor, now, "payment.allocation_withdrawn", "payment", payment_id, details)
    withdraw_allocations(session, active, today)
    return bool(active)


def _refuse_write_off(payment: Record) -> None:
    if payment.method == WRITE_OFF:
        message = (
            "A write-off is no money, so it cannot become credit. Reverse it instead: the invoice is then open again."
        )
        raise Conflict("write_off", message, "id")


def withdraw_from_invoice(session: Session, invoice: Row, amount: int, on: date, actor: Actor, now: datetime) -> int:
    """Withdraw `amount` minor units of an invoice's allocations.

    Returns the sum that becomes credit. Write-offs come first: they are no money, so they are reversed. Then follow
    payments, the latest first. If only a part of the last allocation is needed, it is withdrawn and the remainder is
    allocated again, or written off again. `invoice["paid"]` is updated. The caller has locked invoice and account, and
    records the audit event.
    """
    key = invoice["customer_id"], invoice["currency"]
    allocations = load_active_allocations(session, Allocation.invoice_id == invoice["id"])
    is_write_off = is_any_of(Payment.id, [row.payment_id for row in allocations]) & (Payment.method == WRITE_OFF)
    amounts = {row.payment_id: row.amount for row in allocations}
    write_offs = {
        row.id: row
        for row in session.execute(select(Payment.__table__).where(is_write_off))
        if row.amount == amounts[row.id]  # not one that a person withdrew and allocated anew in parts
    }
    needed, credit = amount, 0
    for allocation in sorted(allocations, key=lambda row: row.payment_id not in write_offs):
        if needed <= 0:
            break
        part = min(allocation.amount, needed)
        remainder = allocation.amount - part
        if allocation.payment_id in write_offs:
            _reduce_write_off(
                session, write_offs[allocation.payment_id], invoice, allocation, remainder, on, actor, now
            )
        else:
            withdraw_allocations(session, [allocation], on)
            if remainder:
                planned = PlannedAllocation(invoice["id"], invoice["number"], remainder, max(on, allocation.made_on))
                store_allocations(session, allocation.payment_id, key, [planned], now)
            credit += part
        needed -= part
    invoice["paid"] -= amount - needed
    return credit


def _reduce_write_off(
    session: Session,
    payment: Record,
    invoice: Row,
    allocation: Record,
    remainder: int,
    on: date,
    actor: Actor,
    now: datetime,
) -> None:
    """Reverse a write-off of a credited invoice, and write off the remainder again."""
    day = max(on, last_change(session, payment.id))
    withdraw_allocations(session, [allocation], day)
    _store_reversal(session, payment, f"{invoice['number']} was credited", day, actor, now)
    if remainder:
        key = payment.customer_id, payment.currency
        new_write_off = _NewPayment(key, remainder, day, WRITE_OFF, reason=payment.reason)
        parts = ((invoice["id"], remainder),)
        _store(session, new_id(now), new_write_off, parts, invoice["customer_reference"], actor, now)


def reverse(
    session: Session, payment_id: UUID, reason: str, reversed_on: date | None, actor: Actor, now: datetime
) -> bool:
    """Reverse a payment and withdraw its allocations, on a day or today.

    Returns False when it was already reversed. Raises Invalid for a day in the locked period, before the receipt, or
    before the last withdrawal of an allocation.
    """
    check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    payment = _load_payment(session, payment_id)
    key = payment.customer_id, payment.currency
    of_payment = Allocation.payment_id == payment_id
    lock_account_and_invoices(session, key, [row.invoice_id for row in load_active_allocations(session, of_payment)])
    payment = _load_payment(session, payment_id)
    if payment.status == "reversed":
        return False
    refuse_unprintable(reason, "reason")
    _refuse_refunded(session, payment)
    day = resolve_day(session, reversed_on, now, "reversed_on")
    earliest = last_change(session, payment_id)
    if day < earliest:
        message = Phrase(
            "Use {earliest} or later: on that day, the payment was received, an allocation of it was "
            "withdrawn, or a refund of it was reversed.",
            earliest=earliest.isoformat(),
        )
        raise Invalid("before_last_change", message, "reversed_on")
    withdraw_allocations(session, load_active_allocations(session, of_payment), day)
    _store_reversal(session, payment, reason, day, actor, now)
    return True


def _store_reversal(session: Session, payment: Record, reason: str, day: date, actor: Actor, now: datetime) -> None:
    """Store the reversal of a payment without allocations, and its audit event."""
    values = {"status": "reversed", "reversed_on": day, "reversal_reason": reason}
    session.execute(
        update(Payment).where(Payment.id == payment.id).values(values).execution_options(synchronize_session=False)
    )
    details = audit.changed_fields({"status": payment.status}, {"status": "reversed", "reversed_on": day.isoformat()})
    audit.record(session, actor, now, "payment.reversed", "payment", payment.id, details | {"reason": reason})


def _refuse_refunded(session: Session, payment: Record) -> None:
    refunds = refunds_of_payments(session, [payment.id])[payment.id]
    refunded = sum(refund.amount for refund in refunds if refund.status == "recorded")
    if refunded:
        message = Phrase(
            "{refunded} of this payment was refunded, so it cannot be reversed. Reverse the refund first if "
            "the money was not paid out.",
            refunded=format_money(refunded, payment.currency),
        )
        raise Conflict("payment_refunded", message, "status")


def write_off(
    session: Session,
    invoice_id: UUID,
    amount: Decimal,
    reason: str,
    id: UUID | None,
    actor: Actor,
    now: datetime,
    *,
    part: bool = False,
) -> RecordedPayment:
    """Write off the open balance of an invoice, or a part of it, as of today.

    The write-off is a payment of the method `write_off`. `amount` must equal the balance, so that a person writes off
    only the amount that they have seen, unless they write off a `part`. Reversing the payment opens the invoice again.
    Raises NotFound, Invalid for an invoice dated in the future, and Conflict when nothing is open or the amount is not
    the balance, or above it.
    """
    check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    invoice = session.execute(select(Invoice.__table__).where(Invoice.id == invoice_id)).one_or_none()
    if invoice is None:
        raise NotFound("unknown_invoice", Phrase("There is no invoice {invoice_id}.", invoice_id=invoice_id), "id")
    key = invoice.customer_id, invoice.currency
    minor = Money.exactly(exact_decimal(amount, "amount"), invoice.currency, "amount").minor
    stored = _find_stored(session, id)
    if stored is not None:
        requested = allocation_text([(invoice_id, minor)])
        return _check_same(stored, {"method": WRITE_OFF, "amount": minor, "reason": reason, "asked": requested})
    refuse_unprintable(reason, "reason")
    today = resolve_day(session, None, now, "amount")
    lock_account_and_invoices(session, key, [invoice_id])
    open_invoice = next((row for row in open_invoices(session, *key) if row.id == invoice_id), None)
    if open_invoice is None:
        raise Conflict("nothing_open", Phrase("This invoice has no open balance to write off."), "amount")
    refuse_before_issue_date(open_invoice.number, open_invoice.issue_date, today, "amount")
    balance = open_invoice.total - open_invoice.paid - open_invoice.credited
    if not 0 < minor <= balance if part else minor != balance:
        balance_text = format_money(balance, key[1])
        message = Phrase(
            "The open balance of {invoice_number} is {balance_text}: enter exactly that amount to write it off.",
            invoice_number=invoice.number,
            balance_text=balance_text,
        )
        if part:
            message = Phrase(
                "Enter an amount above zero and at most {balance_text}, the open balance of {invoice_number}.",
                balance_text=balance_text,
                invoice_number=invoice.number,
            )
        raise Conflict("not_the_balance", message, "amount")
    payment_id = id or new_id(now)
    fields = {"amount": plain_decimal(amount), "reason": reason, "part": part, "id": None if id is None else str(id)}
    submission = Submission("write_off", "invoice", invoice_id, invoice.number, fields, reason, minor, key[1])
    require_within_limit(session, actor, submission, now)
    payment = _NewPayment(key, minor, today, WRITE_OFF, reason=reason)
    _store(session, payment_id, payment, ((invoice_id, minor),), invoice.customer_reference, actor, now)
    return RecordedPayment(payment_id, True)
