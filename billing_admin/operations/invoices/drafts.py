"""Change the texts and charges of drafts.

A change of charges computes the document again, as billing does.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.lookup import is_any_of
from billing_admin.db.paging import Record
from billing_admin.domain.access import Actor
from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.charges import charge_name, duplicate_window_start, status_refusal
from billing_admin.domain.document_hash import DocumentRows, Row
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.invoices import reason_to_leave_out
from billing_admin.domain.lifecycle import check_due_date, check_editable
from billing_admin.domain.master_data import DRAFT_RULES, DraftFields, check_fields, check_new_texts, check_version
from billing_admin.domain.translation import Phrase
from billing_admin.models import Charge, Invoice, InvoiceLine, InvoiceTax
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.invoices.invoice_rows import build_draft, claim_charges, store_documents
from billing_admin.operations.invoices.invoices import copied_fields, lock_invoice
from billing_admin.operations.master_data.accounts import StatusChange, lock_accounts, update_totals
from billing_admin.queries.billing.preview import BillingScope, load_documents
from billing_admin.queries.charges.charges import charge_states
from billing_admin.queries.master_data.customers import load_customers
from billing_admin.queries.master_data.organisation import organisation, today

REFUSAL_MESSAGES = {
    "zero_total": Phrase("The total would be zero: an invoice needs a total above zero."),
    "negative_total": Phrase("The total would be negative: an invoice needs a total above zero."),
    "too_large": Phrase("An amount would be too large for an invoice."),
}


def change(
    session: Session, invoice_id: UUID, fields: DraftFields, version: int | None, actor: Actor, now: datetime
) -> bool:
    """Change the note, order number or due date of a draft.

    Returns whether anything changed. Raises NotFound, Conflict unless it is a draft, Stale when it has been changed
    since `version`, and Invalid.
    """
    row = _lock_draft(session, invoice_id, version)
    values = check_fields(DRAFT_RULES, fields)
    check_new_texts(values, row)
    changed = changed_fields({name: row[name] for name in DRAFT_RULES}, values)
    if changed.get("due_date") and values["due_date"] is not None:
        check_due_date(values["due_date"], today(session, now))
    if changed:
        _update_invoice(session, row, values)
        details = {name: [_json_value(value) for value in pair] for name, pair in changed.items()}
        record(session, actor, now, "invoice.changed", "invoice", invoice_id, details)
    return bool(changed)


def _json_value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def move_charges(
    session: Session,
    invoice_id: UUID,
    add: Sequence[UUID],
    remove: Sequence[UUID],
    version: int | None,
    actor: Actor,
    now: datetime,
) -> int:
    """Add pending charges to a draft, and remove charges, which become pending again.

    Returns the number of moved charges. Charges that are on the draft are not added again, others not removed. Raises
    as `change` does, Invalid for a charge of another customer or currency, and Conflict for a charge that is not
    pending, and when no charges or no positive total remain.
    """
    row = _lock_draft(session, invoice_id, version)
    lock_accounts(session, [(row["customer_id"], row["currency"])])
    current = {charge.id: charge.amount for charge in session.execute(_charges_on(invoice_id))}
    removed = {id: current[id] for id in remove if id in current}
    added = {
        charge.id: charge.amount for charge in _load_addable(session, row, [id for id in add if id not in current])
    }
    if not removed and not added:
        return 0
    prepared = _rebill(session, row, (current.keys() - removed.keys()) | added.keys(), now)
    account = row["customer_id"], row["currency"]
    update_totals(session, (StatusChange(*account, None, "pending", amount) for amount in removed.values()))
    update_totals(session, (StatusChange(*account, "pending", "billed", amount) for amount in added.values()))
    details = {"added": [str(id) for id in added], "removed": [str(id) for id in removed]}
    total = [row["total"], prepared.document.total]
    record(session, actor, now, "invoice.charges_moved", "invoice", invoice_id, details | {"total": total})
    return len(removed) + len(added)


def _lock_draft(session: Session, invoice_id: UUID, version: int | None) -> Row:
    row = lock_invoice(session, invoice_id)
    check_editable(row["status"], row["number"], "changed")
    check_version(version, row["version"], Phrase("This draft"))
    return row


def _update_invoice(session: Session, row: Row, values: Mapping[str, Any]) -> None:
    statement = update(Invoice).where(Invoice.id == row["id"]).values(**values, version=row["version"] + 1)
    session.execute(statement.execution_options(synchronize_session=False))


def _charges_on(invoice_id: UUID) -> Any:
    lines = select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id)
    return select(Charge.id, Charge.amount).where(Charge.invoice_line_id.in_(lines))


def _load_addable(session: Session, row: Row, ids: Sequence[UUID]) -> Sequence[Record]:
    charges = {charge.id: charge for charge in charge_states(session, ids)}
    refusals = [
        refusal for place, id in enumerate(ids) if (refusal := _refusal_to_add(row, place, id, charges.get(id)))
    ]
    if refusals:
        kind = Conflict if all(isinstance(refusal, Conflict) for refusal in refusals) else Invalid
        raise kind.of([refusal.problems[0] for refusal in refusals])
    return list(charges.values())


def _refusal_to_add(row: Row, place: int, id: UUID, charge: Record | None) -> DomainError | None:
    if charge is None:
        return Invalid("unknown_charge", Phrase("There is no charge {id}.", id=id), "add", place)
    if (charge.customer_id, charge.currency) != (row["customer_id"], row["currency"]):
        problem = Phrase(
            "{charge_name} belongs to another customer or is not in {currency}.",
            charge_name=charge_name(charge),
            currency=row["currency"],
        )
        return Invalid("other_account", problem, "add", place)
    if charge.status == "held":
        return Conflict(
            "charge_held",
            Phrase("{charge_name} is held. Release it first.", charge_name=charge_name(charge)),
            "add",
            place,
        )
    if charge.status != "pending":
        message = status_refusal(charge, charge.status, charge.invoice_number)
        return Conflict(f"charge_{charge.status}", message, "add", place)
    return None


def _rebill(session: Session, row: Row, ids: Collection[UUID], now: datetime) -> PreparedDocument:
    """Detach all charges of the draft, and bill exactly the charges `ids` on it."""
    detach_charges(session, row["id"], "pending")
    for table in (InvoiceLine, InvoiceTax):
        session.execute(delete(table).where(table.invoice_id == row["id"]))
    scope = _scope_of_charges(row, ids)
    prepared = _prepare_document(session, scope)
    built = build_draft(row["run_id"], prepared, {}, now)
    amounts = {name: built.invoice[name] for name in ("net", "tax", "total", "period_from", "period_to")}
    _update_invoice(session, row, amounts)
    rows = DocumentRows(
        row | amounts, *([part | {"invoice_id": row["id"]} for part in parts] for parts in (built.lines, built.taxes))
    )
    insert_many(session, InvoiceLine, rows.lines)
    insert_many(session, InvoiceTax, rows.taxes)
    claim_charges(session, scope, [prepared], [rows], duplicate_window_start(now))
    return prepared


def detach_charges(session: Session, invoice_id: UUID, status: str, reason: str | None = None) -> None:
    """Detach all charges from an invoice and set their status.

    The caller updates the totals of the account.
    """
    lines = select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id)
    detach = update(Charge).where(Charge.invoice_line_id.in_(lines))
    values = {"status": status, "invoice_line_id": None, "status_reason": reason}
    session.execute(detach.values(**values).execution_options(synchronize_session=False))


def create_replacement(session: Session, void: Row, ids: Collection[UUID], now: datetime) -> UUID:
    """Create a draft of pending charges that replaces a void invoice.

    See `create_draft`.
    """
    return create_draft(session, void, ids, now, replaces_id=void["id"])


def create_draft(
    session: Session, source: Row, ids: Collection[UUID], now: datetime, *, replaces_id: UUID | None = None
) -> UUID:
    """Create a draft of pending charges.

    It takes over the note and the order number of an earlier invoice. Returns its id. The caller has locked the
    account. Raises Conflict when the charges make no invoice.
    """
    scope = _scope_of_charges(source, ids)
    prepared = _prepare_document(session, scope)
    customer = load_customers(session, {source["customer_id"]})[source["customer_id"]]
    draft = build_draft(None, prepared, copied_fields(organisation(session), customer), now)
    purchase_order = source["purchase_order"] or draft.invoice["purchase_order"]
    draft.invoice.update(replaces_id=replaces_id, note=source["note"], purchase_order=purchase_order)
    store_documents(session, [draft])
    amounts = session.scalars(select(Charge.amount).where(is_any_of(Charge.id, ids))).all()
    claim_charges(session, scope, [prepared], [draft], duplicate_window_start(now))
    update_totals(
        session,
        (StatusChange(source["customer_id"], source["currency"], "pending", "billed", amount) for amount in amounts),
    )
    id: UUID = draft.invoice["id"]
    return id


def _scope_of_charges(row: Row, ids: Collection[UUID]) -> BillingScope:
    """Return the scope of exactly these charges, whatever their day."""
    return BillingScope(date.max, [row["customer_id"]], row["currency"], ids)


def _prepare_document(session: Session, scope: BillingScope) -> PreparedDocument:
    documents = load_documents(session, scope)
    if not documents:
        raise Conflict("empty_draft", Phrase("The draft would have no charges left: discard it instead."), "remove")
    reason = reason_to_leave_out(documents[0].document)  # a missing tax ID does not stop a draft, only its issue
    if reason is not None:
        raise Conflict(reason, REFUSAL_MESSAGES[reason], "remove")
    return documents[0]
