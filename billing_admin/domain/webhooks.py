"""Telling other programs what happened: the events, the signature by which they know us, and when to try again."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

PING: Final = "ping"
# What an endpoint may ask for, and when it happens.
EVENTS: Final[Mapping[str, str]] = {
    "invoice.issued": "An invoice got its number",
    "invoice.paid": "Nothing is left to pay on an invoice; again each time, should it be opened and paid again",
    "invoice.voided": "An invoice became void",
    "charge.held": "A charge is kept off the next invoice, by somebody or as a likely duplicate",
}

# How long to wait after each attempt that failed; after the last one no more is made.
RETRY_DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 21600, 43200, 86400))
MAX_ATTEMPTS: Final = len(RETRY_DELAYS) + 1
# A receiver that gives no answer is left alone so long at most, whatever waits for it.
MAX_PAUSE: Final = timedelta(hours=1)
JITTER_PERCENT: Final = 20  # percent, either way

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how secrets begin
OLD_SECRET_VALIDITY: Final = timedelta(hours=24)
DELIVERY_RETENTION: Final = timedelta(days=30)
FAILURES_BEFORE_WARNING: Final = 3  # given up, one after the other


def endpoint_secret(key: str, salt: str) -> str:
    """The secret that belongs to a salt: made of the installation's own key, so that it need not be kept anywhere.

    HMAC-SHA256 as one step of HKDF (RFC 5869): whoever has the salt but not the key knows nothing of it.
    """
    derived = hmac.digest(key.encode(), b"billing-admin webhook secret\x00" + salt.encode(), "sha256")
    return SECRET_PREFIX + base64.urlsafe_b64encode(derived).decode().rstrip("=")


def secret_fingerprint(secret: str) -> str:
    """By what we see that a secret is still the one that was shown. It has 256 random bits: nobody finds it from this."""
    return hashlib.sha256(secret.encode()).hexdigest()


def signature_header(secrets: Sequence[str], body: bytes, at: int) -> str:
    """The header `Billing-Signature`: the time in seconds, and for each secret the HMAC-SHA256 over time and body."""
    signed = str(at).encode() + b"." + body
    made = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={one}" for one in made)])


def event_body(event_id: UUID, type: str, created_at: datetime, data: Mapping[str, Any]) -> str:
    """The JSON that is sent: made once, as every attempt sends the same bytes."""
    told = {"id": str(event_id), "type": type, "created_at": format_moment(created_at), "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def format_moment(at: datetime) -> str:
    """A moment in UTC as the API writes it."""
    return at.isoformat().replace("+00:00", "Z")


def retry_delay(tries: int, jitter: int) -> timedelta | None:
    """How long to wait after so many failed tries, with that many percent more; None after the last."""
    if tries >= MAX_ATTEMPTS:
        return None
    return _spread(RETRY_DELAYS[tries - 1], jitter)


def pause_after_failures(failures: int, jitter: int) -> timedelta:
    """How long to leave a receiver alone that gave no answer so many times in a row."""
    return _spread(min(RETRY_DELAYS[min(failures, len(RETRY_DELAYS)) - 1], MAX_PAUSE), jitter)


def _spread(wait: timedelta, jitter: int) -> timedelta:
    return wait * (100 + jitter) // 100
