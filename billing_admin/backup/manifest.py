"""The manifest of a backup: a JSON file that says what the backup holds."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from billing_admin.domain.errors import Invalid, NotFound

FORMAT: Final = 1
FILE: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a backup, as it is stored: `size` in bytes, and its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of a backup.

    `database` is sqlite or postgresql, `rows` counts the rows of the main tables.
    """

    version: str
    database: str
    revision: str
    created_at: datetime
    encrypted: bool
    rows: Mapping[str, int]
    parts: tuple[Part, ...]

    def context(self, part: str) -> str:
        """Return the text that ties an encrypted part to this backup."""
        return f"{part} of {self.created_at.isoformat()}"

    def part(self, name: str) -> Part | None:
        """Return a part by its name, or None."""
        return next((part for part in self.parts if part.name == name), None)


def manifest_text(manifest: Manifest) -> str:
    """Return a manifest as JSON."""
    content = {"format": FORMAT} | asdict(manifest) | {"created_at": manifest.created_at.isoformat()}
    return json.dumps(content, indent=2) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup.

    Raises:
        NotFound: The folder is not a backup.
        Invalid: The manifest is damaged, or was written by a later release.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except OSError:
        raise NotFound("no_backup", f"{folder} is not a backup: it has no {FILE}.") from None
    except ValueError:
        raise _damaged(folder) from None
    if isinstance(content, dict) and content.get("format") != FORMAT:
        raise Invalid("unknown_format", f"{folder} has a format that this version does not know. Use a later release.")
    try:
        return _manifest(content)
    except (KeyError, TypeError, ValueError):
        raise _damaged(folder) from None


def _manifest(content: Any) -> Manifest:
    parts = tuple(Part(str(part["name"]), int(part["size"]), str(part["sha256"])) for part in content["parts"])
    if any(Path(part.name).name != part.name for part in parts):
        raise ValueError
    return Manifest(
        version=str(content["version"]),
        database=str(content["database"]),
        revision=str(content["revision"]),
        created_at=datetime.fromisoformat(content["created_at"]),
        encrypted=content["encrypted"] is True,
        rows={str(table): int(count) for table, count in content["rows"].items()},
        parts=parts,
    )


def _damaged(folder: Path) -> Invalid:
    return Invalid("damaged", f"{folder / FILE} is damaged. Restore another backup.")
