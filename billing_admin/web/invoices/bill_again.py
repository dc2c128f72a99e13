"""Credit lines of an invoice and bill them again, on one confirmation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, dry_run
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Denied, Invalid, Stale
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.http.body_limits import MIB, BodyLimit, body_limit
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.models import Invoice, InvoiceLine
from billing_admin.operations.invoices import rebilling
from billing_admin.operations.invoices.rebilling import CorrectedLine, RebillSpec
from billing_admin.queries.invoices import credit_notes as credit_note_queries, invoices as queries
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.payments.payments import written_off
from billing_admin.web.frame.forms import DayField, Form, NewIdField, TextField, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.invoices.credit_lines import (
    CorrectedLineForm,
    expect_line_currency,
    is_entered,
    show_line_errors,
    with_lines,
)
from billing_admin.web.invoices.invoices import CORRECT
from billing_admin.web.invoices.void_and_credit import redirect_uncorrectable

pages = page_blueprint("rebilling", __name__, "/invoices", write=CORRECT)


class BillAgainForm(Form):
    """Lines, reason and options of crediting and billing again.

    `id` prevents a second credit note on a double click; `shown` is the digest of the figures on the confirmation page.
    """

    id = NewIdField()
    reason = TextField(
        Phrase("Reason"),
        blank_message=Phrase("Enter a reason. It is printed on the credit note."),
        max_length=MAX_REASON_LENGTH,
    )
    issue_date = DayField(
        Phrase("Date of both documents"), blank_message=Phrase("Enter the issue date, such as 2026-11-30.")
    )
    issue = BooleanField(Phrase("Issue the new invoice now"))
    apply_credit = BooleanField(Phrase("Pay the new invoice from the customer's credit"))
    shown = HiddenField()


@dataclass(frozen=True, slots=True)
class DocumentFigures:
    """The figures of a document, in minor units, with its lines as rows."""

    number: str | None
    net: int
    tax: int
    total: int
    lines: Sequence[Any]


@dataclass(frozen=True, slots=True)
class LineFigures:
    """A line of a document to be rebilled."""

    description: str
    quantity: Decimal
    unit: str | None
    unit_price: Decimal | None
    net: int


@dataclass(frozen=True, slots=True)
class RebillingFigures:
    """The documents and amounts that the act makes, in minor units.

    `freed` is the part of earlier payments that becomes credit, `applied` the credit that pays the new invoice.
    """

    note: DocumentFigures
    invoice: DocumentFigures
    owed_before: int
    owed_after: int
    freed: int
    applied: int

    @property
    def digest(self) -> str:
        """The text by which a changed outcome is detected."""
        return f"{self.note.total} {self.invoice.total} {self.owed_after} {self.applied}"


@pages.route("/<uuid:id>/bill-again", methods=["GET", "POST"])
@body_limit(BodyLimit(4 * MIB, fields=45_000))  # four fields for each line of the invoice
def bill_again(id: UUID) -> ResponseReturnValue:
    """Ask for lines and corrected values, show both documents, then make them.

    The person confirms the figures.
    """
    invoice = queries.invoice(db.session(), str(id))
    if invoice.status != "issued" or invoice.kind != "invoice":
        return redirect_uncorrectable(invoice)
    creditable = credit_note_queries.creditable(db.session(), id)
    lines = invoice.lines
    credited_in_part = {line.id for line in creditable.lines if line.is_credited_in_part}
    form = _build_form(invoice, lines, credited_in_part)
    if form.validate_on_submit() and "change" not in request.form:
        entries = _chosen(form, lines)
        try:
            if form.shown.data:
                return _confirmed(id, _spec(form, entries, lines), form.shown.data)
            return _confirmation_page(form, invoice, _spec(form, entries, lines))
        except (Conflict, Denied, Invalid, Stale) as error:
            show_line_errors(form, error, entries)
    form.shown.data = ""
    return render_form(
        "corrections/bill_again.html",
        form,
        invoice=queries.invoice(db.session(), str(id)),
        left={line.id: line.left for line in creditable.lines},
        credited_in_part=credited_in_part,
        may_apply=has_permission("payments:write"),
        applies_credit=organisation(db.session()).applies_credit,
    )


def _build_form(invoice: Invoice, lines: Sequence[InvoiceLine], credited_in_part: Collection[UUID]) -> Any:
    """Return the form with the values of the lines.

    A person enters those of a line that was credited in part.
    """
    rows: list[dict[str, Any]] = []
    for line in lines:
        row: dict[str, Any] = {"line": str(line.id)}
        if line.id not in credited_in_part:
            names = ("amount",) if line.unit_price is None else ("quantity", "unit_price")
            row |= {name: getattr(line, name) for name in names}
        rows.append(row)
    form = with_lines(
        BillAgainForm,
        CorrectedLineForm,
        rows,
        issue_date=today(),
        issue=True,
        apply_credit=bool(invoice.paid) and has_permission("payments:write"),
    )
    expect_line_currency(form, invoice.currency)
    return form


def _chosen(form: Any, lines: Sequence[InvoiceLine]) -> list[Any]:
    """Return the rows that are ticked, or whose values were changed."""
    by_id = {line.id: line for line in lines}

    def is_changed(row: CorrectedLineForm) -> bool:
        line = by_id.get(row.line_id())
        if line is None:
            return False
        shown = (
            [(row.amount, line.amount)]
            if line.unit_price is None
            else [(row.quantity, line.quantity), (row.unit_price, line.unit_price)]
        )
        return any(is_entered(field.data, value) for field, value in shown)

    return [entry for entry in form.lines if entry.form.tick.data or is_changed(entry.form)]


def _spec(form: Any, entries: Sequence[Any], lines: Sequence[InvoiceLine]) -> RebillSpec:
    has_amount = {line.id for line in lines if line.unit_price is None}
    corrected = [
        CorrectedLine(row.line_id(), amount=row.amount.data)
        if row.line_id() in has_amount
        else CorrectedLine(row.line_id(), row.quantity.data, row.unit_price.data)
        for row in (entry.form for entry in entries)
    ]
    apply_credit = form.apply_credit.data and form.issue.data
    return RebillSpec(form.reason.data, corrected, form.issue.data, apply_credit, form.issue_date.data, form.id.data)


def _confirmation_page(form: Any, invoice: Invoice, spec: RebillSpec) -> ResponseReturnValue:
    figures = dry_run(_bill_again, invoice.id, spec, actor(), now())[1]
    sent_fields = [
        (name, value) for name, value in request.form.items(multi=True) if name not in {"csrf_token", "shown"}
    ]
    return render_form(
        "corrections/confirm_bill_again.html",
        form,
        invoice=queries.invoice(db.session(), str(invoice.id)),
        figures=figures,
        sent_fields=sent_fields,
    )


def _confirmed(id: UUID, spec: RebillSpec, shown: str) -> ResponseReturnValue:
    rebilled, figures = bounded_transaction(_bill_as_shown, id, spec, shown, actor(), now())
    number = figures.invoice.number
    message = (
        Phrase("{note_number} and {number} were issued.", note_number=figures.note.number, number=number)
        if number
        else Phrase(
            "{note_number} was issued. The new invoice is a draft: check it and issue it.",
            note_number=figures.note.number,
        )
    )
    flash(message, "success")
    return redirect(url_for("invoices.show", id=rebilled), 303)


def _bill_as_shown(
    session: Session, id: UUID, spec: RebillSpec, shown: str, actor: Actor, now: datetime
) -> tuple[UUID, RebillingFigures]:
    """Credit and bill again.

    Raises Conflict if the figures are not those on the confirmation page.
    """
    is_new, figures, invoice_id = _bill_again(session, id, spec, actor, now)
    if is_new and figures.digest != shown:
        raise Conflict(
            "credit_changed", Phrase("The invoice has changed since. Check the new figures on the next page.")
        )
    return invoice_id, figures


def _bill_again(
    session: Session, id: UUID, spec: RebillSpec, actor: Actor, now: datetime
) -> tuple[bool, RebillingFigures, UUID]:
    before = queries.invoice(session, str(id))
    owed_before, money_before = balance(before), before.paid - written_off(session, id)
    rebilled = rebilling.bill_again(session, id, spec, actor, now)
    session.flush()
    session.expire_all()
    after, note, new = (queries.invoice(session, str(each)) for each in (id, rebilled.credit_note, rebilled.invoice))
    freed = money_before - (after.paid - written_off(session, id))
    figures = RebillingFigures(_figures(note), _figures(new), owed_before, balance(after), freed, rebilled.applied)
    return rebilled.created, figures, rebilled.invoice


def _figures(document: Invoice) -> DocumentFigures:
    lines = [
        LineFigures(line.description, line.quantity, line.unit, line.unit_price, line.net) for line in document.lines
    ]
    return DocumentFigures(document.number, document.net, document.tax, document.total, lines)
