"""Ids made by the server: UUIDv7 (RFC 9562).

New rows are adjacent in indexes, in order of creation.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from uuid import UUID

_COUNTER = count()
_RANDOM_BYTES = 6
_IDS_PER_READ = 64  # ids whose random bits are read from the system at once


def new_id(now: datetime) -> UUID:
    """Return a new UUIDv7, which sorts by time.

    It holds 48 bits of milliseconds since 1970, a counter of 26 bits and 48 random bits. The counter keeps the ids of
    this process in order.
    """
    return _compose(_timestamp_bits(now), os.urandom(_RANDOM_BYTES))


def new_ids(now: datetime) -> Iterator[UUID]:
    """Yield new ids without end."""
    timestamp = _timestamp_bits(now)
    while True:
        noise = os.urandom(_RANDOM_BYTES * _IDS_PER_READ)
        for offset in range(0, len(noise), _RANDOM_BYTES):
            yield _compose(timestamp, noise[offset : offset + _RANDOM_BYTES])


def _timestamp_bits(now: datetime) -> int:
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    return milliseconds << 80 | 0x7 << 76 | 0b10 << 62  # with the version, 7, and the variant, 0b10


def _compose(timestamp: int, noise: bytes) -> UUID:
    counter = next(_COUNTER) & (2**26 - 1)
    return UUID(int=timestamp | (counter >> 14) << 64 | (counter & (2**14 - 1)) << 48 | int.from_bytes(noise, "big"))
