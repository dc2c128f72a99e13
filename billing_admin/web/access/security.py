"""Security of the signed-in person: authenticator app and recovery codes.

A person who must have a second factor first sees nothing but the page that sets up the app.
"""

import base64
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import Field, HiddenField

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.authenticator import authenticator_secret, secret_text, set_up_uri
from billing_admin.domain.translation import Phrase
from billing_admin.formats.qr_code import qr_code_url
from billing_admin.operations.access import second_factors as operations
from billing_admin.operations.access.second_factors import CodeAttempt
from billing_admin.queries.access.second_factors import (
    SecondFactors,
    passkeys_of,
    requires_second_factor,
    second_factors,
)
from billing_admin.queries.access.users import has_password, is_sign_in_throttled
from billing_admin.web.access.confirmation import recent_sign_in
from billing_admin.web.access.forms import TOO_MANY_ATTEMPTS, WRONG_CODE, CodeField, ContinuingForm, refuse_throttled
from billing_admin.web.access.provider_confirmation import confirming_provider
from billing_admin.web.access.second_step import typed_code
from billing_admin.web.access.sign_in import client_network
from billing_admin.web.frame.forms import Form, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.local_urls import safe_local_url
from billing_admin.web.frame.signed_in import actor, current_organisation, now, signed_in_person

WRITE = "password:write"
MAX_SALT_LENGTH = 64
Result = TypeVar("Result")

pages = page_blueprint("security", __name__, "/account/security", write=WRITE, read=WRITE)


class CurrentCodeForm(Form):
    """A current code, which changes of second factors need."""

    current_code = CodeField(Phrase("Current code"), Phrase("Enter the code that your app shows, or a recovery code."))


class SaltField(HiddenField):
    """The salt of a new app; another one if it is missing or too long."""

    data: str

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default=operations.generate_salt, **kwargs)
        self.type = "HiddenField"  # the macros skip hidden fields by their type

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Take the salt that was sent."""
        sent = valuelist[0] if valuelist else ""
        self.data = sent if 0 < len(sent) <= MAX_SALT_LENGTH else operations.generate_salt()


class NewAppForm(ContinuingForm, CurrentCodeForm):
    """The code of a new app. `salt` is that of its secret; it reveals nothing."""

    salt = SaltField()
    code = CodeField(Phrase("Code of the new app"), Phrase("Enter the code that your app shows for this account."))


@pages.get("")
def index() -> ResponseReturnValue:
    """Show how the person signs in."""
    person = signed_in_person()
    return render_template(
        "security/show.html",
        factors=_factors(),
        is_required=requires_second_factor(db.session()),
        passkeys=passkeys_of(db.session(), person.id),
        email=person.email,
        has_password=has_password(db.session(), person.id),
        provider_name=confirming_provider(),
    )


@pages.route("/authenticator", methods=["GET", "POST"])
@recent_sign_in
def authenticator() -> ResponseReturnValue:
    """Set up an authenticator app, or replace it, and show new recovery codes once."""
    form, person, factors = NewAppForm(next=request.args.get("next")), signed_in_person(), _factors()
    if not factors:
        del form.current_code
    if form.validate_on_submit():
        with errors_on(form):
            codes = act_with_code(
                form.current_code if factors else None,
                lambda current: transaction(
                    operations.set_up_authenticator,
                    *(form.salt.data, form.code.data, current, person.session_id, actor(), now()),
                ),
            )
            if codes:
                return codes_page(codes, safe_local_url(form.next.data) if form.next.data else None)
    return _app_page(form, factors)


@pages.route("/authenticator/remove", methods=["GET", "POST"])
@recent_sign_in
def remove_authenticator() -> ResponseReturnValue:
    """Remove the authenticator app."""
    form, person = CurrentCodeForm(), signed_in_person()
    if not _factors():
        return redirect(url_for("security.index"), 303)
    if form.validate_on_submit() and act_with_code(
        form.current_code,
        lambda current: transaction(operations.remove_authenticator, current, person.session_id, actor(), now()),
    ):
        flash(Phrase("Your authenticator app was removed. You were signed out on all other devices."), "success")
        return redirect(url_for("security.index"), 303)
    return answer("security/remove_app.html", form)


@pages.route("/recovery-codes", methods=["GET", "POST"])
@recent_sign_in
def recovery_codes() -> ResponseReturnValue:
    """Replace the recovery codes and show the new ones once."""
    form, person = CurrentCodeForm(), signed_in_person()
    if not _factors():
        return redirect(url_for("security.index"), 303)
    if form.validate_on_submit():
        codes = act_with_code(
            form.current_code,
            lambda current: transaction(operations.renew_recovery_codes, current, person.session_id, actor(), now()),
        )
        if codes:
            return codes_page(codes, None)
    return answer("security/new_codes.html", form)


def _factors() -> SecondFactors:
    return second_factors(db.session(), signed_in_person().id)


def act_with_code(field: Field | None, act: Callable[[CodeAttempt], Result]) -> Result | None:
    """Return the result of an act that needs the current code in a field.

    The field gets an error if the code is wrong or attempts are throttled; without a field, no code is needed.
    """
    if field is None:
        return act(typed_code(""))
    if is_sign_in_throttled(db.session(), signed_in_person().email, client_network(), now()):
        field.errors = [TOO_MANY_ATTEMPTS]
        return None
    result = act(typed_code(field.data))
    if not result:
        field.errors = [WRONG_CODE]
    return result


def answer(template: str, form: Form, **context: object) -> ResponseReturnValue:
    """Return a page with a form; 429 if attempts are throttled."""
    page = render_form(template, form, **context)
    is_throttled = any(TOO_MANY_ATTEMPTS in field.errors for field in form)
    return refuse_throttled(page) if is_throttled else page


def _app_page(form: NewAppForm, factors: SecondFactors) -> ResponseReturnValue:
    """Return the page with the QR code and the form for the first code."""
    person = signed_in_person()
    secret = authenticator_secret(typed_code("").key, person.id, form.salt.data)
    return answer(
        "security/app.html" if not person.must_set_up_second_factor else "security/first_app.html",
        form,
        qr_code=qr_code_url(set_up_uri(secret, person.email, current_organisation().name or "billing-admin")),
        secret=secret_text(secret),
        factors=factors,
    )


def codes_page(codes: Sequence[str], next_url: str | None) -> ResponseReturnValue:
    """Return the page that shows new recovery codes, once."""
    text = "".join(f"{code}\r\n" for code in codes)
    page = render_template(
        "security/codes.html",
        codes=codes,
        file_url="data:text/plain;base64," + base64.b64encode(text.encode()).decode(),
        next_url=next_url or url_for("security.index"),
    )
    return page, HTTPStatus.CREATED
