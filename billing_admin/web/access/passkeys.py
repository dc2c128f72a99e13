"""The passkeys of the signed-in person: add and remove them."""

from collections.abc import Sequence
from http import HTTPStatus
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.passkeys import MAX_CREDENTIAL_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.formats.passkeys import creation_options
from billing_admin.operations.access import second_factors as operations
from billing_admin.queries.access.second_factors import passkey, passkeys_of
from billing_admin.web.access.ceremonies import begin_ceremony, end_ceremony
from billing_admin.web.access.confirmation import recent_sign_in
from billing_admin.web.access.forms import ContinuingForm
from billing_admin.web.access.security import CurrentCodeForm, act_with_code, answer, codes_page
from billing_admin.web.frame.forms import TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.local_urls import safe_local_url
from billing_admin.web.frame.signed_in import actor, current_organisation, now, signed_in_person

WRITE = "password:write"
CHALLENGE_IS_OVER = Phrase("This page has expired. Try again.")

pages = page_blueprint("passkeys", __name__, "/account/security/passkeys", write=WRITE, read=WRITE)


class NewPasskeyForm(ContinuingForm):
    """The name of a passkey, and what the browser made; script fills it in."""

    name = TextField(Phrase("Name"), blank_message=Phrase("Enter a name, such as the device of the passkey."))
    credential = HiddenField()


@pages.route("/new", methods=["GET", "POST"])
@recent_sign_in
def new() -> ResponseReturnValue:
    """Add a passkey; with the first second factor, show recovery codes once."""
    form, person = NewPasskeyForm(next=request.args.get("next")), signed_in_person()
    if form.validate_on_submit():
        with errors_on(form):
            codes = _add(form)
            if codes is not None:
                next_url = safe_local_url(form.next.data) if form.next.data else url_for("security.index")
                flash(Phrase("Your passkey was added. You were signed out on all other devices."), "success")
                return codes_page(codes, next_url) if codes else redirect(next_url, HTTPStatus.SEE_OTHER)
    existing = [row.credential_id for row in passkeys_of(db.session(), person.id)]
    issuer = current_organisation().name or "billing-admin"
    form.credential.data = ""
    return render_form(
        "security/first_passkey.html" if person.must_set_up_second_factor else "security/new_passkey.html",
        form,
        options=creation_options(begin_ceremony(), issuer, person.id, person.email, existing),
    )


@pages.route("/<uuid:id>/remove", methods=["GET", "POST"])
@recent_sign_in
def remove(id: UUID) -> ResponseReturnValue:
    """Remove a passkey."""
    form, person = CurrentCodeForm(), signed_in_person()
    name = passkey(db.session(), person.id, id).name
    if form.validate_on_submit() and act_with_code(
        form.current_code,
        lambda current: transaction(operations.remove_passkey, id, current, person.session_id, actor(), now()),
    ):
        flash(Phrase("The passkey {name} was removed. You were signed out on all other devices.", name=name), "success")
        return redirect(url_for("security.index"), HTTPStatus.SEE_OTHER)
    return answer("security/remove_passkey.html", form, name=name)


def _add(form: NewPasskeyForm) -> Sequence[str] | None:
    """Add the passkey of a form, and return new recovery codes.

    Returns None if the browser's challenge is over.
    """
    ceremony, credential = end_ceremony(), form.credential.data or ""
    if ceremony is None or not 0 < len(credential) <= MAX_CREDENTIAL_LENGTH:
        form.form_errors.append(CHALLENGE_IS_OVER)
        return None
    person = signed_in_person()
    return transaction(operations.add_passkey, form.name.data, credential, ceremony, person.session_id, actor(), now())
