"""Keys that the server makes: UUIDv7 (RFC 9562), so that new rows lie together at an index's end, in the order they were made."""

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from uuid import UUID

_COUNTER = count()
_AT_ONCE = 64


def new_id(now: datetime) -> UUID:
    """Make a UUIDv7: milliseconds since 1970, a counter of 26 bits that keeps this process's ids in order, 48 random bits."""
    return _made(_start(now), os.urandom(6))


def new_ids(now: datetime) -> Iterator[UUID]:
    """Make as many as are taken."""
    start = _start(now)
    while True:
        noise = os.urandom(6 * _AT_ONCE)
        for place in range(0, len(noise), 6):
            yield _made(start, noise[place : place + 6])


def _start(now: datetime) -> int:
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    return milliseconds << 80 | 0x7 << 76 | 0b10 << 62


def _made(start: int, noise: bytes) -> UUID:
    counter = next(_COUNTER) & (2**26 - 1)
    return UUID(int=start | (counter >> 14) << 64 | (counter & (2**14 - 1)) << 48 | int.from_bytes(noise, "big"))
