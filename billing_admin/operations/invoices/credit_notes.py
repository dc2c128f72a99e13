"""Issue credit notes, which correct an invoice in whole or in part.

An overpaid amount becomes credit.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import Submission
from billing_admin.domain.credit_notes import Credit
from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.document_hash import DocumentRows, Row
from billing_admin.domain.errors import Invalid
from billing_admin.domain.exchange_rates import credited_in_base
from billing_admin.domain.lifecycle import check_creditable, refuse_before_issue_date
from billing_admin.domain.master_data import refuse_differences
from billing_admin.domain.money import Money, plain_decimal, plain_decimal_or_none
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank
from billing_admin.domain.translation import Phrase
from billing_admin.models import Invoice
from billing_admin.operations.audit import record
from billing_admin.operations.invoices.invoice_rows import store_documents
from billing_admin.operations.invoices.invoices import accounts_of, lock_invoice, number_documents
from billing_admin.operations.limits import require_within_limit
from billing_admin.operations.master_data.accounts import lock_accounts
from billing_admin.operations.master_data.periods import check_issue_date, require_open_day
from billing_admin.operations.payments.payments import withdraw_from_invoice
from billing_admin.operations.webhooks.outbox import enqueue_invoices_paid
from billing_admin.queries.invoices.credit_notes import CreditSpec, compute_credit, creditable, to_minor_units
from billing_admin.queries.invoices.document_rows import load_document_rows
from billing_admin.queries.invoices.readiness import load_party_data
from billing_admin.queries.master_data.organisation import day_of, organisation

ONE = Decimal(1)


def credit_invoice(
    session: Session, invoice_id: UUID, spec: CreditSpec, actor: Actor, now: datetime
) -> tuple[UUID, bool]:
    """Issue a credit note, and return its id and whether it is new.

    An amount above the open balance is withdrawn from the allocations of the invoice, write-offs first. Raises NotFound;
    Conflict for an invoice that cannot be credited or has nothing left to credit, and for an id that belongs to a different
    credit note; Invalid without a reason, for more than is left, and for a day after today, before the date of the invoice or
    of the last credit note, or in a locked period.
    """
    row = lock_invoice(session, invoice_id)
    lock_accounts(session, [(row["customer_id"], row["currency"])])
    if spec.id is not None and (existing := _find_existing(session, spec.id)) is not None:
        _check_same(existing, row, spec)
        return spec.id, False
    check_creditable(row)
    reason = check_not_blank(spec.reason, "reason", longest=MAX_REASON_LENGTH)
    day = resolve_credit_note_date(session, row["number"], row["issue_date"], spec.issue_date, now)
    invoice = creditable(session, invoice_id)
    credit = compute_credit(invoice, spec)
    credit_note = _credit_note_rows(
        load_document_rows(session, [row])[0], credit, spec.id or new_id(now), reason, day, now
    )
    credit_note.invoice["tax_in_base"] = _tax_in_base(row, credit.tax, sum(tax.credited_tax for tax in invoice.taxes))
    require_within_limit(session, actor, _submission(row, spec, credit.total), now)
    had_open_balance = row["paid"] + row["credited"] < row["total"]
    overpaid = row["paid"] + row["credited"] + credit.total - row["total"]
    withdrawn = withdraw_from_invoice(session, row, overpaid, day, actor, now) if overpaid > 0 else 0
    settings = require_open_day(session, day, now, "issue_date")
    parties = load_party_data(session, settings, accounts_of([credit_note]), day)
    number_documents(session, [credit_note], parties, day, now)
    store_documents(session, [credit_note])
    statement = update(Invoice).where(Invoice.id == invoice_id).values(credited=Invoice.credited + credit.total)
    session.execute(statement.execution_options(synchronize_session=False))
    if had_open_balance:
        enqueue_invoices_paid(session, [invoice_id], now)
    note = credit_note.invoice
    record(session, actor, now, "credit_note.issued", "invoice", note["id"], _audit_details(note, row, withdrawn))
    return note["id"], True


def _submission(row: Row, spec: CreditSpec, total: int) -> Submission:
    fields: dict[str, Any] = {
        "reason": spec.reason,
        "amount": plain_decimal_or_none(spec.amount),
        "lines": [[str(line_id), plain_decimal(net)] for line_id, net in spec.lines],
        "issue_date": None if spec.issue_date is None else spec.issue_date.isoformat(),
        "id": None if spec.id is None else str(spec.id),
    }
    if spec.by_quantity:  # submissions without it have the digest that earlier versions gave them
        fields["by_quantity"] = sorted(spec.by_quantity)
    return Submission("credit", "invoice", row["id"], row["number"], fields, spec.reason, total, row["currency"])


def credit_as_submitted(
    session: Session, invoice_id: UUID, fields: Mapping[str, Any], actor: Actor, now: datetime
) -> tuple[UUID, bool]:
    """Issue the credit note of a submission; raises as `credit_invoice` does."""
    return credit_invoice(session, invoice_id, spec_as_submitted(fields), actor, now)


def spec_as_submitted(fields: Mapping[str, Any]) -> CreditSpec:
    """Return the request of a submission."""
    return CreditSpec(
        fields["reason"],
        None if fields["amount"] is None else Decimal(fields["amount"]),
        [(UUID(line_id), Decimal(net)) for line_id, net in fields["lines"]],
        None if fields["issue_date"] is None else date.fromisoformat(fields["issue_date"]),
        None if fields["id"] is None else UUID(fields["id"]),
        frozenset(fields.get("by_quantity", ())),
    )


def credit_in_full(
    session: Session, invoice_id: UUID, reason: str, id: UUID, actor: Actor, now: datetime
) -> tuple[UUID, bool]:
    """Issue a credit note over all that is left of an invoice, dated today.

    Returns its id and whether it is new. Raises as `credit_invoice` does.
    """
    row = lock_invoice(session, invoice_id)
    amount = None
    if _find_existing(session, id) is None:
        amount = Money(creditable(session, invoice_id).left, row["currency"]).decimal
    return credit_invoice(session, invoice_id, CreditSpec(reason, amount, id=id), actor, now)


def resolve_credit_note_date(
    session: Session, number: str, invoice_date: date, issue_date: date | None, now: datetime
) -> date:
    """Return the date of a credit note for an invoice: `issue_date`, or today.

    Previews call it as well. Raises Invalid for a day on which no credit note of the invoice can be issued.
    """
    settings = organisation(session)
    current_day = day_of(now, settings.time_zone)
    refuse_before_issue_date(number, invoice_date, current_day, "issue_date")
    day = issue_date or current_day
    if day < invoice_date:
        message = Phrase(
            "Use {invoice_date} or later: that is the date of {number}.",
            invoice_date=invoice_date.isoformat(),
            number=number,
        )
        raise Invalid("before_invoice", message, "issue_date")
    check_issue_date(session, settings, "credit_note", day, now)
    return day


def _find_existing(session: Session, id: UUID) -> DocumentRows | None:
    row = session.execute(select(Invoice.__table__).where(Invoice.id == id)).mappings().one_or_none()
    return None if row is None else load_document_rows(session, [dict(row)])[0]


def _check_same(existing: DocumentRows, row: Row, spec: CreditSpec) -> None:
    """Raise Conflict when a repeated request gives other values."""
    note, currency = existing.invoice, row["currency"]
    compared: dict[str, tuple[Any, Any]] = {
        "invoice": (row["id"], note["corrects_id"]),
        "reason": (spec.reason, note["reason"]),
    }
    if spec.issue_date is not None:
        compared["issue_date"] = (spec.issue_date, note["issue_date"])
    if spec.amount is not None:
        compared["amount"] = (to_minor_units(spec.amount, currency, "amount"), note["total"])
    if spec.lines:
        lines = {line["corrects_line_id"]: line["net"] for line in existing.lines}
        compared["lines"] = ({id: to_minor_units(net, currency, "lines") for id, net in spec.lines}, lines)
    differs = [name for name, (requested, stored) in compared.items() if requested != stored]
    refuse_differences(Phrase("Credit note {id}", id=note["id"]), differs, "id")


def _credit_note_rows(
    invoice: DocumentRows, credit: Credit, id: UUID, reason: str, day: date, now: datetime
) -> DocumentRows:
    """Return the rows of a credit note, made of the rows of its invoice.

    It is due on its date, because it is not paid. It takes over the details of its invoice.
    """
    row = invoice.invoice | {
        "id": id,
        "kind": "credit_note",
        "status": "draft",
        "run_id": None,
        "net": credit.net,
        "tax": credit.tax,
        "total": credit.total,
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
    row |= _period_of([line for line in invoice.lines if line["id"] in credit.lines])
    included_tax = credit.tax_within()
    lines = [
        _credited_line(line, credit.lines[line["id"]], included_tax.get(line["id"], 0), id, now)
        for line in invoice.lines
        if line["id"] in credit.lines
    ]
    rates = {(tax.rate.category, tax.rate.percent, tax.included): (tax.base, tax.tax) for tax in credit.taxes}
    taxes: list[Row] = []
    for tax in invoice.taxes:
        amounts = rates.get((tax["category"], tax["percent"], tax["included"]))
        if amounts is not None:
            taxes.append(tax | {"invoice_id": id, "position": len(taxes) + 1, "base": amounts[0], "tax": amounts[1]})
    return DocumentRows(row, [line | {"position": place} for place, line in enumerate(lines, 1)], taxes)


def _tax_in_base(row: Row, tax: int, credited_before: int) -> int | None:
    """Return the tax of a credit in the base currency, if the invoice states its tax."""
    base_rate = details_from_json(row["details"]).base_rate
    return None if base_rate is None else credited_in_base(tax, credited_before, row["currency"], base_rate)


def _period_of(lines: Sequence[Row]) -> Row:
    """Return the columns of a credit note's period: the union of its lines'.

    They are empty if a line has no period: it is for the days of its charges, which the invoice's period includes.
    """
    if any(line["period_from"] is None for line in lines):
        return {}
    return {
        "period_from": min(line["period_from"] for line in lines),
        "period_to": max(line["period_to"] for line in lines),
    }


def _credited_line(line: Row, net: int, tax: int, id: UUID, now: datetime) -> Row:
    """Return the row of a credited line, with an amount and no unit price.

    The amount includes tax if the price did.
    """
    gross = None if line["gross"] is None else net + tax
    return line | {
        "id": new_id(now),
        "invoice_id": id,
        "quantity": ONE,
        "unit": None,
        "unit_code": None,
        "unit_price": None,
        "amount": Money(net if gross is None else gross, line["currency"]).decimal,
        "gross": gross,
        "net": net,
        "charges": 0,
        "corrects_line_id": line["id"],
    }


def _audit_details(note: Row, row: Row, withdrawn: int) -> Row:
    details = {"number": note["number"], "corrects": row["number"], "total": note["total"], "reason": note["reason"]}
    return details | ({"became_credit": withdrawn} if withdrawn else {})
