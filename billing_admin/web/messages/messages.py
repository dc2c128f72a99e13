"""The outbox: messages to customers, and the outcome of each for its recipients."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.domain.formatting import format_day
from billing_admin.domain.messages import PURPOSES, RECIPIENT_RESULTS, STATES
from billing_admin.models import Message
from billing_admin.queries.messages import messages as queries
from billing_admin.queries.messages.messages import ATTENTION, FILTER_STATES, MessageFilter
from billing_admin.web.frame.customer_field import match_customer
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    current_url,
    day_range_params,
    filtered_url,
    has_permission,
    load_page,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.signed_in import now

WRITE = "messages:write"
STATE_LABELS: Final = {"": "All", ATTENTION: "Needs attention", **STATES}
# The choices of the filter by the outcome for recipients.
UNDELIVERED: Final = {"1": "Refused or bounced", "0": "None refused or bounced"}

pages = page_blueprint("messages", __name__, "/messages", write=WRITE)


def read_filters() -> MessageFilter:
    """Return the list filter in the URL."""
    first, last = day_range_params("from", "to")
    undelivered = choice_param("undelivered", UNDELIVERED)
    return MessageFilter(
        q=text_param("q"),
        customer=text_param("customer"),
        state=choice_param("state", FILTER_STATES),
        purpose=choice_param("purpose", PURPOSES),
        document=text_param("document"),
        from_=first,
        to=last,
        undelivered=undelivered == "1" if undelivered else None,
    )


def filter_chips(filters: MessageFilter) -> list[Any]:
    """Return a removable chip for each condition of the filter, except the state.

    The state has tabs.
    """
    undelivered = "" if filters.undelivered is None else UNDELIVERED[str(int(filters.undelivered))]
    return build_chips(
        ("q", "Search", filters.q),
        ("customer", "Customer", filters.customer),
        ("purpose", "Purpose", PURPOSES.get(filters.purpose, "")),
        ("document", "Document", filters.document),
        ("from", "From day", format_day(filters.from_) if filters.from_ else ""),
        ("to", "To day", format_day(filters.to) if filters.to else ""),
        ("undelivered", "Recipients", undelivered),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """List the messages that match the filter, newest first."""
    session, (filters, unknown_customer) = db.session(), match_customer(read_filters())
    return render_template(
        "messages/list.html",
        filters=filters,
        tabs=[] if unknown_customer else _state_tabs(filters),
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        unknown_customer=unknown_customer,
        page=None if unknown_customer else load_page(queries.messages(session, filters)),
        purposes=PURPOSES,
        undelivered=UNDELIVERED,
        export_url=filtered_url("exports.message_files"),
        may_write=has_permission(WRITE),
    )


def _state_tabs(filters: MessageFilter) -> list[dict[str, Any]]:
    counts = queries.count_by_state(db.session(), filters)
    return [
        {
            "label": label,
            "url": current_url(state=state),
            "count": counts[state],
            "active": state == filters.state,
        }
        for state, label in STATE_LABELS.items()
    ]


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one message with its recipients, text, attachments and history."""
    session = db.session()
    message = queries.message(session, id)
    return render_template(
        "messages/show.html",
        message=message,
        live=_is_due(message, now()),
        purposes=PURPOSES,
        results=RECIPIENT_RESULTS,
        later=queries.later_messages(session, id),
        may_write=has_permission(WRITE),
    )


def _is_due(message: Message, moment: datetime) -> bool:
    """Return whether a worker sends the message now or soon, so that the page reloads."""
    due_at = message.next_attempt_at
    return message.state == "sending" or (due_at is not None and due_at <= moment)
