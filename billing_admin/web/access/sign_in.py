"""Signing in and out.

A form sent after its session expired is kept and can be sent again.
"""

import json
from http import HTTPStatus
from typing import Final

import structlog
from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, TimestampSigner
from werkzeug.exceptions import RequestEntityTooLarge
from wtforms.widgets import EmailInput

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.sign_in import LONGEST_EMAIL, PendingSignIn, attempt_network, fold_email
from billing_admin.domain.translation import Phrase
from billing_admin.http.body_limits import KIB, BodyLimit, body_limit, open_body
from billing_admin.http.callers import describe_request
from billing_admin.http.request_ids import request_id
from billing_admin.http.security import csrf
from billing_admin.operations.access import users
from billing_admin.queries.access.set_up import has_people
from billing_admin.queries.access.users import credentials, is_sign_in_throttled
from billing_admin.web.access.ceremonies import passkey_options
from billing_admin.web.access.forms import (
    TOO_MANY_ATTEMPTS,
    CodeForm,
    ContinuingForm,
    PasswordForm,
    refuse_throttled,
    render_password_form,
)
from billing_admin.web.access.identity_provider import identity_provider, provider_name
from billing_admin.web.access.pending import keep_pending
from billing_admin.web.frame.forms import PasswordField, TextField
from billing_admin.web.frame.local_urls import referring_url, requested_url, safe_local_url
from billing_admin.web.frame.signed_in import begin_session, current_person, end_session, now, session_has_expired

MAX_KEPT = 100_000
MAX_SENT = 3 * MAX_KEPT  # bytes: form encoding uses at most three for a character of the kept text
BODY = BodyLimit(MAX_SENT + 64 * KIB, fields=20)
CONFIRMED_ELSEWHERE = "confirmed_elsewhere"  # the field that continues after a confirmation in another window
SIGNED_OUT: Final = "single-sign-on"  # the signed text in `signed_out` of the sign-in page
SIGNED_OUT_SECONDS: Final = 600  # for which the page then offers to sign out at the provider as well
NOT_KEPT = frozenset({"csrf_token", "confirmation_password", CONFIRMED_ELSEWHERE})  # fields of a kept form
WRONG_CREDENTIALS = Phrase("The e-mail address and the password do not match an account. Check both and try again.")

pages = Blueprint("sign_in", __name__)
_log = structlog.get_logger(__name__)


class AccountEmailField(TextField):
    """The e-mail address of an account, in the spelling typed."""

    def parse(self, typed: str) -> str:
        """Return the typed text.

        Raises:
            Invalid: Its folded form is too long for an address.
        """
        fold_email(super().parse(typed))
        return typed


class SignInForm(ContinuingForm):
    """E-mail address and password."""

    email = AccountEmailField(
        Phrase("E-mail address"),
        blank_message=Phrase("Enter your e-mail address."),
        max_length=LONGEST_EMAIL,
        widget=EmailInput(),
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        Phrase("Password"), blank_message=Phrase("Enter your password."), render_kw={"autocomplete": "current-password"}
    )


@pages.route("/sign-in", methods=["GET", "POST"])
@body_limit(BODY)
def sign_in() -> ResponseReturnValue:
    """Sign in, then redirect to the page that was requested."""
    form = SignInForm(next=request.args.get("next"))
    if form.validate_on_submit():
        if is_sign_in_throttled(db.session(), form.email.data, client_network(), now()):
            form.form_errors.append(TOO_MANY_ATTEMPTS)
            return refuse_throttled(_sign_in_page(form, HTTPStatus.TOO_MANY_REQUESTS))
        token = _open_session(form.email.data, form.password.data)
        if isinstance(token, PendingSignIn):
            keep_pending(token, now())
            code_form = CodeForm(formdata=None, next=form.next.data, saved_form=form.saved_form.data)
            return render_template("sign_in/code.html", form=code_form, passkey_options=passkey_options())
        if token is not None:
            begin_session(token)
            person = current_person()
            if person is not None and person.password_temporary and form.saved_form.data:
                password_form = PasswordForm(formdata=None, next=form.next.data, saved_form=form.saved_form.data)
                return render_password_form(password_form, person)
            return form.continue_to_request()
        _log.warning("sign_in_failed", **describe_request())  # without the address typed, which may be a password
        form.form_errors.append(WRONG_CREDENTIALS)
    elif current_person() is not None:
        return redirect(safe_local_url(form.next.data), 303)
    return _sign_in_page(form, HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK)


