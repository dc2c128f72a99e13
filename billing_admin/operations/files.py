"""Store files in the database in parts.

Each part has a transaction of its own, so that memory stays small and locks short.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.db.transactions import Transact
from billing_admin.domain.access import Actor
from billing_admin.models import FilePart, StoredFile
from billing_admin.operations.audit import record

PART_BYTES = 1 << 20  # bytes
RETENTION = timedelta(days=30)


def store(transact: Transact, chunks: Iterable[bytes], name: str, media_type: str, actor: Actor, now: datetime) -> UUID:
    """Store a file and return its id.

    `transact` runs work in a transaction; the last one marks the file as complete.
    """
    id: UUID = transact(create, name, media_type, actor, now)
    size, digest = 0, hashlib.sha256()
    for number, part in enumerate(split_into_parts(chunks)):
        transact(append_part, id, number, part)
        size += len(part)
        digest.update(part)
    transact(complete, id, size, digest.hexdigest())
    return id


def split_into_parts(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """Yield the same bytes in parts of `PART_BYTES`, the last part smaller."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= PART_BYTES:
            yield bytes(buffer[:PART_BYTES])
            del buffer[:PART_BYTES]
    if buffer:
        yield bytes(buffer)


def create(session: Session, name: str, media_type: str, actor: Actor, now: datetime) -> UUID:
    """Insert a file without parts and return its id.

    The name is only displayed, never used as a path.
    """
    file = StoredFile(id=new_id(now), name=name, media_type=media_type, created_at=now, created_by=actor.name)
    session.add(file)
    session.flush()
    return file.id


def append_part(session: Session, id: UUID, number: int, data: bytes) -> None:
    """Store a part, or replace it: a job that is repeated stores its parts again."""
    session.merge(FilePart(file_id=id, number=number, data=data))
    session.flush()
    session.expunge_all()  # release the memory: a part is a megabyte


def complete(session: Session, id: UUID, size: int, sha256: str) -> None:
    """Set the size and hash of a file, which mark it as complete."""
    file = session.get_one(StoredFile, id)
    file.size, file.sha256 = size, sha256
    session.flush()


def record_download(
    session: Session,
    object_type: str,
    object_id: UUID | None,
    name: str,
    details: Mapping[str, Any],
    actor: Actor,
    now: datetime,
) -> None:
    """Record that a file leaves the product: an export, a journal or a PDF document."""
    record(session, actor, now, f"{object_type}.downloaded", object_type, object_id, {"file": name, **details})


def delete_created_before(session: Session, before: datetime) -> int:
    """Delete the files created before a moment, and return their number."""
    ids = session.scalars(delete(StoredFile).where(StoredFile.created_at < before).returning(StoredFile.id)).all()
    return len(ids)
