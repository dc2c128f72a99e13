"""Keyset paging: all pages are equally fast, and inserts do not shift them."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from sqlakeyset import Marker, serialize_bookmark, unserialize_bookmark
from sqlakeyset.columns import OC, parse_ob_clause
from sqlakeyset.paging import compare_tuples, where_condition_for_page
from sqlalchemy import Row, Select, func, literal_column, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ColumnCollection
from sqlalchemy.sql.elements import Label

from billing_admin.db.rows import NamedRow, named_rows
from billing_admin.domain.days import FIRST_DAY, LAST_DAY
from billing_admin.domain.errors import Invalid

# No valid cursor is longer: names hold up to 200 characters, and one character can fold to eighteen.
MAX_CURSOR_LENGTH = 10_000
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_FIRST_PAGE = Marker(None, backwards=False)
BAD_CURSOR = "This cursor is not valid. Leave it out to start from the first page."
T = TypeVar("T")

Query: TypeAlias = Select[Any]
Names: TypeAlias = Mapping[str, Any] | ColumnCollection[str, Any]
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

    A query for one entity returns the entities themselves, others named tuples.

    The query's order must end in a unique column. Raises Invalid for a bad cursor.
    """
    order = parse_ob_clause(query)
    marker = _parse_cursor(session, order, after) if after else _FIRST_PAGE
    if marker.backwards:
        order = [column.reversed for column in order]
    query = _with_order_columns(query, [column.comparable_value for column in order])
    query = query.order_by(None).order_by(*(column.uo for column in order)).limit(limit + 1)
    if marker.place is not None:
        query = query.where(where_condition_for_page(order, marker.place, session.get_bind().dialect))
    return _page(_execute(session, query), limit, marker, len(order))


class Sort:
    """A column by which a list can be sorted.

    `key` are SQL expressions or names of columns of the list, of which only the last one may be NULL. `is_indexed` says
    that an index has the order, so that lists of any length can have it. `id` is the unique column.
    """

    def __init__(self, *key: Any, is_indexed: bool = False, id: Any = "id") -> None:
        self.key, self.is_indexed, self.id = key, is_indexed, id


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list by one of its columns, in one direction.

    Rows are ordered by the key of `sort`, then by its id. Where the last part of the key is NULL, the row comes after all
    others in either direction: the databases place NULLs differently. `descending` reverses everything else.
    """

    sort: Sort
    descending: bool = False

    def columns(self, named: Names) -> list[Any]:
        """Return the expressions of the key and the id; `named` are the list's columns."""
        columns = [named[part] if isinstance(part, str) else part for part in (*self.sort.key, self.sort.id)]
        return [column.element if isinstance(column, Label) else column for column in columns]

    def clauses(self, named: Names) -> list[Any]:
        """Return the terms of ORDER BY; `named` are the list's columns."""
        *first, value, id = self.columns(named)
        directed = [column.desc() if self.descending else column.asc() for column in (*first, value, id)]
        return [value.is_(None), *directed]

    def apply(self, query: Select[Any]) -> Select[Any]:
        """Return the query in this order."""
        return query.order_by(None).order_by(*self.clauses(query.selected_columns))


def find_order(sorts: Mapping[str, Sort], sort: str) -> Order:
    """Return the order by a column's key, after a minus sign to reverse it.

    Raises:
        KeyError: The list cannot be sorted by that.
    """
    return Order(sorts[sort.removeprefix("-")], sort.startswith("-"))


def has_at_most(session: Session, query: Select[Any], limit: int) -> bool:
    """Return whether a query has no more rows than a limit."""
    rows: Select[Any] = query.with_only_columns(literal_column("1").label("one"), maintain_column_froms=True)
    count = select(func.count()).select_from(rows.order_by(None).limit(limit + 1).subquery())
    return (session.scalar(count) or 0) <= limit


