"""The limits of roles, above which acts wait for approval."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import ApiToken, RoleLimit, User


def limit_of(session: Session, kind: str, id: UUID | None, act: str) -> Decimal | None:
    """Return the limit of a person, or of a token's owner; None is no limit."""
    query = select(RoleLimit.amount).join(User, User.role == RoleLimit.role).where(RoleLimit.act == act)
    if kind == "person":
        return session.scalar(query.where(User.id == id))
    if kind == "token":
        return session.scalar(query.join(ApiToken, ApiToken.user_id == User.id).where(ApiToken.id == id))
    return None


def limits_of_role(session: Session, role: str) -> dict[str, Decimal]:
    """Return the limits of a role by act."""
    return dict(session.execute(select(RoleLimit.act, RoleLimit.amount).where(RoleLimit.role == role)).all())
