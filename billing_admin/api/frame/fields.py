"""The value types of requests and responses, each read in one strict way.

Validation runs in pydantic's compiled core, without a Python function for each value: a batch has up to 10,000 charges.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, Self, TypeVar
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

from billing_admin.domain.days import FIRST_DAY, LAST_DAY, check_calendar_day, check_day_range
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import currency_code, plain_decimal
from billing_admin.domain.parties import MAX_CITY_LENGTH, MAX_IDENTIFIER_LENGTH, MAX_POSTCODE_LENGTH
from billing_admin.domain.text import MAX_LINE_LENGTH, MAX_REASON_LENGTH

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_POSITION = re.compile(
    r">dt:[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.+]{8,21}(~d:[0-9]{4}-[0-9]{2}-[0-9]{2})?~uuid:[0-9a-f-]{36}", re.ASCII
)
# Characters that no text may contain. C1 controls, private-use characters and noncharacters are refused in new text only, since
# a repeated request may still send stored text, so a pattern cannot express that rule (docs/api.md).
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_IN_LINE = rf"[^{_CONTROLS}\n\r]"
_NUMBER = r"^-?[0-9]{1,18}(\.[0-9]{1,12})?$"


def _matching_text(pattern: str, schema: CoreSchema) -> CoreSchema:
    return chain_schema([str_schema(pattern=pattern, strict=True), schema])


def _with_error(code: str, message: str, schema: CoreSchema) -> Callable[[Any, Any], CoreSchema]:
    validated = custom_error_schema(schema, custom_error_type=code, custom_error_message=message)
    return lambda _source, _handler: validated


def _value_type(code: str, message: str, schema: CoreSchema, **json_schema: object) -> tuple[Any, Any]:
    """Return the annotations of a type that refuses values with one code and message."""
    return GetPydanticSchema(_with_error(code, message, schema)), WithJsonSchema(json_schema)


def _in_calendar(day: date) -> date:
    try:
        return check_calendar_day(day)
    except Invalid as error:
        raise PydanticCustomError("out_of_range", "{message}", {"message": error.message}) from error


Key = Annotated[
    UUID,
    *_value_type(
        "not_a_uuid",
        "Use a UUID such as 3135f216-5533-4c18-882a-f96c09cfc73c.",
        _matching_text(_UUID, uuid_schema(strict=False)),
        type="string",
        format="uuid",
    ),
]
Day = Annotated[
    date,
    *_value_type(
        "not_a_date",
        "Use a date such as 2026-11-22.",
        _matching_text(_DAY, date_schema(strict=False)),
        type="string",
        format="date",
    ),
]
# A day for which balances and totals are computed.
FigureDay = Annotated[
    Day,
    AfterValidator(_in_calendar),
    WithJsonSchema({"type": "string", "format": "date", "description": f"A day from {FIRST_DAY} to {LAST_DAY}."}),
]
Currency = Annotated[
    str,
    *_value_type(
        "unknown_currency",
        "Use an ISO 4217 currency code such as EUR.",
        str_schema(pattern="^[A-Z]{3}$", strict=True),
        type="string",
        pattern="^[A-Z]{3}$",
    ),
]
# A string or a JSON number, without rounding; the domain checks sign, range and −0.
Number = Annotated[
    Decimal,
    *_value_type(
        "not_a_decimal",
        'Use a decimal such as "19.99".',
        union_schema(
            [
                _matching_text(_NUMBER, decimal_schema(strict=False)),
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
    Decimal, PlainSerializer(plain_decimal, return_type=str), WithJsonSchema({"type": "string", "pattern": _NUMBER})
]


def one_line(longest: int = MAX_LINE_LENGTH, *, named: bool = False) -> WithJsonSchema:
    """Document the rule of `domain.text` for one line of text.

    If `named`, the text is more than spaces.
    """
    pattern = rf"^{_IN_LINE}*[^{_CONTROLS}\s]{_IN_LINE}*$" if named else f"^{_IN_LINE}*$"
    return WithJsonSchema({"type": "string", "pattern": pattern, "minLength": int(named), "maxLength": longest})


def many_lines(longest: int) -> WithJsonSchema:
    """Document the rule of `domain.text` for text of several lines."""
    return WithJsonSchema({"type": "string", "pattern": rf"^[^{_CONTROLS}]*$", "maxLength": longest})


# The domain validates these texts; the annotations only describe its rules in the OpenAPI document.
Name = Annotated[str, one_line(named=True)]
ShortText = Annotated[str, one_line()]
ReasonText = Annotated[str, one_line(MAX_REASON_LENGTH, named=True)]
OptionalReasonText = Annotated[str, one_line(MAX_REASON_LENGTH)]
CurrencyCode = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]
# Of the organisation and of customers; empty where nothing is known.
Postcode = Annotated[str, one_line(MAX_POSTCODE_LENGTH)]
City = Annotated[str, one_line(MAX_CITY_LENGTH)]
Identifier = Annotated[str, one_line(MAX_IDENTIFIER_LENGTH)]
CountryCode = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^([A-Z0-9]{2})?$"})]
SchemeCode = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^([0-9A-Z]{2,4})?$"})]

# Query parameters always arrive as text.
Limit = Annotated[
    int,
    *_value_type(
        "out_of_range",
        "Use a number from 1 to 100.",
        _matching_text("^[0-9]{1,3}$", int_schema(ge=1, le=100, strict=False)),
        type="integer",
        minimum=1,
        maximum=100,
    ),
]
Flag = Annotated[
    bool,
    *_value_type(
        "not_a_choice",
        "Use true or false.",
        _matching_text("^(true|false)$", bool_schema(strict=False)),
        type="boolean",
    ),
]
Switch = Annotated[
    bool,
    *_value_type(
        "not_a_choice", "Use 1, or omit the parameter.", _matching_text("^1$", bool_schema(strict=False)), enum=["1"]
    ),
]


# The default of optional fields. Their types do not include None, so an explicit null is refused.
OMITTED: Any = None


def _without_null_defaults(schema: dict[str, Any]) -> None:
    for property in schema.get("properties", {}).values():
        if property.get("default", "") is None:
            del property["default"]


class Body(BaseModel):
    """A request body, which refuses unknown fields and values of other types.

    `model_fields_set` holds the fields that were sent.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_without_null_defaults)

    def provided(self, *excluded: str) -> dict[str, Any]:
        """Return the values of the fields that were sent, except those in `excluded`."""
        return {name: getattr(self, name) for name in self.model_fields_set.difference(excluded)}


