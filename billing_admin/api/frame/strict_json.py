"""Bytes to Python, exactly as written: nothing is repaired, nothing is guessed, and no number goes through a float."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, NoReturn

from billing_admin.domain.errors import DomainError, Field, Invalid, Problem

# How a text could have got a NUL, or half of a surrogate pair, into it: as bytes both are refused by the decoders.
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
MAX_PROBLEMS = 1000
MAX_KEYS = 1000
_LONGEST_INT = 19
_TOO_LARGE = Decimal("1e999999")


class NotJson(DomainError):
    """The body is not JSON at all."""


class _Suspect(Exception):
    """Something is wrong inside: read again, with care, to name the place."""


class _Doubled(dict[str, Any]):
    """An object that named a key twice."""

    repeated: str


class _Constant(str):
    """NaN or Infinity: Python knows them, JSON does not."""

    __slots__ = ()


def read_json(body: bytes) -> Any:
    """Read one JSON text in UTF-8. Whole numbers come as int, all others as Decimal, digit for digit.

    Raises NotJson for what is not JSON. Raises Invalid, with the places, for repeated keys, far too many keys, NUL and lone
    surrogates.
    """
    if not body:
        raise NotJson("empty_body", "The body is empty: send a JSON object.")
    try:
        return _read(body.decode())
    except UnicodeDecodeError as error:
        raise NotJson("not_utf8", f"The body is not UTF-8: see byte {error.start}.") from None
    except RecursionError:
        raise NotJson("nested_too_deeply", "The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise NotJson("not_json", f"The body is not JSON: {error.msg} ({place}).") from None


def _read(text: str) -> Any:
    if not _SUSPECT_ESCAPE.search(text):
        with suppress(_Suspect):
            return _FAST.decode(text)
    content = _CAREFUL.decode(text)
    problems = list(islice(_problems(content), MAX_PROBLEMS))
    if problems:
        kind = NotJson if any(problem.code == "not_a_number" for problem in problems) else Invalid
        raise kind.of(problems)
    return content


def _problems(content: Any) -> Iterator[Problem]:
    """Walk without recursion: the content may be as deep as the reader allows, and as wide as a body may be long."""
    waiting: list[Iterator[tuple[Field, Any]]] = [iter([((), content)])]
    while waiting:
        for place, value in waiting[-1]:
            yield from _own_problems(place, value)
            if isinstance(value, dict | list):
                waiting.append(_inside(place, value))
                break
        else:
            waiting.pop()


def _inside(place: Field, value: dict[str, Any] | list[Any]) -> Iterator[tuple[Field, Any]]:
    named = value.items() if isinstance(value, dict) else enumerate(value)
    return (((*place, name), item) for name, item in named)


def _own_problems(place: Field, value: Any) -> Iterator[Problem]:
    if isinstance(value, _Constant):
        yield Problem("not_a_number", f"{value} is not JSON: write a number.", place)
    elif isinstance(value, str) and _UNSTORABLE.search(value):
        yield Problem("unprintable", "Leave out NUL and halves of surrogate pairs.", place)
    elif isinstance(value, dict):
        yield from _key_problems(place, value)


def _key_problems(place: Field, value: dict[str, Any]) -> Iterator[Problem]:
    if isinstance(value, _Doubled):
        yield Problem("duplicate_key", "This key stands here twice.", (*place, value.repeated))
    if len(value) > MAX_KEYS:
        yield Problem("too_many_keys", f"Use at most {MAX_KEYS:,} keys in one object.", place)
    if any(_UNSTORABLE.search(key) for key in value):
        yield Problem("unprintable", "Leave NUL and halves of surrogate pairs out of the keys here.", place)


def _integer(digits: str) -> int | Decimal:
    """Keep −0 and what is too long for a whole number as they are written: whoever reads them refuses them by name."""
    return int(digits) if len(digits) <= _LONGEST_INT and digits != "-0" else Decimal(digits)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent beyond even Decimal's range
        return _TOO_LARGE


def _refuse(_name: str) -> NoReturn:
    raise _Suspect


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs) or len(found) > MAX_KEYS:
        raise _Suspect
    return found


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = _Doubled(found)
    seen: set[str] = set()
    doubled.repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return doubled


_FAST = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_float=_decimal, parse_constant=_refuse)
_CAREFUL = json.JSONDecoder(
    object_pairs_hook=_marked, parse_int=_integer, parse_float=_decimal, parse_constant=_Constant
)
