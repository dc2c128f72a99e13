"""The form of API tokens: `bil_`, 22 random characters and a checksum.

The checksum has 6 characters. Scanners for leaked secrets match `bil_[0-9A-Za-z]{28}` and verify the
checksum: the CRC-32 of all characters before it, in base 62.
"""

import hashlib
import re
import string
import zlib
from datetime import timedelta

PREFIX = "bil_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARACTERS = 22  # 62 to the 22nd is just under 2 to the 131st
CHECKSUM_CHARACTERS = 6
VISIBLE_CHARACTERS = 8
MAX_NAME_LENGTH = 100  # of the name that people give a token
MAX_LIFETIME_DAYS = 400  # a year, and time to replace the token
EXPIRY_WARNING = timedelta(days=14)  # before a token expires, people are warned

_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM_CHARACTERS + CHECKSUM_CHARACTERS}}}", re.ASCII)


def with_checksum(random: str) -> str:
    """Return the token with these random characters: prefix, characters, checksum."""
    body = PREFIX + random
    return body + _checksum(body)


def is_well_formed(secret: str) -> bool:
    """Return whether a text has the form of a token.

    Other texts are refused without a query.
    """
    body, checksum = secret[:-CHECKSUM_CHARACTERS], secret[-CHECKSUM_CHARACTERS:]
    return _SHAPE.fullmatch(secret) is not None and _checksum(body) == checksum


def digest(secret: str) -> str:
    """Return the hex SHA-256 that is stored for a token.

    A token has 131 random bits, so the hash needs neither salt nor key stretching.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def visible_prefix(secret: str) -> str:
    """Return the first characters, by which people tell their tokens apart."""
    return secret[:VISIBLE_CHARACTERS]


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
