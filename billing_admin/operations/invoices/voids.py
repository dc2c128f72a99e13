"""Void unpaid invoices, which keep their numbers, and detach their charges."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import Submission
from billing_admin.domain.document_hash import Row
from billing_admin.domain.errors import Invalid
from billing_admin.domain.lifecycle import needs_void, void_date
from billing_admin.domain.opening_balances import OPENING_INVOICE, void_number
from billing_admin.domain.periods import refuse_locked
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge, Invoice, InvoiceLine, VoidedCharge
from billing_admin.operations.audit import record
from billing_admin.operations.invoices.drafts import create_replacement, detach_charges
from billing_admin.operations.invoices.invoices import lock_invoice
from billing_admin.operations.limits import require_within_limit
from billing_admin.operations.master_data.accounts import StatusChange, lock_accounts, update_totals
from billing_admin.operations.master_data.periods import lock_organisation
from billing_admin.operations.webhooks.outbox import enqueue_invoice_voided
from billing_admin.queries.master_data.organisation import day_of
from billing_admin.queries.messages.documents import was_sent
from billing_admin.queries.payments.opening_balances import void_numbers

# The charges of a void invoice become pending, are cancelled, or are billed again on a draft that replaces it.
CHARGE_OUTCOMES: Final = ("pending", "cancelled", "billed_again")


def void_invoice(
    session: Session, invoice_id: UUID, reason: str, charges: str, actor: Actor, now: datetime
) -> tuple[bool, UUID | None]:
    """Void an issued invoice as of today, or as of its issue date if that is later.

    `charges` is one of CHARGE_OUTCOMES. Returns whether it was not void before, and the id of the draft that bills its charges
    again, if any. Raises NotFound, Conflict for a draft, a credit note, a partly paid or credited invoice and one that was
    sent, and Invalid without a reason and for a day in a locked period.
    """
    if charges not in CHARGE_OUTCOMES:
        raise Invalid(
            "not_a_choice",
            Phrase("Use one of {charge_outcomes}.", charge_outcomes=", ".join(CHARGE_OUTCOMES)),
            "charges",
        )
    # The worker locks the document before it sends it, and drops the message if the document is void then.
    row = lock_invoice(session, invoice_id)
    if not needs_void(row, sent=was_sent(session, invoice_id)):
        return False, None
    if charges == "billed_again" and row["kind"] == OPENING_INVOICE:
        raise Invalid("no_charges", Phrase("An opening invoice has no charges that can be billed again."), "charges")
    checked_reason = check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH)
    lock_accounts(session, [(row["customer_id"], row["currency"])])
    organisation = lock_organisation(session)
    day = void_date(day_of(now, organisation.time_zone), row["issue_date"])
    refuse_locked(day, organisation.locked_through, "voided_on")
    fields = {"reason": reason, "charges": charges}
    submission = Submission("void", "invoice", invoice_id, row["number"], fields, reason, row["total"], row["currency"])
    require_within_limit(session, actor, submission, now)
    voided_charges = _store_voided_charges(session, invoice_id)
    status = "cancelled" if charges == "cancelled" else "pending"
    detach_charges(session, invoice_id, status, checked_reason if charges == "cancelled" else None)
    update_totals(
        session,
        (StatusChange(row["customer_id"], row["currency"], None, status, amount) for _, amount in voided_charges),
    )
    values = {"status": "void", "voided_on": day, "reason": checked_reason, "version": row["version"] + 1}
    if row["kind"] == OPENING_INVOICE:  # its number becomes free, and can be entered again
        values["number"] = void_number(row["number"], void_numbers(session, row["number"]))
    session.execute(update(Invoice).where(Invoice.id == invoice_id).values(**values))
    draft_id = (
        create_replacement(session, row, [id for id, _ in voided_charges], now) if charges == "billed_again" else None
    )
    enqueue_invoice_voided(session, invoice_id, draft_id, now)
    record(
        session,
        actor,
        now,
        "invoice.voided",
        "invoice",
        invoice_id,
        _audit_details(row, checked_reason, charges, len(voided_charges), draft_id),
    )
    return True, draft_id


def _store_voided_charges(session: Session, invoice_id: UUID) -> Sequence[tuple[UUID, Decimal]]:
    """Store which charge was on which line of the invoice.

    Returns the id and exact amount of each charge.
    """
    charges_of_lines = (
        select(Charge.invoice_line_id, Charge.id)
        .join(InvoiceLine, InvoiceLine.id == Charge.invoice_line_id)
        .where(InvoiceLine.invoice_id == invoice_id)
    )
    session.execute(insert(VoidedCharge).from_select(["invoice_line_id", "charge_id"], charges_of_lines))
    rows = session.execute(charges_of_lines.with_only_columns(Charge.id, Charge.amount))
    return [(id, amount) for id, amount in rows]


def _audit_details(row: Row, reason: str, charges: str, count: int, draft_id: UUID | None) -> dict[str, object]:
    details: dict[str, object] = {"number": row["number"], "total": row["total"], "reason": reason}
    details |= {"charges": count, "became": charges.replace("_", " ")}
    return details | ({"replaced_by": str(draft_id)} if draft_id else {})
