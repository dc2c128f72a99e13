"""Set and remove the logo of the organisation.

A logo is stored once, by its hash, and never deleted: issued documents keep theirs.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.formats.logo import LogoFile
from billing_admin.models import Logo, Organisation
from billing_admin.operations.audit import record


def set_logo(session: Session, file: LogoFile, actor: Actor, now: datetime) -> Logo:
    """Store a checked logo, and print it on documents issued from now on."""
    organisation = session.get_one(Organisation, 1, with_for_update={"of": Organisation})
    logo = session.get(Logo, file.sha256)
    if logo is None:
        logo = Logo(
            sha256=file.sha256,
            media_type=file.media_type,
            width=file.width,
            height=file.height,
            data=file.data,
            created_at=now,
            created_by=actor.name,
        )
        session.add(logo)
        session.flush()
    _change(session, organisation, logo.sha256, actor, now)
    return logo


def remove_logo(session: Session, actor: Actor, now: datetime) -> bool:
    """Print no logo on documents issued from now on, and return whether there was one."""
    organisation = session.get_one(Organisation, 1, with_for_update={"of": Organisation})
    had_logo = organisation.logo is not None
    _change(session, organisation, None, actor, now)
    return had_logo


def _change(session: Session, organisation: Organisation, logo: str | None, actor: Actor, now: datetime) -> None:
    before = organisation.logo
    if logo != before:
        organisation.logo = logo
        session.flush()
        record(session, actor, now, "organisation.changed", "organisation", None, {"logo": [before, logo]})
