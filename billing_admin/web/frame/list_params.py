"""Lists as pages show them: filters and place live in the URL, and parts of it that make no sense are left out."""

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
_NOT_FILTERS = {CURSOR_PARAM, "endpoint", "all", "last"}  # what is no filter


def text_param(name: str) -> str:
    """What the URL says of a filter, or nothing.

    Only control characters are left out: a name may hold any other, such as a no-break space or a joiner.
    """
    return strip_controls(request.args.get(name, "")).strip()[:MAX_FILTER_LENGTH]


def name_params(*parameters: str) -> list[str]:
    """Return every value of repeated parameters, each of which is one name, whatever is in it.

    A name that cannot exist is not left out, as a list without it could mean everything.
    """
    values = [value for parameter in parameters for value in request.args.getlist(parameter)]
    return [value.replace("\0", "\ufffd").strip() for value in values if value.strip()]


def choice_param(name: str, options: Collection[str]) -> str:
    """One of a few words, or nothing."""
    value = text_param(name)
    return value if value in options else ""


def day_param(name: str) -> date | None:
    """A day, or None."""
    value = text_param(name)
    try:
        return date.fromisoformat(value) if _DAY.fullmatch(value) else None
    except ValueError:
        return None


def strict_day_param(name: str) -> date | None:
    """Return the day that the figures of a page depend on; None if the URL gives none.

    Raises Invalid for a day outside of the calendar: the figures of another day must not be shown instead.
    """
    day = day_param(name)
    if day is not None and not FIRST_DAY <= day <= LAST_DAY:
        message = f"{day} is out of range for “{name}”. Use a day between {FIRST_DAY.year} and {LAST_DAY.year}."
        raise Invalid("out_of_range", message, name)
    return day


def id_param(name: str) -> UUID | None:
    """An id, or None."""
    try:
        return UUID(text_param(name))
    except ValueError:
        return None


def selected_ids() -> list[UUID]:
    """The ids whose rows were ticked in the form that was sent."""
    return [id for id in map(parse_uuid, request.form.getlist("id")) if id is not None]


def filtered_url(endpoint: str, **values: Any) -> str:
    """Another page's address with this page's filters."""
    kept = {
        name: value for name, value in request.args.items() if not name.startswith("_") and name not in _NOT_FILTERS
    }
    asked = kept | values
    return url_for(endpoint, **{name: value for name, value in asked.items() if value not in {"", None}})


def current_url(**changes: Any) -> str:
    """This page's address with other filters; it begins at the first page again."""
    return filtered_url(str(request.endpoint), **(request.view_args or {}), **changes)


def unfiltered_url() -> str:
    """This page's address without any filter."""
    return url_for(str(request.endpoint), **(request.view_args or {}))


@dataclass(frozen=True, slots=True)
class FilterChip:
    """One filter in force, in words."""

    label: str
    value: str
    remove_url: str


def build_chips(*filters: tuple[str, str, str]) -> list[FilterChip]:
    """The filters in force, of (name in the URL, label, value in words); those without a value are not."""
    return [FilterChip(label, value, current_url(**{name: None})) for name, label, value in filters if value]


@dataclass(frozen=True, slots=True)
class ListPage:
    """The rows of a page and the addresses of those beside it."""

    rows: Sequence[Any]
    first_url: str
    previous_url: str | None
    next_url: str | None


def load_page(query: Any, limit: int = ROWS_PER_PAGE) -> ListPage:
    """The page of the query that the URL asks for; the first one when it asks for none of ours."""
    session, place = db.session(), request.args.get(CURSOR_PARAM)
    try:
        found = paging.page(session, query, limit, place)
    except Invalid:
        found = paging.page(session, query, limit)
    return ListPage(
        found.rows,
        current_url(),
        current_url(after=found.previous) if found.previous else None,
        current_url(after=found.next) if found.next else None,
    )


def has_permission(permission: str) -> bool:
    """Whether the person holds a permission: pages leave out what they may not do."""
    return permission in actor().permissions
