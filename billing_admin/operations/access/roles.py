"""Create, change, archive and restore roles of the organisation."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor, check_permissions, check_role_name
from billing_admin.domain.errors import Conflict
from billing_admin.domain.master_data import check_version, differing_fields, refuse_differences
from billing_admin.domain.translation import Phrase, plural
from billing_admin.models import Role, User, UserSession
from billing_admin.operations.audit import changed_fields, record
from billing_admin.operations.jobs import stop_unauthorised
from billing_admin.queries.access.roles import count_people, own_role


def create(
    session: Session, name: str, permissions: Collection[str], id: UUID | None, actor: Actor, now: datetime
) -> tuple[Role, bool]:
    """Create a role, or return the existing one with the same id.

    Returns it and whether it is new. Raises Invalid for the name or a permission, Denied for a permission that the actor
    does not have, and Conflict for a name that exists, or an id with other values.
    """
    name, checked = check_role_name(name), check_permissions(permissions)
    values = {"name": name, "permissions": checked}
    existing = session.get(Role, id) if id else None
    if existing is not None:
        stored = {"name": existing.name, "permissions": existing.permissions}
        refuse_differences(Phrase("This role"), differing_fields(values, stored))
        return existing, False
    actor.require_all(checked, "permissions")
    if session.scalars(select(Role.id).where(func.lower(Role.name) == name.lower())).first() is not None:
        raise Conflict("role_exists", Phrase("There is already a role “{name}”.", name=name), "name")
    role = Role(id=id or new_id(now), name=name, permissions=checked, archived_at=None, created_at=now)
    session.add(role)
    session.flush()
    record(session, actor, now, "role.created", "role", role.id, values)
    return role, True


def change(
    session: Session, role_id: UUID, permissions: Collection[str], version: int | None, actor: Actor, now: datetime
) -> Role:
    """Change the permissions of a role.

    They count from the next request of everybody who has it. Their sessions end, and jobs that need a permission that
    they lost stop. Raises NotFound, Stale when the role has changed since `version`, Invalid, and Denied for a
    permission, given or taken, that the actor does not have.
    """
    role = _lock(session, role_id)
    check_version(version, role.version, role.name)
    checked = check_permissions(permissions)
    changed = changed_fields({"permissions": role.permissions}, {"permissions": checked})
    if not changed:
        return role
    actor.require_all({*role.permissions, *checked}, "permissions")
    role.permissions = checked
    session.flush()
    session.execute(delete(UserSession).where(UserSession.user_id.in_(select(User.id).where(User.role == role.name))))
    record(session, actor, now, "role.changed", "role", role.id, changed)
    stop_unauthorised(session, actor, now)
    return role


def archive(session: Session, role_id: UUID, actor: Actor, now: datetime) -> bool:
    """Archive a role, so that nobody can get it.

    Returns False when it was already archived. Raises NotFound, and Conflict while people have it.
    """
    role = _lock(session, role_id)
    if role.archived_at is not None:
        return False
    if people := count_people(session, role.name):
        message = plural(
            "{count} person has this role. Give them another role first.",
            "{count} people have this role. Give them another role first.",
            people,
        )
        raise Conflict("role_in_use", message)
    role.archived_at = now
    session.flush()
    record(session, actor, now, "role.archived", "role", role.id)
    return True


def restore(session: Session, role_id: UUID, actor: Actor, now: datetime) -> bool:
    """Restore an archived role, and return whether it was archived.

    Raises NotFound, and Denied for one with a permission that the actor does not have.
    """
    role = _lock(session, role_id)
    if role.archived_at is None:
        return False
    actor.require_all(role.permissions)
    role.archived_at = None
    session.flush()
    record(session, actor, now, "role.restored", "role", role.id)
    return True


def _lock(session: Session, role_id: UUID) -> Role:
    own_role(session, role_id)
    return session.get_one(Role, role_id, with_for_update=True)
