"""One-time codes of authenticator apps (TOTP, RFC 6238), and recovery codes.

Codes are those that every app makes: SHA-1, six digits, 30 seconds.
"""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID

SECRET_BYTES: Final = 20  # as RFC 4226 recommends
CODE_DIGITS: Final = 6
STEP_SECONDS: Final = 30
ACCEPTED_STEPS: Final = (0, -1, 1)  # the clock of a phone may be wrong by a step

RECOVERY_CODES: Final = 10
# Letters and digits that do not look alike, in groups: six groups of four have 118 random bits.
RECOVERY_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
RECOVERY_GROUPS, RECOVERY_GROUP_LENGTH = 6, 4
LONGEST_TYPED_CODE: Final = 100


def authenticator_secret(key: str, user_id: UUID, salt: str) -> bytes:
    """Return the secret that a person's authenticator app holds.

    The secret is derived from the installation's key, the person and a random salt. It is not stored: a copy of the
    database does not reveal it. One step of HKDF (RFC 5869) with HMAC-SHA256. Frozen: apps have these secrets.
    """
    context = b"billing-admin authenticator secret\x00" + user_id.bytes + salt.encode()
    return hmac.digest(key.encode(), context, "sha256")[:SECRET_BYTES]


def secret_text(secret: bytes) -> str:
    """Return a secret as people type it into an app: base32 in groups of four."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def set_up_uri(secret: bytes, account: str, issuer: str) -> str:
    """Return the URI that a set-up QR code holds; `issuer` is the organisation's name."""
    label = quote(f"{issuer}:{account}", safe="@")
    query = urlencode({"secret": base64.b32encode(secret).decode(), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{label}?{query}"


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a time step (RFC 4226, section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def current_step(now: datetime) -> int:
    """Return the number of the time step."""
    return int(now.timestamp()) // STEP_SECONDS


def matching_step(secret: bytes, typed: str, now: datetime, last_step: int) -> int | None:
    """Return the time step of a typed code, or None if the code is wrong.

    A code is accepted once: steps up to `last_step`, that of the last accepted code, are refused.
    """
    code = "".join(typed.split())
    if not (code.isascii() and code.isdigit()):
        return None
    for difference in ACCEPTED_STEPS:
        step = current_step(now) + difference
        if step > last_step and hmac.compare_digest(code_at(secret, step), code):
            return step
    return None


def recovery_code_hash(typed: str) -> str:
    """Return the hash under which a recovery code is stored.

    Spaces, hyphens and case do not matter. A code has more than 112 random bits, so that the hash needs no salt.
    """
    code = "".join(c for c in typed.lower() if c in RECOVERY_ALPHABET)
    return hashlib.sha256(code.encode()).hexdigest()
