"""Voiding and crediting issued invoices, each with a confirmation page."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, RadioField

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.credit_notes import Credit, Creditable, credit_effect, net_to_credit
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.money import ZERO, Money
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import word
from billing_admin.http.body_limits import MIB, BodyLimit, body_limit
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.models import Invoice
from billing_admin.operations.invoices import credit_notes, voids
from billing_admin.queries.invoices import credit_notes as credit_note_queries, invoices as queries
from billing_admin.queries.invoices.credit_notes import CreditSpec
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.queries.messages.documents import was_sent
from billing_admin.queries.payments.payments import written_off
from billing_admin.web.frame.forms import AmountField, DayField, Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.invoices.credit_lines import CreditLineForm, expect_line_currency, show_line_errors, with_lines
from billing_admin.web.invoices.invoices import CORRECT

pages = page_blueprint("corrections", __name__, "/invoices", write=CORRECT)

CHARGE_OUTCOMES = {
    "pending": Phrase("Pending again — They will be on the customer's next invoice."),
    "billed_again": Phrase("Billed again — A draft with the same charges is made for you to review and issue."),
    "cancelled": Phrase("Cancelled — They will never be billed."),
}
CREDIT_MODES = {
    "lines": Phrase("Lines — Tick the lines, or enter a quantity or a net amount. The tax is calculated from these."),
    "amount": Phrase("An amount with its tax — It is spread over the tax rates and lines in proportion."),
    "all": Phrase("Everything that is left — The whole invoice, less earlier credit notes."),
}


class VoidForm(Form):
    """The reason for voiding, and the new state of the charges."""

    reason = TextField(
        Phrase("Reason"), blank_message=Phrase("Enter a reason for voiding the invoice."), max_length=MAX_REASON_LENGTH
    )
    charges = RadioField(Phrase("Charges after voiding"), choices=CHARGE_OUTCOMES, default="pending")


class CreditInFullForm(Form):
    """The reason for crediting an invoice in full that cannot be voided.

    `id` prevents a second credit note on a double click.
    """

    id = NewIdField()
    reason = TextField(
        Phrase("Reason"),
        blank_message=Phrase("Enter a reason. It is printed on the credit note."),
        max_length=MAX_REASON_LENGTH,
    )


class CreditForm(Form):
    """Amount and reason of a credit note.

    `id` prevents a second credit note on a double click; `shown` is the total on the confirmation page.
    """

    id = NewIdField()
    reason = TextField(
        Phrase("Reason"),
        blank_message=Phrase("Enter a reason. It is printed on the credit note."),
        max_length=MAX_REASON_LENGTH,
    )
    way = RadioField(Phrase("Extent of the credit"), choices=CREDIT_MODES, default="lines")
    amount = AmountField(Phrase("Amount with tax"))
    issue_date = DayField(Phrase("Issue date"), blank_message=Phrase("Enter the issue date, such as 2026-11-30."))
    shown = HiddenField()

    def chosen_entries(self) -> list[Any]:
        """Return the rows that are ticked, or in which something is entered."""
        fields = ((entry, entry.form) for entry in self["lines"])
        return [
            entry
            for entry, row in fields
            if row.tick.data or row.quantity.data is not None or row.amount.data is not None
        ]

    def spec(self, invoice: Invoice, creditable: Creditable) -> CreditSpec:
        """Return the values entered for the selected mode.

        Raises:
            Invalid: A quantity and an amount are entered for one line.
        """
        values = (self.issue_date.data, self.id.data)
        if self.way.data == "all":
            return CreditSpec(self.reason.data, Money(creditable.left, invoice.currency).decimal, (), *values)
        if self.way.data == "amount":
            return CreditSpec(self.reason.data, self.amount.data, (), *values)
        rows = [entry.form for entry in self.chosen_entries()]
        nets = [_net_of_row(row, place, creditable) for place, row in enumerate(rows)]
        by_quantity = {place for place, row in enumerate(rows) if row.quantity.data is not None}
        return CreditSpec(self.reason.data, None, nets, *values, by_quantity)


def _net_of_row(row: CreditLineForm, place: int, creditable: Creditable) -> tuple[UUID, Decimal]:
    """Return a line and the net amount to credit of it.

    Without a quantity or an amount, all that can be credited is.
    """
    id, quantity, amount = row.line_id(), row.quantity.data, row.amount.data
    line = next((line for line in creditable.lines if line.id == id), None)
    if quantity is None and amount is None and line is not None:
        return id, Money(line.left, creditable.currency).decimal
    return id, ZERO if line is None else net_to_credit(creditable, id, quantity, amount, place)


@pages.route("/<uuid:id>/void", methods=["GET", "POST"])
def void(id: UUID) -> ResponseReturnValue:
    """Ask for the reason and the new state of the charges, then void the invoice."""
    form = VoidForm()
    if form.validate_on_submit():
        with errors_on(form):
            is_new, draft = bounded_transaction(
                voids.void_invoice, id, form.reason.data, form.charges.data, actor(), now()
            )
            number = _load_invoice(id).number
            message = (
                Phrase("{number} was voided.", number=number)
                if is_new
                else Phrase("{number} was already void.", number=number)
            )
            flash(message, "success" if is_new else "info")
            return redirect(url_for("invoices.show", id=draft or id), 303)
    invoice = _load_invoice(id)
    if invoice.status != "issued" and not form.errors:
        return redirect_uncorrectable(invoice)
    corrected = invoice.paid or invoice.credited or invoice.kind == "credit_note"
    if invoice.status == "issued" and invoice.kind == "invoice" and not corrected and was_sent(db.session(), id):
        return _credit_in_full_page(CreditInFullForm(formdata=None, reason=form.reason.data), invoice)
    return render_form(
        "corrections/void.html",
        form,
        invoice=invoice,
        charges=pluralise(queries.charge_count(invoice), "charge"),
        corrected=corrected,
    )


@pages.post("/<uuid:id>/credit-in-full")
def credit_in_full(id: UUID) -> ResponseReturnValue:
    """Credit an invoice in full that was sent and therefore cannot be voided."""
    form = CreditInFullForm()
    if form.validate_on_submit():
        with errors_on(form):
            note_id, _ = bounded_transaction(
                credit_notes.credit_in_full, id, form.reason.data, form.id.data, actor(), now()
            )
            flash(
                Phrase(
                    "{number} was issued and credits {number2}.",
                    number=_load_invoice(note_id).number,
                    number2=_load_invoice(id).number,
                ),
                "success",
            )
            return redirect(url_for("invoices.show", id=note_id), 303)
    invoice = _load_invoice(id)
    if invoice.status != "issued" or invoice.kind != "invoice":
        return redirect_uncorrectable(invoice)
    return _credit_in_full_page(form, invoice)


def _credit_in_full_page(form: CreditInFullForm, invoice: Invoice) -> ResponseReturnValue:
    return render_form(
        "corrections/credit_in_full.html",
        form,
        invoice=invoice,
        left=credit_note_queries.creditable(db.session(), invoice.id).left,
        number=next_number(db.session(), today(), "credit_note"),
    )


@pages.route("/<uuid:id>/credit", methods=["GET", "POST"])
@body_limit(BodyLimit(4 * MIB, fields=45_000))  # four fields for each line of the invoice
def credit(id: UUID) -> ResponseReturnValue:
    """Ask for amount and reason, show the effect, then issue the credit note.

    The person confirms the effect.
    """
    invoice = _load_invoice(id)
    if invoice.status != "issued" or invoice.kind != "invoice":
        return redirect_uncorrectable(invoice)
    creditable = credit_note_queries.creditable(db.session(), id)
    form = _build_credit_form(creditable)
    totals = None
    if request.form.get("then") == "totals":
        totals = _recalculate(form, invoice, creditable)
    elif form.validate_on_submit() and "change" not in request.form:
        try:
            spec = form.spec(invoice, creditable)
            if form.shown.data:
                note_id = bounded_transaction(_credit_as_shown, id, spec, form.shown.data, actor(), now())
                flash(
                    Phrase(
                        "{number} was issued and credits {creditable_number}.",
                        number=_load_invoice(note_id).number,
                        creditable_number=creditable.number,
                    ),
                    "success",
                )
                return redirect(url_for("invoices.show", id=note_id), 303)
            return _confirmation_page(form, spec, invoice, creditable)
        except (Conflict, Invalid) as error:
            show_line_errors(form, error, form.chosen_entries())
    form.shown.data = ""
    page = render_template(
        "corrections/credit.html",
        form=form,
        invoice=invoice,
        creditable=creditable,
        balance=balance(invoice),
        totals=totals,
        after=credit_effect(balance(invoice), totals.total, written_off(db.session(), id)) if totals else None,
    )
    return page, 422 if form.errors and request.form.get("then") != "totals" else 200


def _build_credit_form(creditable: Creditable) -> Any:
    """Return the form with a row for each line; it credits nothing yet."""
    rows = [{"line": str(line.id)} for line in creditable.lines]
    form = with_lines(CreditForm, CreditLineForm, rows, issue_date=today())
    expect_line_currency(form, creditable.currency)
    return form


def _recalculate(form: Any, invoice: Invoice, creditable: Creditable) -> Credit | None:
    """Return the credit that the form describes, or None.

    If it cannot be computed, the errors are at their fields. Reason and date may still be blank.
    """
    form.validate()
    form.reason.errors = form.issue_date.errors = ()
    if form.errors or (form.way.data == "lines" and not form.chosen_entries()):
        return None
    try:
        return credit_note_queries.compute_credit(creditable, form.spec(invoice, creditable))
    except (Conflict, Invalid) as error:
        show_line_errors(form, error, form.chosen_entries())
        return None


def _confirmation_page(
    form: CreditForm, spec: CreditSpec, invoice: Invoice, creditable: Creditable
) -> ResponseReturnValue:
    assert invoice.issue_date is not None  # noqa: S101 - it is issued
    credit_notes.resolve_credit_note_date(
        db.session(), creditable.number, invoice.issue_date, form.issue_date.data, now()
    )
    credit = credit_note_queries.compute_credit(creditable, spec)
    sent_fields = [
        (name, value) for name, value in request.form.items(multi=True) if name not in {"csrf_token", "shown"}
    ]
    return render_form(
        "corrections/confirm_credit.html",
        form,
        invoice=invoice,
        creditable=creditable,
        credit=credit,
        after=credit_effect(balance(invoice), credit.total, written_off(db.session(), invoice.id)),
        number=next_number(db.session(), form.issue_date.data, "credit_note"),
        sent_fields=sent_fields,
    )


def _credit_as_shown(session: Session, id: UUID, spec: CreditSpec, shown: str, actor: Actor, now: datetime) -> UUID:
    """Issue the credit note.

    Raises Conflict if its total is not the one on the confirmation page.
    """
    note_id, _ = credit_notes.credit_invoice(session, id, spec, actor, now)
    if str(queries.invoice(session, str(note_id)).total) != shown:
        raise Conflict(
            "credit_changed",
            Phrase("Another credit note for this invoice was issued first. Check the new amounts below."),
        )
    return note_id


def redirect_uncorrectable(invoice: Invoice) -> ResponseReturnValue:
    """Redirect to the document, with the reason why it cannot be corrected.

    The message says why it cannot be voided or credited.
    """
    if invoice.status == "draft":
        message = Phrase("This invoice is a draft. Edit or discard it instead.")
    elif invoice.kind == OPENING_INVOICE:
        message = Phrase(
            "Invoices of an earlier system cannot be credited here. Record a credit, or write the amount off."
        )
    elif invoice.kind == "credit_note":
        message = Phrase(
            "{invoice_number} is a credit note and cannot be corrected here.", invoice_number=invoice.number
        )
    else:
        message = Phrase("{invoice_number} is {status}.", invoice_number=invoice.number, status=word(invoice.status))
    flash(message, "info")
    return redirect(url_for("invoices.show", id=invoice.id), 303)


def _load_invoice(id: UUID) -> Invoice:
    return queries.invoice(db.session(), str(id))
