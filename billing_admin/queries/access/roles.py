"""Roles, built-in ones and own ones, and the people who have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.domain.access import (
    CONFLICTS,
    ROLE_SENTENCES,
    ROLES,
    PermissionConflict,
    conflicts_of,
    role_label,
    role_permissions,
)
from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import Role, User


@dataclass(frozen=True, slots=True)
class RoleSummary:
    """A role with its permissions and the number of active people who have it.

    `id` is None for a built-in role, which never changes.
    """

    key: str
    label: str
    sentence: str
    permissions: frozenset[str]
    people: int
    id: UUID | None = None
    is_archived: bool = False

    @property
    def conflicts(self) -> list[PermissionConflict]:
        """The conflicts among its permissions."""
        return conflicts_of(self.permissions)


@dataclass(frozen=True, slots=True)
class ConflictReport:
    """A conflict, with the roles and the active people that have it."""

    conflict: PermissionConflict
    roles: list[str]
    people: list[str]


def own_roles(session: Session) -> list[Role]:
    """Return the roles of the organisation by name; archived ones are last."""
    return list(session.scalars(select(Role).order_by(Role.archived_at.is_not(None), Role.name)))


def own_role(session: Session, id: UUID) -> Role:
    """Return one role of the organisation.

    Raises:
        NotFound: No role has this id.
    """
    role = session.get(Role, id)
    if role is None:
        raise NotFound("unknown_role", Phrase("There is no role with the ID {id}.", id=id), "id")
    return role


def role_id(session: Session, role: str) -> UUID | None:
    """Return the id of a role by its key; a built-in one has none.

    Raises:
        NotFound: There is no such role.
    """
    id = session.scalar(select(Role.id).where(Role.name == role))
    if id is None and role not in ROLES:
        raise NotFound("unknown_role", Phrase("There is no role “{role}”.", role=role[:80]), "role")
    return id


def own_permissions(session: Session, role: str) -> list[str] | None:
    """Return the permissions of an own role, or None if there is none."""
    return session.scalar(select(Role.permissions).where(Role.name == role, Role.archived_at.is_(None)))


def permissions_of(session: Session, role: str) -> frozenset[str]:
    """Return the permissions of a role."""
    return role_permissions(role, None if role in ROLES else own_permissions(session, role))


def roles(session: Session) -> list[RoleSummary]:
    """Return all roles: the built-in ones, then those of the organisation."""
    people = _people_by_role(session)
    built_in = [
        RoleSummary(key, role_label(key), ROLE_SENTENCES[key], permissions, len(people.get(key, ())))
        for key, permissions in ROLES.items()
    ]
    own_ones = [
        RoleSummary(
            role.name,
            role.name,
            Phrase("A role of your organisation."),
            frozenset(role.permissions),
            len(people.get(role.name, ())),
            role.id,
            role.archived_at is not None,
        )
        for role in own_roles(session)
    ]
    return built_in + own_ones


def roles_in_use(session: Session) -> list[RoleSummary]:
    """Return the roles that a person can get."""
    return [role for role in roles(session) if not role.is_archived]


def conflict_reports(session: Session, excluded_role: str = "") -> list[ConflictReport]:
    """Return each conflict with the roles and active people that have it.

    `excluded_role` and its people are left out.
    """
    people = _people_by_role(session)
    in_use = [role for role in roles_in_use(session) if role.key != excluded_role]
    reports = []
    for conflict in CONFLICTS:
        having = [role for role in in_use if conflict.is_in(role.permissions)]
        names = sorted(name for role in having for name in people.get(role.key, ()))
        reports.append(ConflictReport(conflict, [role.label for role in having], names))
    return reports


def count_people(session: Session, role: str) -> int:
    """Return the number of people with a role, active or not."""
    return session.scalar(select(func.count()).select_from(User).where(User.role == role)) or 0


def _people_by_role(session: Session) -> Mapping[str, list[str]]:
    names: dict[str, list[str]] = {}
    for role, email in session.execute(select(User.role, User.email).where(User.active)):
        names.setdefault(role, []).append(email)
    return names
