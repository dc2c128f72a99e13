"""What an API token looks like: `bil_`, 22 random characters, and 6 that prove there is no slip.

Scanners for leaked secrets find them by `bil_[0-9A-Za-z]{28}` and check the last six: CRC-32 of all before, in base 62.
"""

import hashlib
import re
import string
import zlib

PREFIX = "bil_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARACTERS = 22  # 62 to the 22nd is just under 2 to the 131st
CHECKSUM_CHARACTERS = 6
VISIBLE_CHARACTERS = 8

_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM_CHARACTERS + CHECKSUM_CHARACTERS}}}", re.ASCII)


def with_checksum(random: str) -> str:
    """The whole token of its random characters."""
    body = PREFIX + random
    return body + _check(body)


def is_well_formed(secret: str) -> bool:
    """Whether this can be a token of ours at all; garbage is told without asking the database."""
    return (
        _SHAPE.fullmatch(secret) is not None and _check(secret[:-CHECKSUM_CHARACTERS]) == secret[-CHECKSUM_CHARACTERS:]
    )


def digest(secret: str) -> str:
    """What is stored: hex SHA-256. Random enough to need neither salt nor stretching."""
    return hashlib.sha256(secret.encode()).hexdigest()


def visible_prefix(secret: str) -> str:
    """The beginning, by which people tell their tokens apart."""
    return secret[:VISIBLE_CHARACTERS]


def _check(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
