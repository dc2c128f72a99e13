"""Create one-time links, and take them when they are used.

The secret of a link that is sent by e-mail is made when it is sent, so that no table ever holds it.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.one_time_links import LINK_IS_VALID_FOR, MAX_MAIL_ATTEMPTS, LinkPurpose, next_mail_attempt
from billing_admin.models import OneTimeLink
from billing_admin.operations.access.users import TOKEN_BYTES
from billing_admin.operations.audit import record
from billing_admin.queries.access.users import session_token_hash

MAX_FAILURE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class UsedLink:
    """A link that was used, and whose it was; the set-up link is nobody's."""

    purpose: LinkPurpose
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class LinkToSend:
    """A link whose secret was just made, and the person to whom it is sent.

    `language` is the one that the person chose for pages, or empty.
    """

    purpose: LinkPurpose
    token: str
    user_id: UUID
    email: str
    language: str


def create_link(session: Session, purpose: LinkPurpose, user_id: UUID | None, now: datetime) -> str:
    """Create a link, and return its token; the link before stops working."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    _replace_link(session, purpose, user_id, token, None, now)
    return token


def create_link_to_send(session: Session, purpose: LinkPurpose, user_id: UUID, now: datetime) -> None:
    """Have a link sent to a person; the link before stops working."""
    _replace_link(session, purpose, user_id, None, now, now)


def take_link(session: Session, token: str, purposes: Collection[LinkPurpose], now: datetime) -> UsedLink | None:
    """Delete the link of a token, and all others of its person.

    Of two requests at the same moment, the second one finds none. Returns None if no link works.
    """
    link = delete(OneTimeLink).where(
        OneTimeLink.token_hash == session_token_hash(token),
        OneTimeLink.purpose.in_(purposes),
        OneTimeLink.expires_at > now,
    )
    used = session.execute(link.returning(OneTimeLink.purpose, OneTimeLink.user_id)).one_or_none()
    if used is None:
        return None
    if used.user_id is not None:
        session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == used.user_id))
    return UsedLink(LinkPurpose(used.purpose), used.user_id)


def claim_link(session: Session, id: UUID, now: datetime) -> LinkToSend | None:
    """Make the secret of a link that is due to be sent.

    Until a result is recorded, the next attempt is a minute or more away. Returns None if the link was claimed or used by
    somebody else, or if its person was deactivated.
    """
    query = select(OneTimeLink).where(OneTimeLink.id == id, OneTimeLink.mail_due_at <= now)
    link = session.scalars(query.with_for_update(skip_locked=True, of=OneTimeLink)).one_or_none()
    if link is None or link.user is None:
        return None
    purpose, token = LinkPurpose(link.purpose), secrets.token_urlsafe(TOKEN_BYTES)
    link.mail_attempts += 1
    link.mail_due_at = now + next_mail_attempt(link.mail_attempts) if link.user.active else None
    link.token_hash, link.expires_at = session_token_hash(token), now + LINK_IS_VALID_FOR[purpose]
    session.flush()
    return LinkToSend(purpose, token, link.user.id, link.user.email, link.user.language) if link.user.active else None


def record_mail_result(
    session: Session, id: UUID, failure: str | None, actor: Actor, now: datetime, *, is_final: bool
) -> None:
    """Record that a link was sent, or why not.

    After a final failure, and after many others, it is not sent again. Does nothing for a link that was used meanwhile.
    """
    link = session.get(OneTimeLink, id, with_for_update={"of": OneTimeLink})
    if link is None:
        return
    if failure is None:
        link.mail_due_at, link.mail_failure = None, ""
    else:
        link.mail_failure = failure if len(failure) <= MAX_FAILURE_LENGTH else failure[:MAX_FAILURE_LENGTH]
        if is_final or link.mail_attempts >= MAX_MAIL_ATTEMPTS:
            link.mail_due_at = None
    session.flush()
    action = "user.link_sent" if failure is None else "user.link_not_sent"
    record(session, actor, now, action, "user", link.user_id, {"purpose": link.purpose})


def _replace_link(
    session: Session,
    purpose: LinkPurpose,
    user_id: UUID | None,
    token: str | None,
    mail_due_at: datetime | None,
    now: datetime,
) -> None:
    owner = OneTimeLink.user_id.is_(None) if user_id is None else OneTimeLink.user_id == user_id
    session.execute(delete(OneTimeLink).where(OneTimeLink.purpose == purpose, owner))
    row = {
        "id": new_id(now),
        "purpose": purpose,
        "user_id": user_id,
        "token_hash": None if token is None else session_token_hash(token),
        "created_at": now,
        "expires_at": now + LINK_IS_VALID_FOR[purpose],
        "mail_due_at": mail_due_at,
        "mail_attempts": 0,
        "mail_failure": "",
        "mail_failure_phrase": None,
    }
    session.execute(insert(OneTimeLink), [row])
