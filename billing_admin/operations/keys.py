"""Keys that the server makes: UUIDv7 (RFC 9562), so that new rows lie together at an index's end, in the order they were made."""

import secrets
from datetime import datetime
from itertools import count
from uuid import UUID

_COUNTER = count()


def new_id(now: datetime) -> UUID:
    """Make a UUIDv7: milliseconds since 1970, a counter of 26 bits that keeps this process's ids in order, 48 random bits."""
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    counter = next(_COUNTER) & (2**26 - 1)
    low = (counter & (2**14 - 1)) << 48 | secrets.randbits(48)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (counter >> 14) << 64 | 0b10 << 62 | low)
