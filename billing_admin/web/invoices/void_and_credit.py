"""Issued invoices corrected: made void, or credited. Each says what it means before it is done."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import FieldList, FormField, HiddenField, RadioField

from billing_admin.db.lookup import as_id
from billing_admin.db.transactions import Session, db, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.credit_notes import Creditable, consequence
from billing_admin.domain.errors import Conflict
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.money import MINOR_DIGITS, Money
from billing_admin.http.body_limits import MIB, BodyLimit, body_limit
from billing_admin.models import Invoice
from billing_admin.operations.invoices import credit_notes, voids
from billing_admin.queries.invoices import credit_notes as crediting, invoices as queries
from billing_admin.queries.invoices.credit_notes import CreditSpec
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.web.frame.forms import AmountField, DayField, Form, KeyField, TextField, form_page, refusals_on
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.labels import counted
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.invoices.invoices import WRITE

pages = subject("corrections", __name__, "/invoices", write=WRITE)

LONGEST_REASON = 500
CHARGE_OUTCOMES = {
    "pending": "Pending again — They go on the customer's next invoice.",
    "billed_again": "Billed again at once — A draft with the same charges is made now, to look at and issue.",
    "cancelled": "Cancelled — They will never be billed.",
}
UNKNOWN_LINE_ID = UUID(int=0)
CREDIT_MODES = {"amount": "An amount with its tax", "lines": "Net amounts of lines"}


class VoidForm(Form):
    """Why, and what becomes of the charges."""

    reason = TextField("Reason", needed="Say why, for whoever looks at it later.", longest=LONGEST_REASON)
    charges = RadioField("Its charges", choices=CHARGE_OUTCOMES, default="pending")


class CreditLineForm(Form):
    """The net to take back of one line."""

    class Meta(Form.Meta):
        """The whole form has the token."""

        csrf = False

    line = HiddenField()
    amount = AmountField("Net to credit")


def _line_fields(most: int = 1) -> Any:
    """Return the list of lines; a request that sends more than `most` makes no more fields of them."""
    return FieldList(FormField(CreditLineForm), max_entries=most)


class CreditForm(Form):
    """How much, and why. `id` makes a second click credit nothing; `shown` is the total that was confirmed."""

    id = KeyField()
    reason = TextField("Reason", needed="Say why: it is printed on the credit note.", longest=LONGEST_REASON)
    way = RadioField("Credit", choices=CREDIT_MODES, default="amount")
    amount = AmountField("Amount with tax")
    lines = _line_fields()
    issue_date = DayField("Date of the credit note", needed="Enter a day such as 2026-11-30.")
    shown = HiddenField()

    def expect_currency(self, currency: str) -> None:
        """Take and write the amounts, those of lines as well, in this currency."""
        for part in (self, *(one.form for one in self.lines)):
            part.amount.currency, part.amount.digits = currency, MINOR_DIGITS[currency]
            part.amount.flags.optional = False  # which of them is needed depends on the way that is chosen

    def spec(self) -> CreditSpec:
        """What was entered, by the way that was chosen."""
        if self.way.data == "amount":
            return CreditSpec(self.reason.data, self.amount.data, (), self.issue_date.data, self.id.data)
        asked = [(as_id(one.line.data) or UNKNOWN_LINE_ID, one.amount.data) for one in self.lines if one.amount.data]
        return CreditSpec(self.reason.data, None, asked, self.issue_date.data, self.id.data)


@pages.route("/<uuid:id>/void", methods=["GET", "POST"])
def void(id: UUID) -> ResponseReturnValue:
    """Say what voiding means; once that is confirmed, do it."""
    form = VoidForm()
    if form.validate_on_submit():
        with refusals_on(form):
            is_new, draft = transaction(voids.void_invoice, id, form.reason.data, form.charges.data, actor(), now())
            number = _invoice(id).number
            flash(f"{number} is void." if is_new else f"{number} is void already.", "success" if is_new else "info")
            return redirect(url_for("invoices.show", id=draft or id), 303)
    invoice = _invoice(id)
    if invoice.status != "issued" and not form.errors:
        return _nothing_to_do(invoice)
    return form_page(
        "corrections/void.html",
        form,
        invoice=invoice,
        charges=counted(queries.charge_count(invoice), "charge"),
        corrected=invoice.paid or invoice.credited or invoice.kind != "invoice",
    )


@pages.route("/<uuid:id>/credit", methods=["GET", "POST"])
@body_limit(BodyLimit(4 * MIB, fields=25_000))  # two fields for each line of the invoice
def credit(id: UUID) -> ResponseReturnValue:
    """Ask how much and why; show what it means; once that is confirmed, issue the credit note."""
    invoice = _invoice(id)
    if invoice.status != "issued" or invoice.kind != "invoice":
        return _nothing_to_do(invoice)
    whole = crediting.creditable(db.session(), id)
    form = _credit_form(whole)
    if form.validate_on_submit() and "change" not in request.form:
        with refusals_on(form, {"line": "", "amount": "" if form.way.data == "lines" else "amount", "lines": ""}):
            if form.shown.data:
                note_id = transaction(_confirmed, id, form.spec(), form.shown.data, actor(), now())
                flash(f"{_invoice(note_id).number} credits {whole.number}.", "success")
                return redirect(url_for("invoices.show", id=note_id), 303)
            return _confirmation(form, invoice, whole)
    form.shown.data = ""
    return form_page("corrections/credit.html", form, invoice=invoice, whole=whole, owed=balance(invoice))


def _credit_form(whole: Creditable) -> CreditForm:
    """The rest is filled in: of the amount, and of each line."""

    def major(minor: int) -> Decimal:
        return Money(minor, whole.currency).decimal

    lines = [{"line": str(line.id), "amount": major(line.left)} for line in whole.lines]
    bounded = type("BoundedForm", (CreditForm,), {"lines": _line_fields(max(len(lines), 1))})
    form: CreditForm = bounded(amount=major(whole.left), issue_date=today(), lines=lines)
    form.expect_currency(whole.currency)
    return form


def _confirmation(form: CreditForm, invoice: Invoice, whole: Creditable) -> ResponseReturnValue:
    assert invoice.issue_date is not None  # noqa: S101 - it is issued
    credit_notes.resolve_credit_note_date(db.session(), whole.number, invoice.issue_date, form.issue_date.data, now())
    taken = crediting.credit_of(whole, form.spec())
    given = [(name, value) for name, value in request.form.items(multi=True) if name not in {"csrf_token", "shown"}]
    return form_page(
        "corrections/confirm_credit.html",
        form,
        invoice=invoice,
        whole=whole,
        taken=taken,
        after=consequence(balance(invoice), taken.total),
        number=next_number(db.session(), form.issue_date.data, "credit_note"),
        given=given,
    )


def _confirmed(session: Session, id: UUID, spec: CreditSpec, shown: str, who: Actor, at: datetime) -> UUID:
    """Credit what was shown, or nothing."""
    note_id, _ = credit_notes.credit_invoice(session, id, spec, who, at)
    if str(queries.invoice(session, str(note_id)).total) != shown:
        raise Conflict("credit_changed", "The invoice was credited meanwhile. Look at the new amounts.")
    return note_id


def _nothing_to_do(invoice: Invoice) -> ResponseReturnValue:
    what = "a credit note" if invoice.kind == "credit_note" else invoice.status
    name = invoice.number or "This"
    hint = ": change or discard it instead" if invoice.status == "draft" else ""
    flash(f"{name} is {what}{hint}.", "info")
    return redirect(url_for("invoices.show", id=invoice.id), 303)


def _invoice(id: UUID) -> Invoice:
    return queries.invoice(db.session(), str(id))
