"""People who may sign in: the list with the roles, adding one, another role or password, closing an account."""

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField
from wtforms.widgets import EmailInput

from billing_admin.db.transactions import db, transaction
from billing_admin.domain.access import PERMISSIONS, ROLE_SENTENCES, ROLES
from billing_admin.domain.sign_in import LONGEST_EMAIL
from billing_admin.operations.access import users as operations
from billing_admin.queries.access import users as queries
from billing_admin.web.frame.forms import Form, TextField, form_page, refusals_on
from billing_admin.web.frame.guard import subject
from billing_admin.web.frame.signed_in import actor, now

WRITE = "users:write"

pages = subject("users", __name__, "/users", write=WRITE, read=WRITE)


class RoleForm(Form):
    """What somebody may do."""

    role = RadioField(
        "Role", choices={role: f"{role.capitalize()} — {sentence}" for role, sentence in ROLE_SENTENCES.items()}
    )


class NewForm(RoleForm):
    """Whom to let in. The password is made here, and shown once."""

    email = TextField("E-mail address", needed="Enter an e-mail address.", longest=LONGEST_EMAIL, widget=EmailInput())


@pages.get("")
def index() -> ResponseReturnValue:
    """Everybody, and what each role may do."""
    return render_template("users/list.html", users=queries.people(db.session()), permissions=PERMISSIONS, roles=ROLES)


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add a person. The answer itself shows the password, as it is kept nowhere; sent again, it adds nobody."""
    form = NewForm()
    if form.validate_on_submit():
        with refusals_on(form):
            password = operations.generate_password()
            user = transaction(operations.create_user, form.email.data, password, form.role.data, actor(), now())
            return _shown(user.email, password), 201
    return form_page("users/form.html", form)


def _shown(email: str, password: str) -> str:
    return render_template("users/password.html", email=email, password=password)


@pages.route("/<uuid:id>/role", methods=["GET", "POST"])
def role(id: UUID) -> ResponseReturnValue:
    """Give somebody another role."""
    user = queries.user(db.session(), id)
    form, email = RoleForm(role=user.role), user.email
    if form.validate_on_submit():
        with refusals_on(form):
            transaction(operations.change_role, id, form.role.data, actor(), now())
            flash(f"{email} is {form.role.data} now, and has to sign in again.", "success")
            return redirect(url_for("users.index"), 303)
    return form_page("users/role.html", form, user=queries.user(db.session(), id))


@pages.route("/<uuid:id>/password", methods=["GET", "POST"])
def password(id: UUID) -> ResponseReturnValue:
    """Give somebody who lost it a new password, shown once."""
    form, email = Form(), queries.user(db.session(), id).email
    if form.validate_on_submit():
        made = operations.generate_password()
        transaction(operations.set_password, id, made, actor(), now())
        return _shown(email, made)
    return form_page("users/new_password.html", form, email=email)


@pages.route("/<uuid:id>/deactivate", methods=["GET", "POST"])
def deactivate(id: UUID) -> ResponseReturnValue:
    """Ask first, then close an account."""
    form, email = Form(), queries.user(db.session(), id).email
    if form.validate_on_submit():
        with refusals_on(form):
            transaction(operations.deactivate, id, actor(), now())
            flash(f"The account of {email} was closed.", "success")
            return redirect(url_for("users.index"), 303)
    return form_page("users/deactivate.html", form, email=email)


@pages.post("/<uuid:id>/activate")
def activate(id: UUID) -> ResponseReturnValue:
    """Open a closed account again."""
    email = queries.user(db.session(), id).email
    transaction(operations.activate, id, actor(), now())
    flash(f"{email} can sign in again, with the password of before.", "success")
    return redirect(url_for("users.index"), 303)
