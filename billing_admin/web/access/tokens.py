"""API tokens: the list, making one, whose secret is shown once, and revoking."""

import json
import shlex
from collections.abc import Collection
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget

from billing_admin.db import paging
from billing_admin.db.transactions import db, transaction
from billing_admin.domain.access import SCOPES
from billing_admin.domain.errors import Conflict, Denied, Invalid
from billing_admin.operations.access import tokens as operations
from billing_admin.queries.access import tokens as queries
from billing_admin.queries.master_data import customers
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.web.frame.forms import Form, KeyField, TextField, WholeField, apply, form_page
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.signed_in import actor, now, person

WRITE = "tokens:write"
USUAL_DAYS = 365

pages = subject("tokens", __name__, "/tokens", write=WRITE, read=WRITE)


class TokenForm(Form):
    """`id` makes a second click make nothing."""

    id = KeyField()
    name = TextField("Name", needed="Enter what the token is for, such as nightly import.", longest=100)
    scopes = SelectMultipleField(
        "What it may do",
        choices={scope: f"{scope} — {sentence}." for scope, sentence in SCOPES.items()},
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    expires_in_days = WholeField("Days until it expires", needed="Enter a number of days, such as 365.")


@pages.get("")
def index() -> ResponseReturnValue:
    """Every token, newest first; never its secret."""
    moment, found = now(), queries.tokens(db.session())
    states = {token.id: queries.state(token, moment) for token in found}
    return render_template("tokens/list.html", tokens=found, states=states)


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Make a token. The answer itself shows the secret, as it is kept nowhere; sent again, it makes no second one."""
    form = TokenForm(expires_in_days=USUAL_DAYS)
    if form.validate_on_submit():
        try:
            return _make(form)
        except Conflict as refusal:
            flash(f"{refusal.message} If it was not kept, revoke it and make another.", "warning")
            return redirect(url_for("tokens.index"), 303)
        except (Denied, Invalid) as refusal:
            apply(form, refusal)
    return form_page("tokens/form.html", form)


def _make(form: TokenForm) -> ResponseReturnValue:
    owner = person()
    token, secret = transaction(
        operations.create,
        form.name.data,
        form.scopes.data or [],
        form.expires_in_days.data,
        id=form.id.data,
        user_id=owner.id if owner else None,
        actor=actor(),
        now=now(),
    )
    command = curl(secret, token.scopes)
    return render_template("tokens/made.html", token=token, secret=secret, curl=command, sentences=SCOPES), 201


def curl(secret: str, scopes: Collection[str]) -> str:
    """A command line that can be pasted: it posts a charge where the token may, and else lists customers."""
    parts = ["curl", "--header", f"Authorization: Bearer {secret}"]
    if "charges:write" not in scopes:
        return shlex.join([*parts, _address("customers")])
    parts += ["--header", "Content-Type: application/json", "--data", json.dumps(_sample(), ensure_ascii=False)]
    return shlex.join([*parts, _address("charges")])


def _sample() -> dict[str, str]:
    first = paging.page(db.session(), customers.by_name(CustomerFilter()), 1).rows
    reference = first[0].reference if first else "C-0001"
    return {"customer": reference, "description": "Setup, one hour", "amount": "120.00"}


def _address(resource: str) -> str:
    home: str = url_for("dashboard.home", _external=True)
    return f"{home}api/v1/{resource}"


@pages.route("/<uuid:id>/revoke", methods=["GET", "POST"])
def revoke(id: UUID) -> ResponseReturnValue:
    """Say what will stop working, then end the token for good."""
    token, form = queries.token(db.session(), id), Form()
    if form.validate_on_submit():
        name = token.name
        revoked = transaction(operations.revoke, id, actor(), now())
        flash(f"The token {name} was revoked." if revoked else f"The token {name} is revoked already.", "success")
        return redirect(url_for("tokens.index"), 303)
    return form_page("tokens/revoke.html", form, token=token, state=queries.state(token, now()))
