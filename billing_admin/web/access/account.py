"""The signed-in person's account: changing the password."""

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.transactions import Session, db, transaction
from billing_admin.domain.errors import Conflict
from billing_admin.operations.access import users as operations
from billing_admin.queries.access.users import credentials
from billing_admin.web.frame.forms import Form, SecretField, form_page, refusals_on
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.signed_in import SignedIn, actor, now, person

WRITE = "password:write"

pages = subject("account", __name__, "/account", write=WRITE, read=WRITE)


class PasswordForm(Form):
    """The current password, and the new password twice."""

    current = SecretField("Current password", needed="Enter your current password.")
    password = SecretField("New password", needed="Enter a new password.")
    again = SecretField("Repeat new password", needed="Enter the new password again.")


@pages.route("/password", methods=["GET", "POST"])
def password() -> ResponseReturnValue:
    """Change the signed-in person's password and end their other sessions."""
    form, user = PasswordForm(), person()
    if user is not None and form.validate_on_submit() and _check_passwords(form, user):
        with refusals_on(form):
            transaction(_change_password, user, form.password.data)
            flash("Your password was changed. You were signed out on all other devices.", "success")
            return redirect(url_for("dashboard.home"), 303)
    return form_page("account/password.html", form)


def _check_passwords(form: PasswordForm, user: SignedIn) -> bool:
    """Return whether the current password is right and the new ones match; otherwise set field errors."""
    if form.password.data != form.again.data:
        form.again.errors = ["The new passwords do not match. Enter the same password twice."]
    elif operations.verify_password(credentials(db.session(), user.email), form.current.data) is None:
        form.current.errors = ["This is not your current password. Check it and try again."]
    return not form.errors


def _change_password(session: Session, user: SignedIn, password: str) -> None:
    # The account may have been deactivated since the password was checked outside of this transaction.
    if credentials(session, user.email) is None:
        raise Conflict("account_closed", "Your account was deactivated. Ask an administrator to activate it.")
    operations.set_password(session, user.id, password, actor(), now(), keep=user.token)
