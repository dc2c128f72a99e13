"""The queue in an SQLite file, which may be deleted or replaced in use."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huey.storage import SqliteStorage

from billing_admin.private_files import create_private_database

_COMPANIONS = ("-wal", "-shm")


class QueueFile(SqliteStorage):  # type: ignore[misc]
    """Opens the file at its path.

    A process keeps a deleted file open: its messages would reach no process that opens the file later. So each access
    compares the open file with the one at the path, and opens that one if it is another, or a new one if there is none.
    """

    _conn: sqlite3.Connection | None

    def __init__(self, name: str, filename: str) -> None:
        super().__init__(name, filename, create_tables=False)  # they are created when the file is opened
        self._inode: int | None = None

    @property
    def conn(self) -> sqlite3.Connection:
        """The connection to the file; its caller holds the lock of this storage."""
        if self._conn is not None and self._inode != _inode(self.filename):
            self._conn.close()
            self._conn = None
        connection: sqlite3.Connection = super().conn
        return connection

    def _create_connection(self) -> sqlite3.Connection:
        path = Path(self.filename)
        with _lock(path.parent):
            if not path.exists():
                for suffix in _COMPANIONS:  # of a deleted file; SQLite would read them as those of the new one
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
            create_private_database(path)
            self._inode = _inode(self.filename)
            connection: sqlite3.Connection = super()._create_connection()
            connection.executescript("; ".join([self.begin_sql, *self.ddl, "commit"]))
        return connection


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, so that one process at a time creates the file in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _inode(filename: str) -> int | None:
    try:
        return os.stat(filename).st_ino  # noqa: PTH116 - for each access to the queue; a Path takes twice as long
    except FileNotFoundError:
        return None
