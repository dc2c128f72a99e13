"""Whether the first person can be created by the set-up link."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import User
from billing_admin.queries.access.one_time_links import is_set_up_link


def has_people(session: Session) -> bool:
    """Return whether any person exists, active or not."""
    return session.scalar(select(User.id).limit(1)) is not None


def is_link_valid(session: Session, token: str, now: datetime) -> bool:
    """Return whether the token is that of the set-up link, unused and not expired."""
    return is_set_up_link(session, token, now) and not has_people(session)
