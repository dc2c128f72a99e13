"""Pay invoices from the customer's credit, the oldest credit first."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.document_hash import DocumentRows
from billing_admin.domain.money import Money
from billing_admin.domain.payments import AllocationSpec
from billing_admin.domain.refunds import oldest_first
from billing_admin.operations.master_data.accounts import AccountKey
from billing_admin.operations.payments.allocations import lock_account_and_invoices
from billing_admin.operations.payments.payments import allocate
from billing_admin.queries.payments.payments import open_invoices
from billing_admin.queries.payments.refunds import credit_by_account, refundable_payments


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


def apply_credit_to_issued(session: Session, documents: Sequence[DocumentRows], actor: Actor, now: datetime) -> None:
    """Pay invoices that have just been issued from the credit of their customers.

    The caller has locked the accounts.
    """
    invoice_ids: dict[AccountKey, list[UUID]] = defaultdict(list)
    for document in documents:
        row = document.invoice
        if row["kind"] == "invoice":
            invoice_ids[row["customer_id"], row["currency"]].append(row["id"])
    credits = credit_by_account(session, list(invoice_ids))
    for key in sorted(credits):
        apply_credit(session, key, invoice_ids[key], actor, now)
