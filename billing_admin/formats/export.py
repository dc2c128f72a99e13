"""Whole files with their control totals: written to anything that takes bytes, by a page, a command or a job alike.

A file and the totals that are made with it are of one moment, as long as the session is in one snapshot, as sessions that
read are. `describe_export` makes of them what lies beside the file as `.meta.json`.
"""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final, Protocol, cast

from sqlalchemy.orm import Session

from billing_admin.config import VERSION
from billing_admin.domain.money import plain_decimal
from billing_admin.formats import csv_writer, xlsx
from billing_admin.formats.meta_filters import filters_as_json
from billing_admin.queries.exports import FILE_KINDS, Filters, export, totals

FORMATS: Final[Mapping[str, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
BLOCK_BYTES = 1 << 16
LARGE_EXPORT_ROWS = 200_000  # rows: to write more takes longer than anybody waits for a page
META_SUFFIX = ".meta.json"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Which file: a kind of `queries.exports.KINDS`, its filters, a format; `excel` begins a CSV with a BOM."""

    kind: str
    filters: Filters
    format: str = "csv"
    excel: bool = False

    def name(self, day: date) -> str:
        """What the file is called."""
        return f"{self.kind}-{day.isoformat()}{'-excel' if self.excel else ''}.{self.format}"


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """What a whole file must show: its rows, its sum per currency (see `queries.exports.Totals`), the SHA-256 of its bytes."""

    rows: int
    sums: Mapping[str, Decimal]
    sha256: str


class Sink(Protocol):
    """What takes bytes."""

    def write(self, data: bytes, /) -> Any:
        """Take them."""


class NullSink:
    """Where bytes go that are only counted."""

    def write(self, data: bytes, /) -> None:
        """Forget them."""


def write_export(session: Session, wanted: ExportRequest, sink: Sink) -> ControlTotals:
    """Write the file, and say what it must show. Raises as the list does, before anything is written."""
    added, digest = totals(session, wanted.kind, wanted.filters), hashlib.sha256()
    for part in export_parts(session, wanted):
        digest.update(part)
        sink.write(part)
    return ControlTotals(added.rows, added.sums, digest.hexdigest())


def control_totals(session: Session, wanted: ExportRequest) -> ControlTotals:
    """Those of the file that `write_export` would write from the same snapshot."""
    return write_export(session, wanted, NullSink())


def export_parts(session: Session, wanted: ExportRequest) -> Iterator[bytes]:
    """The file in parts. A workbook is finished in a temporary file before its first part comes."""
    if wanted.format == "csv":
        yield from csv_writer.export_csv(session, wanted.kind, wanted.filters, wanted.excel)
        return
    with tempfile.TemporaryFile() as file:
        xlsx.write_workbook(session, export(session, wanted.kind, wanted.filters), wanted.kind, cast("BinaryIO", file))
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            yield block


def check_export(session: Session, wanted: ExportRequest) -> None:
    """Raise what asking for the file raises, before anything of it is sent."""
    export(session, wanted.kind, wanted.filters)


def describe_export(wanted: ExportRequest, name: str, made: ControlTotals, at: datetime, by: str) -> dict[str, Any]:
    """What the `.meta.json` of a file says: what it is of, when and by whom it was made, and what it must show."""
    file = FILE_KINDS[wanted.kind]
    return {
        "name": name,
        "kind": wanted.kind,
        "format": wanted.format,
        "filters": filters_as_json(wanted.filters),
        "made_at": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "made_by": by,
        "rows": made.rows,
        "sum_of": file.summed,
        "sums": format_sums(wanted.kind, made.sums),
        "sha256": made.sha256,
        "columns": [column.name for column in file.columns],
        "product": "billing-admin",
        "version": VERSION,
    }


def format_sums(kind: str, sums: Mapping[str, Decimal]) -> dict[str, str]:
    """Exactly for charges; with the currency's own digits for documents and payments."""
    return {
        currency: plain_decimal(amount) if kind == "charges" else f"{amount:f}" for currency, amount in sums.items()
    }


def meta_json(about: Mapping[str, Any]) -> bytes:
    """The bytes of a `.meta.json`."""
    return (json.dumps(about, ensure_ascii=False, indent=2) + "\n").encode()


class _Pipe:
    """What a zip file is written to, and taken from while it is written."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self.waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken, self.waiting = b"".join(self.waiting), []
        return taken


def zip_bundle(
    open_session: Callable[[], Session], wanted: ExportRequest, at: datetime, by: str, day: date
) -> Iterator[bytes]:
    """A zip file, in parts, of the file and its `.meta.json`, made in one pass: they always belong together."""
    session = open_session()
    name, added, digest = wanted.name(day), totals(session, wanted.kind, wanted.filters), hashlib.sha256()
    pipe = _Pipe()
    with zipfile.ZipFile(cast("BinaryIO", pipe), "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(_entry(name, at), "w", force_zip64=True) as file:
            for part in export_parts(session, wanted):
                digest.update(part)
                file.write(part)
                yield pipe.take()
        made = ControlTotals(added.rows, added.sums, digest.hexdigest())
        archive.writestr(_entry(name + META_SUFFIX, at), meta_json(describe_export(wanted, name, made, at, by)))
    yield pipe.take()


def _entry(name: str, at: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, at.timetuple()[:6])
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return entry
