"""Webhooks: who is told of what, with its secret shown once; what each was told, every attempt, and sending again."""

import json
from uuid import UUID

from flask import current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget

from billing_admin.background.sending import address_rules
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.webhook_addresses import LONGEST_URL
from billing_admin.domain.webhooks import EVENTS, FAILURES_BEFORE_WARNING, PING
from billing_admin.models import WebhookEndpoint
from billing_admin.models.webhook import DELIVERY_STATES
from billing_admin.operations.webhooks import endpoints as operations
from billing_admin.operations.webhooks.endpoints import MAX_DESCRIPTION_LENGTH, EndpointSpec
from billing_admin.queries.webhooks import endpoints as queries
from billing_admin.web.frame.editing import VersionField, find_conflicts
from billing_admin.web.frame.forms import Form, NewIdField, TextField, add_errors, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import choice_param, current_url, has_permission, load_page
from billing_admin.web.frame.signed_in import actor, now

WRITE = "webhooks:write"

# Where what an event tells of has its page.
_PAGES = {"invoice": "invoices.show", "charge": "charges.show"}

pages = page_blueprint("webhooks", __name__, "/webhooks", write=WRITE)


class EndpointForm(Form):
    """Where to send, what it is for, which events."""

    url = TextField(
        "URL", blank_message="Enter a URL such as https://example.com/billing-events.", max_length=LONGEST_URL
    )
    description = TextField("Description", max_length=MAX_DESCRIPTION_LENGTH)
    events = SelectMultipleField(
        "Events",
        choices={event: f"{event} — {sentence}." for event, sentence in EVENTS.items()},
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )

    def spec(self) -> EndpointSpec:
        """What was entered."""
        return EndpointSpec(self.url.data, self.description.data or "", self.events.data or [])


class NewEndpointForm(EndpointForm):
    """`id` makes a second click add nothing."""

    id = NewIdField()


class EditEndpointForm(EndpointForm):
    """Changes the version that was read."""

    version = VersionField()


class RotateForm(Form):
    """`version` makes a second click rotate nothing."""

    version = VersionField()


def _settings() -> Settings:
    found: Settings = current_app.extensions["billing_settings"]
    return found


