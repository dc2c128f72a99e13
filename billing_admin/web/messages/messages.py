"""The outbox: messages to customers, and the outcome of each for its recipients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.formatting import format_day, format_whole
from billing_admin.domain.messages import (
    PURPOSES,
    RECIPIENT_RESULTS,
    STATES,
    WITHDRAWN,
    Recipient,
    again_problem,
    cancel_problem,
    mark_problem,
)
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase, plural
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.http.body_limits import MIB, BodyLimit, body_limit
from billing_admin.http.downloads import Download, send_recorded
from billing_admin.models import Message
from billing_admin.operations.messages import messages as operations
from billing_admin.operations.messages.content import load_attachment
from billing_admin.operations.messages.deliveries import resume_sending
from billing_admin.queries.master_data.contacts import contacts
from billing_admin.queries.messages import messages as queries
from billing_admin.queries.messages.messages import ATTENTION, FILTER_STATES, MessageFilter
from billing_admin.queries.messages.outbox import current_pause
from billing_admin.queries.messages.recipients import load_recipients
from billing_admin.queries.messages.statements import unreachable_monthly_customers
from billing_admin.web.frame.customer_field import match_customer
from billing_admin.web.frame.forms import Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import (
    build_chips,
    choice_param,
    current_url,
    day_range_params,
    export_url,
    filtered_url,
    has_permission,
    selected_ids,
    text_param,
    unfiltered_url,
)
from billing_admin.web.frame.lists import MESSAGES
from billing_admin.web.frame.signed_in import actor, now
from billing_admin.web.frame.tables import load_table
from billing_admin.web.messages.recipients import RecipientsForm
from billing_admin.web.messages.sending_plans import WRITE, mail_on, may_send

STATE_LABELS: Final = {"": Phrase("All"), ATTENTION: Phrase("Needs attention"), **STATES}
MAX_CHANGED: Final = 1_000  # messages that are changed at once, in one transaction
# The choices of the filter by the outcome for recipients.
UNDELIVERED: Final = {"1": Phrase("Refused or bounced"), "0": Phrase("None refused or bounced")}


class ReasonForm(Form):
    """The reason for changing messages."""

    reason = TextField(
        Phrase("Reason"),
        blank_message=Phrase("Enter a reason. It is shown in the history."),
        max_length=MAX_REASON_LENGTH,
    )


class AgainForm(RecipientsForm, ReasonForm):
    """The recipients of a message that is sent again; `id` prevents a second one."""

    id = NewIdField()


@dataclass(frozen=True, slots=True)
class Act:
    """A change of messages, with its texts.

    `problem` returns why it does not apply to a state, `change` makes it. `order` and `done` are for one message; the
    other texts take a number: `refused` and `skipped` are for selected messages that do not allow it.
    """

    order: str
    order_many: Callable[[int], Phrase]
    done: str
    done_many: Callable[[int], Phrase]
    refused: str
    skipped: Callable[[int], Phrase]
    consequence: str
    hint: str
    problem: Callable[[str], str | None]
    change: Callable[..., object]


def _cancel(session: Session, id: UUID, reason: str, _mail_on: bool, actor: Actor, at: datetime) -> object:
    return operations.cancel_message(session, id, reason, actor, at)


def _mark(session: Session, id: UUID, reason: str, _mail_on: bool, actor: Actor, at: datetime) -> object:
    return operations.mark_message_sent(session, id, reason, actor, at)


def _send_again(session: Session, id: UUID, reason: str, mail_on: bool, actor: Actor, at: datetime) -> object:
    return operations.send_again(session, id, reason, None, None, mail_on, actor, at)


ACTS: Final[Mapping[str, Act]] = {
    "cancel": Act(
        Phrase("Cancel message"),
        lambda count: plural("Cancel {count} message", "Cancel {count} messages", count),
        Phrase("The message was cancelled."),
        lambda count: plural("{count} message cancelled.", "{count} messages cancelled.", count),
        Phrase("None of the selected messages can be cancelled."),
        lambda count: plural(
            "{count} other selected message cannot be cancelled and will not change.",
            "{count} other selected messages cannot be cancelled and will not change.",
            count,
        ),
        Phrase("It will not be sent. The documents can then be sent in another message."),
        Phrase("Shown in the history."),
        cancel_problem,
        _cancel,
    ),
    "mark-sent": Act(
        Phrase("Mark message as sent"),
        lambda count: plural("Mark {count} message as sent", "Mark {count} messages as sent", count),
        Phrase("The message was marked as sent."),
        lambda count: plural("{count} message marked as sent.", "{count} messages marked as sent.", count),
        Phrase("None of the selected messages can be marked as sent."),
        lambda count: plural(
            "{count} other selected message cannot be marked as sent and will not change.",
            "{count} other selected messages cannot be marked as sent and will not change.",
            count,
        ),
        Phrase("No further attempt will be made to send it."),
        Phrase("How it was sent, such as: by letter on 28 November. Shown in the history."),
        mark_problem,
        _mark,
    ),
    "again": Act(
        Phrase("Send message again"),
        lambda count: plural("Send {count} message again", "Send {count} messages again", count),
        Phrase("The message was sent again."),
        lambda count: plural("{count} message sent again.", "{count} messages sent again.", count),
        Phrase("None of the selected messages can be sent again."),
        lambda count: plural(
            "{count} other selected message cannot be sent again and will not change.",
            "{count} other selected messages cannot be sent again and will not change.",
            count,
        ),
        Phrase(
            "It goes to the contacts that get such messages today, with the same text and attachments. A "
            "document that was marked as sent without a message gets the text from the settings."
        ),
        Phrase("Shown in the history."),
        again_problem,
        _send_again,
    ),
}

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
        ("q", Phrase("Search"), filters.q),
        ("customer", Phrase("Customer"), filters.customer),
        ("purpose", Phrase("Purpose"), PURPOSES.get(filters.purpose, "")),
        ("document", Phrase("Document"), filters.document),
        ("from", Phrase("From day"), format_day(filters.from_) if filters.from_ else ""),
        ("to", Phrase("To day"), format_day(filters.to) if filters.to else ""),
        ("undelivered", Phrase("Recipients"), undelivered),
    )


@pages.get("")
def index() -> ResponseReturnValue:
    """List the messages that match the filter, newest first."""
    session, (filters, unknown_customer) = db.session(), match_customer(read_filters())
    tabs = [] if unknown_customer else _state_tabs(filters)
    count = next((tab["count"] for tab in tabs if tab["active"]), 0)
    return render_template(
        "messages/list.html",
        filters=filters,
        tabs=tabs,
        count=0 if count > MAX_CHANGED else count,
        too_many=_too_many() if count > MAX_CHANGED else None,
        chips=filter_chips(filters),
        clear_url=unfiltered_url(),
        unknown_customer=unknown_customer,
        page=None if unknown_customer else load_table(queries.messages(session, filters), MESSAGES),
        purposes=PURPOSES,
        state_labels=STATE_LABELS,
        undelivered=UNDELIVERED,
        export_url=export_url("exports.message_files"),
        delayed=queries.delayed_messages(session, now()),
        pause=current_pause(session, now()),
        unreachable=unreachable_monthly_customers(session),
        mail_on=mail_on(),
        act_urls={name: filtered_url("messages.change_selected", action=name) for name in ACTS},
        may_write=has_permission(WRITE),
    )


def _too_many() -> str:
    return Phrase(
        "More than {max_changed} messages match. To select all of them at once, narrow the list by filters.",
        max_changed=format_whole(MAX_CHANGED),
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


@pages.post("/resume")
def resume() -> ResponseReturnValue:
    """Send all waiting messages now, and end a pause of the outbox."""
    count = transaction(resume_sending, actor(), now())
    flash(
        plural(
            "{count} message will be sent shortly, if the mail server accepts them.",
            "{count} messages will be sent shortly, if the mail server accepts them.",
            count,
        ),
        "success",
    )
    return redirect(url_for("messages.index"), 303)


@pages.get("/<uuid:id>")
def show(id: UUID) -> ResponseReturnValue:
    """Show one message with its recipients, text, attachments and history."""
    session = db.session()
    message = queries.message(session, id)
    later = queries.later_messages(session, message)
    return render_template(
        "messages/show.html",
        message=message,
        live=_is_due(message, now()),
        purposes=PURPOSES,
        results=RECIPIENT_RESULTS,
        later=later,
        was_sent_again=any(repeat.state not in WITHDRAWN for repeat in later),
        acts={name: has_permission(WRITE) and act.problem(message.state) is None for name, act in ACTS.items()},
    )


@pages.get("/<uuid:id>/attachments/<int:position>")
def attachment(id: UUID, position: int) -> ResponseReturnValue:
    """Send an attachment of a message."""
    glyphs = load_glyphs(current_app.extensions["billing_settings"].fonts)
    file = load_attachment(transaction, db.session(), id, position, glyphs, now())
    details = {"file": file.name}
    return send_recorded(Download(file.name, file.media_type, details, "message", id), file.content)


@pages.route("/<uuid:id>/again", methods=["GET", "POST"])
def again(id: UUID) -> ResponseReturnValue:
    """Choose recipients and enter a reason, then send a message again."""
    session, back = db.session(), url_for("messages.show", id=id)
    message = queries.message(session, id)
    if (problem := again_problem(message.state)) is not None:
        flash(problem, "warning")
        return redirect(back, 303)
    proposed = load_recipients(session, [message.customer_id], message.purpose).get(message.customer_id)
    earlier = [Recipient(row.name, row.address, row.kind) for row in message.recipients]
    form = AgainForm(contacts(session, message.customer_id), proposed or earlier, earlier)
    if form.validate_on_submit():
        chosen = form.recipients()
        with errors_on(form, form.error_fields()):
            arguments = (id, form.reason.data, chosen, form.id.data, may_send(), actor(), now())
            new_id, _ = transaction(operations.send_again, *arguments)
            flash(Phrase("The message will be sent again shortly."), "success")
            return redirect(url_for("messages.show", id=new_id), 303)
        message = queries.message(db.session(), id)
    copy = operations.copy_message(db.session(), message)
    return render_form("messages/again.html", form, message=message, copy=copy, mail_on=mail_on())


@pages.route("/<uuid:id>/<any(cancel, 'mark-sent'):action>", methods=["GET", "POST"])
def change(id: UUID, action: str) -> ResponseReturnValue:
    """Ask for a reason, then cancel a message or mark it as sent."""
    act, back, form = ACTS[action], url_for("messages.show", id=id), ReasonForm()
    message = queries.message(db.session(), id)
    if (problem := act.problem(message.state)) is not None:
        flash(problem, "warning")
        return redirect(back, 303)
    if form.validate_on_submit():
        with errors_on(form):
            transaction(act.change, id, form.reason.data, may_send(), actor(), now())
            flash(act.done, "success")
            return redirect(back, 303)
        message = queries.message(db.session(), id)
    return render_form(
        "messages/change.html", form, action=action, act=act, messages=[message], back=back, selected=False, skipped=0
    )


@pages.post("/selected/<any(again, cancel, 'mark-sent'):action>")
@body_limit(BodyLimit(MIB, fields=MAX_CHANGED + 20))
def change_selected(action: str) -> ResponseReturnValue:
    """Ask for a reason, then change the selected messages to which the action applies.

    They are the ticked ones, or all that match the filter.
    """
    act, back, form = ACTS[action], filtered_url("messages.index"), ReasonForm()
    chosen = _selected_messages()
    ready = [message for message in chosen if act.problem(message.state) is None]
    if action == "again":
        ready = _last_of_each(ready)
    elif action == "cancel":
        repeated = queries.repeated_ids(db.session(), [message.id for message in ready])
        ready = [message for message in ready if message.state == "waiting" or message.id not in repeated]
    ids = [message.id for message in ready]
    if not ids:
        flash(act.refused, "warning")
        return redirect(back, 303)
    if "confirmed" in request.form:
        if form.validate():
            with errors_on(form):
                transaction(_change_all, act, ids, form.reason.data, may_send(), actor(), now())
                flash(act.done_many(len(ids)), "success")
                return redirect(back, 303)
    else:
        form = ReasonForm(formdata=None)
    ready = queries.messages_of_ids(db.session(), ids)
    return render_form(
        "messages/change.html",
        form,
        action=action,
        act=act,
        messages=ready,
        back=back,
        selected=True,
        skipped=len(chosen) - len(ready),
    )


def _selected_messages() -> Sequence[Message]:
    session = db.session()
    if request.form.get("all") != "1":
        return queries.messages_of_ids(session, selected_ids())
    filters, unknown_customer = match_customer(read_filters())
    return [] if unknown_customer else session.scalars(queries.messages(session, filters).limit(MAX_CHANGED)).all()


def _last_of_each(messages: Sequence[Message]) -> list[Message]:
    """Return the last of messages that repeat each other, unless another repeat waits.

    Each message is so sent again once.
    """
    ordered = sorted(messages, key=lambda message: message.created_at)
    last = {message.again_of or message.id: message.id for message in ordered}
    waiting = queries.waiting_repeats(db.session(), last)
    return [message for message in messages if message.id in {last[id] for id in last.keys() - waiting}]


def _change_all(
    session: Session, act: Act, ids: list[UUID], reason: str, mail_on: bool, actor: Actor, at: datetime
) -> None:
    for id in ids:
        act.change(session, id, reason, mail_on, actor, at)


def _is_due(message: Message, moment: datetime) -> bool:
    """Return whether a worker sends the message now or soon, so that the page reloads."""
    due_at = message.next_attempt_at
    return message.state == "sending" or (due_at is not None and due_at <= moment)
