"""A strict JSON reader: it repairs nothing, and no number passes through a float."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, NoReturn

from billing_admin.domain.errors import DomainError, FieldPath, Invalid, Problem

# Escapes of NUL and of halves of surrogate pairs. As plain bytes both are refused by the decoders.
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
MAX_PROBLEMS = 1000
MAX_KEYS = 1000
_MAX_INT_LENGTH = 19  # with the sign; more digits do not fit into 64 bits
_TOO_LARGE = Decimal("1e999999")


class NotJson(DomainError):
    """The body is not JSON."""


class _NeedsCheck(Exception):
    """The fast decoder met a problem; the careful decoder finds its location."""


class _ObjectWithDuplicate(dict[str, Any]):
    """A JSON object in which a key is repeated."""

    repeated: str


class _Constant(str):
    """NaN or Infinity, which Python reads although JSON does not have them."""

    __slots__ = ()


def read_json(body: bytes) -> Any:
    """Return the content of a JSON text in UTF-8.

    Whole numbers are int, other numbers exact Decimal.

    Raises NotJson if the body is not JSON. Raises Invalid with the location of repeated keys, objects of more than `MAX_KEYS`
    keys, NUL characters and lone surrogates.
    """
    if not body:
        raise NotJson("empty_body", "The body is empty. Send a JSON object.")
    try:
        return _read(body.decode())
    except UnicodeDecodeError as error:
        raise NotJson("not_utf8", f"The body is not UTF-8. Check byte {error.start}.") from None
    except RecursionError:
        raise NotJson("nested_too_deeply", "The body is nested too deeply. Send fewer levels.") from None
    except json.JSONDecodeError as error:
        location = f"line {error.lineno}, column {error.colno}"
        raise NotJson("not_json", f"The body is not JSON: {error.msg} ({location}).") from None


def _read(text: str) -> Any:
    if not _SUSPECT_ESCAPE.search(text):
        with suppress(_NeedsCheck):
            return _FAST.decode(text)
    content = _CAREFUL.decode(text)
    problems = list(islice(_problems(content), MAX_PROBLEMS))
    if problems:
        kind = NotJson if any(problem.code == "not_a_number" for problem in problems) else Invalid
        raise kind.of(problems)
    return content


def _problems(content: Any) -> Iterator[Problem]:
    """Yield the problems of all values.

    An explicit stack replaces recursion, as the content may be nested deeply.
    """
    stack: list[Iterator[tuple[FieldPath, Any]]] = [iter([((), content)])]
    while stack:
        for location, value in stack[-1]:
            yield from _value_problems(location, value)
            if isinstance(value, dict | list):
                stack.append(_children(location, value))
                break
        else:
            stack.pop()


def _children(location: FieldPath, value: dict[str, Any] | list[Any]) -> Iterator[tuple[FieldPath, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return (((*location, name), item) for name, item in items)


def _value_problems(location: FieldPath, value: Any) -> Iterator[Problem]:
    if isinstance(value, _Constant):
        yield Problem("not_a_number", f"{value} is not JSON. Use a number.", location)
    elif isinstance(value, str) and _UNSTORABLE.search(value):
        yield Problem("unprintable", "Remove NUL characters and lone surrogates.", location)
    elif isinstance(value, dict):
        yield from _key_problems(location, value)


def _key_problems(location: FieldPath, value: dict[str, Any]) -> Iterator[Problem]:
    if isinstance(value, _ObjectWithDuplicate):
        yield Problem("duplicate_key", "Use each key only once in an object.", (*location, value.repeated))
    if len(value) > MAX_KEYS:
        yield Problem("too_many_keys", f"Use at most {MAX_KEYS:,} keys in one object.", location)
    if any(_UNSTORABLE.search(key) for key in value):
        yield Problem(
            "unprintable", "Remove NUL characters and lone surrogates from the keys of this object.", location
        )


def _integer(digits: str) -> int | Decimal:
    """Return an int, or a Decimal for −0 and numbers of more than 19 characters.

    The domain refuses these with a message of its own.
    """
    return int(digits) if len(digits) <= _MAX_INT_LENGTH and digits != "-0" else Decimal(digits)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:  # the exponent is outside of Decimal's range
        return _TOO_LARGE


def _reject_constant(_name: str) -> NoReturn:
    raise _NeedsCheck


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs) or len(content) > MAX_KEYS:
        raise _NeedsCheck
    return content


def _with_duplicate(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) == len(pairs):
        return content
    duplicate = _ObjectWithDuplicate(content)
    keys: set[str] = set()
    duplicate.repeated = next(key for key, _ in pairs if key in keys or keys.add(key))  # type: ignore[func-returns-value]
    return duplicate


_FAST = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_decimal, parse_constant=_reject_constant
)
_CAREFUL = json.JSONDecoder(
    object_pairs_hook=_with_duplicate, parse_int=_integer, parse_float=_decimal, parse_constant=_Constant
)
