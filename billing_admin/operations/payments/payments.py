"""Money that comes in: recorded, allocated to invoices, withdrawn from them, reversed; and small remainders written off.

What moves a balance is dated: a payment by its receipt, a reversal and a write-off by their own day, none in a locked period.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.ids import new_id
from billing_admin.db.lookup import is_any_of, parse_uuid
from billing_admin.db.paging import Record
from billing_admin.domain.access import Actor
from billing_admin.domain.document_hash import Row
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.lifecycle import refuse_before_issue_date
from billing_admin.domain.money import Money, exact_decimal
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
from billing_admin.domain.text import check_not_blank, check_text, refuse_unprintable
from billing_admin.models import Allocation, Customer, Invoice, Payment
from billing_admin.operations import audit
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

MAX_REASON_LENGTH = 500


@dataclass(frozen=True, slots=True)
class RecordedPayment:
    """The payment's id, and whether it was made just now."""

    id: UUID
    created: bool


@dataclass(frozen=True, slots=True)
class _Paid:
    """A payment about to be stored: on which account, how much in minor units, and what is known of it."""

    key: AccountKey
    amount: int
    received_on: date
    method: str
    reference: str = ""
    reason: str = ""


def record(session: Session, spec: PaymentSpec, actor: Actor, now: datetime) -> RecordedPayment:
    """Store a payment and allocate it as asked; an identical repeat under its id answers with the original.

    Raises Invalid for what is wrong in itself, such as parts above the whole, and Conflict for what contradicts the invoices as
    they are, or the payment stored under the id.
    """
    buyer = _buyer(session, spec.customer)
    stored = _stored(session, spec.id)
    currency = spec.currency or (stored.currency if stored else buyer.currency)
    amount = Money.exactly(spec.amount, currency, "amount").minor
    asked = _asked(session, spec.allocate, currency)
    if stored is not None:
        same = {"customer_id": buyer.id, "currency": spec.currency, "amount": amount, "received_on": spec.received_on}
        same |= {"method": spec.method, "reference": spec.reference, "asked": allocation_text(asked)}
        return _replayed(stored, same)
    refuse_unprintable(spec.reference or "", "reference")
    received_on = _day(session, spec.received_on, now, "received_on")
    if not isinstance(asked, str) and sum(part for _, part in asked) > amount:
        raise Invalid("above_payment", "Allocate no more than the payment's amount.", "allocate")
    paid = _Paid((buyer.id, currency), amount, received_on, spec.method, spec.reference or "")
    lock_account_and_invoices(session, paid.key, None if isinstance(asked, str) else [id for id, _ in asked])
    id = spec.id or new_id(now)
    _store(session, id, paid, asked, buyer.reference, actor, now)
    return RecordedPayment(id, True)


def _buyer(session: Session, name: str) -> Customer:
    """A body that names nobody is wrong, not lost."""
    try:
        return customer(session, name)
    except NotFound as error:
        raise Invalid(error.code, error.message, "customer") from None


def _stored(session: Session, id: UUID | None) -> Record | None:
    return None if id is None else session.execute(select(Payment.__table__).where(Payment.id == id)).one_or_none()


# How the API calls what is stored under another name.
_SAID = {"customer_id": "customer", "asked": "allocate"}


def _replayed(stored: Record, same: Mapping[str, object]) -> RecordedPayment:
    differs = [_SAID.get(name, name) for name in differing_fields(same, stored)]
    if differs:
        said = f"Payment {stored.id} already exists with a different {', '.join(differs)}."
        raise Conflict("id_conflict", said, "id", differs=differs)
    return RecordedPayment(stored.id, False)


def _asked(
    session: Session, allocate: AllocationRequest, currency: str
) -> Literal["oldest"] | tuple[AllocationPart, ...]:
    """How to allocate, with the ids of the invoices that are named. Raises Invalid for one that does not exist."""
    if isinstance(allocate, str):
        return allocate
    names = [spec.invoice for spec in allocate]
    ids = [id for id in map(parse_uuid, names) if id is not None]
    query = select(Invoice.id, Invoice.number).where(or_(is_any_of(Invoice.id, ids), is_any_of(Invoice.number, names)))
    found = {name: id for id, number in session.execute(query) for name in (str(id), number)}
    for place, name in enumerate(names):
        if _spelt(name) not in found:
            raise Invalid("unknown_invoice", f"There is no invoice “{name[:80]}”.", "allocate", place, "invoice")
    return allocation_parts(allocate, [found[_spelt(name)] for name in names], currency)


def _spelt(name: str) -> str:
    id = parse_uuid(name)
    return name if id is None else str(id)


def _day(session: Session, day: date | None, now: datetime, field: str) -> date:
    """The day given, or today. Raises Invalid for one to come, or in the locked period."""
    counted_on = day or organisation.today(session, now)
    require_open_day(session, counted_on, now, field)
    return counted_on


