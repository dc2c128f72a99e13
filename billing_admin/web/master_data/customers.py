"""Customers: the list, one customer with its balances, adding, editing, archiving."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast
from uuid import UUID

import wtforms
from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, FieldList, FormField, SelectField, ValidationError
from wtforms.widgets import EmailInput

from billing_admin.db import paging
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.billing_runs import PreparedDocument
from billing_admin.domain.customer_fields import COLUMN_PREFIX
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.explanation import computed_figures, explain
from billing_admin.domain.master_data import (
    CUSTOMER_RULES,
    MAX_ADDRESS_LENGTH,
    MAX_CUSTOM_LINES,
    MAX_LABEL_LENGTH,
    CustomerFields,
    check_fields,
)
from billing_admin.domain.parties import (
    E_INVOICE_FORMATS,
    LANGUAGES,
    MAX_CITY_LENGTH,
    MAX_IDENTIFIER_LENGTH,
    MAX_POSTCODE_LENGTH,
    PAPERS,
    RECIPIENT_ROLES,
    paper_of,
)
from billing_admin.domain.tax import TREATMENTS
from billing_admin.domain.translation import Phrase
from billing_admin.formats.addresses import print_address, print_delivery_address
from billing_admin.formats.code_lists import CodeList
from billing_admin.models import Customer, Organisation
from billing_admin.operations.master_data import customers as operations
from billing_admin.queries.billing.preview import BillingScope, current_invoice, load_documents
from billing_admin.queries.charges import charges, recurring_charges
from billing_admin.queries.charges.charges import ChargeFilter
from billing_admin.queries.invoices import invoices
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.invoices.readiness import customer_shortcomings
from billing_admin.queries.master_data import customers, organisation
from billing_admin.queries.master_data.contacts import contacts
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.queries.messages import messages
from billing_admin.queries.messages.messages import UNDELIVERED_SHOWN, MessageFilter
from billing_admin.queries.messages.reminder_pauses import current_pause
from billing_admin.queries.messages.statements import lacks_statement_recipient
from billing_admin.queries.payments import payments
from billing_admin.queries.payments.customer_balances import customer_balances
from billing_admin.queries.payments.payments import PaymentFilter
from billing_admin.web.charges.recurring_charges import template_helpers as recurring_words
from billing_admin.web.frame.currencies import currency_choices
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import (
    Form,
    MultilineField,
    NewIdField,
    ReferenceField,
    TextField,
    WholeNumberField,
    errors_on,
    render_form,
)
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise, rounding
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    currency_param,
    export_url,
    has_permission,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.lists import (
    CHARGES,
    CUSTOMERS,
    INVOICES,
    PAYMENTS,
    RECURRING_CHARGES,
    invoice_totals,
    payment_totals,
)
from billing_admin.web.frame.readiness import ShownShortcoming, show_shortcomings
from billing_admin.web.frame.signed_in import actor, current_organisation, now, today
from billing_admin.web.frame.tables import load_table
from billing_admin.web.master_data.customer_head import customer_head
from billing_admin.web.master_data.customer_values import (
    entered_values,
    form_with_values,
    offered_fields,
    shown_value,
    shown_values,
    stored_values,
    value_chips,
    value_fields,
    value_filter,
    value_names,
    with_value_columns,
)
from billing_admin.web.master_data.party_fields import country_choices, scheme_choices, scheme_name

WRITE = "customers:write"
ARCHIVED = {"": False, "archived": True, "all": None}
RECENT_ROWS = 5  # charges and invoices on the overview
MAX_PREVIEW_LINES = 12  # of the current invoice

pages = page_blueprint("customers", __name__, "/customers", write=WRITE)


class CustomLineForm(wtforms.Form):
    """A line on the customer's documents; a blank one is ignored."""

    label = TextField(Phrase("Label"), max_length=MAX_LABEL_LENGTH)
    value = TextField(Phrase("Value"))

    class Meta(Form.Meta):
        """CSRF is off: the form around it has the token."""

        csrf = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self:
            field.flags.optional = False  # a row is optional, not its parts


