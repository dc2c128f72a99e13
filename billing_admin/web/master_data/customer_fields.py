"""Customer fields: the list, from which fields are added, changed and archived."""

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.customer_fields import (
    CUSTOMER_FIELD_RULES,
    FIELD_TYPES,
    MAX_CHOICE_LENGTH,
    MAX_CHOICES,
    MAX_FIELD_LABEL_LENGTH,
    MAX_FIELDS,
    MAX_KEY_LENGTH,
    CustomerFieldFields,
)
from billing_admin.domain.translation import Phrase
from billing_admin.models import CustomerField
from billing_admin.operations.master_data import customer_fields as operations
from billing_admin.queries.master_data import customer_fields as queries
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import Form, MultilineField, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor, now

WRITE = "settings:write"

pages = page_blueprint("customer_fields", __name__, "/settings/customer-fields", write=WRITE)


class ChoicesField(MultilineField):
    """The choices of a field, one in each line."""

    def lines(self) -> list[str]:
        """Return the choices without blank lines."""
        return [line.strip() for line in (self.data or "").splitlines() if line.strip()]


class CustomerFieldForm(Form):
    """The parts of a customer field that may change."""

    label = TextField(
        Phrase("Label"), max_length=MAX_FIELD_LABEL_LENGTH, blank_message=Phrase("Enter the label of the field.")
    )
    choices = ChoicesField(Phrase("Choices"), max_length=MAX_CHOICES * (MAX_CHOICE_LENGTH + 2), render_kw={"rows": 5})
    is_required = BooleanField(Phrase("New customers need a value"))
    is_listed = BooleanField(Phrase("Show in the list of customers"))

    def fields(self) -> CustomerFieldFields:
        """Return the values entered."""
        return {
            "label": self.label.data,
            "choices": self.choices.lines(),
            "is_required": self.is_required.data,
            "is_listed": self.is_listed.data,
        }


class NewCustomerFieldForm(CustomerFieldForm):
    """A new customer field; `id` prevents a second field on a double click."""

    key = TextField(
        Phrase("Key"),
        max_length=MAX_KEY_LENGTH,
        blank_message=Phrase("Enter the key of the field, such as cost_centre."),
    )
    type = SelectField(Phrase("Type"), choices=dict(FIELD_TYPES))
    id = NewIdField()

    def fields(self) -> CustomerFieldFields:
        """Return the values entered, with key and type."""
        return {**super().fields(), "key": self.key.data, "type": self.type.data}


class EditCustomerFieldForm(CustomerFieldForm, EditForm):
    """The parts of an existing customer field that may change."""


@pages.get("")
def index() -> ResponseReturnValue:
    """List the fields in the order in which they were added."""
    session = db.session()
    fields = queries.customer_fields(session)
    return render_template(
        "customer_fields/list.html",
        fields=fields,
        types=FIELD_TYPES,
        customers=queries.customers_by_field(session),
        max_fields=MAX_FIELDS,
        may_write=has_permission(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a field."""
    form = NewCustomerFieldForm()
    if form.validate_on_submit():
        with errors_on(form):
            field, _ = transaction(operations.create, form.fields(), form.id.data, actor(), now())
            flash(
                Phrase("The field {field} was added. It is on the form of each customer.", field=field.label), "success"
            )
            return redirect(url_for("customer_fields.index"), 303)
    return render_form("customer_fields/form.html", form, customer_field=None)


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Edit a field; customers keep their values."""
    form = EditCustomerFieldForm(data=_stored_values(id))
    if form.validate_on_submit():
        with errors_on(form):
            saved = save(form, lambda: _stored_form(id), operations.update, id, form.fields())
            flash(Phrase("The field {saved} was saved. Customers keep their values.", saved=saved.label), "success")
            return redirect(url_for("customer_fields.index"), 303)
    return render_form("customer_fields/form.html", form, customer_field=_load_field(id), types=FIELD_TYPES)


def _stored_form(id: UUID) -> EditCustomerFieldForm:
    return EditCustomerFieldForm(formdata=None, data=_stored_values(id))


def _stored_values(id: UUID) -> dict[str, Any]:
    stored = _load_field(id)
    values = {field: getattr(stored, field) for field in (*CUSTOMER_FIELD_RULES, "version")}
    return values | {"choices": "\n".join(stored.choices)}


@pages.post("/<uuid:id>/archive")
def archive(id: UUID) -> ResponseReturnValue:
    """Archive a field, so that it is no longer offered."""
    label = _load_field(id).label
    transaction(operations.archive, id, actor(), now())
    flash(Phrase("The field {label} was archived. Customers keep their values.", label=label), "success")
    return redirect(url_for("customer_fields.index"), 303)


@pages.post("/<uuid:id>/restore")
def restore(id: UUID) -> ResponseReturnValue:
    """Restore an archived field."""
    label = _load_field(id).label
    transaction(operations.restore, id, actor(), now())
    flash(Phrase("The field {label} was restored.", label=label), "success")
    return redirect(url_for("customer_fields.index"), 303)


def _load_field(id: UUID) -> CustomerField:
    return queries.customer_field(db.session(), id)
