"""The page of the set-up link, which creates the first person."""

from dataclasses import replace
from http import HTTPStatus

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms.widgets import EmailInput

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.sign_in import LONGEST_EMAIL
from billing_admin.domain.translation import Phrase
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access import set_up as operations
from billing_admin.queries.access.set_up import has_people, is_link_valid
from billing_admin.web.access.forms import ChosenPasswordForm
from billing_admin.web.access.one_time_links import forget_secret, stored_secret, take_secret
from billing_admin.web.access.sign_in import client_network, user_agent
from billing_admin.web.frame.forms import TextField, errors_on, render_form
from billing_admin.web.frame.signed_in import begin_session, current_person, now

pages = Blueprint("set_up_link", __name__)


class FirstPersonForm(ChosenPasswordForm):
    """E-mail address and password of the first person."""

    email = TextField(
        Phrase("E-mail address"),
        blank_message=Phrase("Enter your e-mail address."),
        max_length=LONGEST_EMAIL,
        widget=EmailInput(),
        render_kw={"autocomplete": "username"},
    )


@pages.route("/set-up", methods=["GET", "POST"])
def show() -> ResponseReturnValue:
    """Create the first person, sign them in, and continue with the dashboard."""
    if current_person() is not None:
        return redirect(url_for("dashboard.home"), 303)
    token = request.args.get("token", stored_secret())
    is_valid = is_link_valid(db.session(), token, now())
    if "token" in request.args:
        return take_secret(url_for("set_up_link.show"), None if is_valid else _refuse())
    if not is_valid:
        forget_secret()
        return _refuse()
    form = FirstPersonForm()
    if form.validate_on_submit():
        with errors_on(form):
            form.check()
            session_token = _use_link(form, token)
            if session_token is None:
                return redirect(url_for("sign_in.sign_in"), 303)
            begin_session(session_token)
            return redirect(url_for("dashboard.home"), 303)
    return render_form("sign_in/set_up.html", form)


def _use_link(form: FirstPersonForm, token: str) -> str | None:
    link_actor = replace(SYSTEM, name="set-up link", request_id=request_id())
    return transaction(
        operations.use_link,
        token,
        form.email.data,
        form.password.data,
        client_network(),
        link_actor,
        now(),
        user_agent=user_agent(),
    )


def _refuse() -> ResponseReturnValue:
    """Return the page for a link that does not work, with the way out."""
    page = render_template("sign_in/set_up_link_used.html", is_set_up=has_people(db.session()))
    return page, HTTPStatus.NOT_FOUND
