"""Webhook endpoints with their events, secrets and deliveries.

A delivery is shown with every attempt.
"""

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
from billing_admin.domain.translation import Phrase
from billing_admin.domain.webhook_addresses import LONGEST_URL
from billing_admin.domain.webhooks import EVENTS, FAILURES_BEFORE_WARNING, PING
from billing_admin.models import WebhookEndpoint
from billing_admin.models.webhook import DELIVERY_STATES
from billing_admin.operations.webhooks import endpoints as operations
from billing_admin.operations.webhooks.endpoints import MAX_DESCRIPTION_LENGTH, EndpointSpec
from billing_admin.queries.webhooks import endpoints as queries
from billing_admin.web.frame.editing import EditForm, VersionField, save
from billing_admin.web.frame.forms import Form, NewIdField, TextField, add_errors, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import status_label
from billing_admin.web.frame.list_params import choice_param, current_url, has_permission
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.frame.system_lists import DELIVERIES, WEBHOOKS
from billing_admin.web.frame.tables import load_table, plain_table

WRITE = "webhooks:write"

# The page of the object that an event is about, by the first part of the event's name.
_OBJECT_PAGES = {"invoice": "invoices.show", "charge": "charges.show", "message": "messages.show"}

pages = page_blueprint("webhooks", __name__, "/webhooks", write=WRITE)


class EndpointForm(Form):
    """URL, description and events of a webhook endpoint."""

    url = TextField(
        Phrase("URL"),
        blank_message=Phrase("Enter a URL, such as https://example.com/billing-events."),
        max_length=LONGEST_URL,
    )
    description = TextField(Phrase("Description"), max_length=MAX_DESCRIPTION_LENGTH)
    events = SelectMultipleField(
        Phrase("Events"),
        choices={
            event: Phrase("{event} — {sentence}.", event=event, sentence=sentence) for event, sentence in EVENTS.items()
        },
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )

    def spec(self) -> EndpointSpec:
        """Return the values entered."""
        return EndpointSpec(self.url.data, self.description.data or "", self.events.data or [])


class NewEndpointForm(EndpointForm):
    """A new endpoint; `id` prevents a second endpoint on a double click."""

    id = NewIdField()


class EditEndpointForm(EndpointForm, EditForm):
    """An existing endpoint."""


class RotateForm(Form):
    """`version` prevents a second rotation on a double click."""

    version = VersionField()


def _settings() -> Settings:
    settings: Settings = current_app.extensions["billing_settings"]
    return settings


@pages.get("")
def index() -> ResponseReturnValue:
    """List all endpoints, with their latest deliveries."""
    session = db.session()
    return render_template(
        "webhooks/list.html",
        page=plain_table(WEBHOOKS, queries.endpoints(session)),
        latest=queries.latest_deliveries(session),
        warning_threshold=FAILURES_BEFORE_WARNING,
        may_write=has_permission(WRITE),
    )


@pages.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Add an endpoint and show its secret.

    A repeated request adds no second endpoint.
    """
    form = NewEndpointForm()
    if form.validate_on_submit():
        key, allowed = _settings().secret_key, address_rules(_settings())
        try:
            return _secret_page(*transaction(operations.add, form.spec(), allowed, key, form.id.data, actor(), now()))
        except Conflict as error:
            flash(Phrase("{message} If you did not copy the secret, rotate it.", message=error.message), "warning")
            return redirect(url_for("webhooks.index"), 303)
        except Invalid as error:
            add_errors(form, error)
    return render_form("webhooks/form.html", form, endpoint=None)


def _secret_page(endpoint: WebhookEndpoint, secret: str, rotated: bool = False) -> ResponseReturnValue:
    """Return the only page that shows a secret."""
    return render_template("webhooks/secret.html", endpoint=endpoint, secret=secret, rotated=rotated), 201


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one endpoint and list its deliveries."""
    session = db.session()
    endpoint, counts = queries.endpoint(session, id), queries.count_deliveries_by_state(session, id)
    state, event = choice_param("state", DELIVERY_STATES), choice_param("event", (*EVENTS, PING))
    tabs = [
        {
            "label": status_label(tab_state.replace("_", " ")) if tab_state else Phrase("All"),
            "url": current_url(state=tab_state),
            "active": tab_state == state,
            "count": counts[tab_state],
        }
        for tab_state in ("", *DELIVERY_STATES)
    ]
    return render_template(
        "webhooks/show.html",
        endpoint=endpoint,
        page=load_table(queries.deliveries(id, state, event), DELIVERIES),
        tabs=tabs,
        state=state,
        event=event,
        events=[("", Phrase("All")), *((name, name) for name in (*EVENTS, PING))],
        warning_threshold=FAILURES_BEFORE_WARNING,
        now=now(),
        may_write=has_permission(WRITE),
    )


