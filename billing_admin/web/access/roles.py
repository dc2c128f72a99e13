"""Roles: their list with permissions and conflicts; own roles are changed here."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import BASE_PERMISSIONS, MAX_ROLE_NAME_LENGTH, PERMISSIONS, role_label
from billing_admin.domain.approvals import ACTS
from billing_admin.domain.money import ZERO
from billing_admin.domain.translation import Phrase
from billing_admin.operations.access import roles as operations
from billing_admin.operations.limits import set_limits
from billing_admin.queries.access import roles as queries
from billing_admin.queries.access.limits import limits_of_role
from billing_admin.web.access.confirmation import recent_sign_in
from billing_admin.web.frame.editing import EditForm, save
from billing_admin.web.frame.forms import AmountField, ExactField, Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import has_permission, text_param
from billing_admin.web.frame.signed_in import actor, current_organisation, now
from billing_admin.web.frame.system_lists import ROLES
from billing_admin.web.frame.tables import plain_table

READ, WRITE = "access:read", "users:write"

pages = page_blueprint("roles", __name__, "/settings/roles", write=WRITE, read=READ)


class PermissionsForm(Form):
    """The permissions of a role, besides those that every role has."""

    permissions = SelectMultipleField(
        Phrase("Permissions"),
        choices={
            name: Phrase("{sentence} ({name})", sentence=sentence, name=name)
            for name, sentence in PERMISSIONS.items()
            if name not in BASE_PERMISSIONS
        },
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )


class LimitsForm(Form):
    """The limits of a role in the base currency, or in percent; a blank one is none."""

    unlock = BooleanField(Phrase("Unlocking the books always waits for approval"))

    def limits(self) -> dict[str, Decimal | None]:
        """Return the limits entered, by act."""
        measures: dict[str, Decimal | None] = {act: self[act].data for act in ACTS if act != "unlock"}
        return measures | {"unlock": ZERO if self.unlock.data else None}


for _act, _about in ACTS.items():
    if _act != "unlock":
        _field = ExactField(_about.label, noun=Phrase("percentage")) if _about.in_percent else AmountField(_about.label)
        setattr(LimitsForm, _act, _field)


class NewRoleForm(PermissionsForm):
    """A new role; `id` prevents a second one on a double click."""

    name = TextField(
        Phrase("Name"), blank_message=Phrase("Enter a name, such as Branch office."), max_length=MAX_ROLE_NAME_LENGTH
    )
    id = NewIdField()


class EditRoleForm(PermissionsForm, EditForm):
    """The permissions of an existing role."""


@pages.get("")
def index() -> ResponseReturnValue:
    """List all roles with their permissions, and the conflicting permissions."""
    session = db.session()
    roles = queries.roles(session)
    return render_template(
        "roles/list.html",
        page=plain_table(ROLES, roles),
        roles=[role for role in roles if not role.is_archived],
        permissions=PERMISSIONS,
        conflicts=queries.conflict_reports(session),
        may_write=has_permission(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
@recent_sign_in
def new() -> ResponseReturnValue:
    """Add a role."""
    form = NewRoleForm()
    if form.validate_on_submit():
        with errors_on(form):
            permissions = form.permissions.data or []
            role, _ = transaction(operations.create, form.name.data, permissions, form.id.data, actor(), now())
            flash(Phrase("The role {role} was added. You can give it to people now.", role=role.name), "success")
            return redirect(url_for("roles.index"), 303)
    return render_form("roles/form.html", form, role=None, people=0)


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
@recent_sign_in
def edit(id: UUID) -> ResponseReturnValue:
    """Change the permissions of a role."""
    form = EditRoleForm(data=_stored_values(id))
    if form.validate_on_submit():
        with errors_on(form):
            saved = save(form, lambda: _stored_form(id), operations.change, id, form.permissions.data or [])
            flash(
                Phrase("The role {role} was saved. The people who have it must sign in again.", role=saved.name),
                "success",
            )
            return redirect(url_for("roles.index"), 303)
    session = db.session()
    role = queries.own_role(session, id)
    return render_form("roles/form.html", form, role=role, people=queries.count_people(session, role.name))


def _stored_form(id: UUID) -> EditRoleForm:
    return EditRoleForm(formdata=None, data=_stored_values(id))


def _stored_values(id: UUID) -> dict[str, Any]:
    stored = queries.own_role(db.session(), id)
    return {"permissions": stored.permissions, "version": stored.version}


@pages.post("/<uuid:id>/archive")
@recent_sign_in
def archive(id: UUID) -> ResponseReturnValue:
    """Archive a role, so that nobody can get it."""
    name = queries.own_role(db.session(), id).name
    transaction(operations.archive, id, actor(), now())
    flash(Phrase("The role {role} was archived.", role=name), "success")
    return redirect(url_for("roles.index"), 303)


@pages.post("/<uuid:id>/restore")
@recent_sign_in
def restore(id: UUID) -> ResponseReturnValue:
    """Restore an archived role."""
    name = queries.own_role(db.session(), id).name
    transaction(operations.restore, id, actor(), now())
    flash(Phrase("The role {role} was restored.", role=name), "success")
    return redirect(url_for("roles.index"), 303)


@pages.route("/limits", methods=["GET", "POST"])
@recent_sign_in
def limits() -> ResponseReturnValue:
    """Set the limits above which acts of people with a role wait for approval."""
    role = text_param("role")
    queries.role_id(db.session(), role)
    stored = limits_of_role(db.session(), role)
    base_currency = current_organisation().base_currency
    form = LimitsForm(data={**stored, "unlock": "unlock" in stored})
    form.expect_currency(base_currency)
    if form.validate_on_submit():
        with errors_on(form):
            transaction(set_limits, role, form.limits(), actor(), now())
            flash(Phrase("The limits of the role {role} were saved.", role=role_label(role)), "success")
            return redirect(url_for("roles.index"), 303)
    limits = [(form[act], "%" if about.in_percent else base_currency) for act, about in ACTS.items() if act != "unlock"]
    return render_form("roles/limits.html", form, role_name=role_label(role), limits=limits)
