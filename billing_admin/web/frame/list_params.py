"""Lists: filters and cursors in the URL, pages of rows, and links.

The links keep the filters. A filter that cannot be read is never dropped, as the rows of other filters would
seem to match it: it raises Invalid, and `web.frame.errors` shows it with its message. An invalid cursor
begins at the first page, with a message.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, g, request, url_for

from billing_admin.db import paging
from billing_admin.db.engine import db
from billing_admin.db.lookup import parse_uuid
from billing_admin.domain.amount_input import parse_amount
from billing_admin.domain.day_input import parse_day
from billing_admin.domain.days import check_calendar_day, check_day_range, day_ranges
from billing_admin.domain.errors import FieldPath, Invalid
from billing_admin.domain.money import currency_code
from billing_admin.domain.number_format import format_in_use
from billing_admin.domain.text import check_length, strip_controls
from billing_admin.domain.translation import Phrase
from billing_admin.models import SavedView
from billing_admin.queries.access.saved_views import default_view
from billing_admin.web.frame.signed_in import actor, current_organisation, signed_in_person, today

ROWS_PER_PAGE = 100
MAX_FILTER_LENGTH = 200
CURSOR_PARAM = "after"
COLUMNS_PARAM = "columns"
VIEW_PARAM = "view"
PRINT_PARAM = "print"
PLAIN_VIEW = "none"
DISPLAY_PARAMS = ("sort", COLUMNS_PARAM, VIEW_PARAM)
BAD_CURSOR = Phrase("This link does not lead to a page of this list. The first page is shown.")
_NOT_FILTERS = {CURSOR_PARAM, PRINT_PARAM, "endpoint", "all", "last", "back"}


def text_param(name: str) -> str:
    """Return a text parameter of the URL, or "".

    Only control characters are removed: a name may hold any other, such as a no-break space or a joiner.

    Raises:
        Invalid: the text is too long, or the URL has another text for the same parameter.
    """
    g.setdefault("read_parameters", set()).add(name)
    if len(set(request.args.getlist(name))) > 1:
        raise Invalid("duplicate_parameter", Phrase("Use this filter only once."), name)
    value = strip_controls(request.args.get(name, "")).strip()
    check_length(value, MAX_FILTER_LENGTH, name)
    return value


def is_parameter(field: FieldPath) -> bool:
    """Return whether the field of an error is a parameter that the view has read."""
    name = str(field[0]) if field else ""
    return name in g.get("read_parameters", ()) and name in request.args


def name_params(*parameters: str) -> list[str]:
    """Return every value of repeated parameters.

    Each value is one name, commas included.

    A name that cannot exist is kept: without it, an empty list could mean "all".
    """
    values = [value for parameter in parameters for value in request.args.getlist(parameter)]
    return [value.replace("\0", "\ufffd").strip() for value in values if value.strip()]


def choice_param(name: str, options: Collection[str]) -> str:
    """Return a parameter that must be one of the options, or "".

    Raises:
        Invalid: it is another text.
    """
    value = text_param(name)
    if value and value not in options:
        message = Phrase(
            "“{value}” is not one of the choices. Choose one from the list, or remove the filter.", value=value
        )
        raise Invalid("not_a_choice", message, name, options=list(options))
    return value


def currency_param() -> str:
    """Return the parameter `currency`, or "".

    Raises:
        Invalid: it is no ISO 4217 currency code.
    """
    value = text_param("currency")
    return currency_code(value) if value else ""


def flag_param(name: str) -> bool:
    """Return whether a parameter is 1.

    Raises:
        Invalid: it is neither 1 nor 0.
    """
    return choice_param(name, ("0", "1")) == "1"


def day_param(name: str) -> date | None:
    """Return a parameter that must be a day, or None.

    Raises:
        Invalid: it is another text, or can be read in two ways.
    """
    value = text_param(name)
    try:
        return parse_day(value, current_organisation().date_order) if value else None
    except Invalid as error:
        raise Invalid(error.code, error.message, name) from error


def strict_day_param(name: str) -> date | None:
    """Return the day on which the figures of a page depend, or None.

    Raises:
        Invalid: it is no day, or out of the calendar's range, for which there are no figures.
    """
    day = day_param(name)
    return None if day is None else check_calendar_day(day, name)


def day_range_params(
    first: str, last: str, read: Callable[[str], date | None] = day_param
) -> tuple[date | None, date | None]:
    """Return the parameters for the first and the last day of a range.

    Raises:
        Invalid: one of them is no day, or the first is after the last.
    """
    first_day, last_day = read(first), read(last)
    check_day_range(first_day, last_day, first)
    return first_day, last_day


def is_print_view() -> bool:
    """Return whether the page shows a whole list without navigation, for printing."""
    return request.args.get(PRINT_PARAM) == "1"


def id_param(name: str) -> UUID | None:
    """Return a parameter that must be a UUID, or None.

    Raises:
        Invalid: it is another text.
    """
    value = text_param(name)
    id = parse_uuid(value)
    if value and id is None:
        raise Invalid(
            "not_an_id",
            Phrase("“{value}” is not an ID such as 019a52c7-3f21-7c4e-9d0a-5b1e6f7a8b9c.", value=value),
            name,
        )
    return id


def amount_param(name: str) -> Decimal | None:
    """Return a parameter that must be an exact amount, or None.

    It is written in the organisation's number format.

    Raises:
        Invalid: it is another text, can be read in two ways, or has a currency.
    """
    value = text_param(name)
    try:
        return parse_amount(value, format_in_use()).without_currency(Phrase("filter")) if value else None
    except Invalid as error:
        raise Invalid(error.code, error.message, name) from error


def columns_param(keys: Collection[str]) -> list[str]:
    """Return the keys of the columns that the parameter `columns` chooses.

    None means the default ones. They are separated by commas, or the parameter is repeated, as check boxes send it.

    Raises:
        Invalid: the list has no such column.
    """
    g.setdefault("read_parameters", set()).add(COLUMNS_PARAM)
    chosen = [key for value in request.args.getlist(COLUMNS_PARAM) for key in strip_controls(value).split(",") if key]
    for key in chosen:
        if key not in keys:
            raise Invalid(
                "not_a_choice",
                Phrase("This list has no column “{key}”.", key=key[:80]),
                COLUMNS_PARAM,
                options=list(keys),
            )
    return chosen


def selected_ids() -> list[UUID]:
    """Return the ids of the rows that were selected in the submitted form."""
    return [id for id in map(parse_uuid, request.form.getlist("id")) if id is not None]


def filtered_url(endpoint: str, **values: Any) -> str:
    """Return the URL of another page with the filters of this page.

    `values` replace some of the filters.
    """
    params = other_params() | values
    return url_for(endpoint, **{name: value for name, value in params.items() if value not in {"", None}})


def export_url(endpoint: str) -> str:
    """Return the URL of the page of a list's files, or "" without the permission."""
    return filtered_url(endpoint) if has_permission("exports:read") else ""