@pages.route("/<uuid:id>/edit", methods=["GET", "POST"])
def edit(id: UUID) -> ResponseReturnValue:
    """Edit an endpoint; its secret does not change."""
    form = EditEndpointForm(obj=queries.endpoint(db.session(), id))
    if form.validate_on_submit():
        with errors_on(form):
            save(form, lambda: _stored_form(id), operations.change, id, form.spec(), address_rules(_settings()))
            flash(Phrase("The webhook was saved."), "success")
            return redirect(url_for("webhooks.show", id=id), 303)
    return render_form("webhooks/form.html", form, endpoint=queries.endpoint(db.session(), id))


def _stored_form(id: UUID) -> EditEndpointForm:
    return EditEndpointForm(formdata=None, obj=queries.endpoint(db.session(), id))


@pages.route("/<uuid:id>/rotate", methods=["GET", "POST"])
def rotate(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then make a new secret and show it once."""
    endpoint = queries.endpoint(db.session(), id)
    form = RotateForm(obj=endpoint)
    if form.validate_on_submit():
        try:
            secret = transaction(
                operations.rotate_secret, id, _settings().secret_key, form.version.data, actor(), now()
            )
        except Stale as error:
            flash(error.message, "warning")
            return redirect(url_for("webhooks.show", id=id), 303)
        return _secret_page(queries.endpoint(db.session(), id), secret, rotated=True)
    return render_form("webhooks/rotate.html", form, endpoint=endpoint)


@pages.route("/<uuid:id>/archive", methods=["GET", "POST"])
def archive(id: UUID) -> ResponseReturnValue:
    """Ask for confirmation, then delete the endpoint.

    Its waiting deliveries are given up.
    """
    endpoint, form = queries.endpoint(db.session(), id), Form()
    if form.validate_on_submit():
        url = endpoint.url
        transaction(operations.archive, id, actor(), now())
        flash(Phrase("The webhook to {url} was deleted.", url=url), "success")
        return redirect(url_for("webhooks.index"), 303)
    waiting = queries.count_deliveries_by_state(db.session(), id)["waiting"]
    return render_form("webhooks/archive.html", form, endpoint=endpoint, waiting=waiting)


@pages.post("/<uuid:id>/pause")
def pause(id: UUID) -> ResponseReturnValue:
    """Pause an endpoint; its deliveries wait."""
    transaction(operations.pause, id, actor(), now())
    flash(Phrase("The webhook is paused. New events wait until you resume it."), "success")
    return redirect(url_for("webhooks.show", id=id), 303)


@pages.post("/<uuid:id>/resume")
def resume(id: UUID) -> ResponseReturnValue:
    """Resume a paused endpoint."""
    transaction(operations.resume, id, actor(), now())
    flash(Phrase("The webhook is active. Waiting events will be sent shortly."), "success")
    return redirect(url_for("webhooks.show", id=id), 303)


@pages.post("/<uuid:id>/ping")
def ping(id: UUID) -> ResponseReturnValue:
    """Send a ping and show its delivery."""
    try:
        delivery_id = transaction(operations.ping, id, actor(), now())
    except Conflict as error:
        flash(error.message, "warning")
        return redirect(url_for("webhooks.show", id=id), 303)
    return redirect(url_for("webhooks.delivery", id=delivery_id), 303)


@pages.get("/deliveries/<uuid:id>")
def delivery(id: UUID) -> ResponseReturnValue:
    """Show one delivery with its body, attempts and responses."""
    session, moment = db.session(), now()
    delivery = queries.delivery(session, id)
    endpoint = queries.endpoint(session, delivery.endpoint_id)
    payload = json.loads(delivery.body)
    object_page = _OBJECT_PAGES.get(delivery.event.partition(".")[0])
    due = delivery.next_attempt_at is not None and delivery.next_attempt_at <= moment
    return render_template(
        "webhooks/delivery.html",
        delivery=delivery,
        endpoint=endpoint,
        object_url=url_for(object_page, id=payload["data"]["id"]) if object_page else None,
        body=json.dumps(payload, ensure_ascii=False, indent=2),
        live=due and endpoint.state == "active",
        may_write=has_permission(WRITE),
    )


@pages.post("/deliveries/<uuid:id>/again")
def send_again(id: UUID) -> ResponseReturnValue:
    """Send a delivery again."""
    transaction(operations.resend_delivery, id, actor(), now())
    return redirect(url_for("webhooks.delivery", id=id), 303)
