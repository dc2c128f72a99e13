"""Credit lines of an invoice and bill corrected charges, in one act."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.db.paging import Record
from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import NeedsApproval
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.document_hash import Row
from billing_admin.domain.errors import Conflict, Denied, DomainError, Invalid
from billing_admin.domain.master_data import refuse_differences
from billing_admin.domain.money import Money, exact_decimal
from billing_admin.domain.translation import Phrase
from billing_admin.models import AuditEvent, Charge, Invoice, InvoiceLine
from billing_admin.operations.audit import record
from billing_admin.operations.charges.duplicates import keep_duplicates
from billing_admin.operations.charges.posting import post
from billing_admin.operations.invoices.credit_notes import credit_invoice
from billing_admin.operations.invoices.drafts import create_draft
from billing_admin.operations.invoices.invoices import issue, lock_invoice
from billing_admin.operations.payments.credit import apply_credit
from billing_admin.queries.invoices.credit_notes import CreditSpec, creditable


@dataclass(frozen=True, slots=True)
class CorrectedLine:
    """A line that is credited in full, and its corrected values; None keeps a value.

    A line without a unit price has an amount instead. A line that was credited in part needs all of its values. Numbers are
    exact, in major units.
    """

    line: UUID
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RebillSpec:
    """A request to credit lines and to bill them again.

    `issue` issues the new invoice, and `apply_credit` pays it from the customer's credit, as the organisation's settings
    can for each invoice. `id` is that of the credit note.
    """

    reason: str
    lines: Sequence[CorrectedLine]
    issue: bool = False
    apply_credit: bool = False
    issue_date: date | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Rebilling:
    """The credit note, the new invoice or draft, and whether they are new.

    `applied` are the minor units of credit that pay the new invoice.
    """

    credit_note: UUID
    invoice: UUID
    created: bool
    applied: int = 0


def bill_again(session: Session, invoice_id: UUID, spec: RebillSpec, actor: Actor, now: datetime) -> Rebilling:
    """Credit lines of an invoice in full, and bill them again with corrected values.

    All of it happens or nothing. A repeated request with the same id returns the original. Raises as `credit_invoice`,
    `charges.posting.post` and `invoices.issue` do, Invalid without lines and for lines of another invoice, and Denied if
    the actor may not post charges, or not allocate payments while credit is applied.
    """
    for permission in ("charges:write", *(["payments:write"] if spec.apply_credit else [])):
        actor.require(permission)
    row = lock_invoice(session, invoice_id)
    credit_note_id = spec.id or new_id(now)
    if not spec.lines:
        raise Invalid("no_lines", Phrase("Choose at least one line to credit and bill again."), "lines")
    if spec.apply_credit and not spec.issue:
        message = Phrase("Issue the new invoice as well: a draft cannot be paid from credit.")
        raise Invalid("not_issued", message, "apply_credit")
    _check_numbers(spec)
    lines = _load_lines(session, invoice_id, spec)
    charges = [_corrected_charge(row, lines[line.line], line, credit_note_id) for line in spec.lines]
    if spec.id is not None and (stored := session.get(Invoice, spec.id)) is not None:
        return _replay(session, stored, row, spec, charges, actor, now)
    credited = _remainders(session, row, lines, spec)
    credit = CreditSpec(spec.reason, None, credited, spec.issue_date, credit_note_id)
    try:
        credit_invoice(session, invoice_id, credit, actor, now)
    except NeedsApproval as error:
        message = Phrase(
            "This credit note is above the limit of your role. Credit the invoice alone: that can wait for approval."
        )
        raise Denied("needs_approval", message, "lines") from error
    posted = _post(session, charges, spec, actor, now)
    draft_id = create_draft(session, row, posted, now, replaces_id=invoice_id)
    number = session.scalar(select(Invoice.number).where(Invoice.id == credit_note_id))
    details = {"corrects": row["number"], "credit_note": number, "reason": spec.reason} | _chosen_acts(spec)
    record(session, actor, now, "invoice.billed_again", "invoice", draft_id, details)
    if spec.issue:
        issue(session, draft_id, spec.issue_date, actor, now)
    if spec.apply_credit:
        apply_credit(session, (row["customer_id"], row["currency"]), [draft_id], actor, now)
    # The issue itself applies credit if the organisation's settings say so.
    applied = session.scalars(select(Invoice.paid).where(Invoice.id == draft_id)).one()
    return Rebilling(credit_note_id, draft_id, True, applied)


def _chosen_acts(spec: RebillSpec) -> Row:
    """Return the further acts of a request, as they are in its audit event."""
    return {name: True for name in ("issue", "apply_credit") if getattr(spec, name)}


def _check_numbers(spec: RebillSpec) -> None:
    """Raise Invalid, at its place, for a number that cannot be stored."""
    for place, line in enumerate(spec.lines):
        for name in ("quantity", "unit_price", "amount"):
            value = getattr(line, name)
            if value is not None:
                exact_decimal(value, "lines", place, name)


def _load_lines(session: Session, invoice_id: UUID, spec: RebillSpec) -> Mapping[UUID, Record]:
    """Return the lines of an invoice by id, with the day of their last charge.

    Raises Invalid for a line of another invoice, and for one that is named twice.
    """
    last_day = select(func.max(Charge.incurred_on)).where(Charge.invoice_line_id == InvoiceLine.id).scalar_subquery()
    query = select(*InvoiceLine.__table__.c, last_day.label("last_day")).where(InvoiceLine.invoice_id == invoice_id)
    lines = {line.id: line for line in session.execute(query)}
    named: set[UUID] = set()
    for place, corrected in enumerate(spec.lines):
        if corrected.line not in lines:
            raise Invalid("unknown_line", Phrase("Choose a line of this invoice."), "lines", place, "line")
        if corrected.line in named:
            raise Invalid("line_twice", Phrase("Enter each line only once."), "lines", place, "line")
        named.add(corrected.line)
    return lines


def _remainders(
    session: Session, row: Row, lines: Mapping[UUID, Record], spec: RebillSpec
) -> list[tuple[UUID, Decimal]]:
    """Return what is left to credit of each line.

    Raises Invalid for a line that was credited in part and lacks a value.
    """
    stored = {line.id: line for line in creditable(session, row["id"]).lines}
    for place, line in enumerate(spec.lines):
        if stored[line.line].is_credited_in_part:
            _require_values(lines[line.line], line, place)
    return [(line.line, Money(stored[line.line].left, row["currency"]).decimal) for line in spec.lines]


def _require_values(line: Record, corrected: CorrectedLine, place: int) -> None:
    """Refuse the original values of a line that was credited in part.

    They would take the credit back. Raises Invalid.
    """
    if corrected.amount is not None:
        return
    if line.unit_price is None:
        message = Phrase("A part of this line was already credited. Enter the amount to bill now.")
        raise Invalid("credited_in_part", message, "lines", place, "amount")
    for name in ("quantity", "unit_price"):
        if getattr(corrected, name) is None:
            message = Phrase(
                "A part of this line was already credited. Enter the quantity and the unit price to bill now."
            )
            raise Invalid("credited_in_part", message, "lines", place, name)


def _corrected_charge(row: Row, line: Record, corrected: CorrectedLine, credit_note_id: UUID) -> ChargeSpec:
    """Return the charge that bills a line again, on the day of its last charge."""
    price: dict[str, Any]
    if line.unit_price is None or corrected.amount is not None:
        price = {"amount": line.amount if corrected.amount is None else corrected.amount}
    else:
        price = {"unit_price": line.unit_price if corrected.unit_price is None else corrected.unit_price}
        price |= {"quantity": line.quantity if corrected.quantity is None else corrected.quantity}
    return ChargeSpec(
        customer=str(row["customer_id"]),
        service=None if line.service_id is None else str(line.service_id),
        description=line.description,
        currency=row["currency"],
        incurred_on=line.last_day or row["period_to"],
        tax_included=line.gross is not None,
        period_from=line.period_from,
        period_to=line.period_to,
        period_of_days=line.period_of_days,
        purchase_order=line.purchase_order or None,
        id=uuid5(credit_note_id, str(line.id)),
        stored_texts=("description", "purchase_order"),
        **price,
    )


def _post(session: Session, charges: Sequence[ChargeSpec], spec: RebillSpec, actor: Actor, now: datetime) -> list[UUID]:
    """Post the corrected charges; a problem names the line instead of the charge.

    A charge that looks like the credited one is no duplicate of it. It is kept at once, so receivers of webhooks do not
    hear that it is held.
    """
    try:
        posted = post(session, charges, actor, now, webhooks=False)
    except DomainError as error:
        error.problems = tuple(replace(problem, field=("lines", *problem.field)) for problem in error.problems)
        raise
    if posted.duplicates:
        keep_duplicates(session, posted.duplicates, spec.reason, actor, now)
    return posted.ids


def _replay(
    session: Session,
    stored: Invoice,
    row: Row,
    spec: RebillSpec,
    charges: Sequence[ChargeSpec],
    actor: Actor,
    now: datetime,
) -> Rebilling:
    """Return the stored credit note and invoice of a repeated request.

    Raises Conflict when the request gives other values, or when the charges were taken off the draft.
    """
    compared: dict[str, tuple[object, object]] = {
        "invoice": (row["id"], stored.corrects_id),
        "reason": (spec.reason, stored.reason),
        "lines": ({line.line for line in spec.lines}, {line.corrects_line_id for line in stored.lines}),
    }
    if spec.issue_date is not None:
        compared["issue_date"] = (spec.issue_date, stored.issue_date)
    differs = [name for name, (requested, value) in compared.items() if requested != value]
    refuse_differences(Phrase("Credit note {stored_id}", stored_id=stored.id), differs, "id")
    post(session, charges, actor, now)  # replays the charges, or refuses other values
    query = select(InvoiceLine.invoice_id).join(Charge, Charge.invoice_line_id == InvoiceLine.id)
    invoice_ids = set(session.scalars(query.where(Charge.id.in_([charge.id for charge in charges]))))
    if len(invoice_ids) != 1:
        message = Phrase(
            "{stored_number} was issued by this request, but its charges are no longer on one invoice.",
            stored_number=stored.number,
        )
        raise Conflict("billed_elsewhere", message, "id")
    [invoice_id] = invoice_ids
    event = select(AuditEvent.details).where(
        AuditEvent.object_id == invoice_id, AuditEvent.action == "invoice.billed_again"
    )
    done = session.scalars(event).one_or_none()
    if done is not None:  # none: the charges were moved to another draft
        refuse_differences(
            Phrase("Credit note {stored_id}", stored_id=stored.id),
            [name for name in _chosen_acts(spec) if name not in done],
            "id",
        )
    return Rebilling(stored.id, invoice_id, False)
