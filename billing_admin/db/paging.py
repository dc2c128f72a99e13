"""Keyset paging: all pages are equally fast, and inserts do not shift them."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from sqlakeyset import Marker, select_page, serialize_bookmark, unserialize_bookmark
from sqlakeyset.columns import parse_ob_clause
from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from billing_admin.domain.days import FIRST_DAY, LAST_DAY
from billing_admin.domain.errors import Invalid

# No valid cursor is longer: names hold up to 200 characters, and one character can fold to eighteen.
MAX_CURSOR_LENGTH = 10_000
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
T = TypeVar("T")

# A row with named columns, as a query for columns returns it.
Record: TypeAlias = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of a page, and the cursors of the next and previous page.

    A cursor is None at that end of the list.
    """

    rows: Sequence[T]
    next: str | None
    previous: str | None


def page(session: Session, query: Select[Any], limit: int, after: str | None = None) -> Page[Any]:
    """Return up to `limit` rows after a cursor.

    A query for one entity returns the entities themselves.

    The query's order must end in a unique column. Raises Invalid for a bad cursor.
    """
    rows = select_page(session, query, per_page=limit, page=_parse_cursor(session, query, after) if after else None)
    paging = rows.paging
    return Page(
        [row[0] for row in rows] if len(query.column_descriptions) == 1 else list(rows),
        paging.bookmark_next if paging.has_next else None,
        paging.bookmark_previous if paging.has_previous else None,
    )


def _parse_cursor(session: Session, query: Select[Any], cursor: str) -> Marker:
    """Read a cursor of an earlier page of the same query.

    Invalid values must not reach the databases, which fail differently on numbers beyond 64 bits, NUL,
    and values of another type.
    """
    marker = _unserialize(cursor)
    columns = [column.element for column in parse_ob_clause(query)]
    place = _complete(session, columns, marker.place or ()) if marker else ()
    if marker is None or len(place) != len(columns) or not all(map(_fits, place, _types(columns))):
        raise Invalid("bad_cursor", "This cursor is not valid. Leave it out to start from the first page.", "after")
    return marker._replace(place=place)


def _complete(session: Session, columns: Sequence[Any], place: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the position of a cursor, completed if an earlier version made it.

    The queries of earlier versions lacked the column before the last one. The last one is unique: its row supplies the
    missing value.
    """
    *first, _, last = columns
    if len(place) != len(columns) - 1 or not all(map(_fits, place, _types([*first, last]))):
        return place
    row = session.execute(select(*columns).where(last == place[-1])).first()
    return place if row is None else tuple(row)


def _types(columns: Sequence[Any]) -> list[type]:
    return [column.type.python_type for column in columns]


def _unserialize(cursor: str) -> Marker | None:
    if len(cursor) > MAX_CURSOR_LENGTH:
        return None
    try:
        marker = unserialize_bookmark(cursor)
        return marker if serialize_bookmark(marker) == cursor else None
    except (ValueError, TypeError, OverflowError, StopIteration, csv.Error):
        return None


def _fits(value: object, kind: type) -> bool:
    """Return whether a column of this type can be compared with the value."""
    if type(value) is not kind:
        return False
    match value:
        case int():
            return -(2**63) <= value < 2**63
        case str():
            return not _UNSTORABLE.search(value)
        case datetime():
            return value.tzinfo is not None and FIRST_DAY <= value.date() <= LAST_DAY
        case _:
            return True
