"""Create a backup in a folder of its own, and delete old ones.

A backup is written under another name and renamed when it is complete, so that a killed one never looks like a backup.
"""

import fcntl
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from billing_admin.backup.databases import database_copies
from billing_admin.backup.encryption import encrypt, read_chunks
from billing_admin.backup.manifest import FILE, Manifest, Part, manifest_text
from billing_admin.config import VERSION, Settings, read_password_file
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.private_files import create_private_folder

SECRET_KEY: Final = "secret_key"  # noqa: S105 - the name of a part
MAIL_PASSWORD: Final = "mail_password"  # noqa: S105 - the name of a part
OIDC_SECRET: Final = "oidc_secret"  # noqa: S105 - the name of a part
_NAME = re.compile(r"billing-[0-9]{8}T[0-9]{12}Z")
_PARTIAL = ".partial-"
_LOCK = ".lock"


def create_backup(settings: Settings, target: Path, now: datetime) -> tuple[Path, Manifest]:
    """Create a backup below the folder `target`; return its folder and manifest.

    Raises:
        Conflict: Another backup is being written there, or the database cannot be copied.
        OSError: The folder cannot be written.
    """
    create_private_folder(target)
    at = now.astimezone(UTC)
    name = f"billing-{at:%Y%m%dT%H%M%S%f}Z"
    with _locked(target):
        for leftover in target.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover)
        partial = target / f"{_PARTIAL}{name}"
        partial.mkdir(mode=0o700)
        try:
            manifest = _write_parts(settings, partial, at)
            _write(partial / FILE, [manifest_text(manifest).encode()])
            _sync_folder(partial)
            partial.rename(target / name)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _sync_folder(target)
    return target / name, manifest


def backups(folder: Path) -> list[Path]:
    """Return the complete backups in a folder, oldest first."""
    return sorted(path.parent for path in folder.glob(f"*/{FILE}") if _NAME.fullmatch(path.parent.name))


def newest_backup(folder: Path) -> Path:
    """Return the folder itself if it is a backup, or the newest backup in it.

    Raises NotFound.
    """
    if (folder / FILE).exists():
        return folder
    if complete := backups(folder):
        return complete[-1]
    raise NotFound("no_backup", f"{folder} is not a backup, and holds none.")


def delete_old(folder: Path, keep: int) -> int:
    """Delete all but the newest `keep` backups of a folder, and return their number."""
    old = backups(folder)[:-keep]
    for backup in old:
        (backup / FILE).unlink()  # first: without it the rest is no backup
        shutil.rmtree(backup)
    return len(old)


def _write_parts(settings: Settings, folder: Path, at: datetime) -> Manifest:
    copies = database_copies(settings)
    with copies.open_snapshot() as snapshot:
        manifest = Manifest(
            VERSION, copies.kind, snapshot.revision, at, bool(settings.backup_key), snapshot.rows, parts=()
        )

        def write_part(name: str, content: io.BufferedIOBase) -> Part:
            key, context = settings.backup_key, manifest.context(name)
            chunks = encrypt(content, key, context) if key else read_chunks(content)  # type: ignore[arg-type]
            return _write(folder / name, chunks)

        parts = [write_part(copies.part, snapshot.content)]  # type: ignore[arg-type]
    parts.append(write_part(SECRET_KEY, io.BytesIO(settings.secret_key.encode())))
    if settings.mail_password_file:
        parts.append(write_part(MAIL_PASSWORD, io.BytesIO(settings.read_mail_password().encode())))
    if settings.oidc_client_secret_file:
        parts.append(write_part(OIDC_SECRET, io.BytesIO(read_password_file(settings.oidc_client_secret_file).encode())))
    return Manifest(VERSION, copies.kind, manifest.revision, at, manifest.encrypted, manifest.rows, parts=tuple(parts))


def _write(file: Path, chunks: Iterable[bytes]) -> Part:
    """Write a private file through to the disk, and return its size and hash."""
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        for chunk in chunks:
            target.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        target.flush()
        os.fsync(target.fileno())
    return Part(file.name, size, digest.hexdigest())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time write backups into a folder.

    The lock ends with the process, however it ends.
    """
    with (folder / _LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("backup_runs", f"Another backup is being written to {folder}.") from None
        yield
