"""The keys that a file has used so far.

They are kept in a temporary SQLite file, so that memory stays small.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

CACHE_KILOBYTES = 16_000


class KeyIndex:
    """The first line of each key in a file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find_repeated(self, keys: Iterable[tuple[str, int]]) -> dict[int, int]:
        """Add keys with their lines.

        Returns, for each line with a known key, the first line of that key.
        """
        first_lines = {}
        for key, line in keys:
            digest = blake2b(key.encode(), digest_size=16).digest()
            if not self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, line)).rowcount:
                (first_lines[line],) = self._connection.execute(
                    "SELECT line FROM seen WHERE key = ?", (digest,)
                ).fetchone()
        return first_lines


@contextmanager
def open_key_index() -> Iterator[KeyIndex]:
    """Open an empty index.

    SQLite deletes its file when it is closed.
    """
    connection = sqlite3.connect("", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KILOBYTES}")
        connection.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID")
        connection.execute("BEGIN")
        yield KeyIndex(connection)
    finally:
        connection.close()
