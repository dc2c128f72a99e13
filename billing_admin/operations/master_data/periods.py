"""The period lock, and the checks of dates against it.

Unlocking days needs a reason.
"""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import Submission
from billing_admin.domain.errors import Invalid
from billing_admin.domain.periods import check_document_date, refuse_future, refuse_locked, unlocks
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank, check_text
from billing_admin.domain.translation import Phrase
from billing_admin.models import Organisation
from billing_admin.operations.audit import record
from billing_admin.operations.limits import require_within_limit
from billing_admin.queries.invoices.numbers import last_document
from billing_admin.queries.master_data.organisation import day_of


def require_open_day(session: Session, day: date, now: datetime, field: str) -> Organisation:
    """Return the organisation for a write dated on `day`.

    No other transaction can lock that day before the caller commits. Raises Invalid for a day after today and for a
    locked day.
    """
    organisation = lock_organisation(session)
    refuse_future(day, day_of(now, organisation.time_zone), field)
    refuse_locked(day, organisation.locked_through, field)
    return organisation


def lock_organisation(session: Session) -> Organisation:
    """Return the organisation, which cannot change until the caller commits."""
    query = select(Organisation).with_for_update(read=True, of=Organisation)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def check_issue_date(session: Session, organisation: Organisation, kind: str, day: date, now: datetime) -> None:
    """Raise Invalid unless a document of a kind may be issued on `day`.

    See `domain.periods.check_document_date`.
    """
    today = day_of(now, organisation.time_zone)
    check_document_date(day, today, organisation.locked_through, last_document(session, kind, day.year), "issue_date")


def set_period_lock(session: Session, through: date | None, reason: str, actor: Actor, now: datetime) -> bool:
    """Lock the books through a day, or unlock all of them with None.

    Returns False when nothing changes. Raises Invalid for a day in the future, and for unlocking days without a
    reason.
    """
    organisation = session.get_one(Organisation, 1, with_for_update={"of": Organisation})
    before = organisation.locked_through
    if through == before:
        return False
    if through is not None and through > day_of(now, organisation.time_zone):
        raise Invalid("in_the_future", Phrase("Use today or an earlier day: future days cannot be locked."), "through")
    checked_reason = (
        check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH)
        if unlocks(before, through)
        else check_text(reason, "reason", longest=MAX_REASON_LENGTH)
    )
    if unlocks(before, through):
        fields = {"through": through.isoformat() if through else None, "reason": checked_reason}
        require_within_limit(
            session, actor, Submission("unlock", "organisation", None, "", fields, checked_reason), now
        )
    organisation.locked_through = through
    session.flush()
    days = [day.isoformat() if day else None for day in (before, through)]
    action = "period.unlocked" if unlocks(before, through) else "period.locked"
    details = {"locked_through": days, "reason": checked_reason}
    record(session, actor, now, action, "organisation", None, details)
    return True
