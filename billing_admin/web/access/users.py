"""People who can sign in: the list, adding, changing and deactivating a person.

A person's role and password can be changed.
"""

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField
from wtforms.widgets import EmailInput

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import PERMISSIONS, ROLE_SENTENCES, ROLES
from billing_admin.domain.sign_in import LONGEST_EMAIL
from billing_admin.operations.access import users as operations
from billing_admin.queries.access import users as queries
from billing_admin.web.frame.forms import Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import actor, now

WRITE = "users:write"

pages = page_blueprint("users", __name__, "/users", write=WRITE, read=WRITE)


class RoleForm(Form):
    """The role of a person."""

    role = RadioField(
        "Role", choices={role: f"{role.capitalize()} — {sentence}" for role, sentence in ROLE_SENTENCES.items()}
    )


class NewPersonForm(RoleForm):
    """E-mail address and role of a new person."""

    email = TextField(
        "E-mail address", blank_message="Enter an e-mail address.", max_length=LONGEST_EMAIL, widget=EmailInput()
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """List all people, and the permissions of each role."""
    return render_template("users/list.html", users=queries.people(db.session()), permissions=PERMISSIONS, roles=ROLES)


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a person and show their password once, as it is not stored.

    A repeated request adds no second person.
    """
    form = NewPersonForm()
    if form.validate_on_submit():
        with errors_on(form):
            password = operations.generate_password()
            user = transaction(operations.create_user, form.email.data, password, form.role.data, actor(), now())
            return _password_page(user.email, password), 201
    return render_form("users/form.html", form)


def _password_page(email: str, password: str) -> str:
    return render_template("users/password.html", email=email, password=password)


@pages.route("/<uuid:id>/role", methods=["GET", "POST"])
def role(id: UUID) -> ResponseReturnValue:
    """Change the role of a person."""
    user = queries.user(db.session(), id)
    form, email = RoleForm(role=user.role), user.email
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.change_role, id, form.role.data, actor(), now())
            flash(f"{email} now has the role {form.role.data} and must sign in again.", "success")
            return redirect(url_for("users.index"), 303)
    return render_form("users/role.html", form, user=queries.user(db.session(), id))


@pages.route("/<uuid:id>/password", methods=["GET", "POST"])
def password(id: UUID) -> ResponseReturnValue:
    """Set a new random password for a person and show it once."""
    form, email = Form(), queries.user(db.session(), id).email
    if form.validate_on_submit():
        new_password = operations.generate_password()
        transaction(operations.set_password, id, new_password, actor(), now())
        return _password_page(email, new_password)
    return render_form("users/new_password.html", form, email=email)


@pages.route("/<uuid:id>/deactivate", methods=["GET", "POST"])
def deactivate(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then deactivate a person."""
    form, email = Form(), queries.user(db.session(), id).email
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.deactivate, id, actor(), now())
            flash(f"{email} was deactivated.", "success")
            return redirect(url_for("users.index"), 303)
    return render_form("users/deactivate.html", form, email=email)


@pages.post("/<uuid:id>/activate")
def activate(id: UUID) -> ResponseReturnValue:
    """Activate a deactivated person."""
    email = queries.user(db.session(), id).email
    transaction(operations.activate, id, actor(), now())
    flash(f"{email} was activated and can sign in with the same password as before.", "success")
    return redirect(url_for("users.index"), 303)
