"""Reminder runs: plan the reminders that are due, and enqueue their messages.

Messages are made outside of the transaction, which would hold the lock of SQLite meanwhile. The transaction locks the
invoices and plans again: a message is enqueued only if its reminder is still the same. One that has changed is made
again, or left for the next run. The worker prints the letters, from the amounts of the run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many
from billing_admin.db.errors import explain_unavailable
from billing_admin.db.ids import new_id
from billing_admin.db.transactions import Transact
from billing_admin.domain.access import Actor
from billing_admin.domain.document_hash import Row as Values
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.master_data import refuse_differences
from billing_admin.domain.messages import mail_off
from billing_admin.domain.money import currency_code
from billing_admin.domain.reminders import (
    CHANGED,
    NOT_MADE,
    PlannedReminder,
    ReminderPlan,
    daily_run_id,
    is_daily_due,
    leave_out,
    plan_reminders,
    skip_invoices,
)
from billing_admin.domain.translation import Phrase
from billing_admin.models import ReminderRun, ReminderRunItem
from billing_admin.operations.audit import record
from billing_admin.operations.messages.outbox import NewMessage, enqueue_messages, lock_documents
from billing_admin.operations.messages.reminder_messages import ReminderMessages
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.organisation import organisation, today
from billing_admin.queries.messages.reminders import is_full, load_levels, load_reminded_accounts
from billing_admin.queries.object_ids import invoice_id

MAX_REMINDERS: Final = 2000  # of a run, which is one transaction of some seconds; the others are left for the next one
PLAN_CHANGED: Final = Phrase("The reminders have changed since this preview. Review the new preview first.")
_ATTEMPTS: Final = 3
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReminderRunSpec:
    """The request of a run.

    `customers` are the only ones to remind. `without_customers` and `without_invoices` are left out. `confirmed` is the
    digest of the preview that was shown, which had all of them; a different preview refuses the run.
    """

    customers: tuple[str, ...] | None = None
    currency: str | None = None
    without_customers: tuple[str, ...] = ()
    without_invoices: tuple[str, ...] = ()
    confirmed: str | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ReminderPreview:
    """The reminders that a run would send.

    `digest` is that of the plan before a person left anything out.
    """

    plan: ReminderPlan
    digest: str


def preview_reminders(session: Session, spec: ReminderRunSpec, now: datetime) -> ReminderPreview:
    """Return the reminders that a run would send, and why it leaves others out.

    Raises:
        Invalid: The currency, a customer or an invoice is unknown.
    """
    if spec.currency is not None:
        currency_code(spec.currency)
    customer_ids = None if spec.customers is None else _customer_ids(session, spec.customers, "customers")
    without = set(_customer_ids(session, spec.without_customers, "without_customers"))
    skipped = set(_ids(session, spec.without_invoices, "without_invoices", invoice_id))
    day = today(session, now)
    accounts = load_reminded_accounts(session, day, customer_ids, spec.currency)
    plan = plan_reminders(accounts, load_levels(session), day, MAX_REMINDERS)
    skipped |= {
        item.invoice.id
        for reminder in plan.reminders
        if reminder.account.customer_id in without
        for item in reminder.items
    }
    return ReminderPreview(skip_invoices(plan, skipped), plan.digest())


def _customer_ids(session: Session, names: Sequence[str], field: str) -> list[UUID]:
    return _ids(session, names, field, lambda session, name: customer(session, name).id)


def _ids(session: Session, names: Sequence[str], field: str, find: Callable[[Session, str], UUID]) -> list[UUID]:
    ids = []
    for index, name in enumerate(names):
        try:
            ids.append(find(session, name))
        except NotFound as error:
            raise Invalid(error.code, error.message, field, index) from error
    return ids


def run_reminders(
    transact: Transact,
    session: Session,
    spec: ReminderRunSpec,
    mail_on: bool,
    actor: Actor,
    now: datetime,
) -> tuple[UUID, bool]:
    """Enqueue the reminders that are due, or return the run that has the same id.

    Returns its id, and whether it is new. `mail_on` tells whether a mail server is set up. A reminder that changes
    meanwhile is made again; one that was confirmed, or changes again and again, is left for the next run.

    Raises:
        Conflict: The preview has changed since it was confirmed, the id belongs to another run, or no mail server is set
            up.
        Invalid: The currency, a customer or an invoice is unknown.
    """
    messages: dict[str, NewMessage | None] = {}
    for attempt in range(1, _ATTEMPTS + 1):
        stored = session.get(ReminderRun, spec.id, populate_existing=True) if spec.id else None
        if stored is not None:
            _check_same(stored, spec)
            return stored.id, False
        preview = preview_reminders(session, spec, now)
        if spec.confirmed not in {None, preview.digest}:
            raise Conflict("preview_changed", PLAN_CHANGED, "confirmed")
        if preview.plan.reminders and not mail_on:
            raise mail_off(is_demo=organisation(session).is_demo)
        new = [reminder for reminder in preview.plan.reminders if reminder.digest() not in messages]
        batch = ReminderMessages(session, new, now)
        messages |= {reminder.digest(): _message_or_none(batch, reminder) for reminder in new}
        leaves_changed = spec.confirmed is not None or attempt == _ATTEMPTS
        run = transact(_store, spec, messages, leaves_changed, actor, now)
        if run is not None:
            return run  # type: ignore[no-any-return]
    raise AssertionError


def _check_same(stored: ReminderRun, spec: ReminderRunSpec) -> None:
    requested = {
        "customers": None if spec.customers is None else list(spec.customers),
        "currency": spec.currency,
        "without_customers": list(spec.without_customers) or None,
        "without_invoices": list(spec.without_invoices) or None,
    }
    differs = [name for name, value in requested.items() if value is not None and value != getattr(stored, name)]
    refuse_differences(Phrase("Reminder run {stored_id}", stored_id=stored.id), differs, "id")


def _store(
    session: Session,
    spec: ReminderRunSpec,
    messages: Mapping[str, NewMessage | None],
    leaves_changed: bool,
    actor: Actor,
    now: datetime,
) -> tuple[UUID, bool] | None:
    """Store a run with the messages that are still correct.

    `messages` has them by the digests of their reminders, and None for one that could not be made. Returns None if a
    reminder has changed, unless the run leaves those out.
    """
    existing = session.get(ReminderRun, spec.id, with_for_update=True) if spec.id else None
    if existing is not None:
        _check_same(existing, spec)
        return existing.id, False
    lock_documents(session, {id for message in messages.values() if message for id, _ in message.documents})
    plan = preview_reminders(session, spec, now).plan
    reasons = {
        digest: NOT_MADE if digest in messages else CHANGED
        for digest in map(PlannedReminder.digest, plan.reminders)
        if messages.get(digest) is None
    }
    if CHANGED in reasons.values() and not leaves_changed:
        return None
    plan = leave_out(plan, reasons)
    enqueued = [message for reminder in plan.reminders if (message := messages[reminder.digest()])]
    run = ReminderRun(
        id=spec.id or new_id(now),
        day=plan.day,
        customers=None if spec.customers is None else list(spec.customers),
        currency=spec.currency,
        without_customers=list(spec.without_customers),
        without_invoices=list(spec.without_invoices),
        confirmed=spec.confirmed,
        reminders=len(enqueued),
        created_at=now,
        created_by=actor.name,
    )
    session.add(run)
    session.flush()
    message_ids = enqueue_messages(session, enqueued, actor, now)
    rows = [*_reminded_rows(plan, message_ids), *_left_out_rows(plan)]
    insert_many(
        session,
        ReminderRunItem,
        [{"run_id": run.id, "position": position} | row for position, row in enumerate(rows, 1)],
    )
    details = {"day": plan.day.isoformat(), "reminders": len(enqueued)}
    record(session, actor, now, "reminder_run.created", "reminder_run", run.id, details)
    return run.id, True


def _reminded_rows(plan: ReminderPlan, message_ids: Sequence[UUID]) -> Iterator[Values]:
    for reminder, message_id in zip(plan.reminders, message_ids, strict=True):
        for item in reminder.items:
            yield {
                "customer_id": reminder.account.customer_id,
                "invoice_id": item.invoice.id,
                "currency": reminder.account.currency,
                "level": item.level,
                "open_amount": item.invoice.open_amount,
                "message_id": message_id,
                "reason": "",
                "day": None,
                "note": "",
            }


def _left_out_rows(plan: ReminderPlan) -> Iterator[Values]:
    for row in plan.left_out:
        yield {
            "customer_id": row.account.customer_id,
            "invoice_id": row.invoice.id,
            "currency": row.account.currency,
            "level": row.level,
            "open_amount": row.invoice.open_amount,
            "message_id": None,
            "reason": row.reason,
            "day": row.day,
            "note": row.note,
        }


def _message_or_none(batch: ReminderMessages, reminder: PlannedReminder) -> NewMessage | None:
    """Return the message of a reminder, or None if it cannot be made.

    One customer must not stop the reminders of all others.
    """
    try:
        return batch.make(reminder)
    except Exception as error:
        if explain_unavailable(error) is not None:
            raise
        _log.exception("reminder_not_made", customer=reminder.account.reference)
        return None


def send_daily_reminders(transact: Transact, session: Session, mail_on: bool, actor: Actor, now: datetime) -> int:
    """Send the reminders that are due today if the organisation wants it.

    Returns their number. They are due from `DAILY_HOUR` on, in the organisation's time zone. A day has one run, which is
    followed by another part if it is full; repeating the call sends nothing twice.
    """
    settings = organisation(session)
    local = now.astimezone(ZoneInfo(settings.time_zone))
    if not mail_on or not settings.daily_reminders or not is_daily_due(settings.daily_reminders_from, local):
        return 0
    total = 0
    for part in count():
        id = daily_run_id(today(session, now), part)
        run = session.get(ReminderRun, id, populate_existing=True)
        if run is None:
            if not preview_reminders(session, ReminderRunSpec(), now).plan.reminders:
                return total
            _, is_new = run_reminders(transact, session, ReminderRunSpec(id=id), mail_on, actor, now)
            run = session.get_one(ReminderRun, id, populate_existing=True)
            total += run.reminders if is_new else 0
        if not run.reminders or not is_full(session, id):
            return total
    raise AssertionError
