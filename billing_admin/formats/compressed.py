"""Files compressed with gzip, read as a stream within limits."""

import gzip
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final

from billing_admin.domain.errors import Invalid

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_EXPANDED_BYTES: Final = 4 << 30
MAX_RATIO: Final = 200  # of the text to its compressed form; usual tables have up to 50
SMALL_BYTES: Final = 16 << 20  # a text of this size may have any ratio
_GZIP: Final = b"\x1f\x8b"
_BLOCK_BYTES: Final = 1 << 16


def expand(file: BinaryIO) -> io.BufferedReader:
    """Return a file, or its text if it is compressed with gzip.

    Reading the text raises Invalid if the file is damaged or expands beyond the limits.
    """
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(_KeptOpen(file), _BLOCK_BYTES)
    if not buffered.peek(len(_GZIP)).startswith(_GZIP):
        return buffered
    return io.BufferedReader(_GzipText(buffered), _BLOCK_BYTES)


class _KeptOpen(io.RawIOBase):
    """A file that stays open when its readers are closed.

    `count` is the number of bytes that were read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer).cast("B")
        data = self._file.read(len(target))
        target[: len(data)] = data
        self.count += len(data)
        return len(data)


class _GzipText(io.RawIOBase):
    def __init__(self, file: BinaryIO) -> None:
        self._source = _KeptOpen(file)
        self._text = gzip.GzipFile(fileobj=io.BufferedReader(self._source, _BLOCK_BYTES))
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        try:
            count = self._text.readinto(buffer)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Invalid("not_csv", "The compressed file is damaged or incomplete. Compress it again.") from error
        self._count += count
        if self._count > min(MAX_EXPANDED_BYTES, MAX_RATIO * self._source.count + SMALL_BYTES):
            raise Invalid("too_large", "The file is too large when extracted. Split it into several files.")
        return count
