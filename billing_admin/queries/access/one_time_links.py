"""One-time links: whose they are, and which are due to be sent."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.one_time_links import LinkPurpose
from billing_admin.models import OneTimeLink, User
from billing_admin.queries.access.users import session_token_hash


def email_of_link(session: Session, token: str, purposes: Collection[LinkPurpose], now: datetime) -> str | None:
    """Return the address of the active person to whom a link belongs.

    The result is None if the link does not work.
    """
    query = (
        select(User.email)
        .join(OneTimeLink, OneTimeLink.user_id == User.id)
        .where(
            OneTimeLink.token_hash == session_token_hash(token),
            OneTimeLink.purpose.in_(purposes),
            OneTimeLink.expires_at > now,
            User.active,
        )
    )
    return session.scalar(query)


def is_set_up_link(session: Session, token: str, now: datetime) -> bool:
    """Return whether a token is that of the set-up link, which has not expired."""
    query = select(OneTimeLink.id).where(
        OneTimeLink.token_hash == session_token_hash(token),
        OneTimeLink.purpose == LinkPurpose.SET_UP,
        OneTimeLink.expires_at > now,
    )
    return session.scalar(query) is not None


def due_link_ids(session: Session, now: datetime) -> Sequence[UUID]:
    """Return the links that are due to be sent, the first one first."""
    query = select(OneTimeLink.id).where(OneTimeLink.mail_due_at <= now)
    return session.scalars(query.order_by(OneTimeLink.mail_due_at, OneTimeLink.id)).all()


def links_of_people(session: Session) -> Mapping[UUID, OneTimeLink]:
    """Return the newest link of each person who has one."""
    query = select(OneTimeLink).where(OneTimeLink.user_id.is_not(None))
    return {link.user_id: link for link in session.scalars(query.order_by(OneTimeLink.created_at)) if link.user_id}
