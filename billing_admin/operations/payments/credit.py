"""Pay invoices from the customer's credit, the oldest credit first."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.money import Money
from billing_admin.domain.payments import AllocationSpec
from billing_admin.domain.refunds import oldest_first
from billing_admin.operations.master_data.accounts import AccountKey
from billing_admin.operations.payments.allocations import lock_account_and_invoices
from billing_admin.operations.payments.payments import allocate
from billing_admin.queries.payments.payments import open_invoices
from billing_admin.queries.payments.refunds import refundable_payments


def apply_credit(session: Session, key: AccountKey, invoice_ids: Sequence[UUID], actor: Actor, now: datetime) -> int:
    """Allocate the credit of an account to some of its invoices, in their order.

    The allocations are dated today. Returns the allocated minor units. Raises as `payments.allocate` does.
    """
    if not refundable_payments(session, *key):
        return 0
    lock_account_and_invoices(session, key, invoice_ids)
    open_by_id = {row.id: row.total - row.paid - row.credited for row in open_invoices(session, *key)}
    amounts = {id: open_by_id[id] for id in invoice_ids if open_by_id.get(id)}
    applied = 0
    for payment in oldest_first(refundable_payments(session, *key)):
        parts: list[AllocationSpec] = []
        remainder = payment.unallocated
        for id, amount in amounts.items():
            part = min(amount, remainder)
            if part:
                parts.append(AllocationSpec(str(id), Money(part, key[1]).decimal))
                amounts[id], remainder = amount - part, remainder - part
        if parts:
            applied += allocate(session, payment.id, tuple(parts), actor, now)
    return applied
