"""Files in the database, part by part: never more than one part in memory, and no lock held while someone's disk is read."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.models import FilePart, StoredFile

PART_BYTES = 1 << 20  # bytes
RETENTION = timedelta(days=30)
Transact = Callable[..., Any]


def store(transact: Transact, chunks: Iterable[bytes], name: str, media_type: str, actor: Actor, now: datetime) -> UUID:
    """Store a file, each part in a transaction of its own. It is whole only when the last one has set its size and hash."""
    id: UUID = transact(create, name, media_type, actor, now)
    size, digest = 0, hashlib.sha256()
    for number, part in enumerate(split_into_parts(chunks)):
        transact(append_part, id, number, part)
        size += len(part)
        digest.update(part)
    transact(complete, id, size, digest.hexdigest())
    return id


def split_into_parts(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """The same bytes in parts of one size, the last one smaller."""
    rest = bytearray()
    for chunk in chunks:
        rest += chunk
        while len(rest) >= PART_BYTES:
            yield bytes(rest[:PART_BYTES])
            del rest[:PART_BYTES]
    if rest:
        yield bytes(rest)


def create(session: Session, name: str, media_type: str, actor: Actor, now: datetime) -> UUID:
    """Make room for a file. Its name is only shown, never used as a path."""
    made = StoredFile(id=new_id(now), name=name, media_type=media_type, created_at=now, created_by=actor.name)
    session.add(made)
    session.flush()
    return made.id


def append_part(session: Session, id: UUID, number: int, data: bytes) -> None:
    """Add a part; one that is there already is written anew, for whoever begins again."""
    session.merge(FilePart(file_id=id, number=number, data=data))
    session.flush()
    session.expunge_all()  # a megabyte each


def complete(session: Session, id: UUID, size: int, sha256: str) -> None:
    """The file is whole."""
    found = session.get_one(StoredFile, id)
    found.size, found.sha256 = size, sha256
    session.flush()


def delete_created_before(session: Session, before: datetime) -> int:
    """Delete the files made before a moment; returns how many."""
    old = session.scalars(delete(StoredFile).where(StoredFile.created_at < before).returning(StoredFile.id)).all()
    return len(old)
