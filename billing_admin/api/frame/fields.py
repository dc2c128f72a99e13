"""The kinds of value that go in and out, each read in one strict way.

The reading runs in pydantic's compiled core, without a Python function per value: a batch has 10,000 charges.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, GetPydanticSchema, PlainSerializer, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import (
    bool_schema,
    chain_schema,
    custom_error_schema,
    date_schema,
    decimal_schema,
    int_schema,
    str_schema,
    union_schema,
    uuid_schema,
)

from billing_admin.domain.days import FIRST_DAY, LAST_DAY, calendar_day
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import plain

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_PLACE = re.compile(r">dt:[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.+]{8,21}~uuid:[0-9a-f-]{36}", re.ASCII)
# Characters that no text may have. New text may not have C1 controls, private-use characters and noncharacters either, but a
# repeat of stored text may, so a pattern cannot express that rule (docs/api.md).
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_IN_LINE = rf"[^{_CONTROLS}\n\r]"
_NUMBER = r"^-?[0-9]{1,18}(\.[0-9]{1,12})?$"


def _text_then(pattern: str, schema: CoreSchema) -> CoreSchema:
    return chain_schema([str_schema(pattern=pattern, strict=True), schema])


def _or_say(code: str, words: str, schema: CoreSchema) -> Callable[[Any, Any], CoreSchema]:
    named = custom_error_schema(schema, custom_error_type=code, custom_error_message=words)
    return lambda _source, _handler: named


def _kind(code: str, words: str, schema: CoreSchema, **json_schema: object) -> tuple[Any, Any]:
    return GetPydanticSchema(_or_say(code, words, schema)), WithJsonSchema(json_schema)


def _in_calendar(day: date) -> date:
    try:
        return calendar_day(day)
    except Invalid as error:
        raise PydanticCustomError("out_of_range", "{message}", {"message": error.message}) from error


Key = Annotated[
    UUID,
    *_kind(
        "not_a_uuid",
        "Use a UUID such as 3135f216-5533-4c18-882a-f96c09cfc73c.",
        _text_then(_UUID, uuid_schema(strict=False)),
        type="string",
        format="uuid",
    ),
]
Day = Annotated[
    date,
    *_kind(
        "not_a_date",
        "Use a date such as 2026-11-22.",
        _text_then(_DAY, date_schema(strict=False)),
        type="string",
        format="date",
    ),
]
# A day that figures are computed for.
FigureDay = Annotated[
    Day,
    AfterValidator(_in_calendar),
    WithJsonSchema({"type": "string", "format": "date", "description": f"A day from {FIRST_DAY} to {LAST_DAY}."}),
]
Currency = Annotated[
    str,
    *_kind(
        "unknown_currency",
        "Use an ISO 4217 currency code such as EUR.",
        str_schema(pattern="^[A-Z]{3}$", strict=True),
        type="string",
        pattern="^[A-Z]{3}$",
    ),
]
# Text or a JSON number, exactly as written; signs, ranges and −0 are judged by the domain.
Number = Annotated[
    Decimal,
    *_kind(
        "not_a_decimal",
        'Use a decimal such as "19.99".',
        union_schema(
            [
                _text_then(_NUMBER, decimal_schema(strict=False)),
                decimal_schema(strict=True),
                chain_schema([int_schema(strict=True), decimal_schema(strict=False)]),
            ],
            mode="left_to_right",
        ),
        anyOf=[
            {"type": "string", "pattern": _NUMBER},
            {"type": "number", "exclusiveMinimum": -(10**18), "exclusiveMaximum": 10**18},
        ],
    ),
]
Exact = Annotated[
    Decimal, PlainSerializer(plain, return_type=str), WithJsonSchema({"type": "string", "pattern": _NUMBER})
]


def one_line(longest: int = 200, *, named: bool = False) -> WithJsonSchema:
    """Note what `domain.text` asks of a text: no line ends, no controls, and, if `named`, something that is no space."""
    pattern = rf"^{_IN_LINE}*[^{_CONTROLS}\s]{_IN_LINE}*$" if named else f"^{_IN_LINE}*$"
    return WithJsonSchema({"type": "string", "pattern": pattern, "minLength": int(named), "maxLength": longest})


def many_lines(longest: int) -> WithJsonSchema:
    """Note what `domain.text` asks of a text that may have lines."""
    return WithJsonSchema({"type": "string", "pattern": rf"^[^{_CONTROLS}]*$", "maxLength": longest})


# Texts that the domain judges: here only the OpenAPI document is told what it will say.
Name = Annotated[str, one_line(named=True)]
ShortText = Annotated[str, one_line()]
ReasonText = Annotated[str, one_line(500, named=True)]
OptionalReasonText = Annotated[str, one_line(500)]
CurrencyCode = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]

# What stands in an address is always text.
Limit = Annotated[
    int,
    *_kind(
        "out_of_range",
        "Use 1 to 100.",
        _text_then("^[0-9]{1,3}$", int_schema(ge=1, le=100, strict=False)),
        type="integer",
        minimum=1,
        maximum=100,
    ),
]
Flag = Annotated[
    bool,
    *_kind(
        "not_a_choice", "Use true or false.", _text_then("^(true|false)$", bool_schema(strict=False)), type="boolean"
    ),
]
Switch = Annotated[
    bool, *_kind("not_a_choice", "Use 1, or leave it out.", _text_then("^1$", bool_schema(strict=False)), enum=["1"])
]


# The value of what was left out. Its type does not say so, hence null is refused where nothing else allows it.
OMITTED: Any = None


def _without_null_defaults(schema: dict[str, Any]) -> None:
    for part in schema.get("properties", {}).values():
        if part.get("default", "") is None:
            del part["default"]


class Body(BaseModel):
    """What a request brings: nothing unknown, nothing converted. What is left out is not in `model_fields_set`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_without_null_defaults)

    def provided(self, *excluded: str) -> dict[str, Any]:
        """The fields that the caller gave, whatever their value."""
        return {name: getattr(self, name) for name in self.model_fields_set.difference(excluded)}


