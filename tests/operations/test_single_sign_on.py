"""People whom single sign-on creates, and roles that follow the identity provider."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict
from billing_admin.domain.one_time_links import LinkPurpose
from billing_admin.domain.sign_in import PendingSignIn
from billing_admin.domain.single_sign_on import Identity, Refusal
from billing_admin.models import AuditEvent, OneTimeLink, ProviderAccount, User, UserSession
from billing_admin.operations.access import invitations, roles, single_sign_on, users
from tests.identity_provider import ISSUER, provider_settings
from tests.people import PASSWORD

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ADDRESS, NETWORK = "ada@example.com", "192.0.2.1"
ROLES = {"billing-admins": "admin", "finance": "biller", "branch": "Branch office", "lost": "no such role"}


def identity(*groups: str, subject: str = "1234", email: str = ADDRESS) -> Identity:
    """A person as the provider describes them."""
    return Identity(ISSUER, subject, email, True, groups, None)


def sign_in(identity: Identity, roles: Mapping[str, str] = ROLES, **changes: Any) -> str | PendingSignIn | Refusal:
    """Sign a person in whose role is that of their groups, and who is created if need be."""
    given = {"role_claim": "groups" if roles else "", "roles": roles, "creates_people": True}
    return transaction(single_sign_on.sign_in, identity, provider_settings(**given | changes), NETWORK, None, NOW)


def add(session: Session, role: str, email: str = ADDRESS, password: str | None = PASSWORD) -> UUID:
    session.rollback()
    return transaction(users.create_user, email, password, role, SYSTEM, NOW).id


def user(session: Session, email: str = ADDRESS) -> User:
    session.rollback()
    return session.scalars(select(User).where(User.email == email)).one()


def details(session: Session, action: str) -> list[Mapping[str, Any]]:
    session.rollback()
    query = select(AuditEvent.details).where(AuditEvent.action == action)
    return list(session.scalars(query.order_by(AuditEvent.at, AuditEvent.id)))


def sessions(session: Session) -> int:
    session.rollback()
    return len(session.scalars(select(UserSession.id)).all())


@pytest.mark.both_databases
def test_a_person_is_created_once_with_the_role_of_their_first_group(session: Session) -> None:
    for _ in range(2):
        assert isinstance(sign_in(identity("staff", "finance", "billing-admins")), str)
    person = user(session)
    assert (person.role, person.password_hash, person.active) == ("admin", "", True)
    assert session.scalars(select(ProviderAccount.user_id)).all() == [person.id]
    assert details(session, "user.created") == [{"email": ADDRESS, "role": "admin"}]
    assert [event["method"] for event in details(session, "user.signed_in")] == ["single sign-on"] * 2


def test_nobody_is_created_without_a_role_or_the_setting(session: Session) -> None:
    assert sign_in(identity("staff")) is Refusal.NO_ROLE
    assert sign_in(identity("lost")) is Refusal.UNKNOWN_ROLE
    assert sign_in(identity("finance"), creates_people=False) is Refusal.UNKNOWN_PERSON
    assert session.scalars(select(User)).all() == []
    assert [event["reason"] for event in details(session, "user.single_sign_on_failed")] == [
        "no_role",
        "unknown_role",
        "unknown_person",
    ]


def test_a_role_follows_the_provider_and_other_sessions_end(session: Session) -> None:
    add(session, "admin", "other@example.com")
    add(session, "viewer")
    assert isinstance(sign_in(identity("billing-admins")), str)
    assert (user(session).role, sessions(session)) == ("admin", 1)
    assert isinstance(sign_in(identity("billing-admins")), str)
    assert sessions(session) == 2, "the role is the same"
    assert isinstance(sign_in(identity("finance")), str)
    assert (user(session).role, sessions(session)) == ("biller", 1)
    assert details(session, "user.role_changed") == [{"role": ["viewer", "admin"]}, {"role": ["admin", "biller"]}]
    assert isinstance(sign_in(identity(), roles={}), str)
    assert user(session).role == "biller", "without a claim, roles stay as they are here"


def test_own_roles_are_given_until_they_are_archived(session: Session) -> None:
    role = transaction(roles.create, "Branch office", ["payments:write"], None, SYSTEM, NOW)[0].id
    assert isinstance(sign_in(identity("branch")), str)
    assert user(session).role == "Branch office"
    transaction(users.change_role, user(session).id, "viewer", SYSTEM, NOW)
    transaction(roles.archive, role, SYSTEM, NOW)
    assert sign_in(identity("branch")) is Refusal.UNKNOWN_ROLE


def test_a_person_without_a_role_at_the_provider_is_out(session: Session) -> None:
    add(session, "viewer")
    assert isinstance(sign_in(identity("finance")), str)
    assert sign_in(identity("staff")) is Refusal.NO_ROLE
    assert (sessions(session), user(session).role) == (0, "biller")


@pytest.mark.both_databases
def test_the_last_admin_stays_one(session: Session) -> None:
    add(session, "admin")
    add(session, "admin", "invited@example.com", None)
    assert isinstance(sign_in(identity("finance")), str)
    assert user(session).role == "admin"
    kept = {"role": "admin", "role_of_provider": "biller", "reason": "last_admin"}
    assert details(session, "user.role_kept") == [kept]
    assert isinstance(sign_in(identity("billing-admins", subject="5678", email="invited@example.com")), str)
    assert isinstance(sign_in(identity("finance")), str)
    assert user(session).role == "biller", "the other admin signs in at the provider, so that they count"
    with pytest.raises(Conflict, match="last admin"):
        transaction(users.deactivate, user(session, "invited@example.com").id, SYSTEM, NOW)


def test_a_person_without_a_password_gets_no_link_to_choose_one(session: Session) -> None:
    sign_in(identity("finance"))
    transaction(invitations.request_reset, ADDRESS, NETWORK, None, NOW)
    session.rollback()
    assert session.scalars(select(OneTimeLink)).all() == []
    add(session, "viewer", "eve@example.com")
    sign_in(identity("finance", subject="eve", email="eve@example.com"))
    transaction(invitations.request_reset, "eve@example.com", NETWORK, None, NOW)
    session.rollback()
    assert session.scalars(select(OneTimeLink.purpose)).all() == [LinkPurpose.PASSWORD_RESET]
