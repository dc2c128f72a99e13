"""Ids of new objects: random ones, and ids derived from the caller's events."""

from __future__ import annotations

import os
import time
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Union
from uuid import UUID, uuid5

Part = Union[str, int, date, Decimal, UUID]

NAMESPACE = UUID("1eee8536-7a49-44eb-ab74-a88da8f9af98")  # never change it: all derived ids depend on it


def charge_id(*parts: Part) -> UUID:
    """Return the id of the charge for an event: equal parts always give one id.

    Pass the parts that make the event unique, for example `charge_id("meter-7", date(2026, 11, 22), 4711)`. A script that stopped
    and runs again then posts the same id, and the server returns the stored charge. Parts are compared as text: 7 and "7" are
    equal, and so are equal decimals, and equal moments in two time zones. Raises TypeError for a float or None, ValueError if
    all parts are empty.
    """
    texts = [_part_text(part, position) for position, part in enumerate(parts, 1)]
    if not any(texts):
        raise ValueError("charge_id needs at least one part that is not empty. Pass the parts that identify the event.")
    # The length of each part comes first, so that ("ab", "c") and ("a", "bc") are two events. Never change this format.
    return uuid5(NAMESPACE, "".join(f"{len(text)}:{text}" for text in texts))


def new_id() -> UUID:
    """Return a new id that sorts by time: a UUIDv7 of RFC 9562.

    Ids in order keep the server's index compact.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76  # the version
    return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)  # the variant


def _part_text(part: object, position: int) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Decimal):
        return _decimal_text(part, position)
    if isinstance(part, datetime):
        return _moment_text(part, position)
    if isinstance(part, (date, UUID)) or (isinstance(part, int) and not isinstance(part, bool)):
        return str(part)
    raise TypeError(f"charge_id, part {position}: {_type_error(part)}")


def _type_error(part: object) -> str:
    if part is None:
        return "None is not allowed: all events without this part would get the same ID."
    if isinstance(part, float):
        return f"{part!r} is a float, which is not exact. Pass a str or a Decimal."
    return f"a {type(part).__name__} is not allowed. Pass a str, int, date, Decimal or UUID."


def _decimal_text(part: Decimal, position: int) -> str:
    if not part.is_finite():
        raise ValueError(f"charge_id, part {position}: {part} is not a number.")
    text = format(part, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _moment_text(part: datetime, position: int) -> str:
    if part.tzinfo is None:
        raise ValueError(f"charge_id, part {position}: {part} is without a time zone. Pass a datetime with one.")
    return part.astimezone(timezone.utc).isoformat()
