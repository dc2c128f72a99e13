"""One's own account: another password."""

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
    """The one that is known, and twice the one that is to be."""

    current = SecretField("Password now", needed="Enter the password that you sign in with.")
    password = SecretField("New password", needed="Enter a new password.")
    again = SecretField("New password again", needed="Enter the new password a second time.")


@pages.route("/password", methods=["GET", "POST"])
def password() -> ResponseReturnValue:
    """Change one's own password; one's other sessions end."""
    form, me = PasswordForm(), person()
    if me is not None and form.validate_on_submit() and _proven(form, me):
        with refusals_on(form):
            transaction(_change, me, form.password.data)
            flash("Your password was changed. Wherever else you were signed in, you are no longer.", "success")
            return redirect(url_for("dashboard.home"), 303)
    return form_page("account/password.html", form)


def _proven(form: PasswordForm, me: SignedIn) -> bool:
    """Whether it is really them, who typed the same twice; else the fields get their errors."""
    if form.password.data != form.again.data:
        form.again.errors = ["The two new passwords differ. Enter the same twice."]
    elif operations.verify_password(credentials(db.session(), me.email), form.current.data) is None:
        form.current.errors = ["This is not your password. Check it and try again."]
    return not form.errors


def _change(session: Session, me: SignedIn, password: str) -> None:
    """What was proved must still hold when it is changed."""
    if credentials(session, me.email) is None:
        raise Conflict("account_closed", "Your account was closed meanwhile.")
    operations.set_password(session, me.id, password, actor(), now(), keep=me.token)
