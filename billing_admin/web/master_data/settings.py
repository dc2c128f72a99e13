"""Settings: the organisation in sections, its logo, and the list of tax rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Response, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, FileField, SelectField
from wtforms.widgets import EmailInput

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.days import DateOrder
from billing_admin.domain.master_data import MAX_ADDRESS_LENGTH, MAX_NOTE_LENGTH, OrganisationFields
from billing_admin.domain.number_format import NumberFormat
from billing_admin.domain.parties import LANGUAGES, MAX_CITY_LENGTH, MAX_IDENTIFIER_LENGTH, MAX_POSTCODE_LENGTH, PAPERS
from billing_admin.domain.tax import percent_on
from billing_admin.domain.translation import Phrase
from billing_admin.domain.usual_formats import time_zone_choices
from billing_admin.formats.addresses import print_address
from billing_admin.formats.code_lists import CodeList
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.logo import MAX_LOGO_BYTES, check_logo
from billing_admin.http.body_limits import KIB, MIB, BodyLimit, body_limit
from billing_admin.http.security import SANDBOX
from billing_admin.operations.invoices.sample import sample_pdf
from billing_admin.operations.master_data import logos, organisation as operations
from billing_admin.queries.access.roles import roles_in_use
from billing_admin.queries.access.tokens import token_state, tokens
from billing_admin.queries.access.users import people
from billing_admin.queries.invoices.numbers import next_number
from billing_admin.queries.invoices.readiness import organisation_shortcomings
from billing_admin.queries.master_data import bank_accounts, exchange_rates, organisation as queries
from billing_admin.queries.master_data.customer_fields import fields_in_use
from billing_admin.queries.master_data.logos import current_logo, stored_logo
from billing_admin.queries.messages.texts import texts_in_use
from billing_admin.queries.webhooks.endpoints import endpoints
from billing_admin.web.frame.currencies import currency_choices
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import Form, MultilineField, TextField, WholeNumberField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise, tax_rate as rate_words
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.readiness import show_organisation_shortcomings
from billing_admin.web.frame.signed_in import actor, current_organisation, now, today
from billing_admin.web.master_data.bank_accounts import account_number
from billing_admin.web.master_data.party_fields import country_choices, scheme_choices, scheme_name
from billing_admin.web.master_data.tax_rates import CATEGORIES, VatexField, vatex_suggestions
from billing_admin.web.messages.mail_settings import mail_summary

WRITE = "settings:write"
LOGO_UPLOAD = BodyLimit(MIB, fields=5)  # larger than a logo may be, so that a large one is refused at its field

pages = page_blueprint("settings", __name__, "/settings", write=WRITE)


class SectionForm(EditForm):
    """One section of the settings, which is saved on its own."""

    def fields(self) -> OrganisationFields:
        """Return the values entered."""
        return {name: value for name, value in self.data.items() if name not in {"version", "csrf_token"}}  # type: ignore[return-value]  # the form's fields are named as the organisation's


class OrganisationForm(SectionForm):
    """The seller: name, address, registration and contact."""

    legal_name = TextField(Phrase("Legal name"), blank_message=Phrase("Enter the legal name of your organisation."))
    street = TextField(Phrase("Street and number"))
    street2 = TextField(Phrase("Second line"))
    postcode = TextField(Phrase("Postcode"), max_length=MAX_POSTCODE_LENGTH)
    city = TextField(Phrase("City"), max_length=MAX_CITY_LENGTH)
    region = TextField(Phrase("Region or state"), max_length=MAX_CITY_LENGTH)
    country = SelectField(Phrase("Country"), choices=country_choices, default="")
    address = MultilineField(Phrase("Address as text"), max_length=MAX_ADDRESS_LENGTH, render_kw={"rows": 4})
    email = TextField(Phrase("E-mail address"), widget=EmailInput())
    contact_name = TextField(Phrase("Contact person"))
    contact_phone = TextField(Phrase("Contact phone"))
    contact_email = TextField(Phrase("Contact e-mail address"), widget=EmailInput())
    registration_id = TextField(Phrase("Registration number"), max_length=MAX_IDENTIFIER_LENGTH)
    registration_scheme = SelectField(
        Phrase("Scheme of the registration number"),
        choices=partial(scheme_choices, CodeList.REGISTRATION_SCHEMES),
        default="",
    )
    legal_info = MultilineField(Phrase("Legal information"), max_length=MAX_ADDRESS_LENGTH, render_kw={"rows": 3})
    electronic_address = TextField(Phrase("Electronic address"), max_length=MAX_IDENTIFIER_LENGTH)
    electronic_scheme = SelectField(
        Phrase("Scheme of the electronic address"),
        choices=partial(scheme_choices, CodeList.ELECTRONIC_SCHEMES),
        default="",
    )


class TaxForm(SectionForm):
    """Tax numbers, and the reasons that documents without tax show."""

    tax_id = TextField(Phrase("Tax ID"))
    tax_number = TextField(Phrase("Tax number"))
    default_tax_rate = SelectField(Phrase("Default tax rate"))
    exempt_note = TextField(
        Phrase("For exempt customers"), blank_message=Phrase("Enter the reason to print on invoices.")
    )
    exempt_vatex = VatexField(Phrase("VATEX code for exempt customers"))
    reverse_charge_note = TextField(
        Phrase("For reverse charge"), blank_message=Phrase("Enter the reason to print on invoices.")
    )
    export_note = TextField(Phrase("For exports"), blank_message=Phrase("Enter the reason to print on invoices."))
    intra_community_note = TextField(
        Phrase("For intra-community supplies"), blank_message=Phrase("Enter the reason to print on invoices.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rates = queries.tax_rates(db.session())
        self.default_tax_rate.choices = {rate.code: rate_words(rate, today()) for rate in rates}


class DocumentsForm(SectionForm):
    """Texts and layout of documents."""

    payment_terms_days = WholeNumberField(
        Phrase("Payment terms"), blank_message=Phrase("Enter the days that customers have to pay, such as 30.")
    )
    terms = MultilineField(Phrase("Terms"), max_length=MAX_NOTE_LENGTH, render_kw={"rows": 3})
    invoice_footer = MultilineField(Phrase("Invoice footer"), max_length=MAX_ADDRESS_LENGTH)
    language = SelectField(Phrase("Language"), choices=dict(LANGUAGES))
    paper = SelectField(Phrase("Paper"), choices=dict(PAPERS))
    accent = TextField(Phrase("Accent colour"))
    attach_pdf = BooleanField(Phrase("Attach the PDF to messages with an XML e-invoice"))
    requires_complete_details = BooleanField(Phrase("Require complete details"))


class NumbersForm(SectionForm):
    """Number series, time zone and currency, and the formats of numbers and days."""

    invoice_format = TextField(
        Phrase("Invoice number format"), blank_message=Phrase("Enter a format, such as INV-{year}-{number:5}.")
    )
    credit_note_format = TextField(
        Phrase("Credit note number format"), blank_message=Phrase("Enter a format, such as CN-{year}-{number:5}.")
    )
    number_format = SelectField(
        Phrase("Number format"), choices={sample.value: sample.value for sample in NumberFormat}
    )
    date_order = SelectField(Phrase("Date order"), choices={order.value: order.label for order in DateOrder})
    time_zone = SelectField(Phrase("Time zone"))
    base_currency = SelectField(Phrase("Base currency"), choices=currency_choices)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.time_zone.choices = time_zone_choices(current_organisation().time_zone)
        if queries.currency_is_locked(db.session()):
            del self.base_currency


class ChargesForm(SectionForm):
    """The treatment of charges and of credit."""

    hold_likely_duplicates = BooleanField(Phrase("Hold likely duplicates for review"))
    applies_credit = BooleanField(Phrase("Pay new invoices from the customer's credit"))


class LogoForm(Form):
    """A logo to upload."""

    file = FileField(Phrase("PNG or SVG file"))


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the settings: its title, its form and its group."""

    title: str
    form: type[SectionForm]
    group: str


