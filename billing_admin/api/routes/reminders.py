"""Reminders: their settings, and pauses of customers and invoices."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, WithJsonSchema

from billing_admin.api.frame.fields import OMITTED, Body, Day, Key, Listing, Name, Paging, ReasonText, ResponseModel
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.api.frame.versions import check_if_match, etag
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.reminders import LEVELS, MAX_LEVEL_DAYS, Pause, ReminderLevel, levels_from_json
from billing_admin.models import Organisation, ReminderPause
from billing_admin.operations.master_data import reminder_levels
from billing_admin.operations.messages import reminder_pauses as operations
from billing_admin.queries.master_data.customers import customer
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages.reminder_pauses import pause_of_id, pauses
from billing_admin.queries.object_ids import invoice_id

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


@route("POST", "/reminder-pauses", scope="messages:write", body=PauseIn, response=PauseOut, statuses=(201, 200))
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
    scope="messages:write",
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
