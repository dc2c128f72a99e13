"""The permissions that a person, a token or the command line has at this moment."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.access import SYSTEM, role_permissions
from billing_admin.models import ApiToken, Role, User
from billing_admin.queries.access.tokens import token_permissions, usable_tokens


def current_permissions(session: Session, kind: str, id: UUID | None) -> frozenset[str]:
    """Return the permissions of an actor by its stored kind and id.

    A deactivated person and a revoked token have none.
    """
    if kind == SYSTEM.kind:
        return SYSTEM.permissions
    if kind == "person":
        query = select(User.role, Role.permissions).outerjoin(Role, Role.name == User.role)
        person = session.execute(query.where(User.id == id, User.active)).first()
        return frozenset() if person is None else role_permissions(person.role, person.permissions)
    columns = (ApiToken.scopes, ApiToken.user_id, User.role, Role.permissions)
    token = session.execute(usable_tokens(*columns).where(ApiToken.id == id)).first()
    return frozenset() if token is None else token_permissions(*token)


def owner_of(session: Session, kind: str, id: UUID | None) -> UUID | None:
    """Return the person behind an actor: themselves, or the owner of a token."""
    if kind == "person":
        return id
    return session.scalar(select(ApiToken.user_id).where(ApiToken.id == id)) if kind == "token" else None


def has_lost_permission(session: Session, kind: str, id: UUID | None, permission: str) -> bool:
    """Return whether a stored person or token no longer has a permission.

    Rows of people and tokens are never deleted, so that others never had an account.
    """
    if permission in current_permissions(session, kind, id):
        return False
    return session.get(User if kind == "person" else ApiToken, id) is not None
