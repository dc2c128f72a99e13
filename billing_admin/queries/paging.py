"""Lists a page at a time, by key and not by count: as fast on the last page as on the first, and stable under inserts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from sqlakeyset import InvalidPage, select_page
from sqlalchemy import Row, Select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import Invalid

T = TypeVar("T")
LONGEST_CURSOR: Final = 2000  # a row is found by a text of 200 characters at most, an id and a moment

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
    if after and len(after) > LONGEST_CURSOR:
        raise Invalid("bad_cursor", "This cursor is not one of ours: begin again without it.", "after")
    try:
        found = select_page(session, query, per_page=limit, page=after or None)
    except (InvalidPage, ValueError, TypeError) as error:
        raise Invalid("bad_cursor", "This cursor is not one of ours: begin again without it.", "after") from error
    paging = found.paging
    return Page(
        [row[0] for row in found] if len(query.column_descriptions) == 1 else list(found),
        paging.bookmark_next if paging.has_next else None,
        paging.bookmark_previous if paging.has_previous else None,
    )