def ordered_page(session: Session, query: Select[Any], order: Order, limit: int, after: str | None = None) -> Page[Any]:
    """Return up to `limit` rows after a cursor, in another order than the query's own.

    The rows with a value and those without are read by a query each, so that an index of the key has both in their order.

    Raises:
        Invalid: The cursor is no position in this order.
    """
    columns = order.columns(query.selected_columns)
    marker = _parse_position(columns, after) if after else _FIRST_PAGE
    rows: list[NamedRow] = []
    for part in _parts(query, order, columns, marker):
        rows += _execute(session, part.limit(limit + 1 - len(rows)))
        if len(rows) > limit:
            break
    return _page(rows, limit, marker, len(columns))


def _execute(session: Session, query: Select[Any]) -> list[NamedRow]:
    """Return the rows of a query.

    The connection reads columns in four fifths of the time that the session takes, which alone can read entities.
    """
    has_entity = any(column.is_selectable for column in query._raw_columns)
    return named_rows((session if has_entity else session.connection()).execute(query))


def _with_order_columns(query: Select[Any], columns: Sequence[Any]) -> Select[Any]:
    """Return the query with the columns of its order at the end of each row."""
    return query.add_columns(*(column.label(f"order_{number}") for number, column in enumerate(columns)))


def _page(rows: list[NamedRow], limit: int, marker: Marker, width: int) -> Page[Any]:
    """Return the page of the rows from a marker on.

    There is one row more than the limit if the list goes on. The last `width` values of each row are its position.
    """
    has_more, rows = len(rows) > limit, rows[:limit]
    if marker.backwards:
        rows.reverse()
    has_place = marker.place is not None
    has_next, has_previous = (has_place, has_more) if marker.backwards else (has_more, has_place)
    first, last = (rows[0][-width:], rows[-1][-width:]) if rows else (marker.place, marker.place)
    return Page(
        [row[0] for row in rows] if rows and len(rows[0]) == width + 1 else rows,
        serialize_bookmark(Marker(last, backwards=False)) if has_next else None,
        serialize_bookmark(Marker(first, backwards=True)) if has_previous else None,
    )


def _parts(query: Select[Any], order: Order, columns: Sequence[Any], marker: Marker) -> Iterator[Select[Any]]:
    """Yield the queries for the rows from a position on.

    Rows with a value come first, unless the marker goes backwards.
    """
    *_, value, id = columns
    query = _with_order_columns(query, columns)
    descending = order.descending is not marker.backwards
    starts_blank = marker.place is not None and marker.place[-2] is None
    for is_blank in (True, False) if marker.backwards else (False, True):
        if marker.place is not None and is_blank is not starts_blank and starts_blank is not marker.backwards:
            continue  # the position lies beyond these rows
        key = [*columns[:-2], id] if is_blank else columns
        part = query.where(value.is_(None) if is_blank else value.is_not(None))
        if marker.place is not None and is_blank is starts_blank:
            place = [*marker.place[:-2], marker.place[-1]] if is_blank else list(marker.place)
            part = part.where(compare_tuples(key, place) if descending else compare_tuples(place, key))
        yield part.order_by(None).order_by(*(column.desc() if descending else column.asc() for column in key))


def _parse_position(columns: Sequence[Any], cursor: str) -> Marker:
    """Read a cursor of `ordered_page`, which may have None as the value."""
    marker = _unserialize(cursor)
    place = tuple(marker.place or ()) if marker else ()
    value_place = len(columns) - 2
    fits = len(place) == len(columns) and all(
        (value is None and index == value_place) or _fits(value, kind)
        for index, (value, kind) in enumerate(zip(place, _types(columns), strict=True))
    )
    if marker is None or not fits:
        raise Invalid("bad_cursor", BAD_CURSOR, "after")
    return marker._replace(place=place)


def _parse_cursor(session: Session, order: Sequence[OC], cursor: str) -> Marker:
    """Read a cursor of an earlier page of a query in the same order.

    Invalid values must not reach the databases, which fail differently on numbers beyond 64 bits, NUL,
    and values of another type.
    """
    marker = _unserialize(cursor)
    columns = [column.element for column in order]
    place = _complete(session, columns, marker.place or ()) if marker else ()
    if marker is None or len(place) != len(columns) or not all(map(_fits, place, _types(columns))):
        raise Invalid("bad_cursor", BAD_CURSOR, "after")
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
