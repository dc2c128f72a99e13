"""Credit notes take back an invoice or a part of it, and are issued at once. What was paid too much becomes the customer's."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.credit_notes import Credit
from billing_admin.domain.document_hash import DocumentRows, Row
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.lifecycle import check_creditable, refuse_before_issue_date
from billing_admin.domain.money import Money
from billing_admin.domain.text import check_not_blank
from billing_admin.models import Invoice
from billing_admin.operations.audit import record
from billing_admin.operations.invoices.invoice_rows import store_documents
from billing_admin.operations.invoices.invoices import lock_invoice, number_documents
from billing_admin.operations.master_data.accounts import lock_accounts
from billing_admin.operations.master_data.periods import check_issue_date
from billing_admin.operations.payments.payments import withdraw_from_invoice
from billing_admin.operations.webhooks.outbox import enqueue_invoices_paid
from billing_admin.queries.invoices.credit_notes import CreditSpec, compute_credit, creditable, to_minor_units
from billing_admin.queries.invoices.document_rows import load_document_rows
from billing_admin.queries.master_data.organisation import day_of, organisation

ONE = Decimal(1)


def credit_invoice(
    session: Session, invoice_id: UUID, spec: CreditSpec, actor: Actor, now: datetime
) -> tuple[UUID, bool]:
    """Issue a credit note for an invoice. Returns its id, and whether it was made just now.

    It reduces what is owed; what exceeds that is freed of the payments on the invoice, the latest first. Raises NotFound;
    Conflict for what cannot be credited, when nothing is left, and for another credit under the same id; Invalid without a
    reason, above what is left, and for a day after today, before the invoice's, before the last credit note's, or in a locked
    period.
    """
    row = lock_invoice(session, invoice_id)
    lock_accounts(session, [(row["customer_id"], row["currency"])])
    if spec.id is not None and (existing := _existing(session, spec.id)) is not None:
        _check_same(existing, row, spec)
        return spec.id, False
    check_creditable(row)
    reason = check_not_blank(spec.reason, "reason", longest=500)
    day = resolve_credit_note_date(session, row["number"], row["issue_date"], spec.issue_date, now)
    taken = compute_credit(creditable(session, invoice_id), spec)
    made = _document(load_document_rows(session, [row])[0], taken, spec.id or new_id(now), reason, day, now)
    was_open = row["paid"] + row["credited"] < row["total"]
    too_much = row["paid"] + row["credited"] + taken.total - row["total"]
    freed = withdraw_from_invoice(session, row, too_much, day, now) if too_much > 0 else 0
    number_documents(session, [made], day, now)
    store_documents(session, [made])
    credited = update(Invoice).where(Invoice.id == invoice_id).values(credited=Invoice.credited + taken.total)
    session.execute(credited.execution_options(synchronize_session=False))
    if was_open:
        enqueue_invoices_paid(session, [invoice_id], now)
    note = made.invoice
    record(session, actor, now, "credit_note.issued", "invoice", note["id"], _told(note, row, freed))
    return note["id"], True


def resolve_credit_note_date(
    session: Session, number: str, invoice_date: date, issue_date: date | None, now: datetime
) -> date:
    """Return the date of a credit note for an invoice: `issue_date`, or today.

    Raises Invalid for a day that no credit note of this invoice may have, so that a preview refuses it as well.
    """
    settings = organisation(session)
    current_day = day_of(now, settings.time_zone)
    refuse_before_issue_date(number, invoice_date, current_day, "issue_date")
    day = issue_date or current_day
    if day < invoice_date:
        message = f"Use {invoice_date.isoformat()} or later: that is the date of {number}."
        raise Invalid("before_invoice", message, "issue_date")
    check_issue_date(session, settings, "credit_note", day, now)
    return day


def _existing(session: Session, id: UUID) -> DocumentRows | None:
    row = session.execute(select(Invoice.__table__).where(Invoice.id == id)).mappings().one_or_none()
    return None if row is None else load_document_rows(session, [dict(row)])[0]


def _check_same(existing: DocumentRows, row: Row, spec: CreditSpec) -> None:
    """Compare what a repeat gives; raise Conflict, naming what differs."""
    note, currency = existing.invoice, row["currency"]
    asked: dict[str, tuple[Any, Any]] = {
        "invoice": (row["id"], note["corrects_id"]),
        "reason": (spec.reason, note["reason"]),
    }
    if spec.issue_date is not None:
        asked["issue_date"] = (spec.issue_date, note["issue_date"])
    if spec.amount is not None:
        asked["amount"] = (to_minor_units(spec.amount, currency, "amount"), note["total"])
    if spec.lines:
        lines = {line["corrects_line_id"]: line["net"] for line in existing.lines}
        asked["lines"] = ({id: to_minor_units(net, currency, "lines") for id, net in spec.lines}, lines)
    differs = [name for name, (given, kept) in asked.items() if given != kept]
    if differs:
        said = f"Credit note {note['id']} already exists with a different {', '.join(differs)}."
        raise Conflict("id_conflict", said, "id", differs=differs)


def _document(invoice: DocumentRows, taken: Credit, id: UUID, reason: str, day: date, now: datetime) -> DocumentRows:
    """The rows of a credit note: its invoice's, with what is taken back. It is due at once, as nobody has to pay it."""
    row = invoice.invoice | {
        "id": id,
        "kind": "credit_note",
        "status": "draft",
        "run_id": None,
        "net": taken.net,
        "tax": taken.tax,
        "total": taken.total,
        "paid": 0,
        "credited": 0,
        "corrects_id": invoice.invoice["id"],
        "replaces_id": None,
        "reason": reason,
        "note": "",
        "due_date": day,
        "created_at": now,
        "version": 1,
    }
    within = taken.tax_within()
    lines = [
        _line(line, taken.lines[line["id"]], within.get(line["id"], 0), id, now)
        for line in invoice.lines
        if line["id"] in taken.lines
    ]
    rates = {(tax.rate.category, tax.rate.percent, tax.included): (tax.base, tax.tax) for tax in taken.taxes}
    taxes: list[Row] = []
    for tax in invoice.taxes:
        found = rates.get((tax["category"], tax["percent"], tax["included"]))
        if found is not None:
            taxes.append(tax | {"invoice_id": id, "position": len(taxes) + 1, "base": found[0], "tax": found[1]})
    return DocumentRows(row, [line | {"position": place} for place, line in enumerate(lines, 1)], taxes)


def _line(line: Row, net: int, tax: int, id: UUID, now: datetime) -> Row:
    """An amount goes back, not a quantity at a price; with its tax, where the price had the tax in it."""
    gross = None if line["gross"] is None else net + tax
    return line | {
        "id": new_id(now),
        "invoice_id": id,
        "quantity": ONE,
        "unit_price": None,
        "amount": Money(net if gross is None else gross, line["currency"]).decimal,
        "gross": gross,
        "net": net,
        "charges": 0,
        "corrects_line_id": line["id"],
    }


def _told(note: Row, row: Row, freed: int) -> Row:
    told = {"number": note["number"], "corrects": row["number"], "total": note["total"], "reason": note["reason"]}
    return told | ({"became_credit": freed} if freed else {})
