"""The keys that a file has used so far.

They are kept in a temporary SQLite file, so that memory stays small.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b

CACHE_KILOBYTES = 16_000


@dataclass(frozen=True, slots=True)
class RepeatedKey:
    """The first line of a repeated key, and whether its content was the same."""

    line: int
    is_equal: bool


class KeyIndex:
    """The first line of each key in a file, and a digest of its content."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find_repeated(self, keys: Iterable[tuple[str, int, str]]) -> dict[int, RepeatedKey]:
        """Add keys with their lines and contents.

        Returns, for each line with a known key, where that key was first. Blank contents are never equal.
        """
        rows = [(_digest(key), line, _digest(content) if content else b"") for key, line, content in keys]
        added = self._connection.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", rows).rowcount
        repeated: dict[int, RepeatedKey] = {}
        for key, line, content in rows if added < len(rows) else ():
            first_line, first_content = self._connection.execute(
                "SELECT line, content FROM seen WHERE key = ?", [key]
            ).fetchone()
            if first_line != line:
                repeated[line] = RepeatedKey(first_line, content != b"" and first_content == content)
        return repeated


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@contextmanager
def open_key_index() -> Iterator[KeyIndex]:
    """Open an empty index.

    SQLite deletes its file when it is closed.
    """
    connection = sqlite3.connect("", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KILOBYTES}")
        connection.execute(
            "CREATE TABLE seen (key BLOB PRIMARY KEY, line INTEGER NOT NULL, content BLOB NOT NULL) WITHOUT ROWID"
        )
        connection.execute("BEGIN")
        yield KeyIndex(connection)
    finally:
        connection.close()
