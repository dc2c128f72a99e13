"""Exported files with their control totals, for pages, commands and jobs.

A file and its totals agree because a reading session sees one snapshot. `describe_export` makes the
content of the `.meta.json` that accompanies a file.
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
from billing_admin.domain.errors import Conflict
from billing_admin.domain.imports.cells import FORMULA_RULE
from billing_admin.domain.money import plain_decimal
from billing_admin.formats import csv_writer, xlsx
from billing_admin.formats.meta_filters import filters_as_json
from billing_admin.formats.zip_stream import ZipPipe, zip_entry
from billing_admin.queries.exports import FILE_KINDS, Filters, export, totals

FORMATS: Final[Mapping[str, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
BLOCK_BYTES = 1 << 16
LARGE_EXPORT_ROWS = 200_000  # more rows take too long for a page
LARGE_WORKBOOK_ROWS = 20_000  # a workbook is complete before its first byte is sent, so a page would wait
META_SUFFIX = ".meta.json"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A requested file: its kind, filters and format.

    `excel` begins a CSV with a byte order mark; `formula_rule` is the version of its rule for formulas. `sort` is that of
    the list, or empty for the file's own order.
    """

    kind: str
    filters: Filters
    format: str = "csv"
    excel: bool = False
    formula_rule: int = FORMULA_RULE
    sort: str = ""

    def name(self, day: date) -> str:
        """Return the name of the file."""
        return f"{self.kind}-{day.isoformat()}{'-excel' if self.excel else ''}.{self.format}"

    @property
    def details(self) -> dict[str, Any]:
        """The details of the audit event of a download."""
        return {"kind": self.kind, "format": self.format, "filters": filters_as_json(self.filters), **self.sorting}

    @property
    def sorting(self) -> dict[str, str]:
        """The sort as a member of an object, none for the file's own order."""
        return {"sort": self.sort} if self.sort else {}


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """The control totals of a file: its rows, its sums per currency and its SHA-256."""

    rows: int
    sums: Mapping[str, Decimal]
    sha256: str


class Sink(Protocol):
    """A target that bytes are written to."""

    def write(self, data: bytes, /) -> Any:
        """Write bytes."""


class NullSink:
    """A sink that discards bytes, to compute control totals alone."""

    def write(self, data: bytes, /) -> None:
        """Discard bytes."""


def write_export(session: Session, request: ExportRequest, sink: Sink) -> ControlTotals:
    """Write a file and return its control totals.

    Errors of the list are raised before the first byte.
    """
    added, digest = totals(session, request.kind, request.filters), hashlib.sha256()
    for part in export_parts(session, request):
        digest.update(part)
        sink.write(part)
    return ControlTotals(added.rows, added.sums, digest.hexdigest())


def control_totals(session: Session, request: ExportRequest) -> ControlTotals:
    """Return the control totals of the file that `write_export` would write.

    The data is that of the session's snapshot.
    """
    return write_export(session, request, NullSink())


def export_parts(session: Session, request: ExportRequest) -> Iterator[bytes]:
    """Yield the parts of a file.

    A workbook is completed in a temporary file before its first part.
    """
    if request.format == "csv":
        yield from csv_writer.export_csv(
            session, request.kind, request.filters, request.excel, request.formula_rule, request.sort
        )
        return
    with tempfile.TemporaryFile() as file:
        xlsx.write_workbook(
            session,
            export(session, request.kind, request.filters, request.sort),
            request.kind,
            cast("BinaryIO", file),
        )
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            yield block


def check_workbook_size(session: Session, request: ExportRequest) -> None:
    """Raise Conflict for a workbook that takes too long for a page."""
    if request.format == "xlsx":
        rows = totals(session, request.kind, request.filters).rows
        if rows > LARGE_WORKBOOK_ROWS:
            raise Conflict(
                "large_workbook",
                f"This workbook has {rows:,} rows. Go back and choose “Prepare workbook in the background”, or download"
                " the CSV.",
            )


def check_export(session: Session, request: ExportRequest) -> None:
    """Raise the errors of a request before a response begins."""
    export(session, request.kind, request.filters, request.sort)


def describe_export(
    request: ExportRequest, name: str, file_totals: ControlTotals, at: datetime, by: str
) -> dict[str, Any]:
    """Return the content of the `.meta.json` of a file.

    Frozen: users verify files with it.
    """
    file = FILE_KINDS[request.kind]
    return {
        "name": name,
        "kind": request.kind,
        "format": request.format,
        "filters": filters_as_json(request.filters),
        **request.sorting,
        "made_at": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "made_by": by,
        "rows": file_totals.rows,
        "sum_of": file.summed,
        "sums": format_sums(request.kind, file_totals.sums),
        "sha256": file_totals.sha256,
        "columns": [column.name for column in file.columns],
        "product": "billing-admin",
        "version": VERSION,
        "formula_rule": request.formula_rule,
    }


def format_sums(kind: str, sums: Mapping[str, Decimal]) -> dict[str, str]:
    """Return sums as texts.

    Sums of charges are not rounded; other sums have the currency's digits.
    """
    return {
        currency: plain_decimal(amount) if kind == "charges" else f"{amount:f}" for currency, amount in sums.items()
    }


def meta_json(about: Mapping[str, Any]) -> bytes:
    """Return the bytes of a `.meta.json`."""
    return (json.dumps(about, ensure_ascii=False, indent=2) + "\n").encode()


def zip_bundle(
    open_session: Callable[[], Session], request: ExportRequest, at: datetime, by: str, day: date
) -> Iterator[bytes]:
    """Yield the parts of a ZIP file of a file and its `.meta.json`, made in one pass."""
    session = open_session()
    name, added, digest = request.name(day), totals(session, request.kind, request.filters), hashlib.sha256()
    pipe = ZipPipe()
    with zipfile.ZipFile(cast("BinaryIO", pipe), "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(zip_entry(name, at), "w", force_zip64=True) as file:
            for part in export_parts(session, request):
                digest.update(part)
                file.write(part)
                yield pipe.take()
        file_totals = ControlTotals(added.rows, added.sums, digest.hexdigest())
        archive.writestr(
            zip_entry(name + META_SUFFIX, at), meta_json(describe_export(request, name, file_totals, at, by))
        )
    yield pipe.take()
