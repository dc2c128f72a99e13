"""The contacts of a customer: added, changed and removed."""

from typing import cast
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.widgets import EmailInput

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.master_data import CONTACT_DEFAULTS, CONTACT_RULES, ContactFields
from billing_admin.domain.parties import RECIPIENT_ROLES
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer
from billing_admin.operations.master_data import contacts as operations
from billing_admin.queries.master_data.contacts import contact
from billing_admin.queries.master_data.customers import customer
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import actor, now

pages = page_blueprint("contacts", __name__, "/customers/<uuid:customer_id>/contacts", write="customers:write")


class ContactForm(Form):
    """A contact, and how it gets each kind of document."""

    name = TextField(Phrase("Name"))
    email = TextField(
        Phrase("E-mail address"), blank_message=Phrase("Enter the contact's e-mail address."), widget=EmailInput()
    )
    invoices = SelectField(
        Phrase("Invoices and credit notes"), choices=dict(RECIPIENT_ROLES), default=CONTACT_DEFAULTS["invoices"]
    )
    reminders = SelectField(Phrase("Reminders"), choices=dict(RECIPIENT_ROLES), default=CONTACT_DEFAULTS["reminders"])
    statements = SelectField(
        Phrase("Statements"), choices=dict(RECIPIENT_ROLES), default=CONTACT_DEFAULTS["statements"]
    )

    def fields(self) -> ContactFields:
        """Return the values entered."""
        return cast("ContactFields", {field: self[field].data for field in CONTACT_RULES})


class NewContactForm(ContactForm):
    """A new contact; `id` prevents a second contact on a double click."""

    id = NewIdField()


class EditContactForm(ContactForm, EditForm):
    """An existing contact."""


@pages.route("/new", methods=["GET", "POST"])
def new(customer_id: UUID) -> ResponseReturnValue:
    """Add a contact."""
    owner, form = _load_customer(customer_id), NewContactForm()
    if form.validate_on_submit():
        with errors_on(form):
            row, _ = transaction(operations.create, customer_id, form.fields(), form.id.data, actor(), now())
            flash(Phrase("{email} was added.", email=row.email), "success")
            return redirect(_customer_url(customer_id), 303)
    return render_form("customers/contact.html", form, customer=owner, contact=None)


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(customer_id: UUID, id: UUID) -> ResponseReturnValue:
    """Edit a contact; when other values were saved meanwhile, show both."""
    owner, row = _load_customer(customer_id), contact(db.session(), customer_id, id)
    form = EditContactForm(obj=row)
    if form.validate_on_submit():
        with errors_on(form):
            row = save(form, lambda: _stored_form(customer_id, id), operations.update, id, form.fields())
            flash(Phrase("{email} was saved.", email=row.email), "success")
            return redirect(_customer_url(customer_id), 303)
        owner, row = _load_customer(customer_id), contact(db.session(), customer_id, id)
    return render_form("customers/contact.html", form, customer=owner, contact=row)


def _stored_form(customer_id: UUID, id: UUID) -> EditContactForm:
    return EditContactForm(formdata=None, obj=contact(db.session(), customer_id, id))


@pages.route("/<uuid:id>/remove", methods=["GET", "POST"])
def remove(customer_id: UUID, id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then remove the contact."""
    owner, row, form = _load_customer(customer_id), contact(db.session(), customer_id, id), Form()
    email = row.email
    if form.validate_on_submit():
        transaction(operations.remove, id, actor(), now())
        flash(Phrase("{email} was removed.", email=email), "success")
        return redirect(_customer_url(customer_id), 303)
    return render_template("customers/remove_contact.html", form=form, customer=owner, contact=row)


def _load_customer(id: UUID) -> Customer:
    return customer(db.session(), str(id))


def _customer_url(id: UUID) -> str:
    return url_for("customers.show", id=id)
