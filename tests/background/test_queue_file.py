"""The queue's SQLite file is deleted or replaced while two processes have it open."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from billing_admin.background.queue_file import QueueFile

SUFFIXES = ("", "-wal", "-shm")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "queue.sqlite3"


@pytest.fixture
def server(file: Path) -> Iterator[QueueFile]:
    """The queue as a server has it open, with a message that was read."""
    queue = QueueFile("billing", str(file))
    queue.enqueue(b"earlier")
    yield queue
    queue.close()


@pytest.fixture
def worker(file: Path, server: QueueFile) -> Iterator[QueueFile]:
    """The queue as a worker has it open."""
    queue = QueueFile("billing", str(file))
    assert queue.dequeue() == b"earlier"
    yield queue
    queue.close()


@pytest.mark.parametrize("deleted", [SUFFIXES, ("",), ("", "-shm"), ("", "-wal")], ids=str)
def test_a_message_arrives_though_the_file_was_deleted(
    file: Path, server: QueueFile, worker: QueueFile, deleted: tuple[str, ...]
) -> None:
    for suffix in deleted:
        file.with_name(file.name + suffix).unlink()
    server.enqueue(b"later")
    assert worker.dequeue() == b"later"
    worker.enqueue(b"back")
    assert server.dequeue() == b"back"
    assert file.stat().st_mode & 0o077 == 0


def test_the_file_may_be_created_by_the_one_who_reads(file: Path, server: QueueFile, worker: QueueFile) -> None:
    for suffix in SUFFIXES:
        file.with_name(file.name + suffix).unlink()
    assert worker.dequeue() is None
    server.enqueue(b"later")
    assert worker.dequeue() == b"later"


def test_a_message_arrives_in_another_file_at_the_same_path(file: Path, server: QueueFile, worker: QueueFile) -> None:
    moved = file.parent.rename(file.parent.with_name("moved"))
    other = QueueFile("billing", str(file))
    other.enqueue(b"later")
    assert worker.dequeue() == b"later"
    assert server.queue_size() == 0
    assert (moved / file.name).exists()
    other.close()