class Parameters(BaseModel):
    """The query parameters of a route."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def check(self) -> None:
        """Refuse a range of days in the wrong order, and an unknown currency."""
        for name, first in self.__dict__.items():
            stem = name.removesuffix("_")
            if stem.endswith("from"):
                check_day_range(first, getattr(self, f"{stem.removesuffix('from')}to"), stem)
        if currency := getattr(self, "currency", ""):
            currency_code(currency)

    def filters(self) -> dict[str, Any]:
        """Return the parameters that select rows."""
        return {name: value for name, value in self.__dict__.items() if name not in _NOT_FILTERS}


_NOT_FILTERS = frozenset({"limit", "after", "excel", "totals"})


def encode_cursor(position: str) -> str:
    """Return a position in a list as an opaque cursor that needs no quoting in a URL."""
    return urlsafe_b64encode(position.encode()).decode().rstrip("=")


_MAX_CURSOR_LENGTH: Final = 200
_CURSOR = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "description": "The `next` of the previous page."}


def _decode_cursor(cursor: str) -> str:
    """Return the position that a cursor holds: the timestamp and id of a row.

    Every list is ordered by these. Charges posted at the same time are ordered by their day before the id.
    """
    position = ""
    if len(cursor) <= _MAX_CURSOR_LENGTH:
        with suppress(ValueError):
            position = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    if not _POSITION.fullmatch(position):
        raise PydanticCustomError("bad_cursor", "This cursor is not valid. Start again without `after`.")
    return position


class Paging(Parameters):
    """The query parameters of every list."""

    limit: Limit = 50
    after: Annotated[str, AfterValidator(_decode_cursor), WithJsonSchema(_CURSOR)] | None = None


def enumeration(*values: str) -> WithJsonSchema:
    """Document the values of a text in a response; the database enforces them."""
    return WithJsonSchema({"type": "string", "enum": list(values)})


class ResponseModel(BaseModel):
    """The content of a response, made from the attributes of a row or view."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    @classmethod
    def unchecked(cls, **values: Any) -> Self:
        """Return the content without a check of its values, for the many rows of a list.

        `values` are all fields, by their names and as the database returned them.
        """
        content = cls.__new__(cls)
        set_attribute = object.__setattr__
        set_attribute(content, "__dict__", values)
        set_attribute(content, "__pydantic_fields_set__", set(values))
        set_attribute(content, "__pydantic_extra__", None)
        set_attribute(content, "__pydantic_private__", None)
        return content


T = TypeVar("T", bound=ResponseModel)


class Listing(ResponseModel, Generic[T]):
    """One page of a list.

    `next` is the cursor of the following page.
    """

    data: list[T]
    has_more: bool
    next: str | None
