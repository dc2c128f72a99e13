"""Lists a page at a time, by key and not by count: as fast on the last page as on the first, and stable under inserts."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from sqlakeyset import Marker, select_page, serialize_bookmark, unserialize_bookmark
from sqlakeyset.columns import parse_ob_clause
from sqlalchemy import Row, Select
from sqlalchemy.orm import Session

from billing_admin.domain.days import FIRST_DAY, LAST_DAY
from billing_admin.domain.errors import Invalid

# More than any cursor of ours has: names hold 200 characters, and folded some of them become eighteen.
LONGEST_CURSOR = 10_000
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
T = TypeVar("T")

# A row of named columns, as a query of columns gives it.
Record: TypeAlias = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursors of the pages before and after, None where there is none."""

    rows: Sequence[T]
    next: str | None
    previous: str | None


def page(session: Session, query: Select[Any], limit: int, after: str | None = None) -> Page[Any]:
    """The rows of an ordered query behind a cursor; a query of one entity gives the entities themselves.

    The order must end in a unique column. Raises Invalid for a bad cursor.
    """
    found = select_page(session, query, per_page=limit, page=_place(query, after) if after else None)
    paging = found.paging
    return Page(
        [row[0] for row in found] if len(query.column_descriptions) == 1 else list(found),
        paging.bookmark_next if paging.has_next else None,
        paging.bookmark_previous if paging.has_previous else None,
    )


def _place(query: Select[Any], cursor: str) -> Marker:
    """Read a cursor that an earlier page of the same query gave.

    Nothing else may reach the database: it refuses, each in its own way, numbers beyond 64 bits, NUL, and values of another type.
    """
    place = _read(cursor)
    types = [column.element.type.python_type for column in parse_ob_clause(query)]
    if place is None or len(place.place or ()) != len(types) or not all(map(_can_be, place.place or (), types)):
        raise Invalid("bad_cursor", "This cursor is not one of ours: begin again without it.", "after")
    return place


def _read(cursor: str) -> Marker | None:
    if len(cursor) > LONGEST_CURSOR:
        return None
    try:
        place = unserialize_bookmark(cursor)
        return place if serialize_bookmark(place) == cursor else None
    except (ValueError, TypeError, OverflowError, StopIteration, csv.Error):
        return None


def _can_be(value: object, kind: type) -> bool:
    """Whether a column of this type can be compared with the value."""
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