class CustomLinesField(FieldList):  # type: ignore[type-arg]  # WTForms generics exist only in its stubs
    """The lines on the customer's documents."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.type = "FieldList"  # the form macros select fields by type

    def lines(self) -> list[dict[str, str]]:
        """Return the lines entered."""
        return [row.data for row in self._rows()]

    def _rows(self) -> list[Any]:
        return [entry.form for entry in self if entry.form.label.data or entry.form.value.data]

    def validate(self, form: Any, extra_validators: Any = ()) -> bool:
        """Return whether the lines keep their rule; each problem is shown at its part."""
        super().validate(form, extra_validators)
        rows = self._rows()
        try:
            check_fields(CUSTOMER_RULES, {"custom_lines": self.lines()})
        except Invalid as error:
            for problem in error.problems:
                _, index, part = problem.field
                part_field = rows[int(index)][part]
                part_field.errors = part_field.errors or [problem.message]
        errors = [entry.form.errors for entry in self]
        self.errors = errors if any(errors) else []
        return not self.errors


class CustomerForm(Form):
    """Customer details; only name and currency are required.

    `form_with_values` adds a field for each customer field.
    """

    name = TextField(Phrase("Name"), blank_message=Phrase("Enter the customer's name."))
    currency = SelectField(Phrase("Currency"), choices=currency_choices)
    reference = ReferenceField(Phrase("Reference"))
    email = TextField(Phrase("E-mail address"), widget=EmailInput())
    street = TextField(Phrase("Street and number"))
    street2 = TextField(Phrase("Second line"))
    postcode = TextField(Phrase("Postcode"), max_length=MAX_POSTCODE_LENGTH)
    city = TextField(Phrase("City"), max_length=MAX_CITY_LENGTH)
    region = TextField(Phrase("Region or state"), max_length=MAX_CITY_LENGTH)
    country = SelectField(Phrase("Country"), choices=country_choices, default="")
    address = MultilineField(Phrase("Address as text"), max_length=MAX_ADDRESS_LENGTH, render_kw={"rows": 4})
    tax_treatment = SelectField(Phrase("Tax treatment"), choices=TREATMENTS, default="standard")
    tax_id = TextField(Phrase("Tax ID"))
    registration_id = TextField(Phrase("Registration number"), max_length=MAX_IDENTIFIER_LENGTH)
    registration_scheme = SelectField(
        Phrase("Scheme of the registration number"),
        choices=partial(scheme_choices, CodeList.REGISTRATION_SCHEMES),
        default="",
    )
    payment_terms_days = WholeNumberField(Phrase("Payment terms in days"))
    language = SelectField(Phrase("Language"), choices={"": Phrase("Default"), **LANGUAGES}, default="")
    paper = SelectField(Phrase("Paper"), choices={"": Phrase("By country"), **PAPERS}, default="")
    purchase_order = TextField(Phrase("Purchase order number"))
    contract = TextField(Phrase("Contract number"))
    e_invoice = SelectField(Phrase("E-invoice format"), choices=dict(E_INVOICE_FORMATS), default="none")
    buyer_reference = TextField(Phrase("Buyer reference"))
    electronic_address = TextField(Phrase("Electronic address"), max_length=MAX_IDENTIFIER_LENGTH)
    electronic_scheme = SelectField(
        Phrase("Scheme of the electronic address"),
        choices=partial(scheme_choices, CodeList.ELECTRONIC_SCHEMES),
        default="",
    )
    custom_lines = CustomLinesField(
        FormField(CustomLineForm),
        Phrase("Lines on documents"),
        min_entries=MAX_CUSTOM_LINES,
        max_entries=MAX_CUSTOM_LINES,
    )
    delivery_name = TextField(Phrase("Delivery name"))
    delivery_street = TextField(Phrase("Delivery street and number"))
    delivery_street2 = TextField(Phrase("Delivery second line"))
    delivery_postcode = TextField(Phrase("Delivery postcode"), max_length=MAX_POSTCODE_LENGTH)
    delivery_city = TextField(Phrase("Delivery city"), max_length=MAX_CITY_LENGTH)
    delivery_region = TextField(Phrase("Delivery region or state"), max_length=MAX_CITY_LENGTH)
    delivery_country = SelectField(Phrase("Delivery country"), choices=country_choices, default="")
    monthly_statements = BooleanField(Phrase("Send a statement each month"))
    notes = MultilineField(Phrase("Notes"), max_length=MAX_ADDRESS_LENGTH)

    def fields(self) -> CustomerFields:
        """Return the values entered.

        Without a reference the customer gets the next free one.
        """
        fields: dict[str, Any] = {field: self[field].data for field in CUSTOMER_RULES if field in self}
        fields["custom_lines"] = self.custom_lines.lines()
        fields["metadata"] = entered_values(self)
        if not self.reference.data:
            del fields["reference"]
        return cast("CustomerFields", fields)

    def is_used(self, *names: str) -> bool:
        """Return whether any of the fields has a value or an error.

        Such fields are shown unfolded.
        """
        return any(self[name].errors or (self[name].data not in {"", None}) for name in names)


class NewCustomerForm(CustomerForm):
    """Details of a new customer; `id` prevents a second customer on a double click."""

    id = NewIdField()


class EditCustomerForm(CustomerForm, EditForm):
    """Details of an existing customer, whose reference is required."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reference.flags.optional = False

    def validate_reference(self, field: ReferenceField) -> None:
        """Raise ValidationError if the reference is blank."""
        if not field.data and not field.errors:
            raise ValidationError(Phrase("Enter the customer's reference, such as C-0007."))


