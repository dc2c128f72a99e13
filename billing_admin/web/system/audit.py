"""The audit log: each event with its actor, action, object and time.

Events also have the values before and after.
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
from billing_admin.domain.formatting import format_day
from billing_admin.domain.messages import SENDING_ACTS
from billing_admin.queries import audit as queries
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import event_details, humanise
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    current_url,
    day_range_params,
    filtered_url,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.system_lists import AUDIT_EVENTS
from billing_admin.web.frame.tables import load_table

READ = "audit:read"
# The log has no pages that write. The guard still needs a permission for writing.
pages = page_blueprint("audit", __name__, "/audit", write="settings:write", read=READ)

# Object type → endpoint of the object's page. Objects of other types have no link.
OBJECT_ENDPOINTS: Final[Mapping[str, str]] = {
    "billing_run": "billing_runs.show",
    "charge": "charges.show",
    "customer": "customers.show",
    "invoice": "invoices.show",
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
    "exchange_rate": "exchange_rates.index",
    "message_text": "message_texts.index",
    "organisation": "settings.index",
    "token": "tokens.index",
    "user": "users.index",
}


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event as the page shows it.

    `url` is None if the object has no page, or no longer exists.
    """

    event: Any
    action: str
    action_url: str
    actor_url: str
    object: str
    url: str | None
    history_url: str | None
    details: list[tuple[str, str | None, str]]


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
    names = queries.load_object_names(session, page.rows)
    return render_template(
        "audit/list.html",
        filters=filters,
        object=text_param("object"),
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        export_url=filtered_url("exports.audit_files"),
        page=page,
        lines={event.id: _event_line(event, names) for event in page.rows},
        types=[(kind, humanise(kind)) for kind in queries.OBJECT_TYPES],
        head=queries.chain_head(session),
        unsealed=queries.count_unsealed(session),
    )


def filter_chips(filters: queries.AuditFilter) -> list[Any]:
    """Return the active filters as chips."""
    return build_chips(
        ("actor", "Actor", filters.actor),
        ("type", "Object type", humanise(filters.type)),
        ("action", "Action", humanise(filters.action)),
        ("object", "Object", text_param("object")),
        ("from", "From", format_day(filters.from_) if filters.from_ else ""),
        ("to", "To", format_day(filters.to) if filters.to else ""),
    )


def _event_line(event: Any, names: Mapping[UUID, Any]) -> EventLine:
    id = event.object_id
    details = {
        name: queries.named_detail(value, names) if name in queries.NAMED_DETAILS else value
        for name, value in event.details.items()
    }
    return EventLine(
        event=event,
        action=humanise(event.action),
        action_url=current_url(action=event.action),
        actor_url=current_url(actor=event.actor_name),
        object=_object_label(event.object_type, names.get(id)) if id in names else humanise(event.object_type),
        url=_object_url(event.object_type, id, names),
        history_url=current_url(object=id) if id else None,
        details=event_details(readable_details(event.action, details, event.currency)),
    )


def _object_label(kind: str, name: Any) -> str:
    if kind == "sending_run":
        return SENDING_ACTS[name]
    if isinstance(name, date):
        return f"{'Reminders of' if kind == 'reminder_run' else 'Up to'} {format_day(name)}"
    return str(name or "Draft")


def _object_url(kind: str, id: UUID | None, names: Mapping[UUID, Any]) -> str | None:
    if kind in INDEX_ENDPOINTS:
        return url_for(INDEX_ENDPOINTS[kind])
    return url_for(OBJECT_ENDPOINTS[kind], id=id) if kind in OBJECT_ENDPOINTS and id in names else None
