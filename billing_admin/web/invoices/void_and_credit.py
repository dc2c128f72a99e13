"""Voiding and crediting issued invoices, each with a confirmation page."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import FieldList, FormField, HiddenField, RadioField

from billing_admin.db.engine import db
from billing_admin.db.lookup import parse_uuid
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.credit_notes import Creditable, credit_effect
from billing_admin.domain.errors import Conflict
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.money import MINOR_DIGITS, Money
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.http.body_limits import MIB, BodyLimit, body_limit
from billing_admin.models import Invoice
from billing_admin.operations.invoices import credit_notes, voids
from billing_admin.queries.invoices import credit_notes as credit_note_queries, invoices as queries
from billing_admin.queries.invoices.credit_notes import CreditSpec
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.queries.messages.documents import was_sent
from billing_admin.web.frame.forms import AmountField, DayField, Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.invoices.invoices import WRITE

pages = page_blueprint("corrections", __name__, "/invoices", write=WRITE)

CHARGE_OUTCOMES = {
    "pending": "Pending again — They will be on the customer's next invoice.",
    "billed_again": "Billed again — A draft with the same charges is made for you to review and issue.",
    "cancelled": "Cancelled — They will never be billed.",
}
UNKNOWN_LINE_ID = UUID(int=0)  # no line has this id: a line sent without a valid id is refused as unknown
CREDIT_MODES = {"amount": "An amount with its tax", "lines": "Net amounts of lines"}


class VoidForm(Form):
    """The reason for voiding, and the new state of the charges."""

    reason = TextField("Reason", blank_message="Enter a reason for voiding the invoice.", max_length=MAX_REASON_LENGTH)
    charges = RadioField("Charges after voiding", choices=CHARGE_OUTCOMES, default="pending")


class CreditInFullForm(Form):
    """The reason for crediting an invoice in full that cannot be voided.

    `id` prevents a second credit note on a double click.
    """

    id = NewIdField()
    reason = TextField(
        "Reason", blank_message="Enter a reason. It is printed on the credit note.", max_length=MAX_REASON_LENGTH
    )


class CreditLineForm(Form):
    """The net amount to credit of one line."""

    class Meta(Form.Meta):
        """CSRF is off: the form around it has the token."""

        csrf = False

    line = HiddenField()
    amount = AmountField("Net to credit")


def _line_fields(max_lines: int = 1) -> Any:
    """Return the list of lines.

    A request that sends more than `max_lines` gets no further fields.
    """
    return FieldList(FormField(CreditLineForm), max_entries=max_lines)


class CreditForm(Form):
    """Amount and reason of a credit note.

    `id` prevents a second credit note on a double click; `shown` is the total on the confirmation page.
    """

    id = NewIdField()
    reason = TextField(
        "Reason", blank_message="Enter a reason. It is printed on the credit note.", max_length=MAX_REASON_LENGTH
    )
    way = RadioField("Credit", choices=CREDIT_MODES, default="amount")
    amount = AmountField("Amount with tax")
    lines = _line_fields()
    issue_date = DayField("Issue date", blank_message="Enter the issue date, such as 2026-11-30.")
    shown = HiddenField()

    def expect_currency(self, currency: str) -> None:
        """Read and show all amounts, including those of the lines, in this currency."""
        for form in (self, *(entry.form for entry in self.lines)):
            form.amount.currency, form.amount.digits = currency, MINOR_DIGITS[currency]
            form.amount.flags.optional = False  # the selected mode decides which amounts are required

    def spec(self) -> CreditSpec:
        """Return the values entered for the selected mode."""
        if self.way.data == "amount":
            return CreditSpec(self.reason.data, self.amount.data, (), self.issue_date.data, self.id.data)
        lines = [
            (parse_uuid(entry.line.data) or UNKNOWN_LINE_ID, entry.amount.data)
            for entry in self.lines
            if entry.amount.data
        ]
        return CreditSpec(self.reason.data, None, lines, self.issue_date.data, self.id.data)


@pages.route("/<uuid:id>/void", methods=["GET", "POST"])
def void(id: UUID) -> ResponseReturnValue:
    """Ask for the reason and the new state of the charges, then void the invoice."""
    form = VoidForm()
    if form.validate_on_submit():
        with errors_on(form):
            is_new, draft = transaction(voids.void_invoice, id, form.reason.data, form.charges.data, actor(), now())
            number = _load_invoice(id).number
            message = f"{number} was voided." if is_new else f"{number} was already void."
            flash(message, "success" if is_new else "info")
            return redirect(url_for("invoices.show", id=draft or id), 303)
    invoice = _load_invoice(id)
    if invoice.status != "issued" and not form.errors:
        return _redirect_uncorrectable(invoice)
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
            note_id, _ = transaction(credit_notes.credit_in_full, id, form.reason.data, form.id.data, actor(), now())
            flash(f"{_load_invoice(note_id).number} was issued and credits {_load_invoice(id).number}.", "success")
            return redirect(url_for("invoices.show", id=note_id), 303)
    invoice = _load_invoice(id)
    if invoice.status != "issued" or invoice.kind != "invoice":
        return _redirect_uncorrectable(invoice)
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
@body_limit(BodyLimit(4 * MIB, fields=25_000))  # two fields for each line of the invoice
def credit(id: UUID) -> ResponseReturnValue:
    """Ask for amount and reason, show the effect, then issue the credit note.

    The person confirms the effect.
    """
    invoice = _load_invoice(id)
    if invoice.status != "issued" or invoice.kind != "invoice":
        return _redirect_uncorrectable(invoice)
    creditable = credit_note_queries.creditable(db.session(), id)
    form = _build_credit_form(creditable)
    if form.validate_on_submit() and "change" not in request.form:
        with errors_on(form, {"line": "", "amount": "" if form.way.data == "lines" else "amount", "lines": ""}):
            if form.shown.data:
                note_id = transaction(_credit_as_shown, id, form.spec(), form.shown.data, actor(), now())
                flash(f"{_load_invoice(note_id).number} was issued and credits {creditable.number}.", "success")
                return redirect(url_for("invoices.show", id=note_id), 303)
            return _confirmation_page(form, invoice, creditable)
    form.shown.data = ""
    return render_form(
        "corrections/credit.html", form, invoice=invoice, creditable=creditable, balance=balance(invoice)
    )


def _build_credit_form(creditable: Creditable) -> CreditForm:
    """Return the form, filled with all that can still be credited.

    The credit is an amount, and amounts by line.
    """

    def major(minor: int) -> Decimal:
        return Money(minor, creditable.currency).decimal

    lines = [{"line": str(line.id), "amount": major(line.left)} for line in creditable.lines]
    bounded_form = type("BoundedForm", (CreditForm,), {"lines": _line_fields(max(len(lines), 1))})
    form: CreditForm = bounded_form(amount=major(creditable.left), issue_date=today(), lines=lines)
    form.expect_currency(creditable.currency)
    return form


def _confirmation_page(form: CreditForm, invoice: Invoice, creditable: Creditable) -> ResponseReturnValue:
    assert invoice.issue_date is not None  # noqa: S101 - it is issued
    credit_notes.resolve_credit_note_date(
        db.session(), creditable.number, invoice.issue_date, form.issue_date.data, now()
    )
    credit = credit_note_queries.compute_credit(creditable, form.spec())
    sent_fields = [
        (name, value) for name, value in request.form.items(multi=True) if name not in {"csrf_token", "shown"}
    ]
    return render_form(
        "corrections/confirm_credit.html",
        form,
        invoice=invoice,
        creditable=creditable,
        credit=credit,
        after=credit_effect(balance(invoice), credit.total),
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
            "credit_changed", "Another credit note for this invoice was issued first. Check the new amounts below."
        )
    return note_id


def _redirect_uncorrectable(invoice: Invoice) -> ResponseReturnValue:
    """Redirect to the document, with the reason why it cannot be corrected.

    The message says why it cannot be voided or credited.
    """
    if invoice.status == "draft":
        message = "This invoice is a draft. Edit or discard it instead."
    elif invoice.kind == OPENING_INVOICE:
        message = "Invoices of an earlier system cannot be credited here. Record a credit, or write the amount off."
    elif invoice.kind == "credit_note":
        message = f"{invoice.number} is a credit note and cannot be corrected here."
    else:
        message = f"{invoice.number} is {invoice.status}."
    flash(message, "info")
    return redirect(url_for("invoices.show", id=invoice.id), 303)


def _load_invoice(id: UUID) -> Invoice:
    return queries.invoice(db.session(), str(id))
