"""The timeline of a document: all that happened to it, by whom, with links.

It is made of the audit events about the document, and of its creation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import url_for

from billing_admin.db.engine import db
from billing_admin.domain.audit import readable_details
from billing_admin.domain.messages import REMINDER
from billing_admin.domain.opening_balances import without_void_suffix
from billing_admin.domain.translation import Phrase
from billing_admin.models import Invoice, Message
from billing_admin.queries.audit import AuditFilter, shown_events
from billing_admin.web.frame.labels import REMINDER_NAMES

MAX_EVENTS = 200


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One event of a document, with the page of the object that it names.

    `actor` is empty if nobody is known to have acted.
    """

    at: datetime
    label: str
    note: str = ""
    url: str = ""
    actor: str = ""


def load_timeline(invoice: Invoice, messages: Sequence[Message]) -> list[TimelineEntry]:
    """Return what happened to a document, newest first; `messages` are those with it."""
    session = db.session()
    query = shown_events(session, AuditFilter(object=invoice.id)).limit(MAX_EVENTS)
    messages_by_id = {message.id: message for message in messages}
    entries, creators = [], []
    for event in session.execute(query):
        if event.action in _CREATED:
            creators.append(event)
            continue
        make = _ENTRIES.get(event.action)
        shown = make(_Event(event, invoice, messages_by_id)) if make else None
        if shown is not None:
            entries.append(shown)
    return [*entries, *_creation(invoice, creators)]


# Events by which documents are made; each is shown as the creation of the document.
_CREATED = ("billing_run.started", "billing_run.billed")


def _creation(invoice: Invoice, events: Sequence[Any]) -> list[TimelineEntry]:
    """Return the creation of an invoice; a credit note is issued when it is created."""
    if invoice.kind != "invoice":
        return []
    actor = events[0].actor_name if events else ""
    if invoice.run_id is not None:
        url = url_for("billing_runs.show", id=invoice.run_id)
        return [TimelineEntry(invoice.created_at, Phrase("Created by a billing run"), url=url, actor=actor)]
    return [TimelineEntry(invoice.created_at, Phrase("Created"), actor=actor)]


class _Event:
    """An audit event about a document, with its readable details."""

    def __init__(self, event: Any, invoice: Invoice, messages: Mapping[UUID, Message]) -> None:
        self.event, self.invoice = event, invoice
        self.details = readable_details(event.action, event.details, event.currency)
        self.message = messages.get(event.object_id)

    def entry(self, label: str, note: str = "", url: str = "") -> TimelineEntry:
        """Return the entry of the event."""
        return TimelineEntry(self.event.at, label, note, url, self.event.actor_name)

    def reason(self) -> str:
        """Return the reason that the person gave."""
        return str(self.details.get("reason") or "")

    def number(self) -> str:
        """Return the number that events of payments name.

        A void opening invoice has another one now.
        """
        return without_void_suffix(self.invoice.number or "")

    def is_own(self) -> bool:
        """Return whether the event is one of the document itself."""
        return self.event.object_id in {None, self.invoice.id}

    def object_url(self, endpoint: str) -> str:
        """Return the page of the object of the event."""
        return url_for(endpoint, id=self.event.object_id)


def _issued(event: _Event) -> TimelineEntry | None:
    return event.entry(Phrase("Issued")) if event.is_own() else None


def _changed(event: _Event) -> TimelineEntry | None:
    return event.entry(Phrase("Draft changed")) if event.is_own() else None


def _credit_note_issued(event: _Event) -> TimelineEntry:
    number = str(event.details.get("number", ""))
    if event.is_own():
        return event.entry(Phrase("Issued"), event.reason())
    label = Phrase("Credited {total} by {number}", total=event.details["total"], number=number)
    return event.entry(label, event.reason(), event.object_url("invoices.show"))


def _voided(event: _Event) -> TimelineEntry:
    if event.is_own():
        return event.entry(Phrase("Voided"), event.reason())
    number = str(event.details.get("number", ""))
    label = Phrase("{number} was voided; its charges are billed again here", number=number)
    return event.entry(label, event.reason(), _url(event))