@pages.post("/sign-out")
@body_limit(BodyLimit(16 * KIB, fields=20))
def sign_out() -> ResponseReturnValue:
    """Sign out, and have the browser clear cookies and storage.

    After single sign-on, the page of the sign-in offers to sign out at the provider as well.
    """
    person = current_person()
    # The browser is told to delete its cookies, so that the statement is in the URL: signed, so that nobody can make it up.
    signed_out = _signer().sign(SIGNED_OUT).decode() if person is not None and person.single_sign_on else None
    end_session()
    response = redirect(url_for("sign_in.sign_in", signed_out=signed_out), 303)
    response.headers["Clear-Site-Data"] = '"cookies", "storage"'
    return response


def _signer() -> TimestampSigner:
    return TimestampSigner(str(current_app.secret_key), salt="signed-out")


def _was_signed_out() -> bool:
    """Return whether this page follows the end of a session of single sign-on."""
    try:
        _signer().unsign(request.args.get("signed_out", ""), max_age=SIGNED_OUT_SECONDS)
    except BadSignature:
        return False
    return True


def sign_in_url(next_url: str) -> str:
    """Return the URL of the sign-in page that then redirects to `next_url`."""
    return url_for("sign_in.sign_in", next=None if next_url == "/" else next_url)


def ask_to_sign_in() -> ResponseReturnValue:
    """Return the sign-in page.

    It keeps the fields of a form that was sent after its session expired.

    The body of any other request is not read. Files are not kept.
    """
    form = SignInForm(
        formdata=None, next=referring_url(), saved_form=_sent_form_as_json() if session_has_expired() else ""
    )
    return _sign_in_page(form, HTTPStatus.UNAUTHORIZED)


def ask_to_begin_again(
    next_url: str | None, saved_form: str | None, reason: str, status: HTTPStatus = HTTPStatus.UNAUTHORIZED
) -> ResponseReturnValue:
    """Return the sign-in page, with the reason why a sign-in was not completed."""
    form = SignInForm(formdata=None, next=next_url, saved_form=saved_form)
    form.form_errors.append(reason)
    return _sign_in_page(form, status)


def _sent_form_as_json() -> str:
    """Return the form that was sent, as JSON; empty if it is too long to keep."""
    request.max_content_length = MAX_SENT
    open_body()
    try:
        csrf.protect()
    except RequestEntityTooLarge:
        return ""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in NOT_KEPT]
    saved_form = json.dumps([requested_url(), fields])
    return saved_form if len(saved_form) <= MAX_KEPT else ""


def _open_session(email: str, password: str) -> str | PendingSignIn | None:
    """Check the password; return the token of a new session, or None if it is wrong.

    A person with a second factor has a pending sign-in first.
    """
    proof = users.verify_password(credentials(db.session(), email), password)
    return transaction(users.sign_in, email, proof, client_network(), request_id(), now(), user_agent=user_agent())


def client_network() -> str:
    """Return the network by which the attempts of this request are counted."""
    return attempt_network(request.remote_addr or "")


def user_agent() -> str:
    """Return how the browser of this request names itself."""
    return request.headers.get("User-Agent", "")


def _sign_in_page(form: SignInForm, status: HTTPStatus) -> tuple[str, HTTPStatus]:
    provider = identity_provider()
    page = render_template(
        "sign_in/form.html",
        form=form,
        expired=session_has_expired(),
        has_people=has_people(db.session()),
        passkey_options=passkey_options(),
        provider_name=provider_name(),
        provider_url=provider.sign_out_url() if provider and _was_signed_out() else None,
    )
    return page, status
