"""Invite people, and let them choose a password by a one-time link."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict
from billing_admin.domain.one_time_links import RESET_INTERVAL, LinkPurpose
from billing_admin.domain.sign_in import fold_email
from billing_admin.domain.translation import Phrase
from billing_admin.models import OneTimeLink, User
from billing_admin.operations.access import users
from billing_admin.operations.access.one_time_links import create_link, create_link_to_send, take_link
from billing_admin.operations.audit import record
from billing_admin.queries.access.provider_accounts import has_provider_account
from billing_admin.queries.access.users import user

# The purposes of links by which a person chooses a password.
PASSWORD_LINKS: Final = (LinkPurpose.INVITATION, LinkPurpose.PASSWORD_RESET)


def invite(
    session: Session, email: str, role: str, actor: Actor, now: datetime, *, by_mail: bool
) -> tuple[User, str | None]:
    """Add a person without a password, and give them a link by which they choose one.

    Returns the person, and the link's token unless the link is sent by e-mail. Raises what `create_user` raises.
    """
    invited = users.create_user(session, email, None, role, actor, now)
    return invited, _give_link(session, invited, LinkPurpose.INVITATION, actor, now, by_mail=by_mail)


def offer_link(
    session: Session,
    user_id: UUID,
    actor: Actor,
    now: datetime,
    *,
    by_mail: bool,
    revoked_tokens: Collection[UUID] = (),
) -> str | None:
    """Give a person a link by which they choose a new password.

    Their password stops working and their sessions end. `revoked_tokens`: those of their API tokens to revoke. Returns the
    link's token unless the link is sent by e-mail. Raises Conflict for a deactivated person, and Denied for one with more
    rights than the actor has.
    """
    person = user(session, user_id)
    if not person.active:
        raise Conflict("deactivated", Phrase("This person is deactivated. Activate them first."))
    if not person.password_hash:
        users.check_permissions_over(session, person, actor)
        return _give_link(session, person, LinkPurpose.INVITATION, actor, now, by_mail=by_mail)
    password = users.generate_password()  # it is shown to no person
    users.set_password(session, user_id, password, actor, now, temporary=False, revoked_tokens=revoked_tokens)
    return _give_link(session, person, LinkPurpose.PASSWORD_RESET, actor, now, by_mail=by_mail)


def request_reset(session: Session, email: str, network: str, request_id: str | None, now: datetime) -> None:
    """Have a link sent to a person who forgot their password.

    Does nothing for an address without an active person, within five minutes of their last link, and for a person who signs
    in at the identity provider alone: a person who loses the access there must not get around it by e-mail.
    """
    query = select(User).where(User.email == fold_email(email), User.active)
    person = session.scalars(query.with_for_update()).one_or_none()
    if person is None or (not person.password_hash and has_provider_account(session, person.id)):
        return
    last_link = select(OneTimeLink.created_at).where(
        OneTimeLink.user_id == person.id, OneTimeLink.purpose == LinkPurpose.PASSWORD_RESET
    )
    created_at = session.scalar(last_link)
    if created_at is not None and now < created_at + RESET_INTERVAL:
        return
    create_link_to_send(session, LinkPurpose.PASSWORD_RESET, person.id, now)
    anonymous = Actor("person", None, "not signed in", frozenset(), request_id)
    record(session, anonymous, now, "user.reset_requested", "user", person.id, {"address": network})


def choose_password(session: Session, token: str, password: str, request_id: str | None, now: datetime) -> None:
    """Store the password that a person chose by a link, and end their sessions.

    The person is not signed in, so that a link never replaces a second factor. Raises Conflict for a link that does not
    work, and Invalid for the password.
    """
    link = take_link(session, token, PASSWORD_LINKS, now)
    if link is None or link.user_id is None:
        raise Conflict("unknown_link", Phrase("This link does not work any more."))
    users.choose_password(session, link.user_id, password, request_id, now)


def _give_link(
    session: Session, person: User, purpose: LinkPurpose, actor: Actor, now: datetime, *, by_mail: bool
) -> str | None:
    record(session, actor, now, "user.link_created", "user", person.id, {"purpose": purpose, "by_mail": by_mail})
    if not by_mail:
        return create_link(session, purpose, person.id, now)
    create_link_to_send(session, purpose, person.id, now)
    return None
