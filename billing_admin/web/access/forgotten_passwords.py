"""The pages by which people ask for a link, and choose a password by it."""

from http import HTTPStatus

from flask import Blueprint, Response, current_app, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms.widgets import EmailInput

from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.sign_in import LONGEST_EMAIL
from billing_admin.domain.translation import Phrase
from billing_admin.http.rate_limits import count_reset_request
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access import invitations as operations
from billing_admin.operations.access.invitations import PASSWORD_LINKS
from billing_admin.queries.access.one_time_links import email_of_link
from billing_admin.web.access.forms import ChosenPasswordForm
from billing_admin.web.access.one_time_links import forget_secret, stored_secret, take_secret
from billing_admin.web.access.sign_in import AccountEmailField, client_network
from billing_admin.web.frame.forms import Form, add_errors, render_form
from billing_admin.web.frame.signed_in import end_session, now

pages = Blueprint("forgotten_passwords", __name__)


class ForgottenPasswordForm(Form):
    """The e-mail address of the account."""

    email = AccountEmailField(
        Phrase("E-mail address"),
        blank_message=Phrase("Enter your e-mail address."),
        max_length=LONGEST_EMAIL,
        widget=EmailInput(),
        render_kw={"autocomplete": "username"},
    )


@pages.route("/forgot-password", methods=["GET", "POST"])
def forgot() -> ResponseReturnValue:
    """Send a link to a person who forgot their password.

    The answer is the same for every address, and is sent before the address is looked up: its time says nothing either.
    """
    settings: Settings = current_app.extensions["billing_settings"]
    form = ForgottenPasswordForm()
    if settings.mail_on and form.validate_on_submit():
        count_reset_request()
        response = make_response(render_template("sign_in/link_requested.html", email=form.email.data))
        _send_link_after(response, form.email.data)
        return response
    return render_form("sign_in/forgot_password.html", form, mail_on=settings.mail_on)


def _send_link_after(response: Response, email: str) -> None:
    app, network, id = current_app._get_current_object(), client_network(), request_id()  # type: ignore[attr-defined]

    def send_link() -> None:
        with app.app_context(), LogIfUnavailable("reset_not_requested"):
            transaction(operations.request_reset, email, network, id, now())

    response.call_on_close(send_link)


@pages.route("/choose-password", methods=["GET", "POST"])
def choose() -> ResponseReturnValue:
    """Choose a password by a link, and continue with signing in."""
    token = request.args.get("token", stored_secret())
    email = email_of_link(db.session(), token, PASSWORD_LINKS, now())
    if "token" in request.args:
        return take_secret(url_for("forgotten_passwords.choose"), None if email else _refuse())
    if email is None:
        forget_secret()
        return _refuse()
    form = ChosenPasswordForm()
    if form.validate_on_submit():
        try:
            form.check()
            transaction(operations.choose_password, token, form.password.data, request_id(), now())
        except Conflict:
            return _refuse()
        except Invalid as error:
            add_errors(form, error)
        else:
            end_session()  # another person may be signed in here
            flash(Phrase("Your password was saved. Sign in with it."), "success")
            return redirect(url_for("sign_in.sign_in"), 303)
    return render_form("sign_in/choose_password.html", form, email=email)


def _refuse() -> ResponseReturnValue:
    """Return the page for a link that does not work, with the way out."""
    settings: Settings = current_app.extensions["billing_settings"]
    return render_template("sign_in/link_used.html", mail_on=settings.mail_on), HTTPStatus.NOT_FOUND
