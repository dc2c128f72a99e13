"""Conversion of values to JSON and back.

Numbers never pass through a float.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Callable, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from urllib.parse import urlencode
from uuid import UUID

from billing_client.errors import UnexpectedAnswer

T = TypeVar("T")
Read = Callable[[Any], Any]
_MAX_DIGITS = 100


# --- to the server ------------------------------------------------------------------------------------------------------


def to_json(content: object) -> bytes:
    """Return the content as JSON.

    Raises TypeError with the location of a float or of a type that JSON does not have.
    """
    return json.dumps(_plain(content, ""), ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: object, location: str) -> object:
    if value is None or isinstance(value, (str, int)):  # a bool is an int
        return value
    if isinstance(value, Mapping):
        return {_key(key, location): _plain(item, f"{location}/{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{location}/{index}") for index, item in enumerate(value)]
    return _text(value, location)


def _key(key: object, location: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{location or '/'}: the key {key!r} is not text.")
    return key


def _text(value: object, location: str) -> str:
    if isinstance(value, Decimal):
        # Written in full, 1E+999999999 would fill the memory; the server refuses it by its exponent.
        return format(value, "f") if abs(value.adjusted()) < _MAX_DIGITS else str(value)
    if isinstance(value, (date, UUID)):
        return value.isoformat() if isinstance(value, date) else str(value)
    if isinstance(value, float):
        raise TypeError(
            f"{location}: {value!r} is a float, which is not exact"
            f' (0.1 + 0.2 is 0.30000000000000004). Use Decimal("{value!r}") or "{value!r}".'
        )
    raise TypeError(f"{location}: a {type(value).__name__} cannot be sent.")


def to_query(parameters: Mapping[str, object]) -> str:
    """Return the query string.

    Parameters with the value None are omitted. `from_` is sent as `from`.
    """
    plain = {name.rstrip("_"): _plain(value, f"/{name}") for name, value in parameters.items() if value is not None}
    return urlencode({name: str(value).lower() if isinstance(value, bool) else value for name, value in plain.items()})


# --- from the server ----------------------------------------------------------------------------------------------------


def from_json(content: bytes) -> Any:
    """Return the content of a JSON text.

    Raises ValueError if it is incomplete.
    """
    return json.loads(content, parse_float=Decimal)


def from_content(kind: type[T], content: Any) -> T:
    """Return a dataclass instance of an object.

    Unknown fields are ignored: a later server may send more.

    Raises UnexpectedAnswer if a field is missing or has another type.
    """
    try:
        instance: T = _reader(cast("Any", kind))(content)
    except (TypeError, ValueError, ArithmeticError, KeyError, AttributeError) as error:
        message = (
            f"This client does not understand the server's {kind.__name__}: {error!r}. Update the older of the two."
        )
        raise UnexpectedAnswer(message) from error
    return instance


@cache
def _reader(kind: Any) -> Read:
    """Return the function that converts JSON content to this type."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Union:  # Optional
        read = _reader(inside[0])
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        read = _reader(inside[0])
        return lambda value: tuple(read(item) for item in value)
    if origin is dict:
        read = _reader(inside[1])
        return lambda value: {name: read(item) for name, item in value.items()}
    return _object_reader(kind) if is_dataclass(kind) else _READERS[kind]


def _object_reader(kind: Any) -> Read:
    hints = get_type_hints(kind)
    readers = [(field.name, field.name.rstrip("_"), _reader(hints[field.name])) for field in fields(kind)]
    optional = {field.name for field in fields(kind) if field.default is not MISSING}

    def read(content: Mapping[str, Any]) -> Any:
        return kind(
            **{name: reader(content[key]) for name, key, reader in readers if key in content or name not in optional}
        )

    return read


def _checked(kind: type) -> Read:
    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{value!r} is not a {kind.__name__}")
        return value

    return check


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)  # Python 3.9 does not read Z


_READERS: Mapping[Any, Read] = {
    Any: lambda value: value,
    Decimal: lambda value: Decimal(_checked(str)(value)),
    UUID: UUID,
    date: date.fromisoformat,
    datetime: _moment,
    str: _checked(str),
    int: _checked(int),
    bool: _checked(bool),
}
