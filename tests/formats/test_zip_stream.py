"""ZIP files that are read while they are written: whole, the same each time, and never in memory as a whole."""

import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime

from billing_admin.formats.zip_stream import ZippedFile, zip_files

AT = datetime(2026, 4, 2, 9, 30, tzinfo=UTC)
SIZE = 100_000


def files(count: int) -> Iterator[ZippedFile]:
    for n in range(count):
        yield ZippedFile(f"INV-2026-{n:05}.pdf", AT, b"%PDF" + bytes([n % 256]) * SIZE)


def test_each_file_is_in_it_unchanged_with_its_time() -> None:
    content = b"".join(zip_files(files(3)))
    assert content == b"".join(zip_files(files(3)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert [(entry.filename, entry.date_time) for entry in archive.infolist()] == [
            (f"INV-2026-{n:05}.pdf", (2026, 4, 2, 9, 30, 0)) for n in range(3)
        ]
        assert [archive.read(file.name) for file in files(3)] == [file.data for file in files(3)]


def test_a_large_file_needs_the_memory_of_few_documents() -> None:
    tracemalloc.start()
    written = sum(len(part) for part in zip_files(files(200)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written > 200 * SIZE
    assert peak < 10 * SIZE