# By the last part of the URL, which names the template as well.
SECTIONS: Mapping[str, Section] = {
    "organisation": Section(Phrase("Organisation"), OrganisationForm, "organisation"),
    "tax": Section(Phrase("Tax"), TaxForm, "tax"),
    "documents": Section(Phrase("Documents"), DocumentsForm, "documents"),
    "numbers": Section(Phrase("Numbers and formats"), NumbersForm, "documents"),
    "charges": Section(Phrase("Charges and credit"), ChargesForm, "billing"),
}


@pages.get("")
def index() -> ResponseReturnValue:
    """Show the settings in groups, each with its state."""
    session = db.session()
    rates, settings = queries.tax_rates(session), queries.organisation(session)
    return render_template(
        "settings/show.html",
        settings=settings,
        printed_address=print_address(settings, settings.language),
        languages=LANGUAGES,
        papers=PAPERS,
        scheme_name=scheme_name,
        logo=current_logo(session),
        accounts=[
            (account.currency, account_number(account))
            for account in bank_accounts.bank_accounts(session)
            if account.is_default
        ],
        customer_fields=[field.label for field in fields_in_use(session)],
        mail=mail_summary(current_app.extensions["billing_settings"]),
        own_texts=sum(text.is_own for text in texts_in_use(session)),
        latest_rates=exchange_rates.latest_rate_day(session, settings.base_currency),
        date_order=current_organisation().date_order.label,
        rates=rates,
        categories=CATEGORIES,
        percents={rate.id: percent_on(today(), rate.percent, rate.changes) for rate in rates},
        **_next_numbers(),
        shortcomings=show_organisation_shortcomings(organisation_shortcomings(session)),
        access=_access_states(),
        may_write=has_permission(WRITE),
        may_lock=has_permission("periods:write"),
        may_edit_journal=has_permission("journal:write"),
    )


