"""Files in the database: every byte comes back, part by part."""

import hashlib
import io
import random
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import NotFound
from billing_admin.models import FilePart, StoredFile
from billing_admin.operations import files
from billing_admin.queries.files import StoredFileReader, file_chunks, stored_file
from tests.making import NOW


def store(content: bytes, *, chunk: int = 70_001) -> UUID:
    chunks = (content[start : start + chunk] for start in range(0, len(content), chunk))
    return files.store(transaction, chunks, "charges.csv", "text/csv", SYSTEM, NOW)


@pytest.mark.parametrize(
    "size", [0, 1, files.PART_BYTES - 1, files.PART_BYTES, files.PART_BYTES + 1, 3 * files.PART_BYTES + 17]
)
def test_what_goes_in_comes_out(session: Session, size: int) -> None:
    content = random.Random(size).randbytes(size)
    id = store(content)
    found = stored_file(session, id)
    assert (found.name, found.size, found.sha256) == ("charges.csv", size, hashlib.sha256(content).hexdigest())
    assert b"".join(file_chunks(session, id)) == content
    assert all(len(part) <= files.PART_BYTES for part in file_chunks(session, id))
    assert io.BufferedReader(StoredFileReader(session, id)).read() == content


def test_it_reads_as_text(session: Session) -> None:
    content = "Zürich;1,50\r\n" * 200_000
    reading = io.TextIOWrapper(
        io.BufferedReader(StoredFileReader(session, store(content.encode()))), "utf-8", newline=""
    )
    assert sum(line == "Zürich;1,50\r\n" for line in reading) == 200_000


def test_half_a_file_is_no_file(session: Session) -> None:
    id = transaction(files.create, "half", "text/csv", SYSTEM, NOW)
    transaction(files.append_part, id, 0, b"half")
    with pytest.raises(NotFound):
        stored_file(session, id)


def test_a_part_may_be_written_again(session: Session) -> None:
    id = transaction(files.create, "twice", "text/csv", SYSTEM, NOW)
    for text in (b"one", b"two"):
        transaction(files.append_part, id, 0, text)
    transaction(files.complete, id, 3, hashlib.sha256(b"two").hexdigest())
    assert b"".join(file_chunks(session, id)) == b"two"


def test_old_files_are_forgotten_with_their_bytes(session: Session) -> None:
    old, new = store(b"old"), files.store(transaction, [b"new"], "n", "text/csv", SYSTEM, NOW + timedelta(days=2))
    assert transaction(files.delete_created_before, NOW + timedelta(days=1)) == 1
    session.rollback()
    assert session.scalars(select(StoredFile.id)).all() == [new]
    assert session.scalar(select(func.count()).select_from(FilePart)) == 1
    with pytest.raises(NotFound):
        stored_file(session, old)
