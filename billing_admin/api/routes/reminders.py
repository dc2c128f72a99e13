"""Reminders: their settings, pauses, and runs."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID

from flask import current_app
from pydantic import Field, WithJsonSchema

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    CurrencyCode,
    Day,
    Key,
    Listing,
    Name,
    Paging,
    ReasonText,
    ResponseModel,
    enumeration,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.money import Money
from billing_admin.domain.reminders import LEVELS, MAX_LEVEL_DAYS, REASONS, Pause, ReminderLevel, levels_from_json
from billing_admin.models import Organisation, ReminderPause, ReminderRun
from billing_admin.operations.master_data import reminder_levels
from billing_admin.operations.messages import reminder_pauses as operations, reminder_runs
from billing_admin.operations.messages.reminder_runs import ReminderPreview, ReminderRunSpec
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages.outbox import can_send
from billing_admin.queries.messages.reminder_pauses import pause_of_id, pauses
from billing_admin.queries.messages.reminders import (
    amounts_of_runs,
    recipients_of_run,
    reminder_run,
    reminder_runs as stored_reminder_runs,
    run_items,
)
from billing_admin.queries.object_ids import invoice_id

MAX_NAMES = 10_000
LevelDays = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LEVEL_DAYS})]


class LevelIn(Body):
    """A level of reminders.

    It is due `days_after_due` days after the due date, and `least_days` days after the customer's last reminder.
    """

    days_after_due: LevelDays
    least_days: LevelDays
    attaches_documents: bool
    attaches_statement: bool


class ReminderSettingsChanges(Body):
    """Changes to the settings of reminders; `levels` are all three in order."""

    daily: bool = OMITTED
    levels: Annotated[list[LevelIn], Field(min_length=len(LEVELS), max_length=len(LEVELS))] = OMITTED


class LevelOut(ResponseModel):
    """A level of reminders."""

    level: int
    days_after_due: int
    least_days: int
    attaches_documents: bool
    attaches_statement: bool


class ReminderSettingsOut(ResponseModel):
    """The settings of reminders; with `daily`, those that are due are sent every day."""

    daily: bool
    levels: list[LevelOut]


class PauseIn(Body):
    """A pause of the reminders of a customer or an invoice, through a day.

    It replaces the current pause.
    """

    id: Key = OMITTED
    customer: Name = OMITTED
    invoice: Name = OMITTED
    through: Day
    reason: ReasonText


class PauseEnd(Body):
    """The end of a pause, without fields."""


class PauseOut(ResponseModel):
    """A pause; `invoice` is null if it is for all invoices of the customer."""

    id: UUID
    customer: str
    invoice: str | None
    through: date
    reason: str
    created_at: datetime
    created_by: str
    ended_at: datetime | None


def _settings_out(row: Organisation) -> ReminderSettingsOut:
    levels = [
        LevelOut(
            level=number,
            days_after_due=level.days_after_due,
            least_days=level.least_days,
            attaches_documents=level.attaches_documents,
            attaches_statement=level.attaches_statement,
        )
        for number, level in enumerate(levels_from_json(row.reminder_levels), 1)
    ]
    return ReminderSettingsOut(daily=row.daily_reminders, levels=levels)


def _pause_out(row: ReminderPause) -> PauseOut:
    return PauseOut(
        id=row.id,
        customer=row.customer.reference,
        invoice=row.invoice.number if row.invoice else None,
        through=row.through,
        reason=row.reason,
        created_at=row.created_at,
        created_by=row.created_by,
        ended_at=row.ended_at,
    )


@route("GET", "/reminder-settings", scope="read", response=ReminderSettingsOut, versioned=True)
def get_reminder_settings() -> Reply:
    """Read the levels of reminders, and whether they are sent every day."""
    row = organisation(db.session())
    return Reply(_settings_out(row), headers={"ETag": etag(row.version)})


@route(
    "PATCH",
    "/reminder-settings",
    scope="settings:write",
    body=ReminderSettingsChanges,
    response=ReminderSettingsOut,
    versioned=True,
)
def patch_reminder_settings(actor: Actor, body: ReminderSettingsChanges) -> Reply:
    """Change the levels, or switch daily reminders on or off."""
    content, version = transaction(_change_settings, body, actor, now())
    return Reply(content, headers={"ETag": etag(version)})


def _change_settings(
    session: Session, body: ReminderSettingsChanges, actor: Actor, at: datetime
) -> tuple[ReminderSettingsOut, int]:
    version = organisation(session).version
    check_if_match(version)
    levels = [ReminderLevel(**level.model_dump()) for level in body.levels] if body.levels else None
    row = reminder_levels.update(session, levels, body.daily, version, actor, at)
    return _settings_out(row), row.version


@route("GET", "/reminder-pauses", scope="read", query=Paging, response=Listing[PauseOut])
def list_reminder_pauses(query: Paging) -> Reply:
    """List the pauses that were not ended or replaced, newest first."""
    return list_reply(page(db.session(), pauses(), query.limit, query.after), _pause_out)


@route("POST", "/reminder-pauses", scope="reminders:write", body=PauseIn, response=PauseOut, statuses=(201, 200))
def post_reminder_pause(actor: Actor, body: PauseIn) -> Reply:
    """Pause the reminders of a customer or of an invoice."""
    content, is_new = transaction(_pause, body, actor, now())
    return created_reply(content, is_new)


def _pause(session: Session, body: PauseIn, actor: Actor, at: datetime) -> tuple[PauseOut, bool]:
    if len({"customer", "invoice"} & body.model_fields_set) != 1:
        raise Invalid("missing", "Send either a customer or an invoice.", "customer")
    pause = Pause(body.through, body.reason)
    pause_object = operations.pause_invoice if "invoice" in body.model_fields_set else operations.pause_customer
    row, is_new = pause_object(session, _paused_id(session, body), pause, body.id, actor, at)
    return _pause_out(row), is_new


def _paused_id(session: Session, body: PauseIn) -> UUID:
    """Return the id of the customer or invoice that the body names."""
    try:
        if "invoice" in body.model_fields_set:
            return invoice_id(session, body.invoice)
        return customer(session, body.customer).id
    except NotFound as error:
        raise Invalid(error.code, error.message, *error.field) from error


@route(
    "POST",
    "/reminder-pauses/{id}/end",
    scope="reminders:write",
    body=PauseEnd,
    body_optional=True,
    response=PauseOut,
)
def end_reminder_pause(actor: Actor, id: str, body: PauseEnd) -> Reply:  # noqa: ARG001 - the body has no fields
    """End a pause: reminders resume."""
    return Reply(transaction(_end, parse_id(id), actor, now()))


def _end(session: Session, id: UUID, actor: Actor, at: datetime) -> PauseOut:
    row = pause_of_id(session, id)
    operations.resume(session, row.id, actor, at)
    return _pause_out(row)


class ReminderRunIn(Body):
    """The reminders to send.

    Without `customers`, all customers are reminded. `confirmed` is the `digest` of a preview without `without_customers`
    and `without_invoices`: the run is refused if the preview has changed since.
    """

    id: Key = OMITTED
    customers: Annotated[list[Name], Field(min_length=1, max_length=MAX_NAMES)] = OMITTED
    currency: CurrencyCode = OMITTED
    without_customers: Annotated[list[Name], Field(max_length=MAX_NAMES)] = OMITTED
    without_invoices: Annotated[list[Name], Field(max_length=MAX_NAMES)] = OMITTED
    confirmed: str = OMITTED
    dry_run: bool = False

    def spec(self) -> ReminderRunSpec:
        """Return the request as a spec."""
        return ReminderRunSpec(
            customers=tuple(self.customers) if "customers" in self.model_fields_set else None,
            currency=self.currency,
            without_customers=tuple(self.without_customers or ()),
            without_invoices=tuple(self.without_invoices or ()),
            confirmed=self.confirmed,
            id=self.id,
        )


class RemindedInvoiceOut(ResponseModel):
    """An invoice of a reminder, with the level and the amount to pay."""

    invoice: str
    level: int
    open_amount: str


class ReminderOut(ResponseModel):
    """A reminder: one message to a customer, with its invoices in one currency.

    `message` and `state` are those of the message, and null in a preview. `level` is the highest of the invoices.
    """

    customer: str
    currency: str
    level: int
    open_amount: str
    recipients: list[str]
    invoices: list[RemindedInvoiceOut]
    message: UUID | None = None
    state: str | None = None


class LeftOutInvoiceOut(ResponseModel):
    """An invoice that was due for a level and gets no reminder, with the reason.

    `day` is the last day of a pause, or the day of the last reminder; `note` is the reason of a pause.
    """

    customer: str
    currency: str
    invoice: str
    level: int
    open_amount: str
    reason: Annotated[str, enumeration(*REASONS)]
    day: date | None
    note: str


class ReminderRunOut(ResponseModel):
    """A reminder run or a preview.

    Fields that a preview does not have are null.
    """

    id: UUID | None
    state: Annotated[str, enumeration("preview", "done")]
    day: date
    reminders: list[ReminderOut]
    left_out: list[LeftOutInvoiceOut]
    digest: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None


class RemindedTotalOut(ResponseModel):
    """The open amount of the reminders of a run in one currency."""

    currency: str
    open_amount: str


class ListedReminderRunOut(ResponseModel):
    """A reminder run in a list.

    It has the number of the reminders, and their open amounts by currency.
    """

    id: UUID
    day: date
    reminder_count: int
    totals: list[RemindedTotalOut]
    created_at: datetime
    created_by: str


def _preview_out(preview: ReminderPreview, id: UUID | None) -> ReminderRunOut:
    plan = preview.plan
    return ReminderRunOut(
        id=id,
        state="preview",
        day=plan.day,
        digest=preview.digest,
        reminders=[
            ReminderOut(
                customer=reminder.account.reference,
                currency=reminder.account.currency,
                level=reminder.level,
                open_amount=str(Money(reminder.open_amount, reminder.account.currency)),
                recipients=[recipient.address for recipient in reminder.account.recipients],
                invoices=[
                    RemindedInvoiceOut(
                        invoice=item.invoice.number,
                        level=item.level,
                        open_amount=str(Money(item.invoice.open_amount, reminder.account.currency)),
                    )
                    for item in reminder.items
                ],
            )
            for reminder in plan.reminders
        ],
        left_out=[
            LeftOutInvoiceOut(
                customer=row.account.reference,
                currency=row.account.currency,
                invoice=row.invoice.number,
                level=row.level,
                open_amount=str(Money(row.invoice.open_amount, row.account.currency)),
                reason=row.reason,
                day=row.day,
                note=row.note,
            )
            for row in plan.left_out
        ],
    )


def _run_out(session: Session, run: ReminderRun) -> ReminderRunOut:
    items = run_items(session, run.id)
    recipients = recipients_of_run(session, run.id)
    reminded = groupby((row for row in items if row.message_id), attrgetter("message_id"))
    return ReminderRunOut(
        id=run.id,
        state="done",
        day=run.day,
        created_at=run.created_at,
        created_by=run.created_by,
        reminders=[_reminder_out(list(rows), recipients.get(message_id, [])) for message_id, rows in reminded],
        left_out=[
            LeftOutInvoiceOut(
                customer=row.customer_reference,
                currency=row.currency,
                invoice=row.invoice_number,
                level=row.level,
                open_amount=str(Money(row.open_amount, row.currency)),
                reason=row.reason,
                day=row.day,
                note=row.note,
            )
            for row in items
            if row.reason
        ],
    )


def _reminder_out(rows: Sequence[Any], recipients: list[str]) -> ReminderOut:
    first = rows[0]
    return ReminderOut(
        customer=first.customer_reference,
        currency=first.currency,
        level=max(row.level for row in rows),
        open_amount=str(Money(sum(row.open_amount for row in rows), first.currency)),
        recipients=recipients,
        invoices=[
            RemindedInvoiceOut(
                invoice=row.invoice_number, level=row.level, open_amount=str(Money(row.open_amount, row.currency))
            )
            for row in rows
        ],
        message=first.message_id,
        state=first.message_state,
    )


@route(
    "POST", "/reminder-runs", scope="reminders:write", body=ReminderRunIn, response=ReminderRunOut, statuses=(201, 200)
)
def post_reminder_run(actor: Actor, body: ReminderRunIn) -> Reply:
    """Send the reminders that are due today.

    With `dry_run`, return a preview and store nothing.
    """
    session, at = db.session(), now()
    if body.dry_run:
        return Reply(_preview_out(reminder_runs.preview_reminders(session, body.spec(), at), body.id))
    settings: Settings = current_app.extensions["billing_settings"]
    run_id, is_new = reminder_runs.run_reminders(
        transaction, session, body.spec(), can_send(session, settings), actor, at
    )
    return created_reply(_run_out(db.session(), reminder_run(db.session(), run_id)), is_new)


@route("GET", "/reminder-runs", scope="read", query=Paging, response=Listing[ListedReminderRunOut])
def list_reminder_runs(query: Paging) -> Reply:
    """List reminder runs, newest first, without their reminders."""
    session = db.session()
    runs = page(session, stored_reminder_runs(), query.limit, query.after)
    amounts = amounts_of_runs(session, [run.id for run in runs.rows])
    return list_reply(runs, lambda run: _listed_run_out(run, amounts[run.id]))


def _listed_run_out(run: ReminderRun, amounts: Mapping[str, int]) -> ListedReminderRunOut:
    return ListedReminderRunOut(
        id=run.id,
        day=run.day,
        reminder_count=run.reminders,
        totals=[
            RemindedTotalOut(currency=currency, open_amount=str(Money(amount, currency)))
            for currency, amount in amounts.items()
        ],
        created_at=run.created_at,
        created_by=run.created_by,
    )


@route("GET", "/reminder-runs/{id}", scope="read", response=ReminderRunOut)
def get_reminder_run(id: str) -> Reply:
    """Read one reminder run, with the states of its messages now."""
    session = db.session()
    return Reply(_run_out(session, reminder_run(session, parse_id(id))))
