"""The saved views of a list, as the list's page offers them.

A list that is opened without parameters opens in the person's default view; `view=none` shows it plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import abort, g, redirect, request, url_for

from billing_admin.db.engine import db
from billing_admin.db.lookup import parse_uuid
from billing_admin.domain.translation import Phrase
from billing_admin.models import SavedView
from billing_admin.queries.access.saved_views import views_of_list
from billing_admin.web.frame.list_params import PLAIN_VIEW, VIEW_PARAM, default_list_view, id_param, other_params
from billing_admin.web.frame.signed_in import signed_in_person

# Endpoint → title of each list whose views can be saved.
SAVED_LISTS = {
    "charges.index": Phrase("Charges"),
    "customers.index": Phrase("Customers"),
    "invoices.index": Phrase("Invoices"),
    "payments.index": Phrase("Payments"),
    "recurring_charges.index": Phrase("Recurring charges"),
    "services.index": Phrase("Services"),
}


@dataclass(frozen=True, slots=True)
class ViewLink:
    """A view that a list offers."""

    name: str
    url: str
    is_active: bool
    is_shared: bool


@dataclass(frozen=True, slots=True)
class ListViews:
    """The views of a list, and the pages to save and manage them.

    `name` is that of the view shown, or "".
    """

    links: Sequence[ViewLink]
    name: str
    save_url: str
    manage_url: str
    plain_url: str


def view_url(view: SavedView) -> str:
    """Return the URL of a list in a view."""
    query = "&".join(part for part in (view.query, urlencode({VIEW_PARAM: str(view.id)})) if part)
    return f"{url_for(view.list)}?{query}"


def open_default_view() -> None:
    """Redirect a list that is opened without parameters to the default view."""
    if request.args or request.endpoint not in SAVED_LISTS:
        return
    view = default_list_view()
    if view is not None:
        abort(redirect(view_url(view)))


def load_views() -> ListViews | None:
    """Return the views of the list of this request, or None if it has none to save."""
    endpoint = str(request.endpoint)
    if endpoint not in SAVED_LISTS:
        return None
    shown = request.args.get(VIEW_PARAM, "")
    if shown not in {"", PLAIN_VIEW}:
        id_param(VIEW_PARAM)
    g.setdefault("read_parameters", set()).add(VIEW_PARAM)
    views = views_of_list(db.session(), signed_in_person().id, endpoint)
    active = parse_uuid(shown)
    links = [ViewLink(view.name, view_url(view), view.id == active, view.is_shared) for view in views]
    return ListViews(
        links,
        next((link.name for link in links if link.is_active), ""),
        url_for("saved_views.new", list=endpoint, query=urlencode(other_params(VIEW_PARAM))),
        url_for("saved_views.index", list=endpoint),
        url_for(endpoint, view=PLAIN_VIEW),
    )
