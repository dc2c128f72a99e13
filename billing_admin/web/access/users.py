"""People who can sign in: the list, adding, changing and deactivating a person.

A person's role and password can be changed.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField, SelectMultipleField
from wtforms.widgets import CheckboxInput, EmailInput, ListWidget

from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import role_label
from billing_admin.domain.one_time_links import LINK_IS_VALID_FOR, LinkPurpose, link_path
from billing_admin.domain.sign_in import LONGEST_EMAIL
from billing_admin.domain.translation import Phrase
from billing_admin.models import User
from billing_admin.operations.access import (
    invitations,
    second_factors as factors,
    single_sign_on as provider_accounts,
    users as operations,
)
from billing_admin.queries.access import users as queries
from billing_admin.queries.access.one_time_links import links_of_people
from billing_admin.queries.access.provider_accounts import people_with_provider_accounts
from billing_admin.queries.access.roles import roles_in_use
from billing_admin.queries.access.second_factors import people_with_second_factors, requires_second_factor
from billing_admin.queries.access.tokens import usable_tokens_of
from billing_admin.web.access.confirmation import recent_sign_in
from billing_admin.web.frame.forms import Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.frame.system_lists import PEOPLE
from billing_admin.web.frame.tables import plain_table

READ, WRITE = "access:read", "users:write"

pages = page_blueprint("users", __name__, "/users", write=WRITE, read=READ)


class RoleForm(Form):
    """The role of a person."""

    role = RadioField(Phrase("Role"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_use = roles_in_use(db.session())
        self.role.choices = [
            (role.key, Phrase("{role} — {sentence}", role=role.label, sentence=role.sentence)) for role in in_use
        ]


class NewPersonForm(RoleForm):
    """E-mail address and role of a new person."""

    email = TextField(
        Phrase("E-mail address"),
        blank_message=Phrase("Enter an e-mail address."),
        max_length=LONGEST_EMAIL,
        widget=EmailInput(),
    )


class TokensForm(Form):
    """The API tokens of a person that are revoked together with another act."""

    tokens = SelectMultipleField(
        Phrase("API tokens to revoke"),
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )

    @property
    def revoked_tokens(self) -> list[UUID]:
        """The ids of the chosen tokens."""
        return [UUID(id) for id in self.tokens.data or ()]


def _tokens_form(user: User) -> TokensForm:
    """Return the form with the tokens of a person that the actor may revoke."""
    form = TokensForm()
    may_revoke = "tokens:write" in actor().permissions
    tokens = usable_tokens_of(db.session(), user.id, now()) if may_revoke else []
    form.tokens.choices = [
        (str(token.id), f"{token.name} — {token.prefix}…, {', '.join(token.scopes)}") for token in tokens
    ]
    return form


@pages.get("")
def index() -> ResponseReturnValue:
    """List all people and their roles."""
    may_write = has_permission(WRITE)
    return render_template(
        "users/list.html",
        page=plain_table(PEOPLE if may_write else PEOPLE.without("actions"), queries.people(db.session())),
        links=links_of_people(db.session()),
        role_label=role_label,
        may_write=may_write,
        with_second_factor=people_with_second_factors(db.session()),
        with_single_sign_on=people_with_provider_accounts(db.session()),
        is_required=requires_second_factor(db.session()),
    )


@pages.post("/second-factor-rule")
@recent_sign_in
def second_factor_rule() -> ResponseReturnValue:
    """Set whether everyone must have a second factor."""
    required = request.form.get("required") == "yes"
    transaction(factors.require_second_factor, required, actor(), now())
    flash(
        Phrase("Everyone must have a second factor now. Those without one set it up when they next open a page.")
        if required
        else Phrase("A second factor is optional now."),
        "success",
    )
    return redirect(url_for("users.index"), 303)


@pages.route("/new", methods=["GET", "POST"])
@recent_sign_in
def new() -> ResponseReturnValue:
    """Invite a person: send them a link, or show it once.

    A repeated request invites no second person.
    """
    form, settings = NewPersonForm(), _settings()
    if form.validate_on_submit():
        with errors_on(form):
            user, token = transaction(
                invitations.invite, form.email.data, form.role.data, actor(), now(), by_mail=_by_mail(settings)
            )
            return _continue_with_link(user, LinkPurpose.INVITATION, token)
    return render_form("users/form.html", form, mail_on=settings.mail_on)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["billing_settings"]
    return settings


def _by_mail(settings: Settings) -> bool:
    return settings.mail_on and "send" in request.form


def _continue_with_link(user: User, purpose: LinkPurpose, token: str | None) -> ResponseReturnValue:
    """Return the page with a link.

    Without a token, redirect to the list of people: the link is sent.
    """
    if token is None:
        flash(Phrase("A link is on its way to {email}.", email=user.email), "success")
        return redirect(url_for("users.index"), 303)
    page = render_template(
        "users/link.html",
        email=user.email,
        link=_settings().base_url + link_path(purpose, token),
        hours=LINK_IS_VALID_FOR[purpose] // timedelta(hours=1),
        tokens=usable_tokens_of(db.session(), user.id, now()),
    )
    return page, 201


@pages.route("/<uuid:id>/role", methods=["GET", "POST"])
@recent_sign_in
def role(id: UUID) -> ResponseReturnValue:
    """Change the role of a person."""
    user = queries.user(db.session(), id)
    form, email = RoleForm(role=user.role), user.email
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.change_role, id, form.role.data, actor(), now())
            flash(
                Phrase(
                    "{email} now has the role {role} and must sign in again.",
                    email=email,
                    role=role_label(form.role.data),
                ),
                "success",
            )
            return redirect(url_for("users.index"), 303)
    return render_form("users/role.html", form, user=queries.user(db.session(), id))


@pages.route("/<uuid:id>/password", methods=["GET", "POST"])
@recent_sign_in
def password(id: UUID) -> ResponseReturnValue:
    """Send a person a link by which they choose a new password, or show it once.

    Their API tokens are named, as a new password does not change them.
    """
    user, settings = queries.user(db.session(), id), _settings()
    form, purpose = _tokens_form(user), LinkPurpose.PASSWORD_RESET if user.password_hash else LinkPurpose.INVITATION
    if form.validate_on_submit():
        with errors_on(form):
            token = transaction(
                invitations.offer_link,
                id,
                actor(),
                now(),
                by_mail=_by_mail(settings),
                revoked_tokens=form.revoked_tokens,
            )
            return _continue_with_link(queries.user(db.session(), id), purpose, token)
    return render_form(
        "users/new_link.html",
        form,
        email=user.email,
        is_invited=purpose is LinkPurpose.INVITATION,
        mail_on=settings.mail_on,
    )


@pages.route("/<uuid:id>/second-factors", methods=["GET", "POST"])
@recent_sign_in
def second_factors(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then remove the second factors of another person."""
    form, email = Form(), queries.user(db.session(), id).email
    if form.validate_on_submit():
        with errors_on(form):
            transaction(factors.remove_second_factors, id, actor(), now())
            flash(Phrase("The second factor of {email} was removed.", email=email), "success")
            return redirect(url_for("users.index"), 303)
    return render_form("users/second_factors.html", form, email=email)