def display_params() -> dict[str, str]:
    """Return the parameters of the URL that choose how a list is shown."""
    values = {name: ",".join(request.args.getlist(name)) for name in DISPLAY_PARAMS}
    return {name: value for name, value in values.items() if value}


def other_params(*names: str) -> dict[str, str]:
    """Return the parameters of the URL that a link to the list keeps, except some."""
    return {
        name: ",".join(values) if name == COLUMNS_PARAM else values[0]
        for name, values in request.args.lists()
        if name not in {*names, *_NOT_FILTERS} and not name.startswith("_") and values[0]
    }


@dataclass(frozen=True, slots=True)
class DayPreset:
    """A range of days that a link sets in a filter."""

    label: str
    url: str
    is_active: bool


def day_presets(first_name: str, last_name: str, first: date | None, last: date | None) -> list[DayPreset]:
    """Return the links that set both days of a filter to a usual range."""
    return [
        DayPreset(label, current_url(**{first_name: days[0], last_name: days[1]}), days == (first, last))
        for label, days in day_ranges(today()).items()
    ]


def current_url(**changes: Any) -> str:
    """Return the URL of this page with changed filters, at its first page of rows."""
    return filtered_url(str(request.endpoint), **(request.view_args or {}), **changes)


def unfiltered_url() -> str:
    """Return the URL of this page without filters and default view."""
    endpoint = str(request.endpoint)
    return url_for(endpoint, **(request.view_args or {}), view=PLAIN_VIEW if default_list_view() else None)


def default_list_view() -> SavedView | None:
    """Return the view in which the list of this request opens; it is read once."""
    if "default_list_view" not in g:
        g.default_list_view = default_view(db.session(), signed_in_person().id, str(request.endpoint))
    view: SavedView | None = g.default_list_view
    return view


@dataclass(frozen=True, slots=True)
class FilterChip:
    """An active filter: its label, its value in words, and the URL without it."""

    label: str
    value: str
    remove_url: str


def build_chips(*filters: tuple[str, str, str]) -> list[FilterChip]:
    """Return a chip for each (parameter, label, value in words) that has a value."""
    return [FilterChip(label, value, current_url(**{name: None})) for name, label, value in filters if value]


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list, and the URLs of the pages before and after it."""

    rows: Sequence[Any]
    first_url: str
    previous_url: str | None
    next_url: str | None


def load_page(query: Any, limit: int = ROWS_PER_PAGE) -> ListPage:
    """Return the page of rows at the cursor in the URL.

    Without a valid cursor, it is the first page, and a message says so.
    """
    session, cursor = db.session(), request.args.get(CURSOR_PARAM)
    try:
        page = paging.page(session, query, limit, cursor)
    except Invalid:
        page = paging.page(session, query, limit)
        flash(BAD_CURSOR, "warning")
    return ListPage(
        page.rows,
        current_url(),
        current_url(after=page.previous) if page.previous else None,
        current_url(after=page.next) if page.next else None,
    )


def has_permission(permission: str) -> bool:
    """Return whether the signed-in person has a permission.

    Pages hide actions that are not permitted.
    """
    return permission in actor().permissions
