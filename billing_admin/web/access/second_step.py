"""The second step of a sign-in, after the password."""

from http import HTTPStatus

import structlog
from flask import Blueprint, current_app, redirect, request
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Invalid
from billing_admin.domain.passkeys import MAX_CREDENTIAL_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.http.body_limits import body_limit
from billing_admin.http.callers import describe_request
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access import second_factors as operations
from billing_admin.operations.access.second_factors import CodeAttempt
from billing_admin.queries.access.second_factors import pending_email
from billing_admin.queries.access.users import is_sign_in_throttled
from billing_admin.web.access import sign_in
from billing_admin.web.access.ceremonies import end_ceremony, passkey_options
from billing_admin.web.access.forms import TOO_MANY_ATTEMPTS, WRONG_CODE, CodeForm, ContinuingForm, refuse_throttled
from billing_admin.web.access.pending import kept_pending
from billing_admin.web.frame.forms import render_form
from billing_admin.web.frame.local_urls import safe_local_url
from billing_admin.web.frame.signed_in import begin_session, now

PENDING_IS_OVER = Phrase("Enter your password again: too much time has passed, or it was changed.")
CHALLENGE_IS_OVER = Phrase("This page has expired. Try again.")

pages = Blueprint("second_step", __name__)
_log = structlog.get_logger(__name__)


class PasskeyForm(ContinuingForm):
    """The browser's answer with a passkey; script fills it in."""

    credential = HiddenField()


@pages.route("/sign-in/code", methods=["GET", "POST"])
@body_limit(sign_in.BODY)
def code() -> ResponseReturnValue:
    """Complete a pending sign-in with a code, then open the requested page."""
    form, pending = CodeForm(next=request.args.get("next")), kept_pending(now())
    email = None if pending is None else pending_email(db.session(), pending)
    if pending is None or email is None:
        if request.method == "GET":
            return redirect(sign_in.sign_in_url(safe_local_url(form.next.data)), HTTPStatus.SEE_OTHER)
        return sign_in.ask_to_begin_again(form.next.data, form.saved_form.data, PENDING_IS_OVER)
    if form.validate_on_submit():
        if is_sign_in_throttled(db.session(), email, sign_in.client_network(), now()):
            form.form_errors.append(TOO_MANY_ATTEMPTS)
            return refuse_throttled(render_form("sign_in/code.html", form, passkey_options=passkey_options()))
        token = transaction(
            operations.complete_sign_in,
            pending,
            typed_code(form.code.data),
            request_id(),
            now(),
            user_agent=sign_in.user_agent(),
        )
        if token is not None:
            begin_session(token)
            return form.continue_to_request()
        _log.warning("second_factor_failed", **describe_request())
        form.code.errors = [WRONG_CODE]
    return render_form("sign_in/code.html", form, passkey_options=passkey_options())


@pages.post("/sign-in/passkey")
@body_limit(sign_in.BODY)
def passkey() -> ResponseReturnValue:
    """Sign in with a passkey, which counts as password and second factor."""
    form, ceremony = PasskeyForm(), end_ceremony()
    answer = form.credential.data or ""
    if ceremony is None or not 0 < len(answer) <= MAX_CREDENTIAL_LENGTH or not form.validate():
        return sign_in.ask_to_begin_again(form.next.data, form.saved_form.data, CHALLENGE_IS_OVER)
    try:
        token = transaction(
            operations.sign_in_with_passkey,
            *(answer, ceremony, sign_in.client_network(), request_id(), now()),
            user_agent=sign_in.user_agent(),
        )
    except Invalid as error:
        _log.warning("passkey_refused", **describe_request())
        return sign_in.ask_to_begin_again(form.next.data, form.saved_form.data, error.message)
    begin_session(token)
    return form.continue_to_request()


def typed_code(code: str) -> CodeAttempt:
    """Return a code that was typed in this request."""
    settings: Settings = current_app.extensions["billing_settings"]
    return CodeAttempt(code, sign_in.client_network(), settings.secret_key)
