"""Filters in a `.meta.json`.

They are list filters as JSON values and back, without unset fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date
from typing import Any
from uuid import UUID

from billing_admin.domain.errors import Invalid
from billing_admin.queries.charges.recurring_charges import RecurringFilter
from billing_admin.queries.exports import FILE_KINDS, Filters
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.payments.open_items import OpenItemFilter


def filters_as_json(filters: Filters) -> dict[str, Any]:
    """Return the set fields of a filter as JSON values."""
    values = {field.name: getattr(filters, field.name) for field in fields(filters)}
    return {name.rstrip("_"): _plain(value) for name, value in values.items() if value not in {None, ""}}


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int) else str(value)


def filters_from_json(kind: str, stated: Mapping[str, Any]) -> Filters:
    """Return the filters of a kind of file from JSON values.

    Raises:
        Invalid: A value is not one of a filter.
    """
    if kind not in FILE_KINDS:
        raise Invalid("unknown_kind", f"“{kind[:40]}” is not a kind of export.", "kind")
    filter_type = FILE_KINDS[kind].filters
    fields_by_name = {field.name.rstrip("_"): field for field in fields(filter_type)}
    try:
        values = {
            fields_by_name[name].name: _READ[str(fields_by_name[name].type)](value) for name, value in stated.items()
        }
        return filter_type(**_as_none(filter_type, values))
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(
            "unknown_filter",
            "This kind of file does not have these filters. Use the .meta.json of the same export.",
            "filters",
        ) from error


def _as_none(filter_type: type[Filters], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, with None for flags that are not stated: they filter nothing."""
    flags = [field.name for field in fields(filter_type) if str(field.type) == str(bool | None)]
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
    """Return a filter that selects every row.

    The rows include archived customers and services.
    """
    day_names = {InvoiceFilter: "today", RecurringFilter: "today", OpenItemFilter: "as_of"}
    day_name = day_names.get(FILE_KINDS[kind].filters)
    return filters_from_json(kind, {day_name: today.isoformat()} if day_name else {})
