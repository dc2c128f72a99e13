"""Which keys a file has used so far, however many: in a table of a temporary file, of which little stands in memory."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

CACHE_KB = 16_000


class KeyIndex:
    """The line on which each key stood first."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def again(self, keys: Iterable[tuple[str, int]]) -> dict[int, int]:
        """Note keys with their lines; of those that were there before, the line by which they were."""
        found = {}
        for key, line in keys:
            digest = blake2b(key.encode(), digest_size=16).digest()
            if not self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, line)).rowcount:
                (found[line],) = self._connection.execute("SELECT line FROM seen WHERE key = ?", (digest,)).fetchone()
        return found


@contextmanager
def open_key_index() -> Iterator[KeyIndex]:
    """A new table; SQLite deletes its file when it is closed."""
    connection = sqlite3.connect("", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        connection.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID")
        connection.execute("BEGIN")
        yield KeyIndex(connection)
    finally:
        connection.close()