@pages.get("")
def index() -> ResponseReturnValue:
    """Every endpoint, with what became of its last delivery."""
    session = db.session()
    return render_template(
        "webhooks/list.html",
        endpoints=queries.endpoints(session),
        latest=queries.latest_deliveries(session),
        worrying=FAILURES_BEFORE_WARNING,
        may_write=has_permission(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add an endpoint. The answer itself shows the secret; sent again, it adds no second one."""
    form = NewEndpointForm()
    if form.validate_on_submit():
        key, allowed = _settings().secret_key, address_rules(_settings())
        try:
            return _shown(*transaction(operations.add, form.spec(), allowed, key, form.id.data, actor(), now()))
        except Conflict as refusal:
            flash(f"{refusal.message} If it was not kept, rotate it.", "warning")
            return redirect(url_for("webhooks.index"), 303)
        except Invalid as refusal:
            add_errors(form, refusal)
    return render_form("webhooks/form.html", form, endpoint=None, conflicts=[])


def _shown(endpoint: WebhookEndpoint, secret: str, rotated: bool = False) -> ResponseReturnValue:
    """The only page that shows a secret."""
    return render_template("webhooks/secret.html", endpoint=endpoint, secret=secret, rotated=rotated), 201


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """One endpoint, and what it was told."""
    session = db.session()
    endpoint, counts = queries.endpoint(session, id), queries.count_deliveries_by_state(session, id)
    state, event = choice_param("state", DELIVERY_STATES), choice_param("event", (*EVENTS, PING))
    tabs = [
        {
            "label": one.replace("_", " ").capitalize() or "All",
            "url": current_url(state=one),
            "active": one == state,
            "count": counts[one],
        }
        for one in ("", *DELIVERY_STATES)
    ]
    return render_template(
        "webhooks/show.html",
        endpoint=endpoint,
        page=load_page(queries.deliveries(id, state, event)),
        tabs=tabs,
        state=state,
        event=event,
        events=[("", "All"), *((one, one) for one in (*EVENTS, PING))],
        worrying=FAILURES_BEFORE_WARNING,
        now=now(),
        may_write=has_permission(WRITE),
    )


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Change an endpoint; its secret stays."""
    endpoint, conflicts = queries.endpoint(db.session(), id), []
    form = EditEndpointForm(obj=endpoint)
    if form.validate_on_submit():
        with errors_on(form):
            transaction(
                operations.change, id, form.spec(), address_rules(_settings()), form.version.data, actor(), now()
            )
            flash("The webhook was saved.", "success")
            return redirect(url_for("webhooks.show", id=id), 303)
        endpoint = queries.endpoint(db.session(), id)
        conflicts = find_conflicts(form, EditEndpointForm(formdata=None, obj=endpoint), endpoint.version)
    return render_form("webhooks/form.html", form, endpoint=endpoint, conflicts=conflicts)


@pages.route("/<uuid:id>/rotate", methods=["GET", "POST"])
def rotate(id: UUID) -> ResponseReturnValue:
    """Say what follows, then make another secret and show it once."""
    endpoint = queries.endpoint(db.session(), id)
    form = RotateForm(obj=endpoint)
    if form.validate_on_submit():
        try:
            secret = transaction(
                operations.rotate_secret, id, _settings().secret_key, form.version.data, actor(), now()
            )
        except Stale as refusal:
            flash(refusal.message, "warning")
            return redirect(url_for("webhooks.show", id=id), 303)
        return _shown(queries.endpoint(db.session(), id), secret, rotated=True)
    return render_form("webhooks/rotate.html", form, endpoint=endpoint)


@pages.route("/<uuid:id>/archive", methods=["GET", "POST"])
def archive(id: UUID) -> ResponseReturnValue:
    """Say what is given up, then tell it nothing more."""
    endpoint, form = queries.endpoint(db.session(), id), Form()
    if form.validate_on_submit():
        url = endpoint.url
        transaction(operations.archive, id, actor(), now())
        flash(f"{url} is told nothing more.", "success")
        return redirect(url_for("webhooks.index"), 303)
    waiting = queries.count_deliveries_by_state(db.session(), id)["waiting"]
    return render_form("webhooks/archive.html", form, endpoint=endpoint, waiting=waiting)


@pages.post("/<uuid:id>/pause")
def pause(id: UUID) -> ResponseReturnValue:
    """Send nothing for the time being."""
    transaction(operations.pause, id, actor(), now())
    flash("The webhook is paused: what happens meanwhile waits.", "success")
    return redirect(url_for("webhooks.show", id=id), 303)


@pages.post("/<uuid:id>/resume")
def resume(id: UUID) -> ResponseReturnValue:
    """Send again."""
    transaction(operations.resume, id, actor(), now())
    flash("The webhook is active: what has waited is sent within moments.", "success")
    return redirect(url_for("webhooks.show", id=id), 303)


@pages.post("/<uuid:id>/ping")
def ping(id: UUID) -> ResponseReturnValue:
    """Have a ping sent, and show what becomes of it."""
    try:
        delivery_id = transaction(operations.ping, id, actor(), now())
    except Conflict as refusal:
        flash(refusal.message, "warning")
        return redirect(url_for("webhooks.show", id=id), 303)
    return redirect(url_for("webhooks.delivery", id=delivery_id), 303)


@pages.get("/deliveries/<uuid:id>")
def delivery(id: UUID) -> ResponseReturnValue:
    """One delivery: what is sent, each attempt, each answer."""
    session, moment = db.session(), now()
    found = queries.delivery(session, id)
    endpoint = queries.endpoint(session, found.endpoint_id)
    told = json.loads(found.body)
    page = _PAGES.get(found.event.partition(".")[0])
    due = found.next_attempt_at is not None and found.next_attempt_at <= moment
    return render_template(
        "webhooks/delivery.html",
        delivery=found,
        endpoint=endpoint,
        about_url=url_for(page, id=told["data"]["id"]) if page else None,
        body=json.dumps(told, ensure_ascii=False, indent=2),
        live=due and endpoint.state == "active",
        may_write=has_permission(WRITE),
    )


@pages.post("/deliveries/<uuid:id>/again")
def send_again(id: UUID) -> ResponseReturnValue:
    """Send a delivery once more."""
    transaction(operations.resend_delivery, id, actor(), now())
    return redirect(url_for("webhooks.delivery", id=id), 303)
