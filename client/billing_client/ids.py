"""The ids under which things are asked for: fresh ones, and those that come out of the caller's own events."""

from __future__ import annotations

import os
import time
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Union
from uuid import UUID, uuid5

Part = Union[str, int, date, Decimal, UUID]

NAMESPACE = UUID("1eee8536-7a49-44eb-ab74-a88da8f9af98")  # ours, and never to change: every derived id hangs on it


def charge_id(*parts: Part) -> UUID:
    """The id of the charge for one event of the caller's, the same on every day and every machine.

    Name the event by what makes it unique, for example `charge_id("meter-7", date(2026, 11, 22), 4711)`: a script that
    died and is started again posts the same id, which the server answers with the charge that is there. What counts is how
    a part is written, so 7 and "7" are the same part; equal decimals are one, and so are equal moments in two time zones.
    Raises TypeError for a float or None, ValueError where nothing is named.
    """
    written = [_written(part, place) for place, part in enumerate(parts, 1)]
    if not any(written):
        raise ValueError("charge_id needs at least one part that is not empty: what names the event?")
    # Each part with its length before it: ("ab", "c") and ("a", "bc") are two events.
    return uuid5(NAMESPACE, "".join(f"{len(text)}:{text}" for text in written))


def new_id() -> UUID:
    """A fresh id that sorts by the time it was made (UUIDv7, RFC 9562), which keeps the server's index tidy."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76  # the version
    return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)  # the variant


def _written(part: object, place: int) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Decimal):
        return _plain(part, place)
    if isinstance(part, datetime):
        return _moment(part, place)
    if isinstance(part, (date, UUID)) or (isinstance(part, int) and not isinstance(part, bool)):
        return str(part)
    raise TypeError(f"charge_id, part {place}: {_why_not(part)}")


def _why_not(part: object) -> str:
    if part is None:
        return "None names nothing: every event without this part would get the same id."
    if isinstance(part, float):
        return f"{part!r} is a float, whose digits may come out otherwise the next time: give a str or a Decimal."
    return f"a {type(part).__name__} has no one way to be written: give a str, int, date, Decimal or UUID."


def _plain(part: Decimal, place: int) -> str:
    if not part.is_finite():
        raise ValueError(f"charge_id, part {place}: {part} is not a number.")
    text = format(part, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _moment(part: datetime, place: int) -> str:
    if part.tzinfo is None:
        raise ValueError(f"charge_id, part {place}: {part} is without a time zone, so it is no one moment.")
    return part.astimezone(timezone.utc).isoformat()
