"""Create the set-up link, and the first person with it."""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from billing_admin.domain.access import ROLES, Actor
from billing_admin.domain.errors import Conflict
from billing_admin.domain.translation import Phrase
from billing_admin.models import SetUpLink
from billing_admin.operations.access.users import TOKEN_BYTES, VerifiedPassword, create_user, sign_in
from billing_admin.operations.audit import record
from billing_admin.queries.access.set_up import has_people
from billing_admin.queries.access.users import Credentials, session_token_hash

LINK_IS_VALID_FOR: Final = timedelta(hours=24)
FIRST_ROLE: Final = "admin"


def create_link(session: Session, actor: Actor, now: datetime) -> str:
    """Return the token of a new set-up link; the link before stops working.

    Raises:
        Conflict: A person exists already.
    """
    if has_people(session):
        raise Conflict(
            "already_set_up",
            Phrase(
                "A person has been added already, so there is no set-up link. Add another person with: flask "
                "--app wsgi create-user EMAIL --role admin"
            ),
        )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.merge(SetUpLink(id=1, token_hash=session_token_hash(token), expires_at=now + LINK_IS_VALID_FOR))
    session.flush()
    record(session, actor, now, "user.set_up_link_created", "user")
    return token


def use_link(
    session: Session,
    token: str,
    email: str,
    password: str,
    network: str,
    actor: Actor,
    now: datetime,
    *,
    user_agent: str = "",
) -> str | None:
    """Create the first person, an admin, and return the token of their session.

    The link works once: of two requests at the same moment, the second one finds it used. Returns None if signing in is
    refused. Raises Conflict for a link that does not work, and what `create_user` raises.
    """
    link = delete(SetUpLink).where(SetUpLink.token_hash == session_token_hash(token), SetUpLink.expires_at > now)
    if session.scalars(link.returning(SetUpLink.id)).one_or_none() is None or has_people(session):
        raise Conflict("unknown_link", Phrase("This set-up link does not work any more."))
    granting = replace(actor, permissions=ROLES[FIRST_ROLE])  # the link gives the rights of an admin
    user = create_user(session, email, password, FIRST_ROLE, granting, now)
    verified = VerifiedPassword(Credentials(user.id, user.password_hash), None)
    return sign_in(session, user.email, verified, network, actor.request_id, now, user_agent=user_agent)
