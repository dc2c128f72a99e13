"""The confirmation of an identity, before acts that give access or move money.

The person confirms again when their last confirmation or sign-in is older than ten minutes, by their password or at the
identity provider. The form that they sent is kept.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from wtforms import Field

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.sign_in import is_recently_confirmed
from billing_admin.domain.translation import Phrase
from billing_admin.operations.access import users
from billing_admin.queries.access.users import credentials, has_password, is_sign_in_throttled
from billing_admin.web.access.forms import TOO_MANY_ATTEMPTS, refuse_throttled
from billing_admin.web.access.provider_confirmation import confirming_provider
from billing_admin.web.access.sign_in import CONFIRMED_ELSEWHERE, NOT_KEPT, client_network
from billing_admin.web.frame.forms import Form, PasswordField, errors_on
from billing_admin.web.frame.local_urls import referring_url
from billing_admin.web.frame.signed_in import actor, now, renew_session, signed_in_person

View = Callable[..., ResponseReturnValue]


class ConfirmationForm(Form):
    """The person's current password; its name is that of no field of another form."""

    confirmation_password = PasswordField(
        Phrase("Your password"),
        blank_message=Phrase("Enter your password."),
        render_kw={"autocomplete": "current-password"},
    )


def recent_sign_in(view: View) -> View:
    """Require a recent confirmation of the person's identity for each form of a view.

    Place this decorator directly above the view.
    """

    @wraps(view)
    def confirmed_view(*args: Any, **kwargs: Any) -> ResponseReturnValue:
        page = confirmation_page() if request.method == "POST" else None
        return view(*args, **kwargs) if page is None else page

    confirmed_view.needs_recent_sign_in = True  # type: ignore[attr-defined]
    return confirmed_view


def confirmation_page() -> ResponseReturnValue | None:
    """Return the page that asks for a confirmation, or None if none is needed.

    None is needed if the person confirmed within the last ten minutes, or with this request. The page sends the fields of
    this request again, together with the confirmation.
    """
    person = signed_in_person()
    if is_recently_confirmed(person.confirmed_at, now()):
        return None
    if not has_password(db.session(), person.id):
        return _page_without_password()
    is_answer = "confirmation_password" in request.form
    form = ConfirmationForm() if is_answer else ConfirmationForm(formdata=None)
    if is_answer and is_sign_in_throttled(db.session(), person.email, client_network(), now()):
        form.form_errors.append(TOO_MANY_ATTEMPTS)
        return refuse_throttled(_page(form))
    if is_answer and form.validate() and confirm_identity(form):
        return None
    return _page(form)


def confirm_identity(form: ConfirmationForm) -> bool:
    """Check the password in a form, and renew the session if it is right.

    `provider_confirmation` has the other way to confirm.
    """
    person = signed_in_person()
    field: Field = form.confirmation_password
    verified = users.verify_password(credentials(db.session(), person.email), field.data)
    with errors_on(form):
        token = transaction(users.confirm_identity, person.token, verified, client_network(), actor(), now())
        if token is not None:
            renew_session(token)
            return True
        field.errors = [Phrase("This is not your current password. Check it and try again.")]
    return False


def _page_without_password() -> ResponseReturnValue:
    """Return the page for a person who can confirm at the identity provider alone."""
    form = ConfirmationForm(formdata=None)
    del form.confirmation_password
    if CONFIRMED_ELSEWHERE in request.form:
        form.form_errors.append(Phrase("Your identity is not confirmed yet. Do so in the new window, then continue."))
    return _page(form)


def _page(form: ConfirmationForm) -> ResponseReturnValue:
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in NOT_KEPT]
    page = render_template(
        "account/confirm.html",
        form=form,
        fields=fields,
        provider_name=confirming_provider(),
        cancel_url=referring_url(),
    )
    return page, HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.UNAUTHORIZED
