"""Change the levels of reminders, and whether they are sent every day."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.master_data import check_version
from billing_admin.domain.reminders import ReminderLevel, check_levels, levels_to_json
from billing_admin.domain.translation import Phrase
from billing_admin.models import Organisation
from billing_admin.operations.audit import changed_fields, record
from billing_admin.queries.master_data.organisation import today


def update(
    session: Session,
    levels: Sequence[ReminderLevel] | None,
    is_daily: bool | None,
    version: int | None,
    actor: Actor,
    now: datetime,
) -> Organisation:
    """Change the levels and the daily switch; None keeps the value.

    Reminders that were sent keep their level, and those in the outbox their text. Daily reminders begin on the next day,
    so that a person can look at the preview before.

    Raises:
        Invalid: `domain.reminders.check_levels` refuses the levels.
        Stale: `version` is set, and the settings have been changed since that version.
    """
    organisation = session.get_one(Organisation, 1, with_for_update={"of": Organisation})
    check_version(version, organisation.version, Phrase("The settings"), are_several=True)
    before = _stored_fields(organisation)
    if levels is not None:
        organisation.reminder_levels = levels_to_json(check_levels(levels))
    if is_daily is not None:
        if is_daily and not organisation.daily_reminders:
            organisation.daily_reminders_from = today(session, now) + timedelta(1)
        organisation.daily_reminders = is_daily
    changed = changed_fields(before, _stored_fields(organisation))
    if changed:
        session.flush()
        record(session, actor, now, "organisation.changed", "organisation", None, changed)
    return organisation


def _stored_fields(organisation: Organisation) -> dict[str, object]:
    return {"reminder_levels": organisation.reminder_levels, "daily_reminders": organisation.daily_reminders}
