"""The signed-in person's account: their settings and their password.

A person whose password was set by somebody else sees this page first.
"""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain import languages
from billing_admin.domain.access import role_label
from billing_admin.domain.appearance import DENSITY_LABELS, THEME_LABELS, Density, Theme
from billing_admin.domain.errors import Invalid
from billing_admin.domain.translation import Phrase
from billing_admin.operations.access import users as operations
from billing_admin.queries.access.tokens import usable_tokens_of
from billing_admin.queries.access.users import credentials, has_password, is_sign_in_throttled
from billing_admin.web.access.forms import TOO_MANY_ATTEMPTS, PasswordForm, refuse_throttled, render_password_form
from billing_admin.web.access.identity_provider import provider_name
from billing_admin.web.access.sign_in import client_network, user_agent
from billing_admin.web.frame.forms import Form, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.languages import preferred_language, use_language
from billing_admin.web.frame.signed_in import SignedInPerson, actor, begin_session, now, signed_in_person

WRITE = "password:write"

pages = page_blueprint("account", __name__, "/account", write=WRITE, read=WRITE)


@pages.route("/password", methods=["GET", "POST"])
def password() -> ResponseReturnValue:
    """Change the signed-in person's password.

    Their sessions end, and this browser begins a new one. A person who has none sees where their password is.
    """
    form, person = PasswordForm(next=request.args.get("next")), signed_in_person()
    if not has_password(db.session(), person.id):
        return render_template("account/no_password.html", provider_name=provider_name())
    if not form.validate_on_submit():
        return render_password_form(form, person)
    if is_sign_in_throttled(db.session(), person.email, client_network(), now()):
        form.form_errors.append(TOO_MANY_ATTEMPTS)
        return refuse_throttled(render_password_form(form, person))
    with errors_on(form):
        token = _change_password(form, person)
        if token is not None:
            begin_session(token)
            flash(_success_message(person), "success")
            return form.continue_to_request()
        form.current.errors = [Phrase("This is not your current password. Check it and try again.")]
    return render_password_form(form, person)


class AppearanceForm(Form):
    """The look of pages, and their language."""

    theme = RadioField(Phrase("Theme"), choices=dict(THEME_LABELS))
    density = RadioField(Phrase("Tables"), choices=dict(DENSITY_LABELS))
    language = RadioField(Phrase("Language"))

    def __init__(self, **options: Any) -> None:
        """Offer the languages, if there are several."""
        super().__init__(**options)
        if len(languages.PAGE_LANGUAGES) > 1:
            self.language.choices = {"": Phrase("As your browser asks for"), **languages.PAGE_LANGUAGES}
        else:
            del self.language


class ThemeForm(Form):
    """The theme alone, as the button at the top of each page sends it."""

    theme = RadioField(Phrase("Theme"), choices=dict(THEME_LABELS))


@pages.route("/settings", methods=["GET", "POST"])
def settings() -> ResponseReturnValue:
    """Change how pages look for the signed-in person."""
    person = signed_in_person()
    form = AppearanceForm(
        data={
            "theme": person.theme,
            "density": person.density,
            "language": person.language if person.language in languages.PAGE_LANGUAGES else "",
        }
    )
    if form.validate_on_submit():
        theme, density = Theme(form.theme.data), Density(form.density.data)
        language = form.data.get("language")  # absent while only one is offered
        transaction(operations.change_appearance, theme, density, language, actor(), now())
        use_language(preferred_language(language or ""))
        flash(Phrase("Your settings were saved."), "success")
        return redirect(url_for("account.settings"), 303)
    return render_form("account/settings.html", form, email=person.email, role=role_label(person.role))


@pages.post("/theme")
def change_theme() -> ResponseReturnValue:
    """Change the theme alone."""
    form = ThemeForm()
    if form.validate_on_submit():
        transaction(operations.change_appearance, Theme(form.theme.data), None, None, actor(), now())
    return redirect(url_for("account.settings"), 303)


def _change_password(form: PasswordForm, person: SignedInPerson) -> str | None:
    """Return the token of a new session, or None if the current password is wrong.

    Raises Invalid for a new password that is refused.
    """
    current, password = form.current.data, form.password.data
    if password != form.again.data:
        raise Invalid("not_repeated", Phrase("The new passwords do not match. Enter the same password twice."), "again")
    if password == current:
        raise Invalid("same_password", Phrase("Choose a password that differs from the current one."), "password")
    verified = operations.verify_password(credentials(db.session(), person.email), current)
    return transaction(
        operations.change_own_password,
        verified,
        password,
        client_network(),
        actor(),
        now(),
        user_agent=user_agent(),
    )


def _success_message(person: SignedInPerson) -> str:
    message = Phrase("Your password was changed. You were signed out on all other devices.")
    tokens = ", ".join(token.name for token in usable_tokens_of(db.session(), person.id, now()))
    return (
        Phrase("{message} Your API tokens still work: {tokens}.", message=message, tokens=tokens) if tokens else message
    )