@pages.route("/<uuid:id>/single-sign-on", methods=["GET", "POST"])
@recent_sign_in
def single_sign_on(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then remove the single sign-on of a person."""
    user = queries.user(db.session(), id)
    form, email = Form(), user.email
    if form.validate_on_submit():
        with errors_on(form):
            transaction(provider_accounts.remove_account, id, actor(), now())
            flash(Phrase("The single sign-on of {email} was removed.", email=email), "success")
            return redirect(url_for("users.index"), 303)
    return render_form(
        "users/single_sign_on.html",
        form,
        email=email,
        has_password=queries.has_password(db.session(), id),
    )


@pages.route("/<uuid:id>/deactivate", methods=["GET", "POST"])
@recent_sign_in
def deactivate(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then deactivate a person."""
    user = queries.user(db.session(), id)
    form, email = _tokens_form(user), user.email
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.deactivate, id, actor(), now(), revoked_tokens=form.revoked_tokens)
            flash(Phrase("{email} was deactivated.", email=email), "success")
            return redirect(url_for("users.index"), 303)
    return render_form("users/deactivate.html", form, email=email)


@pages.post("/<uuid:id>/activate")
@recent_sign_in
def activate(id: UUID) -> ResponseReturnValue:
    """Activate a deactivated person."""
    email = queries.user(db.session(), id).email
    transaction(operations.activate, id, actor(), now())
    message = Phrase("{email} was activated and can sign in with the same password as before.", email=email)
    tokens = ", ".join(token.name for token in usable_tokens_of(db.session(), id, now()))
    flash(
        Phrase("{message} Their API tokens work again: {tokens}.", message=message, tokens=tokens)
        if tokens
        else message,
        "success",
    )
    return redirect(url_for("users.index"), 303)
