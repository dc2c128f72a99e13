"""Files and folders that only the user of this program can open."""

import os
import stat
from contextlib import suppress
from pathlib import Path

# SQLite gives these files the permissions of the database when it creates them.
_SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")
_OTHERS = 0o077


def create_private_folder(folder: Path, *, restrict: bool = False) -> None:
    """Create a folder unless it exists.

    `restrict`: close an existing one to others as well. Do that to a folder of this program only.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if restrict:
        _restrict(folder)


def create_private_database(path: Path) -> None:
    """Create the file of an SQLite database unless it exists.

    It is closed to others, and so are the files that SQLite keeps beside it.

    The file is never opened here: to close it again would release the locks that SQLite has in this process
    (https://www.sqlite.org/howtocorrupt.html, section 2.2), and another process would delete the log in use.
    """
    with suppress(OSError):  # it exists, or SQLite's own message is clearer
        os.mknod(path, 0o600 | stat.S_IFREG)
    for suffix in _SQLITE_SUFFIXES:
        _restrict(path.with_name(path.name + suffix))


def _restrict(path: Path) -> None:
    """Take the permissions of others away from a path.

    Does nothing for a path that is missing or belongs to another user.
    """
    with suppress(FileNotFoundError, PermissionError):
        mode = path.stat().st_mode
        if mode & _OTHERS:
            path.chmod(mode & ~_OTHERS)
