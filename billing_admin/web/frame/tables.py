"""Tables of lists, with the sort and the columns that a URL chooses.

A list declares a `Table`. `load_table` reads `sort` and `columns` from the URL and returns the page of rows with all that
the macro `list_table` shows. Each column has a macro of its name in the template `Table.cells`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from flask import flash, request

from billing_admin.db import paging
from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_whole
from billing_admin.web.frame.list_params import (
    BAD_CURSOR,
    CURSOR_PARAM,
    ROWS_PER_PAGE,
    choice_param,
    columns_param,
    current_url,
)
from billing_admin.web.frame.list_views import ListViews, load_views, open_default_view

# A longer list can only be sorted by columns with an index.
MAX_SORTED_ROWS = 10_000

Role = Literal["title", "amount", "detail", ""]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list.

    `role` is the place of the column on a narrow screen: the title and the amount are on the first line of a row, details
    on the second one; other columns are not shown there. The title and the amount can never be left out. A wide column
    takes the remaining width; its text is cut, as that of a column that `is_cut`, and shown whole while the row has the
    focus or the pointer.
    """

    key: str
    label: str
    role: Role = ""
    is_numeric: bool = False
    is_descending_first: bool = False
    is_shown: bool = True
    is_wide: bool = False
    is_cut: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether the column is always shown."""
        return self.role in {"title", "amount"}


@dataclass(frozen=True, slots=True)
class Table:
    """A list's table: its caption and its columns.

    The template `cells` has a macro for each column. `order` are the words for the order of the query itself, `sorts` the
    columns by which it can be sorted instead, by key. `is_short` says that the list never has more than some thousand rows,
    so that every sort is offered.
    """

    caption: str
    cells: str
    columns: tuple[Column, ...]
    order: str
    sorts: Mapping[str, paging.Sort]
    is_short: bool = False

    def without(self, *keys: str) -> "Table":
        """Return the table without some columns."""
        return replace(self, columns=tuple(column for column in self.columns if column.key not in keys))

    def offers(self, key: str, is_short: bool) -> bool:
        """Return whether the list can be sorted by a column, if it is short or not."""
        return key in self.sorts and (is_short or self.sorts[key].is_indexed)

    def column(self, key: str) -> Column:
        """Return a column by its key."""
        return next(column for column in self.columns if column.key == key)


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column with its sort link, or without one if the list cannot be sorted by it."""

    column: Column
    is_shown: bool
    sort_url: str | None
    sort_state: Literal["ascending", "descending"] | None


@dataclass(frozen=True, slots=True)
class ListTable:
    """A page of a list in the order and with the columns that the URL chooses.

    `notice` says why the chosen order is not used. Rows that are no page of a list have no `first_url`.
    """

    table: Table
    rows: Sequence[Any]
    all_columns: Sequence[ShownColumn]
    order: str
    sort: str
    notice: str
    first_url: str
    previous_url: str | None
    next_url: str | None
    views: ListViews | None = None

    @property
    def columns(self) -> list[ShownColumn]:
        """The columns that are shown."""
        return [column for column in self.all_columns if column.is_shown]

    @property
    def sort_options(self) -> list[tuple[str, str]]:
        """The values of `sort` that this list offers, with their names."""
        return [
            (f"{sign}{shown.column.key}", f"{shown.column.label}, {direction}")
            for shown in self.all_columns
            if shown.sort_url
            for sign, direction in (("", "ascending"), ("-", "descending"))
        ]


@dataclass(frozen=True, slots=True)
class Total:
    """The sums of all rows of a filter in a currency, by column.

    Whole numbers are minor units, decimals exact amounts.
    """

    label: str
    amounts: Mapping[str, int | Decimal]
    currency: str = ""


def load_table(
    query: paging.Query, table: Table, limit: int = ROWS_PER_PAGE, *, is_short: bool | None = None
) -> ListTable:
    """Return the page of a list that the URL chooses by cursor, sort and columns.

    `is_short` says whether the list can be sorted by columns without an index; otherwise the rows are counted. An invalid
    cursor begins at the first page, with a message.

    Raises:
        Invalid: The list has no such column, or cannot be sorted by it.
    """
    open_default_view()
    sort, chosen = sort_param(table.sorts), columns_param({column.key for column in table.columns})
    if is_short is None:
        is_short = table.is_short or paging.has_at_most(db.session(), query, MAX_SORTED_ROWS)
    column = table.column(sort.removeprefix("-")) if sort else None
    notice = ""
    if column and not table.offers(column.key, is_short):
        notice = (
            f"This list has more than {format_whole(MAX_SORTED_ROWS)} rows, too many to sort by {column.label.lower()}."
            " Add filters first."
        )
        column = None
    order = paging.find_order(table.sorts, sort) if column else None
    page = _load_rows(query, order, limit)
    return ListTable(
        table,
        page.rows,
        [_show_column(shown, table.offers(shown.key, is_short), column, sort, chosen) for shown in table.columns],
        describe_order(table, sort if column else ""),
        sort if column else "",
        notice,
        current_url(),
        current_url(after=page.previous) if page.previous else None,
        current_url(after=page.next) if page.next else None,
        load_views(),
    )


def plain_table(table: Table, rows: Sequence[Any], order: str = "") -> ListTable:
    """Return some rows in a list's table, without links to sort or page them."""
    columns = [ShownColumn(column, column.is_shown or column.is_fixed, None, None) for column in table.columns]
    return ListTable(table, rows, columns, order, "", "", "", None, None)


def sort_param(sorts: Mapping[str, paging.Sort]) -> str:
    """Return the parameter `sort`: a column's key, after a minus sign to reverse it.

    Raises:
        Invalid: The list cannot be sorted by that.
    """
    return choice_param("sort", [*sorts, *(f"-{key}" for key in sorts)])


def _load_rows(query: paging.Query, order: paging.Order | None, limit: int) -> paging.Page[Any]:
    def load(cursor: str | None) -> paging.Page[Any]:
        if order is None:
            return paging.page(db.session(), query, limit, cursor)
        return paging.ordered_page(db.session(), query, order, limit, cursor)

    try:
        return load(request.args.get(CURSOR_PARAM))
    except Invalid:
        flash(BAD_CURSOR, "warning")
        return load(None)


def _show_column(
    column: Column, is_offered: bool, sorted_by: Column | None, sort: str, chosen: Sequence[str]
) -> ShownColumn:
    is_shown = column.is_fixed or (column.key in chosen if chosen else column.is_shown)
    is_descending = sort.startswith("-")
    if not is_offered:
        return ShownColumn(column, is_shown, None, None)
    if column is sorted_by:
        state: Literal["ascending", "descending"] = "descending" if is_descending else "ascending"
        return ShownColumn(column, is_shown, current_url(sort=column.key if is_descending else f"-{column.key}"), state)
    return ShownColumn(column, is_shown, current_url(sort=first_sort(column)), None)


def first_sort(column: Column) -> str:
    """Return the sort of the first click on a column: numbers begin with the largest."""
    return f"-{column.key}" if column.is_numeric or column.is_descending_first else column.key


def describe_order(table: Table, sort: str) -> str:
    """Return the words for a table's order: its own one, or that of a sort."""
    column = table.column(sort.removeprefix("-")) if sort else None
    if column is None:
        return table.order
    return f"Sorted by {column.label}, {'descending' if sort.startswith('-') else 'ascending'}"
