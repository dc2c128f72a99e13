"""Stored files, read part by part."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import FilePart, StoredFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def stored_file(session: Session, id: UUID) -> StoredFile:
    """Return a complete file.

    Raises NotFound if it does not exist, is incomplete, or was deleted.
    """
    file = session.get(StoredFile, id, populate_existing=True)
    if file is None or file.sha256 is None:
        raise _not_found(id)
    return file


def _not_found(id: UUID) -> NotFound:
    return NotFound("unknown_file", Phrase("There is no file {id}. Files are deleted after thirty days.", id=id), "id")


def file_chunks(session: Session, id: UUID) -> Iterator[bytes]:
    """Yield the bytes of a file.

    Raises NotFound, also midway if the file is deleted meanwhile.
    """
    remaining = stored_file(session, id).size or 0
    number = 0
    while remaining:
        data = session.scalar(select(FilePart.data).where(FilePart.file_id == id, FilePart.number == number))
        if data is None:
            raise _not_found(id)
        yield data
        remaining -= len(data)
        number += 1


class StoredFileReader(io.RawIOBase):
    """A stored file as a stream that can be read.

    Use it as `io.BufferedReader(StoredFileReader(session, id))`.
    """

    def __init__(self, session: Session, id: UUID) -> None:
        self._chunks = file_chunks(session, id)
        self._unread = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill the buffer and return the number of bytes, 0 at the end."""
        if not self._unread:
            self._unread = memoryview(next(self._chunks, b""))
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._unread))
        target[:count], self._unread = self._unread[:count], self._unread[count:]
        return count
