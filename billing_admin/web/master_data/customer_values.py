"""The values of customer fields on the form, the page and the list of customers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from flask import g
from wtforms import SelectField

from billing_admin.db.engine import db
from billing_admin.domain.customer_fields import COLUMN_PREFIX, read_filter, values_as_filter
from billing_admin.domain.formatting import format_day, format_number
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.translation import Phrase
from billing_admin.models import CustomerField
from billing_admin.queries.master_data.customer_fields import fields_in_use
from billing_admin.web.frame.forms import DayField, ExactField, Form, TextField
from billing_admin.web.frame.list_params import FilterChip, amount_param, build_chips, day_param, text_param
from billing_admin.web.frame.tables import Column, Table

FORM_PREFIX = "metadata_"
F = TypeVar("F", bound=Form)


def offered_fields() -> list[CustomerField]:
    """Return the customer fields in use; they are read once in a request."""
    if "customer_fields" not in g:
        g.customer_fields = fields_in_use(db.session())
    fields: list[CustomerField] = g.customer_fields
    return fields


def form_with_values(form: type[F], stored: Mapping[str, str]) -> type[F]:
    """Return a form with a field for each customer field in use.

    A choice that was removed is still offered to a customer that has it: `stored` holds the customer's values.
    """
    fields = {FORM_PREFIX + field.key: _form_field(field, stored.get(field.key, "")) for field in offered_fields()}
    return type(form.__name__, (form,), fields)


def _form_field(field: CustomerField, stored: str) -> Any:
    if field.type == "choice":
        choices = dict.fromkeys(filter(None, [*field.choices, stored]))
        return SelectField(field.label, choices={"": "–", **{choice: choice for choice in choices}}, default="")
    blank_message = Phrase("Enter a value for “{field}”.", field=field.label) if field.is_required else None
    return _FIELD_TYPES[field.type](field.label, blank_message)


_FIELD_TYPES: Mapping[str, type[Any]] = {"text": TextField, "number": ExactField, "date": DayField}


def value_fields(form: Form) -> list[Any]:
    """Return the fields of a form that are customer fields."""
    return [field for field in form if field.name.startswith(FORM_PREFIX)]


def value_names(form: Form) -> dict[tuple[str, ...], str]:
    """Return the names of these fields by the paths of their problems."""
    return {("metadata", field.name.removeprefix(FORM_PREFIX)): field.name for field in value_fields(form)}


def entered_values(form: Form) -> dict[str, str]:
    """Return the values entered, by key."""
    return {field.name.removeprefix(FORM_PREFIX): _as_text(field.data) for field in value_fields(form)}


def _as_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return plain_decimal(value)
    return value.isoformat() if isinstance(value, date) else value or ""


def stored_values(values: Mapping[str, str]) -> dict[str, Any]:
    """Return a customer's values as the data of the form's fields, by name."""
    types = {field.key: field.type for field in offered_fields()}
    return {FORM_PREFIX + key: _parse(types[key], text) for key, text in values.items() if key in types}


def _parse(type: str, text: str) -> Any:
    return Decimal(text) if type == "number" else date.fromisoformat(text) if type == "date" else text


def shown_value(type: str, text: str) -> str:
    """Return a value as pages show it; no value is an empty text."""
    if not text:
        return ""
    value = _parse(type, text)
    if isinstance(value, Decimal):
        return format_number(value)
    return format_day(value) if isinstance(value, date) else text


def shown_values(values: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Return label and value of each customer field in use; None stands for no value."""
    return [
        (field.label, shown_value(field.type, values[field.key]) if field.key in values else None)
        for field in offered_fields()
    ]


def with_value_columns(table: Table, fields: Sequence[CustomerField]) -> Table:
    """Return the table of customers with a column for each customer field."""
    columns = [
        Column(
            COLUMN_PREFIX + field.key,
            field.label,
            is_numeric=field.type == "number",
            is_shown=field.is_listed,
            is_cut=field.type in {"text", "choice"},
            cell="own_value",
        )
        for field in fields
    ]
    return replace(table, columns=(*table.columns, *columns))


def value_filter(fields: Sequence[CustomerField]) -> str:
    """Return the filter by customer fields that the URL has, as text.

    The parameter of a field is `metadata.` and its key.
    """
    return values_as_filter({field.key: _read_param(field.type, COLUMN_PREFIX + field.key) for field in fields})


def _read_param(type: str, name: str) -> str:
    """Return the parameter of a field as its values are stored."""
    if type == "number":
        return _as_text(amount_param(name))
    return _as_text(day_param(name)) if type == "date" else text_param(name)


def value_chips(fields: Sequence[CustomerField], filter_text: str) -> list[FilterChip]:
    """Return a removable chip for each customer field of the filter."""
    values = read_filter(filter_text) if filter_text else {}
    return build_chips(
        *(
            (COLUMN_PREFIX + field.key, field.label, shown_value(field.type, values.get(field.key, "")))
            for field in fields
        )
    )
