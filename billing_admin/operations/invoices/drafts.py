"""Drafts change: what they say, and which charges are on them. Each change makes the document anew, as a billing run would."""

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
from billing_admin.domain.charges import duplicate_window_start
from billing_admin.domain.document_hash import DocumentRows, Row
from billing_admin.domain.errors import Conflict, DomainError, Invalid, Stale
from billing_admin.domain.invoices import reason_to_leave_out
from billing_admin.domain.lifecycle import check_editable
from billing_admin.domain.master_data import DraftFields, check_fields, check_new_texts
from billing_admin.models import Charge, Invoice, InvoiceLine, InvoiceTax
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.invoices.invoice_rows import build_draft, claim_charges, store_documents
from billing_admin.operations.invoices.invoices import customer_fields, load_customers, lock_invoice, seller_fields
from billing_admin.operations.master_data.accounts import StatusChange, lock_accounts, update_totals
from billing_admin.queries.billing.preview import BillingScope, PreparedDocument, prepare_documents
from billing_admin.queries.master_data.organisation import organisation

FIELDS = ("note", "purchase_order", "due_date")
REFUSAL_MESSAGES = {
    "zero_total": "The total would be zero: an invoice needs a total above zero.",
    "negative_total": "The total would be negative: an invoice needs a total above zero.",
    "too_large": "An amount would be too large for an invoice.",
}


def change(
    session: Session, invoice_id: UUID, fields: DraftFields, version: int | None, actor: Actor, now: datetime
) -> bool:
    """Change what a draft says. `version` is that of what was read. Returns whether anything changed.

    Raises NotFound, Conflict unless it is a draft, Stale when somebody changed it since, and Invalid.
    """
    row = _locked(session, invoice_id, version)
    given = check_fields(fields)
    check_new_texts(given, row)
    changed = changed_fields({name: row[name] for name in FIELDS}, given)
    if changed:
        _update(session, row, given)
        told = {name: [_plain(value) for value in pair] for name, pair in changed.items()}
        record(session, actor, now, "invoice.changed", "invoice", invoice_id, told)
    return bool(changed)


def _plain(value: Any) -> Any:
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
    """Put pending charges of its customer and currency on a draft, and take others off, which are then pending again.

    Returns how many moved; those that are where they should be stay. Raises as `change` does; Invalid for a charge that is
    not of this account, Conflict for one that is not pending, or when nothing would be left or nothing would be owed.
    """
    row = _locked(session, invoice_id, version)
    lock_accounts(session, [(row["customer_id"], row["currency"])])
    on_it = {one.id: one.amount for one in session.execute(_charges_on(invoice_id))}
    off = {id: on_it[id] for id in remove if id in on_it}
    on = {one.id: one.amount for one in _addable(session, row, [id for id in add if id not in on_it])}
    if not off and not on:
        return 0
    made = _remake(session, row, (on_it.keys() - off.keys()) | on.keys(), now)
    account = row["customer_id"], row["currency"]
    update_totals(session, (StatusChange(*account, None, "pending", amount) for amount in off.values()))
    update_totals(session, (StatusChange(*account, "pending", "billed", amount) for amount in on.values()))
    details = {"added": [str(id) for id in on], "removed": [str(id) for id in off]}
    total = [row["total"], made.document.total]
    record(session, actor, now, "invoice.charges_moved", "invoice", invoice_id, details | {"total": total})
    return len(off) + len(on)


def _locked(session: Session, invoice_id: UUID, version: int | None) -> Row:
    row = lock_invoice(session, invoice_id)
    check_editable(row["status"], row["number"], "changed")
    if version is not None and version != row["version"]:
        raise Stale("stale", "This draft has been changed by someone else. Review the change, then try again.")
    return row


def _update(session: Session, row: Row, values: Mapping[str, Any]) -> None:
    statement = update(Invoice).where(Invoice.id == row["id"]).values(**values, version=row["version"] + 1)
    session.execute(statement.execution_options(synchronize_session=False))


def _charges_on(invoice_id: UUID) -> Any:
    lines = select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id)
    return select(Charge.id, Charge.amount).where(Charge.invoice_line_id.in_(lines))


