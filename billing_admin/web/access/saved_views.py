"""Saved views of lists: save, rename, share and delete them."""

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import NotFound
from billing_admin.domain.saved_views import MAX_NAME_LENGTH, MAX_QUERY_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.models import SavedView
from billing_admin.operations.access import saved_views as operations
from billing_admin.operations.access.saved_views import ViewSpec
from billing_admin.queries.access.saved_views import default_view, views_of_list
from billing_admin.web.frame.forms import Form, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import PLAIN_VIEW, choice_param
from billing_admin.web.frame.list_views import SAVED_LISTS, view_url
from billing_admin.web.frame.signed_in import actor, now, signed_in_person

WRITE = "password:write"

pages = page_blueprint("saved_views", __name__, "/saved-views", write=WRITE, read=WRITE)


class ViewForm(Form):
    """The name of a view, and who is offered it."""

    name = TextField(Phrase("Name"), blank_message=Phrase("Enter a name for the view."), max_length=MAX_NAME_LENGTH)
    is_shared = BooleanField(Phrase("Share with everybody"))


class NewViewForm(ViewForm):
    """A new view, which can become the person's default."""

    is_default = BooleanField(Phrase("Open the list in this view"))


@pages.get("")
def index() -> ResponseReturnValue:
    """List the views of a list that the person is offered."""
    list_name = _list_param()
    current = default_view(db.session(), _user_id(), list_name)
    return render_template(
        "saved_views/list.html",
        list_name=list_name,
        title=SAVED_LISTS[list_name],
        views=[
            (view, view_url(view), view.user_id == _user_id(), current is not None and view.id == current.id)
            for view in views_of_list(db.session(), _user_id(), list_name)
        ],
        list_url=url_for(list_name, view=PLAIN_VIEW),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Save the current filter, order and columns of a list."""
    list_name, form = _list_param(), NewViewForm()
    query = request.args.get("query", "")[: MAX_QUERY_LENGTH + 1]
    if form.validate_on_submit():
        with errors_on(form, {"query": "name"}):
            spec = ViewSpec(list_name, form.name.data, query, form.is_shared.data)
            view = transaction(_save, spec, form.is_default.data, actor())
            flash(Phrase("The view “{view_name}” is saved.", view_name=view.name), "success")
            return redirect(view_url(view), 303)
    back_url = url_for(list_name) + (f"?{query}" if query else f"?view={PLAIN_VIEW}")
    return render_form("saved_views/new.html", form, title=SAVED_LISTS[list_name], back_url=back_url)


def _save(session: Session, spec: ViewSpec, is_default: bool, by: Actor) -> SavedView:
    view = operations.save(session, _user_id(), spec, by, now())
    if is_default:
        operations.set_default(session, _user_id(), spec.list, view.id, by, now())
    return view


@pages.route("/<uuid:id>", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Rename a view, and share it or not."""
    view = _load(id)
    form = ViewForm(obj=view)
    if form.validate_on_submit():
        with errors_on(form):
            transaction(operations.change, _user_id(), id, form.name.data, form.is_shared.data, actor(), now())
            flash(Phrase("The view “{name}” is saved.", name=form.name.data), "success")
            return _redirect_to_views(view.list)
    return render_form("saved_views/edit.html", form, view=view, title=SAVED_LISTS[view.list])


@pages.post("/<uuid:id>/delete")
def delete(id: UUID) -> ResponseReturnValue:
    """Delete a view."""
    view = _load(id)
    transaction(operations.discard, _user_id(), id, actor(), now())
    flash(Phrase("The view “{view_name}” is deleted.", view_name=view.name), "success")
    return _redirect_to_views(view.list)


@pages.post("/<uuid:id>/default")
def make_default(id: UUID) -> ResponseReturnValue:
    """Open the list in a view from now on."""
    view = _load(id)
    transaction(operations.set_default, _user_id(), view.list, id, actor(), now())
    flash(
        Phrase("{list} now opens in the view “{view_name}”.", list=SAVED_LISTS[view.list], view_name=view.name),
        "success",
    )
    return _redirect_to_views(view.list)


@pages.post("/plain")
def open_plain() -> ResponseReturnValue:
    """Open a list without a view from now on."""
    list_name = _list_param()
    transaction(operations.set_default, _user_id(), list_name, None, actor(), now())
    flash(Phrase("{list_name} now opens without a view.", list_name=SAVED_LISTS[list_name]), "success")
    return _redirect_to_views(list_name)


def _user_id() -> UUID:
    return signed_in_person().id


def _list_param() -> str:
    return choice_param("list", SAVED_LISTS) or next(iter(SAVED_LISTS))


def _load(id: UUID) -> Any:
    view = db.session().get(SavedView, id)
    if view is None or not (view.is_shared or view.user_id == _user_id()):
        raise NotFound("unknown_view", Phrase("There is no view {id}.", id=id), "id")
    return view


def _redirect_to_views(list_name: str) -> ResponseReturnValue:
    return redirect(url_for("saved_views.index", list=list_name), 303)
