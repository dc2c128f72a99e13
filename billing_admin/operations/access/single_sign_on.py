"""Sign people in by what the identity provider says about them."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from billing_admin.domain.access import PERMISSIONS, Actor
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.sign_in import PendingSignIn, password_fingerprint
from billing_admin.domain.single_sign_on import (
    Flow,
    Identity,
    ProviderSettings,
    Refusal,
    is_allowed_domain,
    is_subject,
    mapped_role,
)
from billing_admin.domain.translation import Phrase
from billing_admin.models import ProviderAccount, User
from billing_admin.operations.access.users import (
    change_role,
    check_permissions_over,
    create_user,
    end_sessions,
    finish_sign_in,
    lock_user,
    record_provider_failure,
    refuse_last_admin,
    renew_session,
)
from billing_admin.operations.audit import record
from billing_admin.queries.access.provider_accounts import has_provider_account
from billing_admin.queries.access.second_factors import second_factors

ACTOR_NAME: Final = "single sign-on"


class Refused(Exception):
    """A sign-in that is refused, and the person if that is known."""

    def __init__(self, refusal: Refusal, user: User | None = None) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.user_id = user.id if user else None


def sign_in(
    session: Session,
    identity: Identity,
    provider: ProviderSettings,
    network: str,
    request_id: str | None,
    now: datetime,
    *,
    user_agent: str = "",
) -> str | PendingSignIn | Refusal:
    """Open a session by single sign-on, and return its token.

    The first sign-in ties their account there to the person here with the same verified address. Their role follows the
    provider if a claim for it is configured. A person with a second factor of their own gets a pending sign-in, unless the
    provider asks for it. A refusal is a result, not an error, so that it is committed.
    """
    actor = Actor("system", None, ACTOR_NAME, frozenset(PERMISSIONS), request_id)
    try:
        user = _find_person(session, identity, provider, actor, now)
    except Refused as refused:
        record_provider_failure(session, refused.user_id, refused.refusal, network, request_id, now)
        return refused.refusal
    if not provider.checks_second_factor and second_factors(session, user.id):
        return PendingSignIn(user.id, password_fingerprint(user.password_hash), single_sign_on=True)
    return finish_sign_in(session, user, network, request_id, now, user_agent=user_agent, single_sign_on=True)


def confirm_identity(
    session: Session, token: str, identity: Identity, flow: Flow, network: str, actor: Actor, now: datetime
) -> str | None:
    """Record that the actor confirmed their identity at the provider.

    Their session is renewed. Returns its new token, or None if another person signed in there, or nobody did anew. Raises
    Conflict for a session that has ended.
    """
    query = select(ProviderAccount).where(
        ProviderAccount.issuer == identity.issuer,
        ProviderAccount.subject == identity.subject,
        ProviderAccount.user_id == actor.id,
    )
    if not identity.was_confirmed_since(flow.created_at) or session.scalars(query).one_or_none() is None:
        record_provider_failure(session, actor.id, "not_confirmed", network, actor.request_id, now)
        return None
    return renew_session(session, token, actor, now)


def add_account(session: Session, user_id: UUID, issuer: str, subject: str, actor: Actor, now: datetime) -> None:
    """Tie an account at the identity provider to a person.

    It is for providers that do not say whether an address is verified. Raises Invalid for a text that is no subject, and
    Conflict if the person has an account there, or the account belongs to another person.
    """
    user = lock_user(session, user_id)
    check_permissions_over(session, user, actor)
    if not is_subject(subject):
        raise Invalid("not_a_subject", Phrase("Enter the subject that the identity provider gives to the person."))
    if session.get(ProviderAccount, (issuer, subject)) is not None or _has_account(session, user, issuer):
        raise Conflict("account_exists", Phrase("This person has an account there, or it belongs to another person."))
    _tie(session, user, issuer, subject, actor, now)
    session.flush()


def remove_account(session: Session, user_id: UUID, actor: Actor, now: datetime) -> bool:
    """Remove the single sign-on of a person, and end their sessions.

    Returns whether they had one. Raises Conflict for the last admin without a password, and Denied for a person with more
    rights than the actor.
    """
    user = lock_user(session, user_id)
    check_permissions_over(session, user, actor)
    if not has_provider_account(session, user.id):
        return False
    if not user.password_hash:
        refuse_last_admin(session, user)
    session.execute(delete(ProviderAccount).where(ProviderAccount.user_id == user.id))
    end_sessions(session, user.id, actor, now)
    record(session, actor, now, "user.single_sign_on_removed", "user", user.id)
    return True


def _find_person(session: Session, identity: Identity, provider: ProviderSettings, actor: Actor, now: datetime) -> User:
    """Return the person of an identity, with the role that the provider gives.

    They are created, and their account is tied to them, if need be. Their row is locked. Raises Refused.
    """
    account = session.get(ProviderAccount, (identity.issuer, identity.subject))
    user = _lock_bound(session, account) if account else _find_by_address(session, identity, provider)
    if provider.email_domains:
        _check_address(identity, provider, user)
    if user is not None and not user.active:
        raise Refused(Refusal.DEACTIVATED, user)
    role = mapped_role(identity.groups, provider.roles)
    if provider.role_claim and role is None:
        if user is not None:
            end_sessions(session, user.id, actor, now)
        raise Refused(Refusal.NO_ROLE, user)
    if user is None:
        user = _create(session, identity, role, provider, actor, now)
    elif role is not None:
        _follow_role(session, user, role, actor, now)
    if account is None:
        _tie(session, user, identity.issuer, identity.subject, actor, now)
    else:
        account.last_used_at = now
    session.flush()
    return user


def _lock_bound(session: Session, account: ProviderAccount) -> User:
    return session.scalars(select(User).where(User.id == account.user_id).with_for_update()).one()


def _find_by_address(session: Session, identity: Identity, provider: ProviderSettings) -> User | None:
    """Return the person with the verified address of an identity.

    None if one may be created.
    """
    if not (identity.email and identity.email_verified):
        raise Refused(Refusal.EMAIL_NOT_VERIFIED)
    user = session.scalars(select(User).where(User.email == identity.email).with_for_update()).one_or_none()
    if user is None:
        if not provider.creates_people:
            raise Refused(Refusal.UNKNOWN_PERSON)
        return None
    if _has_account(session, user, identity.issuer):
        raise Refused(Refusal.OTHER_ACCOUNT, user)
    return user


def _check_address(identity: Identity, provider: ProviderSettings, user: User | None) -> None:
    if not (identity.email and identity.email_verified):
        raise Refused(Refusal.EMAIL_NOT_VERIFIED, user)
    if not is_allowed_domain(identity.email, provider.email_domains):
        raise Refused(Refusal.FOREIGN_DOMAIN, user)


def _create(
    session: Session, identity: Identity, role: str | None, provider: ProviderSettings, actor: Actor, now: datetime
) -> User:
    """Add the person of an identity, without a password."""
    if role is None or not provider.creates_people:
        raise Refused(Refusal.UNKNOWN_PERSON)
    try:
        return create_user(session, identity.email, None, role, actor, now)
    except Invalid as error:
        raise Refused(Refusal.UNKNOWN_ROLE) from error


def _follow_role(session: Session, user: User, role: str, actor: Actor, now: datetime) -> None:
    """Give a person the role that the provider gives them.

    Their sessions end if it is another one. The only admin stays one: an event says so.
    """
    try:
        change_role(session, user.id, role, actor, now)
    except Invalid as error:
        raise Refused(Refusal.UNKNOWN_ROLE, user) from error
    except Conflict as conflict:
        details = {"role": user.role, "role_of_provider": role, "reason": conflict.code}
        record(session, actor, now, "user.role_kept", "user", user.id, details)


def _has_account(session: Session, user: User, issuer: str) -> bool:
    accounts = select(ProviderAccount).where(ProviderAccount.user_id == user.id, ProviderAccount.issuer == issuer)
    return session.scalars(accounts).one_or_none() is not None


def _tie(session: Session, user: User, issuer: str, subject: str, actor: Actor, now: datetime) -> None:
    session.add(ProviderAccount(issuer=issuer, subject=subject, user_id=user.id, created_at=now, last_used_at=now))
    details = {"issuer": issuer, "subject": subject}
    record(session, actor, now, "user.single_sign_on_added", "user", user.id, details)
