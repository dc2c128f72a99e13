"""Pauses of the reminders of a customer or an invoice."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.formatting import format_day
from billing_admin.domain.reminders import Pause
from billing_admin.domain.text import MAX_REASON_LENGTH
from billing_admin.domain.translation import Phrase
from billing_admin.models import Invoice, ReminderPause
from billing_admin.operations.messages import reminder_pauses as operations
from billing_admin.queries.invoices.invoices import invoice
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.messages.reminder_pauses import current_pause
from billing_admin.web.frame.forms import DayField, Form, NewIdField, TextField, errors_on, render_form
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import NOTHING_CHANGED
from billing_admin.web.frame.signed_in import actor, now

WRITE = "reminders:write"

pages = page_blueprint("reminder_pauses", __name__, None, write=WRITE)


class PauseForm(Form):
    """The last day of a pause, and the reason.

    `id` prevents a second pause on a double click.
    """

    id = NewIdField()
    through = DayField(
        Phrase("Pause through"), blank_message=Phrase("Enter the last day without reminders, such as 2026-12-31.")
    )
    reason = TextField(
        Phrase("Reason"),
        blank_message=Phrase("Enter a reason, such as “Disputed”. It is shown in the history."),
        max_length=MAX_REASON_LENGTH,
    )


@pages.route("/customers/<uuid:id>/reminder-pause", methods=["GET", "POST"])
def pause_customer(id: UUID) -> ResponseReturnValue:
    """Pause the reminders of a customer."""
    row = customer(db.session(), str(id))
    return _pause(operations.pause_customer, id, None, row.name, url_for("customers.show", id=id))


@pages.route("/invoices/<uuid:id>/reminder-pause", methods=["GET", "POST"])
def pause_invoice(id: UUID) -> ResponseReturnValue:
    """Pause the reminders of an invoice."""
    row = _load_invoice(id)
    return _pause(operations.pause_invoice, row.customer_id, row, row.number or "", url_for("invoices.show", id=id))


def _pause(
    operation: Callable[..., Any], customer_id: UUID, document: Invoice | None, name: str, back_url: str
) -> ResponseReturnValue:
    current = current_pause(db.session(), customer_id, document.id if document else None)
    form = PauseForm(obj=_shown(current))
    if form.validate_on_submit():
        with errors_on(form):
            pause = Pause(form.through.data, form.reason.data)
            object_id = document.id if document else customer_id
            transaction(operation, object_id, pause, form.id.data, actor(), now())
            flash(Phrase("Reminders are paused through {through}.", through=format_day(pause.through)), "success")
            return redirect(back_url, 303)
    return render_form("reminders/pause.html", form, name=name, is_invoice=document is not None, back_url=back_url)


def _shown(pause: ReminderPause | None) -> Pause | None:
    """Return the values of the current pause; a new pause gets another id."""
    return Pause(pause.through, pause.reason) if pause else None


@pages.post("/customers/<uuid:id>/reminder-pause/end")
def resume_customer(id: UUID) -> ResponseReturnValue:
    """End the pause of a customer."""
    customer(db.session(), str(id))
    return _resume(current_pause(db.session(), id), url_for("customers.show", id=id))


@pages.post("/invoices/<uuid:id>/reminder-pause/end")
def resume_invoice(id: UUID) -> ResponseReturnValue:
    """End the pause of an invoice."""
    row = _load_invoice(id)
    return _resume(current_pause(db.session(), row.customer_id, id), url_for("invoices.show", id=id))


def _resume(pause: ReminderPause | None, back_url: str) -> ResponseReturnValue:
    is_resumed = pause is not None and transaction(operations.resume, pause.id, actor(), now())
    flash(*((Phrase("Reminders are resumed."), "success") if is_resumed else (NOTHING_CHANGED, "info")))
    return redirect(back_url, 303)


def _load_invoice(id: UUID) -> Invoice:
    return invoice(db.session(), str(id))
