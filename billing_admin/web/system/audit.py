"""The audit log, and a page for each event.

Events also have the values before and after, of which the difference is marked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.audit import readable_details
from billing_admin.domain.audit_changes import Line, Piece, key_type, lines, named_type
from billing_admin.domain.formatting import format_day
from billing_admin.domain.messages import SENDING_ACTS
from billing_admin.domain.translation import Phrase
from billing_admin.queries import audit as queries
from billing_admin.web.frame.event_labels import action_label, object_label
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import detail_label, detail_text
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    day_range_params,
    export_url,
    filtered_url,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.system_lists import AUDIT_EVENTS
from billing_admin.web.frame.tables import load_table
from billing_admin.web.system.jobs import JOB_KINDS

READ = "audit:read"
# The log has no pages that write. The guard still needs a permission for writing.
pages = page_blueprint("audit", __name__, "/audit", write="settings:write", read=READ)

# Object type → endpoint of the object's page. Objects of other types have no link.
OBJECT_ENDPOINTS: Final[Mapping[str, str]] = {
    "approval": "approvals.show",
    "billing_run": "billing_runs.show",
    "charge": "charges.show",
    "customer": "customers.show",
    "invoice": "invoices.show",
    "job": "jobs.show",
    "message": "messages.show",
    "payment": "payments.show",
    "recurring_charge": "recurring_charges.show",
    "refund": "refunds.show",
    "reminder_run": "reminders.show",
    "sending_run": "sending_runs.show",
    "service": "services.show",
    "tax_rate": "tax_rates.show",
    "webhook": "webhooks.show",
}
# Object type → endpoint of the page with all objects of the type.
INDEX_ENDPOINTS: Final[Mapping[str, str]] = {
    "bank_account": "bank_accounts.index",
    "customer_field": "customer_fields.index",
    "exchange_rate": "exchange_rates.index",
    "message_text": "message_texts.index",
    "organisation": "settings.index",
    "role": "roles.index",
    "token": "tokens.index",
    "user": "users.index",
}


# Kind of actor → where its events come from.
THROUGH: Final[Mapping[str, str]] = {
    "person": Phrase("Browser"),
    "token": Phrase("API"),
    "system": Phrase("Command line or a job"),
}
MAX_LINES = 6  # of an event in the list; its page has all of them
MAX_ITEMS = 100  # of a long list on the page of an event


@dataclass(frozen=True, slots=True)
class ShownPiece:
    """A part of a value as pages show it, and the page of the object it names."""

    text: str
    is_different: bool
    url: str | None


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A detail of an event as pages show it.

    `before` is None if the event states no earlier value. `left_out` is the number of further items of a long list.
    """

    label: str
    label_url: str | None
    before: tuple[ShownPiece, ...] | None
    after: tuple[ShownPiece, ...]
    is_list: bool
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event as pages show it.

    `url` is None if the object has no page, or no longer exists. `left_out` is the number of lines that are not shown.
    """

    event: Any
    action: str
    action_url: str
    actor_url: str
    object: str
    url: str | None
    history_url: str | None
    lines: list[ShownLine]
    left_out: int


def read_filters() -> queries.AuditFilter:
    """Return the filters in the URL."""
    first, last = day_range_params("from", "to")
    kind, object = choice_param("type", queries.OBJECT_TYPES), text_param("object")
    return queries.AuditFilter(
        actor=text_param("actor"),
        type=kind,
        action=text_param("action"),
        object=queries.find_object(db.session(), object, kind) if object else None,
        from_=first,
        to=last,
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """List the events that match the filters, newest first.

    The page also has the state of the hash chain.
    """
    session, filters = db.session(), read_filters()
    page = load_table(queries.shown_events(session, filters), AUDIT_EVENTS)
    names = queries.load_event_names(session, page.rows, 0)
    return render_template(
        "audit/list.html",
        filters=filters,
        object=text_param("object"),
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        export_url=export_url("exports.audit_files"),
        page=page,
        lines={event.id: _event_line(event, names, MAX_LINES) for event in page.rows},
        types=[(kind, object_label(kind)) for kind in queries.OBJECT_TYPES],
        head=queries.chain_head(session),
        unsealed=queries.count_unsealed(session),
    )


def filter_chips(filters: queries.AuditFilter) -> list[Any]:
    """Return the active filters as chips."""
    return build_chips(
        ("actor", Phrase("Actor"), filters.actor),
        ("type", Phrase("Object type"), object_label(filters.type)),
        ("action", Phrase("Action"), action_label(filters.action)),
        ("object", Phrase("Object"), text_param("object")),
        ("from", Phrase("From day"), format_day(filters.from_) if filters.from_ else ""),
        ("to", Phrase("To day"), format_day(filters.to) if filters.to else ""),
    )


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show an event with all details and its place in the chain."""
    session = db.session()
    event = queries.load_event(session, id)
    names = queries.load_event_names(session, [event], MAX_ITEMS)
    return render_template(
        "audit/show.html",
        line=_event_line(event, names, max_items=MAX_ITEMS),
        event=event,
        through=THROUGH.get(event.actor_kind, event.actor_kind),
    )


