"""The audit log as people and scripts read it, and its chain: the head, and what is not yet sealed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from billing_admin.domain.auditing import BEGINNING
from billing_admin.models import AuditEvent, AuditSeal

# By how much a transaction may end late and its event still be found at once.
LATE = timedelta(minutes=1)
# Each column as the database itself writes it: also what somebody spoiled can be read so, and hashed.
TEXTS: Final = tuple(cast(column, Text).label(column.name) for column in AuditEvent.__table__.c)


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain, and the hash there, which covers everything before it."""

    sequence: int
    hash: str


def head(session: Session) -> Head:
    """The end of the chain."""
    query = select(AuditSeal.sequence, AuditSeal.hash).order_by(AuditSeal.sequence.desc()).limit(1)
    last = session.execute(query).one_or_none()
    return Head(*last) if last else Head(0, BEGINNING)


def horizon(session: Session, now: datetime) -> datetime | None:
    """From when on unsealed events are looked for: a little before the last sealed one; None before the first."""
    query = select(AuditEvent.at).join(AuditSeal, AuditSeal.event_id == AuditEvent.id)
    last = session.scalar(query.order_by(AuditSeal.sequence.desc()).limit(1))
    return None if last is None else min(last, now) - LATE


def unsealed(session: Session, since: datetime | None, limit: int) -> Iterator[Mapping[str, Any]]:
    """The oldest events without a seal, each column as text."""
    query = select(*TEXTS).where(~select(AuditSeal.sequence).where(AuditSeal.event_id == AuditEvent.id).exists())
    if since is not None:
        query = query.where(AuditEvent.at >= since)
    return (dict(row) for row in session.execute(query.order_by(AuditEvent.at, AuditEvent.id).limit(limit)).mappings())


def count_unsealed(session: Session) -> int:
    """How many events have no seal yet; the chain has no gap, so its head says how many have one."""
    return max(0, (session.scalar(select(func.count(AuditEvent.id))) or 0) - head(session).sequence)
