"""Logos: the current one, and those of issued documents."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import Logo, Organisation


def current_logo(session: Session) -> Logo | None:
    """Return the logo that documents get now; None without one."""
    return session.scalar(select(Logo).join(Organisation, Organisation.logo == Logo.sha256))


def stored_logo(session: Session, sha256: str) -> Logo:
    """Return a logo by the SHA-256 that a document names.

    Raises:
        NotFound: No logo has this hash.
    """
    logo = session.get(Logo, sha256)
    if logo is None:
        raise NotFound("unknown_logo", Phrase("There is no logo {sha256}.", sha256=sha256[:80]), "sha256")
    return logo