def _addable(session: Session, row: Row, ids: Sequence[UUID]) -> Sequence[Record]:
    columns = (Charge.id, Charge.customer_id, Charge.currency, Charge.status, Charge.amount)
    found = {one.id: one for one in session.execute(select(*columns).where(is_any_of(Charge.id, ids)))}
    refusals = [refusal for place, id in enumerate(ids) if (refusal := _refusal(row, place, id, found.get(id)))]
    if refusals:
        kind = Conflict if all(isinstance(refusal, Conflict) for refusal in refusals) else Invalid
        raise kind.of([refusal.problems[0] for refusal in refusals])
    return list(found.values())


def _refusal(row: Row, place: int, id: UUID, charge: Record | None) -> DomainError | None:
    if charge is None:
        return Invalid("unknown_charge", f"There is no charge {id}.", "add", place)
    if (charge.customer_id, charge.currency) != (row["customer_id"], row["currency"]):
        said = f"Charge {id} belongs to another customer or is not in {row['currency']}."
        return Invalid("other_account", said, "add", place)
    if charge.status != "pending":
        hint = "release it first." if charge.status == "held" else "only pending charges can be added."
        return Conflict(f"charge_{charge.status}", f"Charge {id} is {charge.status}: {hint}", "add", place)
    return None


def _remake(session: Session, row: Row, ids: Collection[UUID], now: datetime) -> PreparedDocument:
    """Set every charge of the draft free, and bill exactly these anew, on the same document."""
    detach_charges(session, row["id"], "pending")
    for table in (InvoiceLine, InvoiceTax):
        session.execute(delete(table).where(table.invoice_id == row["id"]))
    scope = _scope(row, ids)
    one = _prepared(session, scope)
    made = build_draft(row["run_id"], one, {}, now)
    amounts = {name: made.invoice[name] for name in ("net", "tax", "total", "period_from", "period_to")}
    _update(session, row, amounts)
    anew = DocumentRows(
        row | amounts, *([part | {"invoice_id": row["id"]} for part in parts] for parts in (made.lines, made.taxes))
    )
    insert_many(session, InvoiceLine, anew.lines)
    insert_many(session, InvoiceTax, anew.taxes)
    claim_charges(session, scope, [one], [anew], duplicate_window_start(now))
    return one


def detach_charges(session: Session, invoice_id: UUID, status: str, reason: str | None = None) -> None:
    """Take every charge off an invoice; the caller books it."""
    lines = select(InvoiceLine.id).where(InvoiceLine.invoice_id == invoice_id)
    free = update(Charge).where(Charge.invoice_line_id.in_(lines))
    values = {"status": status, "invoice_line_id": None, "status_reason": reason}
    session.execute(free.values(**values).execution_options(synchronize_session=False))


def create_replacement(session: Session, void: Row, ids: Collection[UUID], now: datetime) -> UUID:
    """Make a draft of pending charges in place of a void invoice, whose note and order number it takes over; returns its id.

    The caller holds the lock of their account. Raises Conflict when they make no invoice any more.
    """
    scope = _scope(void, ids)
    one = _prepared(session, scope)
    customer = load_customers(session, {void["customer_id"]})[void["customer_id"]]
    made = build_draft(None, one, seller_fields(organisation(session)) | customer_fields(customer), now)
    made.invoice.update(replaces_id=void["id"], note=void["note"], purchase_order=void["purchase_order"])
    store_documents(session, [made])
    amounts = session.scalars(select(Charge.amount).where(is_any_of(Charge.id, ids))).all()
    claim_charges(session, scope, [one], [made], duplicate_window_start(now))
    update_totals(
        session,
        (StatusChange(void["customer_id"], void["currency"], "pending", "billed", amount) for amount in amounts),
    )
    id: UUID = made.invoice["id"]
    return id


def _scope(row: Row, ids: Collection[UUID]) -> BillingScope:
    """Exactly these charges, whatever their day."""
    return BillingScope(date.max, [row["customer_id"]], row["currency"], ids)


def _prepared(session: Session, scope: BillingScope) -> PreparedDocument:
    found = prepare_documents(session, scope)
    if not found:
        raise Conflict("empty_draft", "The draft would have no charges left: discard it instead.", "remove")
    reason = reason_to_leave_out(found[0].document)  # a missing tax ID stops only the issue
    if reason is not None:
        raise Conflict(reason, REFUSAL_MESSAGES[reason], "remove")
    return found[0]
