"""A storage for rate limits: one SQLite file that the processes of a host share."""

import sqlite3
import time
from pathlib import Path
from threading import Lock

from limits.storage import SlidingWindowCounterSupport

from billing_admin.config import create_data_folder
from billing_admin.private_files import create_private_database

LOCK_TIMEOUT_SECONDS = 1
CLEANUP_EVERY = 10_000  # hits

_OPEN = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS windows (
    key TEXT PRIMARY KEY, expiry INTEGER NOT NULL, started REAL NOT NULL, current INTEGER NOT NULL, previous INTEGER NOT NULL
) WITHOUT ROWID;
"""
# A window begins with the first request. `age` is the time since then, in windows: from 1 on the next window has begun, from 2
# on the row no longer counts. A small negative age means that another process read the clock just before this one; below -1 the
# clock was set back, and the window begins again.
_HIT = """
INSERT INTO windows AS w (key, expiry, started, current, previous) SELECT :key, :expiry, :now, :amount, 0 WHERE :amount <= :limit
ON CONFLICT (key) DO UPDATE SET
    expiry = :expiry,
    started = CASE WHEN {age} >= 2 OR {age} < -1 THEN :now WHEN {age} >= 1 THEN w.started + :expiry ELSE w.started END,
    current = CASE WHEN {age} >= 1 OR {age} < -1 THEN :amount ELSE w.current + :amount END,
    previous = CASE WHEN {age} >= 2 OR {age} < -1 THEN 0 WHEN {age} >= 1 THEN w.current ELSE w.previous END
WHERE :amount + CASE
    WHEN {age} >= 2 OR {age} < -1 THEN 0
    WHEN {age} >= 1 THEN w.current * (2 - {age})
    ELSE w.current + w.previous * (1 - max({age}, 0.0)) END <= :limit
RETURNING 1
""".format(age="((:now - w.started) / :expiry)")


class SQLiteRateLimitStorage(SlidingWindowCounterSupport):
    """A storage for the library `limits` in an SQLite file.

    Losing it is harmless, so it is never synchronised with the disk.

    A key has two windows. The previous one counts in proportion to its part within the last `expiry` seconds. A hit is one
    statement, so that two processes cannot both take the last place. Raises StorageError when the file is unusable.
    """

    base_exceptions = sqlite3.Error, OSError
    wrap_exceptions = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._hits = 0

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` if the total stays within `limit`, and return whether it does."""
        now = time.time()
        values = {"key": key, "limit": limit, "expiry": expiry, "amount": amount, "now": now}
        with self._lock:
            connection = self._open()
            self._hits += 1
            if self._hits % CLEANUP_EVERY == 0:
                connection.execute("DELETE FROM windows WHERE started < ? - 2 * expiry", (now,))
            return bool(connection.execute(_HIT, values).fetchall())

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the previous and the current count, each with the seconds until it ends.

        The order is previous count, seconds until it expires, current count, seconds left in the current window.
        """
        with self._lock:
            cursor = self._open().execute("SELECT started, current, previous FROM windows WHERE key = ?", (key,))
            started, current, previous = cursor.fetchone() or (0.0, 0, 0)
        age = max(time.time() - started, 0.0)
        if age >= 2 * expiry:
            return 0, 0.0, 0, 0.0
        if age >= expiry:
            return current, 2 * expiry - age, 0, 2 * expiry - age
        return previous, expiry - age, current, expiry - age

    def clear_sliding_window(self, key: str, expiry: int) -> None:  # noqa: ARG002 - part of the interface
        """Delete the counts of a key."""
        with self._lock:
            self._open().execute("DELETE FROM windows WHERE key = ?", (key,))

    def _open(self) -> sqlite3.Connection:
        """Return the connection, opened on first use.

        A connection must not cross the fork of a server's workers.
        """
        if self._connection is None:
            create_data_folder(self._path.parent)
            create_private_database(self._path)
            connection = sqlite3.connect(
                self._path, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.executescript(_OPEN)
            self._connection = connection
        return self._connection
