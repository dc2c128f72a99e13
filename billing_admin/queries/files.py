"""Stored files, read part by part."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.models import FilePart, StoredFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def stored_file(session: Session, id: UUID) -> StoredFile:
    """A whole file. Raises NotFound for one that is not there, not whole, or deleted since."""
    found = session.get(StoredFile, id, populate_existing=True)
    if found is None or found.sha256 is None:
        raise _gone(id)
    return found


def _gone(id: UUID) -> NotFound:
    return NotFound("unknown_file", f"There is no file {id}; files are kept for thirty days.", "id")


def file_chunks(session: Session, id: UUID) -> Iterator[bytes]:
    """The bytes of a file. Raises NotFound, at the end of what is there, when it is not all there: it was forgotten meanwhile."""
    left = stored_file(session, id).size or 0
    number = 0
    while left:
        data = session.scalar(select(FilePart.data).where(FilePart.file_id == id, FilePart.number == number))
        if data is None:
            raise _gone(id)
        yield data
        left -= len(data)
        number += 1


class StoredFileReader(io.RawIOBase):
    """A stored file as something to read from: `io.BufferedReader(Reading(session, id))`."""

    def __init__(self, session: Session, id: UUID) -> None:
        self._parts = file_chunks(session, id)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self._rest:
            self._rest = memoryview(next(self._parts, b""))
        into = memoryview(buffer).cast("B")
        count = min(len(into), len(self._rest))
        into[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
