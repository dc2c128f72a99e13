"""Check a backup, and restore it."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from billing_admin.backup.create import MAIL_PASSWORD, OIDC_SECRET, SECRET_KEY
from billing_admin.backup.databases import DatabaseCopies
from billing_admin.backup.encryption import decrypt, read_chunks
from billing_admin.backup.manifest import read_manifest
from billing_admin.db.schema_revision import is_known_revision
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.private_files import create_private_folder

KEYS: Final = (SECRET_KEY, MAIL_PASSWORD, OIDC_SECRET)


class Backup:
    """A backup, whose parts have been compared with its manifest.

    Raises:
        NotFound: The folder is not a backup.
        Invalid: A part is missing or was changed, the key is missing, or the backup is of a later release.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self._key = folder, key
        self.manifest = read_manifest(folder)
        self._check_parts()
        if self.manifest.encrypted and not key:
            raise Invalid(
                "no_key", "This backup is encrypted. Set BILLING_BACKUP_KEY to the key that it was written with."
            )
        if not is_known_revision(self.manifest.revision):
            raise Invalid(
                "newer_backup",
                f"This backup is of version {self.manifest.version} with schema revision {self.manifest.revision}, which this"
                " program does not know. Install that release.",
            )

    def restore(self, target: DatabaseCopies, temporary: Path) -> None:
        """Replace the content of a database.

        The folder `temporary` holds a decrypted copy until the end.

        Raises:
            Conflict: The database is of another kind or in use, or the copy cannot be restored.
        """
        if self.manifest.database != target.kind:
            raise Conflict(
                "other_database",
                f"This backup is of {self.manifest.database}, but BILLING_DATABASE_URL names {target.kind}.",
            )
        with self._opened(target.part, temporary) as file:
            target.restore(file)
        rows = target.count_rows()
        if rows != self.manifest.rows:
            raise Conflict("other_rows", f"The backup has {self.manifest.rows} rows, but {rows} were restored.")

    def read_key(self, name: str) -> str | None:
        """Return a key, or None if the backup has none of that name."""
        if self.manifest.part(name) is None:
            return None
        with (self.folder / name).open("rb") as source:
            return b"".join(self._content(source, name)).decode()

    def write_keys(self, target: Path) -> list[Path]:
        """Write the keys into private files of a folder, and return the files.

        Raises:
            Conflict: A file exists already.
        """
        create_private_folder(target)
        contents = {target / name: content for name in KEYS if (content := self.read_key(name)) is not None}
        for file, content in contents.items():
            try:
                descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                raise Conflict("file_exists", f"{file} exists already. Choose another folder for the keys.") from None
            with os.fdopen(descriptor, "w", encoding="utf-8") as written:
                written.write(content)
        return list(contents)

    def _check_parts(self) -> None:
        for part in self.manifest.parts:
            file = self.folder / part.name
            if not file.is_file() or _file_hash(file) != (part.size, part.sha256):
                raise Invalid("damaged", f"{file} was changed or is damaged. Nothing was restored; use another backup.")

    @contextmanager
    def _opened(self, name: str, temporary: Path) -> Iterator[Path]:
        """Yield a file with the content of a part."""
        if self.manifest.part(name) is None:
            raise Invalid("no_part", f"{self.folder} has no part {name}.")
        if not self.manifest.encrypted:
            yield self.folder / name
            return
        create_private_folder(temporary)
        with tempfile.TemporaryDirectory(dir=temporary, prefix=".restore-") as folder:
            copy = Path(folder) / name
            with (self.folder / name).open("rb") as source, copy.open("xb") as target:
                target.writelines(self._content(source, name))
            yield copy

    def _content(self, source: BinaryIO, name: str) -> Iterator[bytes]:
        if self.manifest.encrypted:
            return decrypt(source, self._key, self.manifest.context(name))
        return read_chunks(source)


def _file_hash(file: Path) -> tuple[int, str]:
    """Return size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as source:
        for chunk in read_chunks(source):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
