"""The signed-in person's account: changing the password."""

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.errors import Conflict
from billing_admin.operations.access import users as operations
from billing_admin.queries.access.users import credentials
from billing_admin.web.frame.forms import Form, PasswordField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import SignedInPerson, actor, current_person, now

WRITE = "password:write"

pages = page_blueprint("account", __name__, "/account", write=WRITE, read=WRITE)


class PasswordForm(Form):
    """The current password, and the new password twice."""

    current = PasswordField("Current password", blank_message="Enter your current password.")
    password = PasswordField("New password", blank_message="Enter a new password.")
    again = PasswordField("Repeat new password", blank_message="Enter the new password again.")


@pages.route("/password", methods=["GET", "POST"])
def password() -> ResponseReturnValue:
    """Change the signed-in person's password and end their other sessions."""
    form, user = PasswordForm(), current_person()
    if user is not None and form.validate_on_submit() and _check_passwords(form, user):
        with errors_on(form):
            transaction(_change_password, user, form.password.data)
            flash("Your password was changed. You were signed out on all other devices.", "success")
            return redirect(url_for("dashboard.home"), 303)
    return render_form("account/password.html", form)


def _check_passwords(form: PasswordForm, user: SignedInPerson) -> bool:
    """Set field errors, and return whether there are none."""
    if form.password.data != form.again.data:
        form.again.errors = ["The new passwords do not match. Enter the same password twice."]
    elif operations.verify_password(credentials(db.session(), user.email), form.current.data) is None:
        form.current.errors = ["This is not your current password. Check it and try again."]
    return not form.errors


def _change_password(session: Session, user: SignedInPerson, password: str) -> None:
    # The account may have been deactivated since the password was checked outside of this transaction.
    if credentials(session, user.email) is None:
        raise Conflict("account_closed", "Your account was deactivated. Ask an admin to activate it.")
    operations.set_password(session, user.id, password, actor(), now(), kept_token=user.token)
