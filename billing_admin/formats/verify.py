"""Whether a file that somebody brings back is whole and unchanged, and whether the product would still write the same.

Its `.meta.json` says what its bytes must be; its rows and sums are counted in it anew; the same question is asked of the data
as they are now. A workbook, and a journal, are compared by their bytes alone.
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
from billing_admin.domain.money import EXACT
from billing_admin.formats import export, journal, meta_filters as filters
from billing_admin.formats.export import ExportRequest
from billing_admin.formats.exported_csv import CsvContent, FileDigest, digest_file, read_content
from billing_admin.formats.journal import JournalRequest
from billing_admin.queries.exports import FILE_KINDS, totals
from billing_admin.queries.journal import Period

LARGEST_META = 1 << 18
_SHA256 = re.compile("[0-9a-f]{64}")
_AMOUNT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,20})?", re.ASCII)
ALL_KINDS: Final = frozenset({*FILE_KINDS, "journal", "numbers"})


@dataclass(frozen=True, slots=True)
class Meta:
    """What a `.meta.json` says."""

    name: str
    kind: str
    format: str
    filters: Mapping[str, Any]
    made_at: datetime
    made_by: str
    rows: int
    sums: Mapping[str, Decimal]
    sha256: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows, and a sum per currency, as one of the three shows them."""

    rows: int
    sums: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure as it stands in the file, in its `.meta.json`, and in the product now; None where nothing is known."""

    what: str
    in_file: str | None
    stated: str | None
    now: str | None

    @property
    def differs(self) -> bool:
        """Whether what is known is not all the same."""
        return len({one for one in (self.in_file, self.stated, self.now) if one is not None}) > 1


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found; None is what could not be asked."""

    bytes: FileDigest
    content: CsvContent | None
    meta: Meta | None
    kind: str | None
    same_bytes: bool | None
    """Whether the bytes are those that the `.meta.json` states."""
    only_a_bom: bool
    """That all that differs is a byte order mark."""
    same_now: bool | None
    """Whether the product would write the same bytes now."""
    as_stated_now: bool | None
    """Whether the product would write what the `.meta.json` states: the data have not changed, whatever became of the file."""
    why_not_now: str
    lines: list[Comparison]

    @property
    def same_content(self) -> bool | None:
        """Whether rows and sums in the file are those stated."""
        known = [line for line in self.lines if line.in_file is not None and line.stated is not None]
        return all(line.in_file == line.stated for line in known) if known else None

    @property
    def same_totals_now(self) -> bool | None:
        """Whether rows and sums now are those of the file, or of what is stated where the file is not counted."""
        known = [(line.in_file or line.stated, line.now) for line in self.lines if line.now is not None]
        return all(before == now for before, now in known) if known else None


def verify_file(
    session: Session, file: BinaryIO, meta: Meta | None, today: date, seen: Collection[str] = ALL_KINDS
) -> Verification:
    """Compare a file with its `.meta.json`, if there is one, and with the data now, of the kinds that the reader may see.

    `file` can be read again and again.
    """
    found = digest_file(file)
    is_csv = meta is None or (meta.format == "csv" and meta.kind != "journal")
    content = read_content(file) if is_csv else None
    kind = meta.kind if meta else content.kind if content else None
    now, sha256, why_not = _now(session, kind, meta, today, seen)
    same = None if meta is None else meta.sha256 == found.sha256
    bare = {found.without_bom, found.sha256}
    in_file = Figures(content.rows, content.sums) if content else None
    stated = Figures(meta.rows, meta.sums) if meta else None
    return Verification(
        bytes=found,
        content=content,
        meta=meta,
        kind=kind,
        same_bytes=same,
        only_a_bom=same is False and meta is not None and meta.sha256 == found.without_bom,
        same_now=None if sha256 is None else sha256 in bare,
        as_stated_now=None if sha256 is None or meta is None else sha256 == meta.sha256,
        why_not_now=why_not,
        lines=_lines(in_file, stated, now),
    )


def _now(
    session: Session, kind: str | None, meta: Meta | None, today: date, seen: Collection[str]
) -> tuple[Figures | None, str | None, str]:
    """Rows and sums that the same file would have now, its SHA-256, or why this cannot be said."""
    if kind is None or kind not in seen or kind == "numbers":
        return None, None, _why_not(kind, seen)
    try:
        if kind == "journal" and meta:
            return _journal_now(session, meta)
        asked = filters.filters_from_json(kind, meta.filters) if meta else filters.no_filters(kind, today)
        added = totals(session, kind, asked)
        if added.rows > export.LARGE_EXPORT_ROWS:
            said = (
                "It is too large to be written anew for a page: its rows and sums alone are compared with the data now."
            )
            return Figures(added.rows, added.sums), None, said
        made = export.control_totals(session, ExportRequest(kind, asked, meta.format if meta else "csv"))
    except (Invalid, NotFound) as refusal:
        return None, None, refusal.message
    return Figures(made.rows, made.sums), made.sha256, ""


def _why_not(kind: str | None, seen: Collection[str]) -> str:
    if kind is None:
        return "It is none of the files that are exported here."
    if kind not in seen:
        return "You may not see what it is of."
    return "It does not say of which year this number register is: compare it with its page."


def _journal_now(session: Session, meta: Meta) -> tuple[Figures | None, str | None, str]:
    try:
        first, last = (_day(meta.filters.get(name)) for name in ("from", "to"))
    except (TypeError, ValueError) as error:
        raise Invalid("unknown_filter", "Its filters are not those of such a file.", "filters") from error
    wanted = JournalRequest(Period(first, last), meta.format, meta.filters.get("opening") is True)
    made = journal.journal_totals(session, wanted)
    return Figures(made.totals.postings, {}), made.sha256, ""


def _day(text: Any) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _lines(*shown: Figures | None) -> list[Comparison]:
    currencies = sorted({currency for one in shown if one for currency in one.sums})
    rows = [None if one is None else f"{one.rows:,}" for one in shown]
    sums = [
        Comparison(
            currency,
            *(None if one is None else f"{one.sums.get(currency, Decimal(0)).normalize(EXACT):,f}" for one in shown),
        )
        for currency in currencies
    ]
    return [Comparison("Rows", *rows), *sums]


def read_meta(content: bytes) -> Meta:
    """Read a `.meta.json`. Raises Invalid for what is none."""
    try:
        given = json.loads(content)
        json.dumps(given, ensure_ascii=False).encode()  # half of a surrogate pair could not be shown: a ValueError
        meta = Meta(
            name=_text(given["name"]),
            kind=_text(given["kind"]),
            format=_text(given["format"]),
            filters=dict(given["filters"]),
            made_at=datetime.fromisoformat(_text(given["made_at"])).astimezone(UTC),
            made_by=_text(given["made_by"]),
            rows=int(given["rows"]),
            sums={currency: _amount(amount) for currency, amount in given.get("sums", {}).items()},
            sha256=_text(given["sha256"]),
        )
    except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise Invalid("not_a_meta_file", "This is not the .meta.json of an exported file.", "meta") from error
    formats = journal.FORMATS if meta.kind == "journal" else export.FORMATS
    if not _SHA256.fullmatch(meta.sha256) or meta.format not in formats:
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
