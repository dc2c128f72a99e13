"""API tokens: the list, creating and revoking a token.

A token's secret is shown once, when the token is created.
"""

import json
import shlex
from collections.abc import Collection
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget

from billing_admin.db import paging
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SCOPES
from billing_admin.domain.errors import Conflict, Denied, Invalid
from billing_admin.domain.tokens import MAX_NAME_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.operations.access import tokens as operations
from billing_admin.queries.access import tokens as queries
from billing_admin.queries.master_data import customers
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.web.access.confirmation import recent_sign_in
from billing_admin.web.frame.forms import Form, NewIdField, TextField, WholeNumberField, add_errors, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor, current_person, now
from billing_admin.web.frame.system_lists import TOKENS
from billing_admin.web.frame.tables import plain_table

READ, WRITE = "access:read", "tokens:write"
DEFAULT_DAYS = 365

pages = page_blueprint("tokens", __name__, "/tokens", write=WRITE, read=READ)


class TokenForm(Form):
    """Name, scopes and lifetime of a new token.

    `id` prevents a second token on a double click.
    """

    id = NewIdField()
    name = TextField(
        Phrase("Name"),
        blank_message=Phrase("Enter a name for the token, such as nightly import."),
        max_length=MAX_NAME_LENGTH,
    )
    scopes = SelectMultipleField(
        Phrase("Scopes"),
        choices={
            scope: Phrase("{scope} — {sentence}.", scope=scope, sentence=sentence) for scope, sentence in SCOPES.items()
        },
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    expires_in_days = WholeNumberField(
        Phrase("Expires after"), blank_message=Phrase("Enter a number of days, such as 365.")
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """List all tokens, newest first, without their secrets."""
    moment, tokens = now(), queries.tokens(db.session())
    states = {token.id: queries.warned_state(token, moment) for token in tokens}
    may_write = has_permission(WRITE)
    return render_template("tokens/list.html", page=plain_table(TOKENS, tokens), states=states, may_write=may_write)


@pages.route("/new", methods=["GET", "POST"])
@recent_sign_in
def new() -> ResponseReturnValue:
    """Create a token and show its secret once, as it is not stored.

    A repeated request creates no second token.
    """
    form = TokenForm(expires_in_days=DEFAULT_DAYS)
    if form.validate_on_submit():
        try:
            return _create(form)
        except Conflict as error:
            flash(
                Phrase(
                    "{message} If you did not copy the token, revoke it and create another one.", message=error.message
                ),
                "warning",
            )
            return redirect(url_for("tokens.index"), 303)
        except (Denied, Invalid) as error:
            add_errors(form, error)
    return render_form("tokens/form.html", form)


def _create(form: TokenForm) -> ResponseReturnValue:
    owner = current_person()
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
    command = curl_command(secret, token.scopes)
    return render_template("tokens/created.html", token=token, secret=secret, curl=command, sentences=SCOPES), 201


def curl_command(secret: str, scopes: Collection[str]) -> str:
    """Return a command to try the token.

    The command posts a charge, or lists customers if the token may not post.
    """
    parts = ["curl", "--header", f"Authorization: Bearer {secret}"]
    if "charges:write" not in scopes:
        return shlex.join([*parts, _api_url("customers")])
    body = json.dumps(_sample_charge(), ensure_ascii=False)
    parts += ["--header", Phrase("Content-Type: application/json"), "--data", body]
    return shlex.join([*parts, _api_url("charges")])


def _sample_charge() -> dict[str, str]:
    first_customers = paging.page(db.session(), customers.customers_by_name(CustomerFilter()), 1).rows
    reference = first_customers[0].reference if first_customers else "C-0001"
    return {"customer": reference, "description": Phrase("Setup, one hour"), "amount": "120.00"}


def _api_url(resource: str) -> str:
    home_url: str = url_for("dashboard.home", _external=True)
    return f"{home_url}api/v1/{resource}"


@pages.route("/<uuid:id>/revoke", methods=["GET", "POST"])
def revoke(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then revoke the token for good."""
    token, form = queries.token(db.session(), id), Form()
    if form.validate_on_submit():
        name = token.name
        revoked = transaction(operations.revoke, id, actor(), now())
        flash(
            Phrase("The token {name} was revoked.", name=name)
            if revoked
            else Phrase("The token {name} was already revoked.", name=name),
            "success",
        )
        return redirect(url_for("tokens.index"), 303)
    return render_form("tokens/revoke.html", form, token=token, state=queries.warned_state(token, now()))