def _access_states() -> list[tuple[str, str, str]]:
    """Return title, state and URL of the pages about access that the person may open."""
    session = db.session()
    states: list[tuple[str, str, str]] = [
        (
            Phrase("Your settings"),
            Phrase("Language, theme, density of tables and password, for you alone."),
            url_for("account.settings"),
        )
    ]
    if has_permission("access:read"):
        count = sum(person.active for person in people(session))
        states.append((Phrase("People"), pluralise(count, "active person"), url_for("users.index")))
        count = len(roles_in_use(session))
        states.append((Phrase("Roles"), pluralise(count, "role"), url_for("roles.index")))
        count = sum(token_state(token, now()) == "active" for token in tokens(session))
        states.append((Phrase("API tokens"), pluralise(count, "active token"), url_for("tokens.index")))
    if has_permission("webhooks:write"):
        count = len(endpoints(session))
        states.append((Phrase("Webhooks"), pluralise(count, "endpoint"), url_for("webhooks.index")))
    return states


@pages.route("/organisation", defaults={"section": "organisation"}, methods=["GET", "POST"])
@pages.route("/<any('tax', 'documents', 'numbers', 'charges'):section>", methods=["GET", "POST"])
def edit(section: str) -> ResponseReturnValue:
    """Edit a section of the settings; issued documents do not change."""
    form_type = SECTIONS[section].form
    form = form_type(data=_stored_values())
    if form.validate_on_submit():
        with errors_on(form):
            save(form, lambda: form_type(formdata=None, data=_stored_values()), operations.update, form.fields())
            flash(Phrase("The settings were saved. They apply to future invoices."), "success")
            return redirect(url_for("settings.index", _anchor=section), 303)
    return render_form(
        "settings/form.html",
        form,
        section=section,
        title=SECTIONS[section].title,
        group=SECTIONS[section].group,
        base_currency=queries.organisation(db.session()).base_currency,
        vatex=vatex_suggestions() if section == "tax" else [],
        **_next_numbers(),
    )


def _refuse_large_logo() -> str:
    """Return the page of the logo for a file that is too large to be read."""
    form = LogoForm(formdata=None)
    form.file.errors = [Phrase("Use a file of at most {max_logo_bytes} KB.", max_logo_bytes=MAX_LOGO_BYTES // KIB)]
    return _logo_page(form)


def _logo_page(form: LogoForm) -> str:
    logo = current_logo(db.session())
    return render_template("settings/logo.html", form=form, logo=logo, max_kilobytes=MAX_LOGO_BYTES // KIB)


@pages.route("/logo", methods=["GET", "POST"])
@body_limit(LOGO_UPLOAD, _refuse_large_logo)
def edit_logo() -> ResponseReturnValue:
    """Show the logo, and replace it by an uploaded file."""
    form = LogoForm()
    if form.validate_on_submit():
        with errors_on(form):
            upload = request.files.get("file")
            file = check_logo(upload.stream.read() if upload else b"")
            transaction(logos.set_logo, file, actor(), now())
            flash(Phrase("The logo was saved. Documents that you issue from now on show it."), "success")
            return redirect(url_for("settings.edit_logo"), 303)
    return _logo_page(form), 422 if form.errors else 200


@pages.route("/logo/remove", methods=["GET", "POST"])
def remove_logo() -> ResponseReturnValue:
    """Ask for confirmation, then remove the logo; issued documents keep it."""
    form = Form()
    if form.validate_on_submit():
        if transaction(logos.remove_logo, actor(), now()):
            flash(Phrase("The logo was removed. Issued documents keep it."), "success")
        return redirect(url_for("settings.edit_logo"), 303)
    return render_template("settings/remove_logo.html", form=form)


@pages.get("/sample.pdf")
def sample() -> ResponseReturnValue:
    """Send a sample invoice with the current settings; nothing is stored."""
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    headers = {"Content-Disposition": 'inline; filename="sample.pdf"'}
    return Response(sample_pdf(db.session(), glyphs, now()), content_type="application/pdf", headers=headers)


@pages.get("/logos/<sha256>")
def logo(sha256: str) -> ResponseReturnValue:
    """Send a stored logo, which can neither run nor load anything."""
    stored = stored_logo(db.session(), sha256)
    return Response(stored.data, content_type=stored.media_type, headers=SANDBOX)


def _next_numbers() -> dict[str, str]:
    session, day = db.session(), today()
    return {
        "next_number": next_number(session, day),
        "next_credit_note": next_number(session, day, "credit_note"),
    }


def _stored_values() -> dict[str, Any]:
    organisation = queries.organisation(db.session())
    return {name: getattr(organisation, name) for name in (*operations.FIELDS, "version")} | {
        "default_tax_rate": organisation.default_tax_rate.code
    }
