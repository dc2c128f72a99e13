"""The details of audit events as lines, with the parts that differ."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Final

# Details that are lists. In them, two values are not a value before and a value after.
_LISTS: Final = frozenset(
    {
        "added",
        "charges",
        "currencies",
        "customers",
        "events",
        "invoices",
        "prices_include_tax",
        "rates",
        "removed",
        "scopes",
    }
)
# The type of the object that a detail names by its id, or by its number, reference or code.
_NAMED: Final[Mapping[str, str]] = {
    "added": "charge",
    "again_of": "message",
    "charges": "charge",
    "contact": "contact",
    "corrects": "invoice",
    "customer": "customer",
    "customers": "customer",
    "followed_by": "recurring_charge",
    "invoice": "invoice",
    "invoice_id": "invoice",
    "invoices": "invoice",
    "message_id": "message",
    "number": "invoice",
    "removed": "charge",
    "service": "service",
    "webhook": "webhook",
}
# Details whose keys are numbers of invoices.
_KEYED_BY_INVOICE: Final = frozenset({"allocated"})
# Details that state the name of the event's object.
_NAME_KEYS: Final = ("number", "reference", "code", "name", "email", "subject", "url", "description", "kind")
_MAX_WORDS = 400  # of a text whose words are compared
_MIN_SIMILARITY = 30  # percent of two texts whose words are compared


@dataclass(frozen=True, slots=True)
class Piece:
    """An item of a list, some words of a text, or a whole value."""

    value: Any
    is_different: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A detail of an event, or a value in it, whose place is `path`.

    `before` is None if the event states no earlier value.
    """

    path: tuple[str, ...]
    before: tuple[Piece, ...] | None
    after: tuple[Piece, ...]
    is_list: bool = False


def lines(details: Mapping[str, Any]) -> list[Line]:
    """Return the details of an event as lines; of changes, only what differs.

    Details of unknown names and shapes are returned as they are.
    """
    return [line for name, value in details.items() for line in _detail(name, value)]


def _detail(name: str, value: Any) -> Iterator[Line]:
    if _is_change(name, value):
        return _change((name,), *value)
    return _value((name,), value)


def _is_change(name: str, value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2 or name == "rates":  # each of the rates is a list itself
        return False
    return name not in _LISTS or all(part is None or isinstance(part, list) for part in value)


def _value(path: tuple[str, ...], value: Any) -> Iterator[Line]:
    match value:
        case dict() if value:
            for name, part in value.items():
                yield from _value((*path, str(name)), part)
        case list() if any(isinstance(item, dict | list) for item in value):
            for number, item in enumerate(value, 1):
                yield from _value((*path, str(number)), item)
        case list():
            yield Line(path, None, tuple(map(Piece, value)), is_list=True)
        case _:
            yield Line(path, None, (Piece(value),))


def _change(path: tuple[str, ...], before: Any, after: Any) -> Iterator[Line]:
    match before, after:
        case (dict() | None, dict() | None) if before or after:
            yield from _changed_members(path, before or {}, after or {})
        case (list() | None, list() | None) if before or after:
            yield from _changed_items(path, before or [], after or [])
        case str(), str():
            yield Line(path, *_changed_words(before, after))
        case _:
            yield Line(path, (Piece(before, True),), (Piece(after, True),))


def _changed_members(path: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Line]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name) or (name in before) != (name in after):
            yield from _change((*path, str(name)), before.get(name), after.get(name))


def _changed_items(path: tuple[str, ...], before: list[Any], after: list[Any]) -> Iterator[Line]:
    if any(isinstance(item, dict | list) for item in (*before, *after)):
        for number, (old, new) in enumerate(zip_longest(before, after), 1):
            if old != new:
                yield from _change((*path, str(number)), old, new)
    else:
        yield Line(path, _marked(before, after), _marked(after, before), is_list=True)


def _marked(items: list[Any], other_items: list[Any]) -> tuple[Piece, ...]:
    """Return items, each marked if the other list has it less often."""
    remaining = Counter(map(json.dumps, other_items))
    pieces = []
    for item in items:
        key = json.dumps(item)
        pieces.append(Piece(item, remaining[key] == 0))
        remaining[key] -= remaining[key] > 0
    return tuple(pieces)


def _changed_words(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return two texts in pieces, of which the different words are marked."""
    old, new = (re.findall(r"\s+|\S+", text) for text in (before, after))
    whole = ((Piece(before, True),), (Piece(after, True),))
    if not 2 < len(old) < _MAX_WORDS or not 2 < len(new) < _MAX_WORDS:
        return whole
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() * 100 < _MIN_SIMILARITY:
        return whole
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    for operation, *ends in matcher.get_opcodes():
        for side, words, (start, end) in zip(pieces, (old, new), (ends[:2], ends[2:]), strict=True):
            if start < end:
                side.append(Piece("".join(words[start:end]), operation != "equal"))
    return tuple(pieces[0]), tuple(pieces[1])


def named_type(path: tuple[str, ...], event_type: str) -> str:
    """Return the type of the object that a value names, or nothing.

    `path` is its place, `event_type` the type of the event's object.
    """
    name = next((part for part in reversed(path) if not part.isdigit()), "")
    if name == "replaced_by":
        return event_type
    if name == "number" and event_type != "invoice":
        return ""
    return _NAMED.get(name, "")


def key_type(path: tuple[str, ...]) -> str:
    """Return the type of the object that the last part of a path names, or nothing."""
    return "invoice" if len(path) == 2 and path[0] in _KEYED_BY_INVOICE else ""


def named_objects(event_type: str, details: Mapping[str, Any], most: int) -> Iterator[tuple[str, str]]:
    """Yield type and name of the objects in details, up to `most` of each list."""
    for line in lines(details):
        if kind := key_type(line.path):
            yield kind, line.path[-1]
        if kind := named_type(line.path, event_type):
            shown = most if line.is_list else 1
            pieces = (*(line.before or ())[:shown], *line.after[:shown])
            yield from ((kind, piece.value) for piece in pieces if isinstance(piece.value, str) and piece.value)


def stated_name(details: Mapping[str, Any]) -> str:
    """Return the name of its object that an event states, or nothing."""
    for key in _NAME_KEYS:
        value = details.get(key)
        name = value[-1] if isinstance(value, list) and value else value
        if isinstance(name, str) and name:
            return name
    return ""