def read_filters() -> CustomerFilter:
    """Return the list filter in the URL."""
    return CustomerFilter(
        text_param("q"),
        currency_param(),
        ARCHIVED[choice_param("show", ARCHIVED)],
        value_filter(offered_fields()),
    )


def filter_chips(filters: CustomerFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter, except the default.

    The default selects objects in use.
    """
    show = {False: "", True: Phrase("Archived"), None: Phrase("All")}[filters.archived]
    return [
        *build_chips(("q", Phrase("Search"), filters.q), ("currency", Phrase("Currency"), filters.currency)),
        *value_chips(offered_fields(), filters.metadata),
        *build_chips(("show", Phrase("Show"), show)),
    ]


@pages.get("")
def index() -> ResponseReturnValue:
    """List customers by name, with balance and unbilled charges of each."""
    session = db.session()
    filters, fields = read_filters(), offered_fields()
    page = load_table(customers.customers_by_name(filters), with_value_columns(CUSTOMERS, fields))
    return render_template(
        "customers/list.html",
        page=page,
        cell_context={
            "balances": customer_balances(session, [customer.id for customer in page.rows], today()),
            "value_types": {COLUMN_PREFIX + field.key: field.type for field in fields},
            "shown_value": shown_value,
        },
        value_filters=[(field, text_param(COLUMN_PREFIX + field.key)) for field in fields],
        today=today(),
        summary=pluralise(customers.count_customers(session, filters), "customer"),
        filters=filters,
        chips=filter_chips(filters),
        show=choice_param("show", ARCHIVED),
        currencies=customers.account_currencies(session),
        clear_url=unfiltered_url(),
        export_url=export_url("exports.customer_files"),
        may_write=has_permission(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a customer; ask for confirmation if another customer has the same name."""
    form = form_with_values(NewCustomerForm, {})(currency=current_organisation().base_currency)
    namesake = None
    if form.validate_on_submit():
        namesake = customers.customer_of_same_name(db.session(), form.name.data, except_id=form.id.data)
        if namesake is None or request.form.get("anyway") == form.name.data:
            namesake = None
            with errors_on(form, value_names(form)):
                customer, is_new = transaction(operations.create, form.fields(), form.id.data, actor(), now())
                message = (
                    Phrase(
                        "{customer_name} was added as {customer_reference}.",
                        customer_name=customer.name,
                        customer_reference=customer.reference,
                    )
                    if is_new
                    else Phrase("{customer_name} was already added.", customer_name=customer.name)
                )
                flash(message, "success")
                _warn_of_missing_recipient(customer.id)
                return redirect(_url_after_adding(customer), 303)
    return _form_page(form, namesake=namesake), 422 if namesake or form.errors else 200


def _url_after_adding(customer: Customer) -> str:
    if request.form.get("then") == "charge":
        return url_for("charges.new", customer=customer.reference)
    return url_for("customers.show", id=customer.id)


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one customer: balances, current invoice, and recent charges and invoices."""
    session, day = db.session(), today()
    customer = _load_customer(id)
    head = customer_head(customer)
    current_invoices = load_documents(session, BillingScope(day, [id]))
    settings = organisation.organisation(session)
    undelivered = MessageFilter(customer=str(id), undelivered=True, from_=day - UNDELIVERED_SHOWN)
    return render_template(
        "customers/show.html",
        customer=customer,
        tab="overview",
        positions={
            balance.currency: balance.position
            for balance in head["balances"]
            if any(balance.position.open) or balance.position.unallocated
        },
        current_invoices=current_invoices,
        max_lines=MAX_PREVIEW_LINES,
        today=day,
        charges=paging.page(session, charges.charges(session, ChargeFilter(customer=str(id))), RECENT_ROWS).rows,
        invoices=paging.page(
            session, invoices.invoices(session, InvoiceFilter(day, customer=str(id))), RECENT_ROWS
        ).rows,
        contacts=contacts(session, id),
        own_values=shown_values(customer.own_values),
        messages=paging.page(session, messages.messages(session, MessageFilter(customer=str(id))), RECENT_ROWS).rows,
        undelivered=messages.count_messages(session, undelivered),
        undelivered_from=undelivered.from_,
        default_terms=settings.payment_terms_days,
        treatments=TREATMENTS,
        roles=RECIPIENT_ROLES,
        scheme_name=scheme_name,
        reminder_pause=current_pause(session, id),
        may_remind=has_permission("reminders:write"),
        **_document_settings(customer, settings),
        shortcomings=_shortcomings(customer, current_invoices),
        **head,
    )


def _shortcomings(customer: Customer, current_invoices: Sequence[PreparedDocument]) -> list[ShownShortcoming]:
    """Return all that the customer's documents lack.

    Warnings that the settings show are left out: those about the organisation, and about a bank account for the customer's
    usual currency.
    """
    id, usual_currency = customer.id, customer.currency
    shortcomings = [
        (document.document.currency, item) for document in current_invoices for item in document.shortcomings
    ]
    if not current_invoices:
        shortcomings = [(usual_currency, item) for item in customer_shortcomings(db.session(), id)]
    shown = show_shortcomings(
        (id, item)
        for currency, item in shortcomings
        if item.stops
        or item.page in {"customer", "exchange_rate"}
        or (item.page == "bank_account" and currency != usual_currency)
    )
    here, edit_url = url_for("customers.show", id=id), url_for("customers.edit", id=id) if has_permission(WRITE) else ""
    return [row._replace(label=Phrase("Edit the customer"), url=edit_url) if row.url == here else row for row in shown]


def _document_settings(customer: Customer, settings: Organisation) -> dict[str, str]:
    """Return the texts of a customer's settings for documents.

    Defaults stand for settings that the customer does not have.
    """
    language = customer.language or settings.language
    return {
        "printed_address": print_address(customer, language),
        "delivery_address": print_delivery_address(customer, language),
        "document_language": LANGUAGES[language],
        "paper": PAPERS[paper_of(customer.paper, customer.country, settings.paper)],
        "e_invoice": E_INVOICE_FORMATS[customer.e_invoice],
    }


@pages.get("/<uuid:id>/charges")
def charge_list(id: UUID) -> ResponseReturnValue:
    """List all charges of a customer, newest first."""
    session, customer = db.session(), _load_customer(id)
    page = load_table(charges.charges(session, ChargeFilter(customer=str(id))), CHARGES.without("customer"))
    return render_template(
        "customers/charges.html", customer=customer, tab="charges", page=page, **customer_head(customer)
    )


@pages.get("/<uuid:id>/recurring")
def recurring_list(id: UUID) -> ResponseReturnValue:
    """List all recurring charges of a customer, newest first."""
    session, customer = db.session(), _load_customer(id)
    filters = recurring_charges.RecurringFilter(today(), customer=str(id))
    page = load_table(recurring_charges.recurring_charges(session, filters), RECURRING_CHARGES.without("customer"))
    return render_template(
        "customers/recurring.html",
        customer=customer,
        tab="recurring",
        page=page,
        **recurring_words(page.rows),
        **customer_head(customer),
    )


@pages.get("/<uuid:id>/invoices")
def invoice_list(id: UUID) -> ResponseReturnValue:
    """List all invoices of a customer, newest first, with their sums."""
    session, customer, filters = db.session(), _load_customer(id), InvoiceFilter(today(), customer=str(id))
    return render_template(
        "customers/invoices.html",
        customer=customer,
        tab="invoices",
        page=load_table(invoices.invoices(session, filters), INVOICES.without("customer")),
        totals=invoice_totals(invoices.invoice_sums(session, filters)),
        today=filters.today,
        **customer_head(customer),
    )


@pages.get("/<uuid:id>/payments")
def payment_list(id: UUID) -> ResponseReturnValue:
    """List all payments of a customer, newest first, with their sums."""
    session, customer, filters = db.session(), _load_customer(id), PaymentFilter(customer=str(id))
    return render_template(
        "customers/payments.html",
        customer=customer,
        tab="payments",
        page=load_table(payments.payments(session, filters), PAYMENTS.without("customer")),
        totals=payment_totals(payments.payment_sums(session, filters)),
        **customer_head(customer),
    )


@pages.get("/<uuid:id>/current/<currency>")
def current(id: UUID, currency: str) -> ResponseReturnValue:
    """Show how the amounts of the current invoice are calculated."""
    customer, day = _load_customer(id), today()
    document = current_invoice(db.session(), id, currency, day)
    if document is None:
        raise NotFound(
            "no_charges",
            Phrase(
                "{customer_name} has no charges in {currency} to bill up to today.",
                customer_name=customer.name,
                currency=currency[:3],
            ),
            "currency",
        )
    return render_template(
        "customers/explain.html",
        customer=customer,
        explanation=explain(document, computed_figures(document)),
        today=day,
        rounding=rounding(currency),
        line_urls=[url_for("unbilled.show", customer_id=id, currency=currency)] * len(document.lines),
    )


def _warn_of_missing_recipient(id: UUID) -> None:
    """Warn if the customer wants monthly statements that nobody gets."""
    if lacks_statement_recipient(db.session(), id):
        flash(
            Phrase("No contact gets statements, so none will be sent each month. Choose To for a contact."), "warning"
        )


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Edit a customer; when other values were saved meanwhile, show both."""
    form = _edit_form(_load_customer(id))
    if form.validate_on_submit():
        with errors_on(form, value_names(form)):
            customer = save(form, lambda: _stored_form(id), operations.update, id, form.fields())
            flash(Phrase("{customer_name} was saved.", customer_name=customer.name), "success")
            _warn_of_missing_recipient(id)
            return redirect(url_for("customers.show", id=id), 303)
    return _form_page(form, customer=_load_customer(id)), 422 if form.errors else 200


def _stored_form(id: UUID) -> EditCustomerForm:
    return _edit_form(_load_customer(id), formdata=None)


def _edit_form(customer: Customer, **options: Any) -> EditCustomerForm:
    form = form_with_values(EditCustomerForm, customer.own_values)
    return form(obj=customer, **stored_values(customer.own_values), **options)


@pages.route("/<uuid:id>/archive", methods=["GET", "POST"])
def archive(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then archive the customer."""
    customer, form = _load_customer(id), Form()
    name = customer.name
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.archive, id, actor(), now())
            flash(Phrase("{name} was archived.", name=name), "success")
            return redirect(url_for("customers.show", id=id), 303)
    return render_form("customers/archive.html", form, customer=customer)


@pages.post("/<uuid:id>/restore")
def restore(id: UUID) -> ResponseReturnValue:
    """Restore an archived customer."""
    name = _load_customer(id).name
    transaction(operations.restore, id, actor(), now())
    flash(Phrase("{name} was restored.", name=name), "success")
    return redirect(url_for("customers.show", id=id), 303)


@pages.get("/<name:reference>")
def by_reference(reference: str) -> ResponseReturnValue:
    """Redirect to the customer with this reference, which may contain any characters."""
    return redirect(url_for("customers.show", id=customers.customer(db.session(), reference).id), 303)


def _load_customer(id: UUID) -> Customer:
    return customers.customer(db.session(), str(id))


def _form_page(form: Form, customer: Customer | None = None, **context: Any) -> str:
    settings = organisation.organisation(db.session())
    context = {"namesake": None} | context
    return render_template(
        "customers/form.html",
        form=form,
        customer=customer,
        value_fields=value_fields(form),
        default_terms=settings.payment_terms_days,
        default_language=LANGUAGES[settings.language],
        **context,
    )
