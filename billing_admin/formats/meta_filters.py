"""Filters as a `.meta.json` states them, and back: what is not filtered by is left out."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date
from typing import Any
from uuid import UUID

from billing_admin.domain.errors import Invalid
from billing_admin.queries.exports import FILE_KINDS, Filters
from billing_admin.queries.invoices.invoices import InvoiceFilter


def filters_as_json(filters: Filters) -> dict[str, Any]:
    """The filter as plain JSON values."""
    given = {field.name: getattr(filters, field.name) for field in fields(filters)}
    return {name.rstrip("_"): _plain(value) for name, value in given.items() if value not in {None, ""}}


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int) else str(value)


def filters_from_json(kind: str, given: Mapping[str, Any]) -> Filters:
    """The filters of a kind of file, from what `filters_as_json` wrote. Raises Invalid for anything else."""
    if kind not in FILE_KINDS:
        raise Invalid("unknown_kind", f"“{kind[:40]}” is not a kind of file that is exported here.", "kind")
    made = FILE_KINDS[kind].filters
    known = {field.name.rstrip("_"): field for field in fields(made)}
    try:
        values = {known[name].name: _READ[str(known[name].type)](value) for name, value in given.items()}
        return made(**_as_none(made, values))
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("unknown_filter", "Its filters are not those of such a file.", "filters") from error


def _as_none(made: type[Filters], values: Mapping[str, Any]) -> dict[str, Any]:
    """A flag that is not stated is no filter, whatever a list would assume."""
    flags = [field.name for field in fields(made) if str(field.type) == str(bool | None)]
    return dict.fromkeys(flags) | dict(values)


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


_READ: Mapping[str, Callable[[Any], Any]] = {
    str(str): _text,
    str(int): _whole,
    str(int | None): _whole,
    str(date): lambda value: date.fromisoformat(_text(value)),
    str(date | None): lambda value: date.fromisoformat(_text(value)),
    str(UUID | None): lambda value: UUID(_text(value)),
    str(bool | None): _flag,
}


def no_filters(kind: str, today: date) -> Filters:
    """No filter at all: archived customers and services are let through as well."""
    return filters_from_json(kind, {"today": today.isoformat()} if FILE_KINDS[kind].filters is InvoiceFilter else {})
