"""End sources of charges, for which the month end then does not wait."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import ApiToken, EndedSource, Import
from billing_admin.operations.audit import record


def end(session: Session, id: UUID, actor: Actor, now: datetime) -> str:
    """End a source, by the id of its token or of its last import; return its name.

    Raises:
        NotFound: There is no such source.
    """
    object_type, name = _find(session, id)
    row = session.get(EndedSource, id)
    if row is None:
        session.add(EndedSource(id=id, ended_at=now))
    else:
        row.ended_at = now
    session.flush()
    record(session, actor, now, "charge_source.ended", object_type, id, {"name": name})
    return name


def expect(session: Session, id: UUID, actor: Actor, now: datetime) -> str:
    """Expect charges of a source again, and return its name.

    It changes nothing if the source was not ended.

    Raises:
        NotFound: There is no such source.
    """
    object_type, name = _find(session, id)
    row = session.get(EndedSource, id)
    if row is not None:
        session.delete(row)
        session.flush()
        record(session, actor, now, "charge_source.expected", object_type, id, {"name": name})
    return name


def _find(session: Session, id: UUID) -> tuple[str, str]:
    """Return the type of object and the name of a source."""
    token = session.get(ApiToken, id)
    if token is not None:
        return "token", token.name
    row = session.get(Import, id)
    if row is None or row.kind != "charges":
        raise NotFound("unknown_source", Phrase("There is no source of charges {id}.", id=id), "id")
    return "import", row.file_name
