"""ZIP files that are read while they are written."""

import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO, NamedTuple, cast


class ZipPipe:
    """A buffer that a ZIP file is written to, and read from while it is written."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        """Keep the bytes until they are taken."""
        self.blocks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: `take` returns everything."""

    def take(self) -> bytes:
        """Return the bytes that were written since the last call."""
        content, self.blocks = b"".join(self.blocks), []
        return content


def zip_entry(name: str, at: datetime, compression: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """Return an entry that is the same whenever it is made."""
    entry = zipfile.ZipInfo(name, at.timetuple()[:6])
    entry.compress_type, entry.external_attr = compression, 0o644 << 16
    return entry


class ZippedFile(NamedTuple):
    """A file of a ZIP file, with its time of modification."""

    name: str
    modified_at: datetime
    data: bytes


def zip_files(files: Iterable[ZippedFile]) -> Iterator[bytes]:
    """Yield the parts of a ZIP file of PDFs, which are compressed already."""
    pipe = ZipPipe()
    with zipfile.ZipFile(cast("BinaryIO", pipe), "w") as archive:
        for file in files:
            archive.writestr(zip_entry(file.name, file.modified_at, zipfile.ZIP_STORED), file.data)
            yield pipe.take()
    yield pipe.take()