def _store(
    session: Session,
    id: UUID,
    paid: _Paid,
    asked: Literal["oldest"] | Sequence[AllocationPart],
    reference: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Insert a payment and its allocations, beside their event. The caller has locked the money."""
    parts = allocate_oldest_first(open_invoices(session, *paid.key), paid.amount) if isinstance(asked, str) else asked
    made = plan_allocations(session, paid.key, parts, paid.received_on)
    details = {
        "customer": reference,
        "amount": _said(paid.amount, paid.key),
        "received_on": paid.received_on.isoformat(),
    }
    details |= {name: value for name, value in (("reference", paid.reference), ("reason", paid.reason)) if value}
    action = "payment.written_off" if paid.method == WRITE_OFF else "payment.recorded"
    event_id = audit.record(session, actor, now, action, "payment", id, details | _told(made, paid.key))
    row = {
        "id": id,
        "customer_id": paid.key[0],
        "currency": paid.key[1],
        "amount": paid.amount,
        "allocated": 0,
        "received_on": paid.received_on,
        "method": paid.method,
        "reference": paid.reference,
        "asked": allocation_text(asked),
        "status": "recorded",
        "reason": paid.reason,
        "reversed_on": None,
        "reversal_reason": "",
        "created_at": now,
        "event_id": event_id,
    }
    insert_many(session, Payment, [row])
    _pay(session, id, paid.key, made, now)


def _pay(session: Session, payment_id: UUID, key: AccountKey, made: Sequence[PlannedAllocation], now: datetime) -> None:
    """Allocate parts of a payment, and tell of the invoices on which nothing is left now."""
    store_allocations(session, payment_id, key, made, now)
    if made:
        enqueue_invoices_paid(session, [claim.invoice_id for claim in made], now)


def _said(minor: int, key: AccountKey) -> str:
    return f"{Money(minor, key[1])} {key[1]}"


def _told(made: Sequence[PlannedAllocation], key: AccountKey) -> dict[str, dict[str, str]]:
    """For the audit log: what each invoice got."""
    return {"allocated": {claim.number: _said(claim.amount, key) for claim in made}}


def allocate(
    session: Session,
    payment_id: UUID,
    spec: AllocationRequest,
    actor: Actor,
    now: datetime,
    expected: int | None = None,
) -> int:
    """Allocate what is left of a payment, or parts of it, as of today. Returns how many minor units.

    `expected` is what was left when somebody decided, so that a form sent twice allocates once. Raises NotFound, Conflict when
    less or more is left now, for a reversed payment and for more than is left; else as `record` does.
    """
    payment = _payment(session, payment_id)
    key = payment.customer_id, payment.currency
    today = _day(session, None, now, "allocate")
    asked = _asked(session, spec, payment.currency)
    lock_account_and_invoices(session, key, None if isinstance(asked, str) else [id for id, _ in asked])
    payment = _payment(session, payment_id)
    if payment.status == "reversed":
        raise Conflict("payment_reversed", "This payment has been reversed, so nothing is left to allocate.", "status")
    left = payment.amount - payment.allocated
    if expected not in {None, left}:
        raise Conflict(
            "changed_meanwhile",
            f"Only {_said(left, key)} of this payment is left now: check the amounts again.",
            "left",
        )
    parts = allocate_oldest_first(open_invoices(session, *key), left) if isinstance(asked, str) else asked
    amount = sum(part for _, part in parts)
    if amount > left:
        said = f"Only {_said(left, key)} of this payment is left: allocate no more than that."
        raise Conflict("above_payment", said, "allocate")
    if parts:
        made = plan_allocations(session, key, parts, today)
        audit.record(session, actor, now, "payment.allocated", "payment", payment_id, _told(made, key))
        _pay(session, payment_id, key, made, now)
    return amount


def _payment(session: Session, id: UUID) -> Record:
    found = _stored(session, id)
    if found is None:
        raise NotFound("unknown_payment", f"There is no payment {id}.", "id")
    return found


def withdraw_allocation(
    session: Session, payment_id: UUID, allocation_id: UUID, reason: str, actor: Actor, now: datetime
) -> bool:
    """Take one allocation back as of today: its money is the customer's credit. Returns False when that was done before.

    Raises NotFound for an allocation that this payment does not have. The reason may be left empty.
    """
    check_text(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    payment = _payment(session, payment_id)
    key = payment.customer_id, payment.currency
    one = (Allocation.id == allocation_id) & (Allocation.payment_id == payment_id)
    found = session.execute(select(Allocation.invoice_id, Invoice.number).join(Invoice).where(one)).one_or_none()
    if found is None:
        raise NotFound("unknown_allocation", f"This payment has no allocation {allocation_id}.", "id")
    today = _day(session, None, now, "withdrawn_on")
    lock_account_and_invoices(session, key, [found.invoice_id])
    taken = load_active_allocations(session, one)
    if taken:
        refuse_unprintable(reason, "reason")
    for allocation in taken:
        details = {"invoice": found.number, "amount": _said(allocation.amount, key), "reason": reason}
        audit.record(session, actor, now, "payment.allocation_withdrawn", "payment", payment_id, details)
    withdraw_allocations(session, taken, today)
    return bool(taken)


def withdraw_from_invoice(session: Session, invoice: Row, amount: int, on: date, now: datetime) -> int:
    """Withdraw an invoice's allocations on a day, the latest first, until `amount` minor units are free; returns how many are.

    The money is the customer's credit from then on. Of the last one only a part may be needed: it is withdrawn whole, and the
    rest allocated anew. `invoice["paid"]` follows. The caller holds the locks of invoice and account, and writes the event.
    """
    key = invoice["customer_id"], invoice["currency"]
    freed = 0
    for allocation in load_active_allocations(session, Allocation.invoice_id == invoice["id"]):
        if freed >= amount:
            break
        withdraw_allocations(session, [allocation], on)
        rest = max(0, allocation.amount - (amount - freed))
        if rest:
            kept = PlannedAllocation(invoice["id"], invoice["number"], rest, max(on, allocation.made_on))
            store_allocations(session, allocation.payment_id, key, [kept], now)
        freed += allocation.amount - rest
    invoice["paid"] -= freed
    return freed


def reverse(
    session: Session, payment_id: UUID, reason: str, reversed_on: date | None, actor: Actor, now: datetime
) -> bool:
    """Take a payment back, with all its allocations, on a day or today. Returns False when it was reversed before.

    Raises Invalid for a day in the locked period, before the receipt, or before the last day on which an allocation of it stood.
    """
    check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    payment = _payment(session, payment_id)
    key = payment.customer_id, payment.currency
    of_payment = Allocation.payment_id == payment_id
    lock_account_and_invoices(session, key, [row.invoice_id for row in load_active_allocations(session, of_payment)])
    payment = _payment(session, payment_id)
    if payment.status == "reversed":
        return False
    refuse_unprintable(reason, "reason")
    day = _day(session, reversed_on, now, "reversed_on")
    query = select(func.max(Allocation.withdrawn_on)).where(of_payment, Allocation.withdrawn_on > Allocation.made_on)
    earliest = max(payment.received_on, session.scalar(query) or payment.received_on)
    if day < earliest:
        said = f"Use {earliest.isoformat()} or later: the payment or an allocation of it counted until then."
        raise Invalid("before_last_change", said, "reversed_on")
    withdraw_allocations(session, load_active_allocations(session, of_payment), day)
    after = {"status": "reversed", "reversed_on": day, "reversal_reason": reason}
    session.execute(
        update(Payment).where(Payment.id == payment_id).values(after).execution_options(synchronize_session=False)
    )
    told = audit.changed_fields({"status": payment.status}, {"status": "reversed", "reversed_on": day.isoformat()})
    audit.record(session, actor, now, "payment.reversed", "payment", payment_id, told | {"reason": reason})
    return True


def write_off(
    session: Session, invoice_id: UUID, amount: Decimal, reason: str, id: UUID | None, actor: Actor, now: datetime
) -> RecordedPayment:
    """Give up what an invoice still owes, as of today: a payment of method `write_off` over the whole open balance.

    `amount` must name that balance, so that nobody gives up more than they have seen. Raises NotFound, Invalid for an invoice
    dated in the future, and Conflict when nothing is open or the balance is another one; reversing the payment opens the
    invoice again.
    """
    check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    invoice = session.execute(select(Invoice.__table__).where(Invoice.id == invoice_id)).one_or_none()
    if invoice is None:
        raise NotFound("unknown_invoice", f"There is no invoice {invoice_id}.", "id")
    key = invoice.customer_id, invoice.currency
    minor = Money.exactly(exact_decimal(amount, "amount"), invoice.currency, "amount").minor
    stored = _stored(session, id)
    if stored is not None:
        asked = allocation_text([(invoice_id, minor)])
        return _replayed(stored, {"method": WRITE_OFF, "amount": minor, "reason": reason, "asked": asked})
    refuse_unprintable(reason, "reason")
    today = _day(session, None, now, "amount")
    lock_account_and_invoices(session, key, [invoice_id])
    still = next((one for one in open_invoices(session, *key) if one.id == invoice_id), None)
    if still is None:
        raise Conflict("nothing_open", "This invoice has no open balance to write off.", "amount")
    refuse_before_issue_date(still.number, still.issue_date, today, "amount")
    left = still.total - still.paid - still.credited
    if minor != left:
        said = f"The open balance of {invoice.number} is {_said(left, key)}: enter exactly that amount to write it off."
        raise Conflict("not_the_balance", said, "amount")
    made = id or new_id(now)
    paid = _Paid(key, minor, today, WRITE_OFF, reason=reason)
    _store(session, made, paid, ((invoice_id, minor),), invoice.customer_reference, actor, now)
    return RecordedPayment(made, True)
