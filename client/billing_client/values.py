"""Values to JSON and back. A number goes through Decimal or text, never through a float."""

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
_MOST_DIGITS = 100


# --- out --------------------------------------------------------------------------------------------------------------


def to_json(content: object) -> bytes:
    """Write what is sent. Raises TypeError for a float, naming its place, and for what JSON has no form for."""
    return json.dumps(_plain(content, ""), ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: object, place: str) -> object:
    if value is None or isinstance(value, (str, int)):  # a bool is an int
        return value
    if isinstance(value, Mapping):
        return {_key(key, place): _plain(one, f"{place}/{key}") for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one, f"{place}/{number}") for number, one in enumerate(value)]
    return _text(value, place)


def _key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{place or '/'}: the key {key!r} is not text.")
    return key


def _text(value: object, place: str) -> str:
    if isinstance(value, Decimal):
        # 1E+999999999 written out would fill the memory; the server refuses it by its exponent.
        return format(value, "f") if abs(value.adjusted()) < _MOST_DIGITS else str(value)
    if isinstance(value, (date, UUID)):
        return value.isoformat() if isinstance(value, date) else str(value)
    if isinstance(value, float):
        raise TypeError(
            f"{place}: {value!r} is a float, and a float is not the number that was written"
            f' (0.1 + 0.2 is 0.30000000000000004): give Decimal("{value!r}") or "{value!r}".'
        )
    raise TypeError(f"{place}: a {type(value).__name__} cannot be sent.")


def to_query(parameters: Mapping[str, object]) -> str:
    """Write what stands behind the question mark; what is None is left out. `from_` is `from`, a word of Python's."""
    given = {name.rstrip("_"): _plain(value, f"/{name}") for name, value in parameters.items() if value is not None}
    return urlencode({name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()})


# --- in ---------------------------------------------------------------------------------------------------------------


def from_json(content: bytes) -> Any:
    """Read what came; raises ValueError if it is not whole."""
    return json.loads(content, parse_float=Decimal)


def made(kind: type[T], content: Any) -> T:
    """Make a dataclass of an object. What is not among its fields is left out: a later server may say more.

    Raises UnexpectedAnswer for what does not fit.
    """
    try:
        found: T = _reader(cast("Any", kind))(content)
    except (TypeError, ValueError, ArithmeticError, KeyError, AttributeError) as error:
        said = f"The server's {kind.__name__} is not what this client knows: {error!r}. Is one of the two too old?"
        raise UnexpectedAnswer(said) from error
    return found


@cache
def _reader(kind: Any) -> Read:
    """What makes one value of this type."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Union:  # Optional
        read = _reader(inside[0])
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        read = _reader(inside[0])
        return lambda value: tuple(read(one) for one in value)
    if origin is dict:
        read = _reader(inside[1])
        return lambda value: {name: read(one) for name, one in value.items()}
    return _object_reader(kind) if is_dataclass(kind) else _READERS[kind]


def _object_reader(kind: Any) -> Read:
    hints = get_type_hints(kind)
    readers = [(one.name, one.name.rstrip("_"), _reader(hints[one.name])) for one in fields(kind)]
    optional = {one.name for one in fields(kind) if one.default is not MISSING}

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
    return datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)  # Python 3.9 knows no Z


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