class Parameters(BaseModel):
    """What may stand behind the question mark."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def filters(self) -> dict[str, Any]:
        """Everything but the page and the form of the answer."""
        return {name: value for name, value in self.__dict__.items() if name not in _FORM}


_FORM = frozenset({"limit", "after", "excel", "totals"})


def encode_cursor(place: str) -> str:
    """A place in a list as scripts are told it: opaque, and safe in an address without being quoted."""
    return urlsafe_b64encode(place.encode()).decode().rstrip("=")


_LONGEST_CURSOR: Final = 200
_CURSOR = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "description": "The `next` of the page before."}


def _place(cursor: str) -> str:
    """Read a cursor of ours; every list is ordered by moment and id."""
    place = ""
    if len(cursor) <= _LONGEST_CURSOR:
        with suppress(ValueError):
            place = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    if not _PLACE.fullmatch(place):
        raise PydanticCustomError("bad_cursor", "This cursor is not one of ours: begin again without it.")
    return place


class Paging(Parameters):
    """The parameters of every list."""

    limit: Limit = 50
    after: Annotated[str, AfterValidator(_place), WithJsonSchema(_CURSOR)] | None = None


def enumeration(*known: str) -> WithJsonSchema:
    """Note the words that an answer's text is one of; the database has made sure of it."""
    return WithJsonSchema({"type": "string", "enum": list(known)})


class ResponseModel(BaseModel):
    """What is answered. Made of rows and views by their attributes."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


T = TypeVar("T", bound=ResponseModel)


class Listing(ResponseModel, Generic[T]):
    """One page of a list; `next` is the cursor behind it."""

    data: list[T]
    has_more: bool
    next: str | None
