"""Tables of lists, with the sort and the columns that a URL chooses.

A list declares a `Table`. `load_table` reads `sort` and `columns` from the URL and returns the page of rows with all that
the macro `list_table` shows. Each column has a macro of its name in the template `Table.cells`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from flask import flash, request

from billing_admin.db import paging
from billing_admin.db.engine import db
from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_whole
from billing_admin.domain.translation import Phrase
from billing_admin.web.frame.list_params import (
    BAD_CURSOR,
    CURSOR_PARAM,
    ROWS_PER_PAGE,
    choice_param,
    columns_param,
    current_url,
    is_print_view,
)
from billing_admin.web.frame.list_views import ListViews, load_views, open_default_view

# A longer list can only be sorted by columns with an index.
MAX_SORTED_ROWS = 10_000
MAX_PRINTED_ROWS = 10_000
# A table with more columns is printed in landscape.
MAX_PORTRAIT_COLUMNS = 7
MAX_OFFSET_DIGITS = 8

Role = Literal["title", "amount", "detail", "whole", "actions", ""]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list.

    `role` is the place of the column on a narrow screen: the title and the amount are on the first line of a row, details
    on the second one, of which only the first badge is shown, then columns that are shown whole, and actions; other columns
    are not shown there. The title and the amount can never be left out. A
    wide column takes the remaining width; its text is cut, as that of a column that `is_cut`, and shown whole while the row
    has the focus or the pointer. A label that is hidden is read to those who do not see the table. `cell` is a macro for the
    cells of several columns, which takes the key as well.
    """

    key: str
    label: str
    role: Role = ""
    is_numeric: bool = False
    is_descending_first: bool = False
    is_shown: bool = True
    is_wide: bool = False
    is_cut: bool = False
    is_label_hidden: bool = False
    cell: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether the column is always shown."""
        return self.role in {"title", "amount"}


@dataclass(frozen=True, slots=True)
class Table:
    """A list's table: its caption and its columns.

    The template `cells` has a macro for each column. `order` are the words for the order of the query itself, `sorts` the
    columns by which it can be sorted instead, by key. `is_short` says that the list never has more than some thousand rows,
    so that every sort is offered. `row_keys` sort a list whose rows are loaded whole. Rows with the same attribute `group`
    follow the macro `group` of the template, unless they are sorted.
    """

    caption: str
    cells: str
    columns: tuple[Column, ...]
    order: str
    sorts: Mapping[str, paging.Sort] = field(default_factory=dict)
    is_short: bool = False
    row_keys: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    group: str = ""

    def without(self, *keys: str) -> "Table":
        """Return the table without some columns."""
        return replace(
            self,
            columns=tuple(column for column in self.columns if column.key not in keys),
            sorts={key: sort for key, sort in self.sorts.items() if key not in keys},
        )

    def offers(self, key: str, is_short: bool) -> bool:
        """Return whether the list can be sorted by a column, if it is short or not."""
        return key in self.row_keys or (key in self.sorts and (is_short or self.sorts[key].is_indexed))

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

    `notice` says why the chosen order is not used, or that rows are missing. Rows that are no page of a list have no
    `first_url`. `print_url` is the page that shows the whole list to be printed, or none on that page.
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
    print_url: str | None = None

    @property
    def columns(self) -> list[ShownColumn]:
        """The columns that are shown."""
        return [column for column in self.all_columns if column.is_shown]

    @property
    def is_wide(self) -> bool:
        """Whether the list is printed in landscape."""
        return len(self.columns) > MAX_PORTRAIT_COLUMNS

    @property
    def group(self) -> str:
        """The attribute by which the rows are grouped, or "" while they are sorted."""
        return "" if self.sort else self.table.group

    @property
    def sort_options(self) -> list[tuple[str, str]]:
        """The values of `sort` that this list offers, with their names."""
        return [
            option
            for shown in self.all_columns
            if shown.sort_url
            for option in (
                (shown.column.key, Phrase("{column}, ascending", column=shown.column.label)),
                (f"-{shown.column.key}", Phrase("{column}, descending", column=shown.column.label)),
            )
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
    sort = sort_param(table.sorts)
    if is_short is None:
        is_short = table.is_short or paging.has_at_most(db.session(), query, MAX_SORTED_ROWS)
    column = table.column(sort.removeprefix("-")) if sort else None
    notice = ""
    if column and not table.offers(column.key, is_short):
        notice = Phrase(
            "This list has more than {max_sorted_rows} rows, too many to sort by {column}. Add filters first.",
            max_sorted_rows=format_whole(MAX_SORTED_ROWS),
            column=column.label.lower(),
        )
        sort = ""
    page = _load_rows(query, paging.find_order(table.sorts, sort) if sort else None, limit)
    return _show_list(table, page, sort, notice, is_short=is_short)


def list_rows(rows: Sequence[Any], table: Table, limit: int = ROWS_PER_PAGE) -> ListTable:
    """Return the page that the URL chooses of a list of loaded rows.

    Raises:
        Invalid: The list has no such column, or cannot be sorted by it.
    """
    sort = sort_param(table.row_keys)
    if sort:
        rows = _sorted_rows(rows, table.row_keys[sort.removeprefix("-")], sort.startswith("-"))
    first = 0 if is_print_view() else _first_row(len(rows))
    end = first + (MAX_PRINTED_ROWS if is_print_view() else limit)
    previous = str(max(first - limit, 0)) if first else None
    page = paging.Page(rows[first:end], str(end) if end < len(rows) else None, previous)
    return _show_list(table, page, sort)


def _sorted_rows(rows: Sequence[Any], key: Callable[[Any], Any], descending: bool) -> list[Any]:
    """Return rows by a key; those without a value are last."""
    blank = [row for row in rows if key(row) is None]
    return [*sorted((row for row in rows if key(row) is not None), key=key, reverse=descending), *blank]


def _first_row(count: int) -> int:
    """Return the number of the first row of the page in the URL."""
    text = request.args.get(CURSOR_PARAM, "")
    if text.isascii() and text.isdigit() and len(text) < MAX_OFFSET_DIGITS and int(text) < max(count, 1):
        return int(text)
    if text:
        flash(BAD_CURSOR, "warning")
    return 0


def _show_list(
    table: Table, page: paging.Page[Any], sort: str, notice: str = "", *, is_short: bool = True
) -> ListTable:
    chosen = columns_param({column.key for column in table.columns})
    is_printed = is_print_view()
    if is_printed and page.next:
        notice = Phrase(
            "Only the first {rows_count} rows are printed. Add filters, or export the list.",
            rows_count=format_whole(len(page.rows)),
        )
    return ListTable(
        table,
        page.rows,
        [_show_column(column, table.offers(column.key, is_short), sort, chosen) for column in table.columns],
        describe_order(table, sort),
        sort,
        notice,
        current_url(),
        current_url(after=page.previous) if page.previous and not is_printed else None,
        current_url(after=page.next) if page.next and not is_printed else None,
        load_views(),
        None if is_printed else current_url(print=1),
    )


def plain_table(table: Table, rows: Sequence[Any], order: str = "") -> ListTable:
    """Return some rows in a list's table, without links to sort or page them."""
    columns = [ShownColumn(column, column.is_shown or column.is_fixed, None, None) for column in table.columns]
    return ListTable(table, rows, columns, order, "", "", "", None, None)


def sort_param(sorts: Collection[str]) -> str:
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

    if is_print_view():
        limit = MAX_PRINTED_ROWS
        return load(None)
    try:
        return load(request.args.get(CURSOR_PARAM))
    except Invalid:
        flash(BAD_CURSOR, "warning")
        return load(None)


def _show_column(column: Column, is_offered: bool, sort: str, chosen: Sequence[str]) -> ShownColumn:
    is_shown = column.is_fixed or (column.key in chosen if chosen else column.is_shown)
    if not is_offered:
        return ShownColumn(column, is_shown, None, None)
    if column.key == sort.removeprefix("-"):
        is_descending = sort.startswith("-")
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
    if sort.startswith("-"):
        return Phrase("Sorted by {column}, descending", column=column.label)
    return Phrase("Sorted by {column}, ascending", column=column.label)
