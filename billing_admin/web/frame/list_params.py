"""Lists: filters and cursors in the URL, pages of rows, and links.

The links keep the filters. A parameter that cannot be read counts as absent, so that old bookmarks still
open. The exception is a day on which the figures of a page depend: see `strict_day_param`.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from flask import request, url_for

from billing_admin.db import paging
from billing_admin.db.engine import db
from billing_admin.db.lookup import parse_uuid
from billing_admin.domain.days import FIRST_DAY, LAST_DAY
from billing_admin.domain.errors import Invalid
from billing_admin.domain.text import strip_controls
from billing_admin.web.frame.signed_in import actor

ROWS_PER_PAGE = 100
MAX_FILTER_LENGTH = 200
CURSOR_PARAM = "after"
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NOT_FILTERS = {CURSOR_PARAM, "endpoint", "all", "last"}


def text_param(name: str) -> str:
    """Return a text parameter of the URL, or "".

    Only control characters are removed: a name may hold any other, such as a no-break space or a joiner.
    """
    return strip_controls(request.args.get(name, "")).strip()[:MAX_FILTER_LENGTH]


def name_params(*parameters: str) -> list[str]:
    """Return every value of repeated parameters.

    Each value is one name, commas included.

    A name that cannot exist is kept: without it, an empty list could mean "all".
    """
    values = [value for parameter in parameters for value in request.args.getlist(parameter)]
    return [value.replace("\0", "\ufffd").strip() for value in values if value.strip()]


def choice_param(name: str, options: Collection[str]) -> str:
    """Return a parameter that must be one of the options, or ""."""
    value = text_param(name)
    return value if value in options else ""


def day_param(name: str) -> date | None:
    """Return a parameter that must be an ISO day, or None."""
    value = text_param(name)
    try:
        return date.fromisoformat(value) if _DAY.fullmatch(value) else None
    except ValueError:
        return None


def strict_day_param(name: str) -> date | None:
    """Return the day on which the figures of a page depend, or None.

    The result is None if the URL has no day.

    Raises:
        Invalid: the day is out of the calendar's range. Figures of another day must not be shown instead.
    """
    day = day_param(name)
    if day is not None and not FIRST_DAY <= day <= LAST_DAY:
        message = f"{day} is out of range for “{name}”. Use a day between {FIRST_DAY.year} and {LAST_DAY.year}."
        raise Invalid("out_of_range", message, name)
    return day


def id_param(name: str) -> UUID | None:
    """Return a parameter that must be a UUID, or None."""
    try:
        return UUID(text_param(name))
    except ValueError:
        return None


def selected_ids() -> list[UUID]:
    """Return the ids of the rows that were selected in the submitted form."""
    return [id for id in map(parse_uuid, request.form.getlist("id")) if id is not None]


def filtered_url(endpoint: str, **values: Any) -> str:
    """Return the URL of another page with the filters of this page.

    `values` replace some of the filters.
    """
    filters = {
        name: value for name, value in request.args.items() if not name.startswith("_") and name not in _NOT_FILTERS
    }
    params = filters | values
    return url_for(endpoint, **{name: value for name, value in params.items() if value not in {"", None}})


def current_url(**changes: Any) -> str:
    """Return the URL of this page with changed filters, at its first page of rows."""
    return filtered_url(str(request.endpoint), **(request.view_args or {}), **changes)


def unfiltered_url() -> str:
    """Return the URL of this page without filters."""
    return url_for(str(request.endpoint), **(request.view_args or {}))


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

    Without a valid cursor, it is the first page.
    """
    session, cursor = db.session(), request.args.get(CURSOR_PARAM)
    try:
        page = paging.page(session, query, limit, cursor)
    except Invalid:
        page = paging.page(session, query, limit)
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