def _event_line(event: Any, names: queries.EventNames, max_lines: int | None = None, max_items: int = 0) -> EventLine:
    id, kind = event.object_id, event.object_type
    details = lines(readable_details(event.action, event.details, event.currency))
    return EventLine(
        event=event,
        action=action_label(event.action),
        action_url=filtered_url("audit.index", action=event.action),
        actor_url=filtered_url("audit.index", actor=event.actor_name),
        object=_object_label(kind, names.objects.get(id)) if id in names.objects else object_label(kind),
        url=_object_url(kind, id, names),
        history_url=filtered_url("audit.index", object=id) if id else None,
        lines=[_shown_line(line, event, names, max_items) for line in details[:max_lines]],
        left_out=max(0, len(details) - len(details[:max_lines])),
    )


def _shown_line(line: Line, event: Any, names: queries.EventNames, max_items: int) -> ShownLine:
    kind = named_type(line.path, event.object_type)
    of_key = key_type(line.path)
    before, after = line.before, line.after
    left_out = 0
    if line.is_list and kind and before is None and len(after) > max_items:
        left_out, after = len(after) - max_items, after[:max_items]
    return ShownLine(
        detail_label(line.path),
        _named_url(of_key, line.path[-1], names) if of_key else None,
        None if before is None else tuple(_shown_piece(line, piece, kind, names) for piece in before),
        tuple(_shown_piece(line, piece, kind, names) for piece in after),
        line.is_list,
        left_out,
    )


def _shown_piece(line: Line, piece: Piece, kind: str, names: queries.EventNames) -> ShownPiece:
    text = detail_text(line.path, piece.value)
    if not kind or not isinstance(piece.value, str):
        return ShownPiece(text, piece.is_different, None)
    _, name = names.named.get((kind, piece.value), (None, None))
    label = text if name is None else _object_label(kind, name)
    return ShownPiece(label, piece.is_different, _named_url(kind, piece.value, names))


def _named_url(kind: str, text: str, names: queries.EventNames) -> str | None:
    """Return the page of the object that a detail names."""
    id, _ = names.named.get((kind, text), (None, None))
    return url_for(OBJECT_ENDPOINTS[kind], id=id) if id is not None and kind in OBJECT_ENDPOINTS else None


def _object_label(kind: str, name: Any) -> str:
    if kind == "sending_run":
        return SENDING_ACTS.get(name, name)
    if kind == "job":
        return JOB_KINDS[name].title if name in JOB_KINDS else str(name)
    if isinstance(name, date):
        day = format_day(name)
        return Phrase("Reminders of {day}", day=day) if kind == "reminder_run" else Phrase("Up to {day}", day=day)
    return name or (Phrase("Draft") if kind == "invoice" else object_label(kind))


def _object_url(kind: str, id: UUID | None, names: queries.EventNames) -> str | None:
    if kind in INDEX_ENDPOINTS:
        return url_for(INDEX_ENDPOINTS[kind])
    if id is None or id in names.deleted or id not in names.objects:
        return None
    return url_for(OBJECT_ENDPOINTS[kind], id=id) if kind in OBJECT_ENDPOINTS else None
