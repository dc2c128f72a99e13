"""The correction of a charge.

The form is filled with the charge, and its values make the replacement.
"""

from typing import Any
from uuid import UUID

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField

from billing_admin.db.engine import db
from billing_admin.domain.charges import MAX_DESCRIPTION_LENGTH
from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import corrections as operations
from billing_admin.queries.charges import charges as queries
from billing_admin.queries.master_data import services
from billing_admin.web.charges.charges import FIELD_NAMES, service_choices
from billing_admin.web.frame.customer_field import CustomerField
from billing_admin.web.frame.forms import (
    AmountField,
    DayField,
    ExactField,
    Form,
    NewIdField,
    TextField,
    errors_on,
    render_form,
)
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import actor, now

pages = page_blueprint("charge_corrections", __name__, "/charges", write="charges:write")


class CorrectForm(Form):
    """The values of the replacement and the reason; `id` is the id of the replacement."""

    id = NewIdField()
    customer = CustomerField()
    service = SelectField(Phrase("Service"), default="")
    description = TextField(
        Phrase("Description"), blank_message=Phrase("Enter what the charge is for."), max_length=MAX_DESCRIPTION_LENGTH
    )
    quantity = ExactField(
        Phrase("Quantity"), blank_message=Phrase("Enter a quantity, such as 1."), noun=Phrase("quantity")
    )
    unit_price = AmountField(Phrase("Unit price"))
    amount = AmountField(Phrase("Amount"))
    tax_included = BooleanField(Phrase("This price includes tax"))
    day = DayField(Phrase("Day"), blank_message=Phrase("Enter the day of the charge, such as 2026-11-22."))
    period_from = DayField(Phrase("First day of the period"))
    period_to = DayField(Phrase("Last day of the period"))
    purchase_order = TextField(Phrase("Purchase order number"))
    reason = TextField(
        Phrase("Reason"),
        blank_message=Phrase("Enter a reason. It is shown in the history."),
        max_length=MAX_REASON_LENGTH,
    )

    def fields(self) -> dict[str, Any]:
        """Return the values of the replacement.

        Without a unit price or amount, the price of the charge stays.
        """
        prices = {name: self[name].data for name in ("unit_price", "amount") if self[name].data is not None}
        return prices | {
            "customer": self.customer.data,
            "service": self.service.data or None,
            "description": self.description.data,
            "quantity": self.quantity.data,
            "tax_included": self.tax_included.data,
            "incurred_on": self.day.data,
            "period_from": self.period_from.data,
            "period_to": self.period_to.data,
            "purchase_order": self.purchase_order.data,
        }


@pages.route("/<uuid:id>/correct", methods=["GET", "POST"])
def correct(id: UUID) -> ResponseReturnValue:
    """Cancel a charge and add its replacement in one transaction."""
    session = db.session()
    charge, catalogue = queries.charge(session, id), services.service_choices(session)
    form = _form(charge, catalogue)
    if form.validate_on_submit():
        with errors_on(form, FIELD_NAMES):
            new_id, is_new = bounded_transaction(
                operations.correct_charge, id, form.fields(), form.id.data, form.reason.data, actor(), now()
            )
            flash(
                Phrase("Charge corrected.")
                if is_new
                else Phrase("This charge was already corrected. Nothing changed."),
                "success",
            )
            return redirect(url_for("charges.show", id=new_id), 303)
    return render_form(
        "charges/correct.html",
        form,
        charge=queries.charge(db.session(), id),
    )


def _form(charge: Any, catalogue: Any) -> CorrectForm:
    form = CorrectForm(
        customer=charge.customer_reference,
        service=charge.service_code or "",
        description=charge.description,
        quantity=charge.quantity,
        unit_price=charge.unit_price,
        amount=charge.amount if charge.unit_price is None else None,
        tax_included=charge.tax_included,
        day=charge.incurred_on,
        period_from=charge.period_from,
        period_to=charge.period_to,
        purchase_order=charge.purchase_order,
    )
    form.expect_currency(charge.currency)
    form.unit_price.digits = form.amount.digits = MINOR_DIGITS[charge.currency]
    current_service = {charge.service_code: charge.service_code} if charge.service_code else {}
    form.service.choices = (
        {"": Phrase("No service: enter a description")} | current_service | service_choices(catalogue)
    )
    return form
