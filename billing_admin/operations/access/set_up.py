"""Create the set-up link, and the first person with it."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from billing_admin.domain.access import ROLES, Actor
from billing_admin.domain.errors import Conflict
from billing_admin.domain.one_time_links import LinkPurpose
from billing_admin.domain.translation import Phrase
from billing_admin.operations.access import one_time_links
from billing_admin.operations.access.users import VerifiedPassword, create_user, sign_in
from billing_admin.operations.audit import record
from billing_admin.queries.access.set_up import has_people
from billing_admin.queries.access.users import Credentials

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
    token = one_time_links.create_link(session, LinkPurpose.SET_UP, None, now)
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
    if one_time_links.take_link(session, token, (LinkPurpose.SET_UP,), now) is None or has_people(session):
        raise Conflict("unknown_link", Phrase("This set-up link does not work any more."))
    granting = replace(actor, permissions=ROLES[FIRST_ROLE])  # the link gives the rights of an admin
    user = create_user(session, email, password, FIRST_ROLE, granting, now)
    verified = VerifiedPassword(Credentials(user.id, user.password_hash), None)
    signed_in = sign_in(session, user.email, verified, network, actor.request_id, now, user_agent=user_agent)
    return signed_in if isinstance(signed_in, str) else None
