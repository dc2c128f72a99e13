"""Figures for monitoring: waiting work, and the times of the last run and backup."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.domain.messages import STATES
from billing_admin.models import AuditEvent, BillingRun, Job, Message, WebhookDelivery
from billing_admin.models.audit import is_backup
from billing_admin.models.job import JOB_STATES
from billing_admin.queries.audit import count_recent_unsealed

# Messages in other states are done; there may be millions.
OPEN_STATES = tuple(state for state in STATES if state in {"waiting", "sending", "failed", "uncertain"})


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures at one moment; ages and times are None if there is nothing to date."""

    jobs: Mapping[str, int]  # by state
    oldest_queued_job: datetime | None
    unsealed_events: int
    messages: Mapping[str, int]  # by state
    deliveries_waiting: int
    oldest_delivery: datetime | None
    last_billing_run: datetime | None
    last_backup: datetime | None


def read_figures(session: Session, now: datetime) -> Figures:
    """Read the figures, by indexes where a table may be large."""
    waiting = WebhookDelivery.state == "waiting"
    deliveries, oldest = session.execute(
        select(func.count(WebhookDelivery.id), func.min(WebhookDelivery.created_at)).where(waiting)
    ).one()
    backup = select(AuditEvent.at).where(is_backup()).order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(1)
    return Figures(
        jobs=_by_state(session, select(Job.state, func.count()).group_by(Job.state), JOB_STATES),
        oldest_queued_job=session.scalar(select(func.min(Job.created_at)).where(Job.state == "queued")),
        unsealed_events=count_recent_unsealed(session, now),
        messages=_by_state(session, _open_messages(Message.state), OPEN_STATES),
        deliveries_waiting=deliveries,
        oldest_delivery=oldest,
        last_billing_run=session.scalar(select(func.max(BillingRun.finished_at))),
        last_backup=session.scalar(backup),
    )


def _open_messages(state: InstrumentedAttribute[str]) -> Select[str, int]:
    return select(state, func.count()).where(state.in_(OPEN_STATES)).group_by(state)


def _by_state(session: Session, query: Select[str, int], states: tuple[str, ...]) -> dict[str, int]:
    counts: dict[str, int] = dict(session.execute(query).all())
    return {state: counts.get(state, 0) for state in states}