def _billed_again(event: _Event) -> TimelineEntry:
    corrected, note = (str(event.details.get(name, "")) for name in ("corrects", "credit_note"))
    if event.is_own():
        return event.entry(
            Phrase("Bills lines of {corrected} again, which {note} credits", corrected=corrected, note=note),
            event.reason(),
        )
    return event.entry(Phrase("Lines billed again on a new invoice"), event.reason(), _url(event))


def _url(event: _Event) -> str:
    return event.object_url("invoices.show")


def _paid(label: str) -> Callable[[_Event], TimelineEntry | None]:
    def entry(event: _Event) -> TimelineEntry | None:
        allocated = event.details.get("allocated")
        amount = allocated.get(event.number()) if isinstance(allocated, dict) else None
        if amount is None:
            return None
        note = event.reason() or str(event.details.get("reference") or "")
        return event.entry(
            Phrase("{label} {amount}", label=label, amount=amount), note, event.object_url("payments.show")
        )

    return entry


def _withdrawn(event: _Event) -> TimelineEntry | None:
    if event.details.get("invoice") != event.number():
        return None
    label = Phrase("Withdrew the allocation of {amount}", amount=event.details["amount"])
    return event.entry(label, event.reason(), event.object_url("payments.show"))


def _payment_reversed(event: _Event) -> TimelineEntry:
    return event.entry(Phrase("Payment reversed"), event.reason(), event.object_url("payments.show"))


def _refund(label: str) -> Callable[[_Event], TimelineEntry]:
    def entry(event: _Event) -> TimelineEntry:
        amount = event.details.get("amount")
        return event.entry(
            Phrase("{label} {amount}", label=label, amount=amount) if amount else label,
            event.reason(),
            event.object_url("refunds.show"),
        )

    return entry


def _message(of_document: str, of_reminder: str) -> Callable[[_Event], TimelineEntry | None]:
    """Return the function for events of messages.

    `of_reminder` is the label for reminders, with the place of the reminder's name.
    """

    def entry(event: _Event) -> TimelineEntry | None:
        message = event.message
        if message is None:
            return None
        label = of_document
        if message.purpose == REMINDER:
            level = max(document.level for document in message.documents if document.invoice_id == event.invoice.id)
            label = of_reminder.format(reminder=REMINDER_NAMES[level])
        note = event.reason() or str(event.details.get("address") or "")
        if not note:
            note = ", ".join(recipient.address for recipient in message.recipients)
        return event.entry(label, note, url_for("messages.show", id=message.id))

    return entry


def _pause(label: str) -> Callable[[_Event], TimelineEntry]:
    return lambda event: event.entry(label, event.reason())


_ENTRIES: Mapping[str, Callable[[_Event], TimelineEntry | None]] = {
    "invoice.issued": _issued,
    "opening_balance.recorded": lambda event: event.entry(Phrase("Recorded as an opening balance")),
    "invoice.changed": _changed,
    "invoice.charges_moved": _changed,
    "invoice.voided": _voided,
    "credit_note.issued": _credit_note_issued,
    "invoice.billed_again": _billed_again,
    "payment.recorded": _paid(Phrase("Paid")),
    "payment.allocated": _paid(Phrase("Paid from credit")),
    "payment.written_off": _paid(Phrase("Written off")),
    "payment.allocation_withdrawn": _withdrawn,
    "payment.reversed": _payment_reversed,
    "refund.recorded": _refund(Phrase("Refunded")),
    "refund.reversed": _refund(Phrase("Refund reversed")),
    "message.sent": _message(Phrase("Sent"), Phrase("{reminder} sent")),
    "message.marked_sent": _message(Phrase("Marked as sent"), Phrase("{reminder} marked as sent")),
    "message.failed": _message(Phrase("Could not be sent"), Phrase("{reminder} could not be sent")),
    "message.uncertain": _message(
        Phrase("It is uncertain whether it was sent"), Phrase("It is uncertain whether the {reminder} was sent")
    ),
    "message.bounced": _message(Phrase("Delivery failed"), Phrase("Delivery of the {reminder} failed")),
    "message.cancelled": _message(Phrase("Sending cancelled"), Phrase("{reminder} cancelled")),
    "message.dropped": _message(Phrase("Not sent"), Phrase("{reminder} not sent")),
    "invoice.reminders_paused": _pause(Phrase("Reminders paused")),
    "invoice.reminders_resumed": _pause(Phrase("Reminders resumed")),
}
