"""The audit log: who did what to what, and when, with the values before and after."""

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
from billing_admin.queries import audit as queries
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import event_details, humanise
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    current_url,
    day_param,
    filtered_url,
    id_param,
    load_page,
    text_param,
    unfiltered_url,
)

READ = "audit:read"
# Nobody writes here: whoever tried would need what nobody may lack who changes settings.
pages = page_blueprint("audit", __name__, "/audit", write="settings:write", read=READ)

# Where an object's page is; whoever is not there is named without a link.
PLACES: Final[Mapping[str, str]] = {
    "billing_run": "billing_runs.show",
    "charge": "charges.show",
    "customer": "customers.show",
    "invoice": "invoices.show",
    "payment": "payments.show",
    "recurring_charge": "recurring_charges.show",
    "service": "services.show",
    "tax_rate": "tax_rates.show",
    "webhook": "webhooks.show",
}
INDEXES: Final[Mapping[str, str]] = {
    "organisation": "settings.index",
    "token": "tokens.index",
    "user": "users.index",
}


@dataclass(frozen=True, slots=True)
class Line:
    """An event as the page shows it; `url` is None where there is no page of the object, or no longer."""

    event: Any
    what: str
    what_url: str
    who_url: str
    object: str
    url: str | None
    history_url: str | None
    facts: list[tuple[str, str | None, str]]


def read_filters() -> queries.AuditFilter:
    """The filter that the URL states."""
    return queries.AuditFilter(
        actor=text_param("actor"),
        type=choice_param("type", queries.OBJECT_TYPES),
        action=text_param("action"),
        object=id_param("object"),
        from_=day_param("from"),
        to=day_param("to"),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """What the filter lets through, newest first, and how far the chain covers it."""
    session, filters = db.session(), read_filters()
    found = load_page(queries.shown_events(session, filters))
    named = queries.load_object_names(session, found.rows)
    return render_template(
        "audit/list.html",
        filters=filters,
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        export_url=filtered_url("exports.audit_files"),
        page=found,
        lines=[_line(event, named) for event in found.rows],
        types=[(kind, humanise(kind)) for kind in queries.OBJECT_TYPES],
        head=queries.chain_head(session),
        unsealed=queries.count_unsealed(session),
    )


def filter_chips(filters: queries.AuditFilter) -> list[Any]:
    """The filter in words."""
    return build_chips(
        ("actor", "Who", filters.actor),
        ("type", "What", humanise(filters.type)),
        ("action", "Action", humanise(filters.action)),
        ("object", "Object", str(filters.object or "")),
        ("from", "From", format_day(filters.from_) if filters.from_ else ""),
        ("to", "To", format_day(filters.to) if filters.to else ""),
    )


def _line(event: Any, named: Mapping[UUID, Any]) -> Line:
    id = event.object_id
    return Line(
        event=event,
        what=humanise(event.action),
        what_url=current_url(action=event.action),
        who_url=current_url(actor=event.actor_name),
        object=_called(named.get(id)) if id in named else humanise(event.object_type),
        url=_url(event.object_type, id, named),
        history_url=current_url(object=id) if id else None,
        facts=event_details(readable_details(event.action, event.details, event.currency)),
    )


def _called(name: Any) -> str:
    if isinstance(name, date):
        return f"Up to {format_day(name)}"
    return str(name or "Draft")


def _url(kind: str, id: UUID | None, named: Mapping[UUID, Any]) -> str | None:
    if kind in INDEXES:
        return url_for(INDEXES[kind])
    return url_for(PLACES[kind], id=id) if kind in PLACES and id in named else None
