"""Verification of exported files: complete, unchanged and still current.

Its bytes are compared with the SHA-256 of its `.meta.json`, its rows and sums are counted again, and
both are compared with the same export of the current data. Workbooks and journals are compared by
their bytes alone.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final

from sqlalchemy.orm import Session

from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.formatting import format_grouped, format_whole
from billing_admin.domain.imports.cells import FORMULA_CHARACTERS, FORMULA_RULE
from billing_admin.domain.money import EXACT
from billing_admin.formats import export, journal, meta_filters as filters
from billing_admin.formats.export import ExportRequest
from billing_admin.formats.exported_csv import CsvContent, FileDigest, digest_file, read_content
from billing_admin.formats.journal import JournalRequest
from billing_admin.queries.exports import FILE_KINDS, Filters, sorts_of, totals
from billing_admin.queries.journal import Period

LARGEST_META = 1 << 18
_SHA256 = re.compile("[0-9a-f]{64}")
_AMOUNT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,20})?", re.ASCII)
ALL_KINDS: Final = frozenset({*FILE_KINDS, "journal", "numbers"})


@dataclass(frozen=True, slots=True)
class Meta:
    """The content of a `.meta.json`."""

    name: str
    kind: str
    format: str
    filters: Mapping[str, Any]
    made_at: datetime
    made_by: str
    rows: int
    sums: Mapping[str, Decimal]
    sha256: str
    formula_rule: int = FORMULA_RULE
    sort: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """The number of rows and the sums per currency of a file or the current data.

    They can also be those that a `.meta.json` states.
    """

    rows: int
    sums: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure in the file, in its `.meta.json` and in the current data.

    A figure is None if it is unknown.
    """

    label: str
    in_file: str | None
    stated: str | None
    now: str | None

    @property
    def differs(self) -> bool:
        """Whether the known figures differ."""
        return len({figure for figure in (self.in_file, self.stated, self.now) if figure is not None}) > 1


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a verification; None means that a comparison was not possible."""

    bytes: FileDigest
    content: CsvContent | None
    meta: Meta | None
    kind: str | None
    same_bytes: bool | None
    """Whether the bytes have the SHA-256 of the `.meta.json`."""
    only_a_bom: bool
    """Whether the only difference is a byte order mark."""
    same_now: bool | None
    """Whether an export of the current data has the same bytes."""
    as_stated_now: bool | None
    """Whether an export of the current data has the SHA-256 of the `.meta.json`: the data are unchanged."""
    why_not_now: str
    lines: list[Comparison]

    @property
    def same_content(self) -> bool | None:
        """Whether rows and sums of the file are those of the `.meta.json`."""
        known = [line for line in self.lines if line.in_file is not None and line.stated is not None]
        return all(line.in_file == line.stated for line in known) if known else None

    @property
    def same_totals_now(self) -> bool | None:
        """Whether the rows and sums of the current data are still the same.

        They are compared with those of the file or its `.meta.json`.
        """
        known = [(line.in_file or line.stated, line.now) for line in self.lines if line.now is not None]
        return all(before == now for before, now in known) if known else None


def verify_file(
    session: Session, file: BinaryIO, meta: Meta | None, today: date, visible_kinds: Collection[str] = ALL_KINDS
) -> Verification:
    """Compare a file with its `.meta.json`, if given, and with the current data.

    Only kinds in `visible_kinds` are compared with the current data. `file` is read several times, so it
    must be seekable.
    """
    digest = digest_file(file)
    is_csv = meta is None or (meta.format == "csv" and meta.kind != "journal")
    content = read_content(file) if is_csv else None
    kind = meta.kind if meta else content.kind if content else None
    now, sha256, reason = _now(session, kind, meta, today, visible_kinds)
    same_bytes = None if meta is None else meta.sha256 == digest.sha256
    hashes = {digest.without_bom, digest.sha256}
    in_file = Figures(content.rows, content.sums) if content else None
    stated = Figures(meta.rows, meta.sums) if meta else None
    return Verification(
        bytes=digest,
        content=content,
        meta=meta,
        kind=kind,
        same_bytes=same_bytes,
        only_a_bom=same_bytes is False and meta is not None and meta.sha256 == digest.without_bom,
        same_now=None if sha256 is None else sha256 in hashes,
        as_stated_now=None if sha256 is None or meta is None else sha256 == meta.sha256,
        why_not_now=reason,
        lines=_lines(in_file, stated, now),
    )


def _now(
    session: Session, kind: str | None, meta: Meta | None, today: date, visible_kinds: Collection[str]
) -> tuple[Figures | None, str | None, str]:
    """Return the figures and SHA-256 of an export of the current data.

    The third item is the reason why one of them is None, and empty otherwise.
    """
    if kind is None or kind not in visible_kinds or kind == "numbers":
        return None, None, _reason_not_compared(kind, visible_kinds)
    try:
        if kind == "journal" and meta:
            return _journal_now(session, meta)
        export_filters = filters.filters_from_json(kind, meta.filters) if meta else filters.no_filters(kind, today)
        added = totals(session, kind, export_filters)
        if added.rows > export.LARGE_EXPORT_ROWS:
            message = (
                "The file is too large to compare byte by byte. Its rows and sums are compared with the current data."
            )
            return Figures(added.rows, added.sums), None, message
        current = export.control_totals(session, _as_written(kind, export_filters, meta))
    except (Invalid, NotFound) as refusal:
        return None, None, refusal.message
    return Figures(current.rows, current.sums), current.sha256, ""


def _reason_not_compared(kind: str | None, visible_kinds: Collection[str]) -> str:
    if kind is None:
        return "This is not a file that was exported here."
    if kind not in visible_kinds:
        return "You do not have permission to see the data of this file."
    return "The file does not say which year of the number register it holds. Compare it with the number register."


def _as_written(kind: str, export_filters: Filters, meta: Meta | None) -> ExportRequest:
    """Return the request of the present file, in the form of the given one."""
    if meta is None:
        return ExportRequest(kind, export_filters)
    return ExportRequest(kind, export_filters, meta.format, formula_rule=meta.formula_rule, sort=meta.sort)


def _journal_now(session: Session, meta: Meta) -> tuple[Figures | None, str | None, str]:
    try:
        first, last = (_day(meta.filters.get(name)) for name in ("from", "to"))
    except (TypeError, ValueError) as error:
        raise Invalid(
            "unknown_filter",
            "This kind of file does not have these filters. Use the .meta.json of the same export.",
            "filters",
        ) from error
    request = JournalRequest(Period(first, last), meta.format, meta.filters.get("opening") is True)
    current = journal.journal_totals(session, request)
    return Figures(current.totals.postings, {}), current.sha256, ""


def _day(text: Any) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _lines(*columns: Figures | None) -> list[Comparison]:
    currencies = sorted({currency for figures in columns if figures for currency in figures.sums})
    rows = [None if figures is None else format_whole(figures.rows) for figures in columns]
    sums = [
        Comparison(
            currency,
            *(
                None if figures is None else format_grouped(figures.sums.get(currency, Decimal(0)).normalize(EXACT))
                for figures in columns
            ),
        )
        for currency in currencies
    ]
    return [Comparison("Rows", *rows), *sums]


def read_meta(content: bytes) -> Meta:
    """Return the content of a `.meta.json`.

    Raises:
        Invalid: The file is not a `.meta.json`.
    """
    try:
        content_data = json.loads(content)
        json.dumps(
            content_data, ensure_ascii=False
        ).encode()  # half of a surrogate pair could not be shown: a ValueError
        meta = Meta(
            name=_text(content_data["name"]),
            kind=_text(content_data["kind"]),
            format=_text(content_data["format"]),
            filters=dict(content_data["filters"]),
            made_at=datetime.fromisoformat(_text(content_data["made_at"])).astimezone(UTC),
            made_by=_text(content_data["made_by"]),
            rows=int(content_data["rows"]),
            sums={currency: _amount(amount) for currency, amount in content_data.get("sums", {}).items()},
            sha256=_text(content_data["sha256"]),
            formula_rule=int(content_data.get("formula_rule", 1)),
            sort=_text(content_data.get("sort", "")),
        )
    except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise Invalid("not_a_meta_file", "This is not the .meta.json of an exported file.", "meta") from error
    formats = journal.FORMATS if meta.kind == "journal" else export.FORMATS
    has_known_sort = not meta.sort or meta.sort.removeprefix("-") in sorts_of(meta.kind)
    is_known = meta.format in formats and meta.formula_rule in FORMULA_CHARACTERS and has_known_sort
    if not _SHA256.fullmatch(meta.sha256) or not is_known:
        raise Invalid("not_a_meta_file", "This is not the .meta.json of an exported file.", "meta")
    return meta


def _amount(value: Any) -> Decimal:
    if not _AMOUNT.fullmatch(_text(value)):
        raise ValueError(value)
    return Decimal(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
