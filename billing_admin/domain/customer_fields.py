"""Customer fields, which the organisation defines, and the rules of their values.

A customer's values are texts by key, its `metadata`: numbers as plain decimals, days as ISO 8601.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypedDict
from urllib.parse import parse_qsl, urlencode

from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Invalid, Problem
from billing_admin.domain.master_data import Rule
from billing_admin.domain.money import exact_decimal, plain_decimal
from billing_admin.domain.text import (
    MAX_LINE_LENGTH,
    check_length,
    check_not_blank,
    check_text,
    fold_for_search,
    refuse_separators,
    refuse_unprintable,
)
from billing_admin.domain.translation import Phrase

FIELD_TYPES: Final = {
    "text": Phrase("Text"),
    "number": Phrase("Number"),
    "date": Phrase("Date"),
    "choice": Phrase("Choice from a list"),
}
MAX_FIELDS = 20  # in use; archived ones do not count
MAX_CHOICES = 50
MAX_KEY_LENGTH = 40
MAX_FIELD_LABEL_LENGTH = 60
MAX_CHOICE_LENGTH = 60
COLUMN_PREFIX: Final = "metadata."  # of the columns of files and lists
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_KEY = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


class CustomerFieldFields(TypedDict, total=False):
    """The fields of a customer field's definition.

    `key` and `type` never change. `is_listed` shows the value in the list of customers. Only a choice has `choices`.
    """

    key: str
    label: str
    type: str
    is_required: bool
    is_listed: bool
    choices: Sequence[str]


@dataclass(frozen=True, slots=True)
class FieldTerms:
    """The terms of a customer field that decide on its values."""

    key: str
    label: str
    type: str
    is_required: bool
    choices: Sequence[str]
    is_archived: bool


def _key(value: str, field: str) -> str:
    check_length(value, MAX_KEY_LENGTH, field)
    if not _KEY.fullmatch(value):
        message = Phrase(
            "Use lower-case letters, digits and underscores, beginning with a letter, such as cost_centre."
        )
        raise Invalid("bad_key", message, field)
    return value


def _label(value: str, field: str) -> str:
    return check_not_blank(value, field, longest=MAX_FIELD_LABEL_LENGTH)


def _type(value: str, field: str) -> str:
    if value not in FIELD_TYPES:
        raise Invalid("not_a_choice", Phrase("Use one of {field_types}.", field_types=", ".join(FIELD_TYPES)), field)
    return value


def _choices(choices: Sequence[str], field: str) -> Sequence[str]:
    if len(choices) > MAX_CHOICES:
        raise Invalid("too_many", Phrase("Use at most {max_choices} choices.", max_choices=MAX_CHOICES), field)
    problems: list[Problem] = []
    folded = [choice.strip().casefold() for choice in choices]
    for index, choice in enumerate(choices):
        try:
            check_not_blank(choice, field, index, longest=MAX_CHOICE_LENGTH)
        except Invalid as error:
            problems += error.problems
        if folded[index] in folded[:index]:
            problems.append(
                Problem("choice_twice", Phrase("Enter the choice “{choice}” once.", choice=choice), (field, index))
            )
    if problems:
        raise Invalid.of(problems)
    return choices


def _unchecked(value: Any, _field: str) -> Any:
    return value


CUSTOMER_FIELD_RULES: Mapping[str, Rule] = {
    "key": _key,
    "label": _label,
    "type": _type,
    "is_required": _unchecked,
    "is_listed": _unchecked,
    "choices": _choices,
}
CUSTOMER_FIELD_DEFAULTS: Mapping[str, Any] = {"type": "text", "is_required": False, "is_listed": False, "choices": []}


def check_choices(type: str, choices: Sequence[str]) -> None:
    """Raise Invalid if a choice has no choices, or another field has some."""
    if type == "choice" and not choices:
        raise Invalid("missing", Phrase("Enter the choices, one in each line."), "choices")
    if type != "choice" and choices:
        message = Phrase("Remove the choices, or use the type “Choice from a list”.")
        raise Invalid("not_for_type", message, "choices")


def read_value(terms: FieldTerms, text: str) -> str:
    """Return the value of a field as it is stored.

    Raises:
        Invalid: The text is no value of the field.
    """
    path = ("metadata", terms.key)
    text = text.strip()
    check_text(text, *path, longest=MAX_LINE_LENGTH)
    refuse_unprintable(text, *path)
    refuse_separators(text, *path)
    match terms.type:
        case "number":
            return plain_decimal(_read_number(text, path))
        case "date":
            return _read_day(text, path).isoformat()
        case "choice":
            return _read_choice(terms, text, path)
        case _:
            return text


def _read_number(text: str, path: tuple[str, str]) -> Any:
    try:
        return exact_decimal(text)
    except Invalid as error:
        message = Phrase("Enter a number with a decimal point and without separators, such as 1250.5.")
        raise Invalid("not_a_number", message, *path) from error


def _read_day(text: str, path: tuple[str, str]) -> date:
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise Invalid("not_a_day", Phrase("Enter a day as YYYY-MM-DD, such as 2026-11-30."), *path)
    try:
        return check_calendar_day(day)
    except Invalid as error:
        raise Invalid(error.code, error.message, *path) from None


def _read_choice(terms: FieldTerms, text: str, path: tuple[str, str]) -> str:
    choice = next((choice for choice in terms.choices if choice.casefold() == text.casefold()), None)
    if choice is None:
        raise Invalid("not_a_choice", Phrase("Use one of {choices}.", choices=", ".join(terms.choices)), *path)
    return choice


def merge_values(
    fields: Sequence[FieldTerms], stored: Mapping[str, str], changes: Mapping[str, str], *, is_new: bool
) -> dict[str, str]:
    """Return the values of a customer after some are set.

    An empty text removes a value; other values stay. A value that is stored already is not checked again: a
    choice may have been removed since, or the field archived. The values are in the order of the fields.

    Raises:
        Invalid: With a problem for each value that is no value of its field, and for each that is missing: in a new customer
            of any required field, else of those that are set.
    """
    terms = {field.key: field for field in fields}
    values, problems = dict(stored), list[Problem]()
    for key, text in changes.items():
        try:
            value = _new_value(terms, key, text, stored.get(key, ""))
        except Invalid as error:
            problems += error.problems
            continue
        values.pop(key, None)
        if value:
            values[key] = value
    refused = {problem.field[1] for problem in problems}
    problems += [
        Problem("missing", Phrase("Enter a value for “{field}”.", field=field.label), ("metadata", field.key))
        for field in fields
        if field.is_required and not field.is_archived and (is_new or field.key in changes)
        if field.key not in values and field.key not in refused
    ]
    if problems:
        raise Invalid.of(problems)
    return {key: values[key] for key in [*terms, *(values.keys() - terms.keys())] if key in values}


def _new_value(terms: Mapping[str, FieldTerms], key: str, text: str, stored: str) -> str:
    field = terms.get(key)
    if field is None:
        raise Invalid(
            "unknown_field",
            Phrase("There is no customer field “{key}”.", key=key[:MAX_KEY_LENGTH]),
            "metadata",
            key[:80],
        )
    text = text.strip()
    value = text if text in {stored, ""} else read_value(field, text)
    if field.is_archived and value not in {stored, ""}:
        message = Phrase("The customer field “{field}” is archived: restore it first.", field=field.label)
        raise Invalid("archived_field", message, "metadata", key)
    return value


def folded_value(value: str) -> str:
    """Return the text by which filters find a value, without case and accents."""
    return fold_for_search(value)


def values_as_filter(values: Mapping[str, str]) -> str:
    """Return values by key as the text of a filter, `region=South&tier=gold`."""
    return urlencode({key: value for key, value in values.items() if value})


def read_filter(text: str) -> dict[str, str]:
    """Return the values by key of a filter's text.

    Raises:
        Invalid: The text is no list of keys and values.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        pairs = []
    if not pairs or any(not key or not value for key, value in pairs):
        raise Invalid(
            "bad_filter", Phrase("Use a key and a value, such as region=South; join several with &."), "metadata"
        )
    return dict(pairs)
