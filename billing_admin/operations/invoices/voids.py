"""An invoice that nobody paid becomes void: its number stays, at zero, and its charges are set free."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.document_hash import Row
from billing_admin.domain.errors import Invalid
from billing_admin.domain.lifecycle import needs_void, void_date
from billing_admin.domain.periods import refuse_locked
from billing_admin.domain.text import check_not_blank
from billing_admin.models import Charge, Invoice, InvoiceLine, VoidedCharge
from billing_admin.operations.audit import record
from billing_admin.operations.invoices.drafts import create_replacement, detach_charges
from billing_admin.operations.invoices.invoices import lock_invoice
from billing_admin.operations.master_data.accounts import StatusChange, lock_accounts, update_totals
from billing_admin.operations.master_data.periods import lock_organisation
from billing_admin.operations.webhooks.outbox import enqueue_invoice_voided
from billing_admin.queries.master_data.organisation import day_of

# What becomes of the charges: pending again, cancelled for good, or at once on a draft in the invoice's place.
CHARGE_OUTCOMES: Final = ("pending", "cancelled", "billed_again")


def void_invoice(
    session: Session, invoice_id: UUID, reason: str, charges: str, actor: Actor, now: datetime
) -> tuple[bool, UUID | None]:
    """Make an issued invoice void as of today, or as of its issue date if that is later; `charges` is one of FATES.

    Returns whether it was not void before, and the id of the draft that bills its charges again, if any. Raises NotFound,
    Conflict for a draft, a credit note, and what is paid or credited even in part, and Invalid without a reason or when
    that day lies in a locked period.
    """
    if charges not in CHARGE_OUTCOMES:
        raise Invalid("not_a_choice", f"Use one of {', '.join(CHARGE_OUTCOMES)}.", "charges")
    row = lock_invoice(session, invoice_id)
    if not needs_void(row):
        return False, None
    said = check_not_blank(reason, "reason", longest=500)
    lock_accounts(session, [(row["customer_id"], row["currency"])])
    organisation = lock_organisation(session)
    day = void_date(day_of(now, organisation.time_zone), row["issue_date"])
    refuse_locked(day, organisation.locked_through, "voided_on")
    freed = _remember(session, invoice_id)
    to = "cancelled" if charges == "cancelled" else "pending"
    detach_charges(session, invoice_id, to, said if charges == "cancelled" else None)
    update_totals(session, (StatusChange(row["customer_id"], row["currency"], None, to, amount) for _, amount in freed))
    values = {"status": "void", "voided_on": day, "reason": said, "version": row["version"] + 1}
    session.execute(update(Invoice).where(Invoice.id == invoice_id).values(**values))
    draft_id = create_replacement(session, row, [id for id, _ in freed], now) if charges == "billed_again" else None
    enqueue_invoice_voided(session, invoice_id, draft_id, now)
    record(
        session, actor, now, "invoice.voided", "invoice", invoice_id, _told(row, said, charges, len(freed), draft_id)
    )
    return True, draft_id


def _remember(session: Session, invoice_id: UUID) -> Sequence[tuple[UUID, Decimal]]:
    """Note which charge stood on which line; returns each charge's id and exact amount."""
    on_it = (
        select(Charge.invoice_line_id, Charge.id)
        .join(InvoiceLine, InvoiceLine.id == Charge.invoice_line_id)
        .where(InvoiceLine.invoice_id == invoice_id)
    )
    session.execute(insert(VoidedCharge).from_select(["invoice_line_id", "charge_id"], on_it))
    found = session.execute(on_it.with_only_columns(Charge.id, Charge.amount))
    return [(id, amount) for id, amount in found]


def _told(row: Row, reason: str, charges: str, count: int, draft_id: UUID | None) -> dict[str, object]:
    told: dict[str, object] = {"number": row["number"], "total": row["total"], "reason": reason}
    told |= {"charges": count, "became": charges.replace("_", " ")}
    return told | ({"replaced_by": str(draft_id)} if draft_id else {})
