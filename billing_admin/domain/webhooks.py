"""Webhooks: their events, signatures and delays between delivery attempts."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from billing_admin.domain.translation import Phrase

PING: Final = "ping"
# The events that an endpoint can subscribe to, and when each happens.
EVENTS: Final[Mapping[str, str]] = {
    "invoice.issued": Phrase("An invoice was issued"),
    "invoice.paid": Phrase("An invoice was paid in full; sent again if it is reopened and paid again"),
    "invoice.voided": Phrase("An invoice was voided"),
    "refund.recorded": Phrase("A customer's credit was paid back"),
    "refund.reversed": Phrase("A refund was reversed"),
    "charge.held": Phrase("A charge was held, by a person or as a likely duplicate"),
    "message.sent": Phrase("A message to a customer was sent, or marked as sent"),
    "message.failed": Phrase("A message to a customer could not be sent, or it is uncertain whether it was"),
}

# The delay after each failed attempt; there is one more attempt than delays.
RETRY_DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 21600, 43200, 86400))
MAX_ATTEMPTS: Final = len(RETRY_DELAYS) + 1
# The longest pause for an endpoint that does not answer, however many deliveries it has.
MAX_PAUSE: Final = timedelta(hours=1)
JITTER_PERCENT: Final = 20  # percent, either way

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how secrets begin
OLD_SECRET_VALIDITY: Final = timedelta(hours=24)
DELIVERY_RETENTION: Final = timedelta(days=30)
FAILURES_BEFORE_WARNING: Final = 3  # failed deliveries in a row


def endpoint_secret(key: str, salt: str) -> str:
    """Return the secret of an endpoint.

    The secret is derived from the installation's key and the endpoint's salt. It is not stored. One step of
    HKDF (RFC 5869) with HMAC-SHA256: the salt alone does not reveal it. Frozen: receivers have these
    secrets.
    """
    derived = hmac.digest(key.encode(), b"billing-admin webhook secret\x00" + salt.encode(), "sha256")
    return SECRET_PREFIX + base64.urlsafe_b64encode(derived).decode().rstrip("=")


def secret_fingerprint(secret: str) -> str:
    """Return the hash by which a changed secret is detected.

    A secret has 256 random bits, so that the hash needs no salt.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def signature_header(secrets: Sequence[str], body: bytes, at: int) -> str:
    """Return the header `Billing-Signature` of a delivery.

    The header has the time, and for each secret an HMAC-SHA256 over time and body. `at` is in seconds since
    1970. Frozen: receivers verify it.
    """
    content = str(at).encode() + b"." + body
    signatures = [hmac.new(secret.encode(), content, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={signature}" for signature in signatures)])


def event_body(event_id: UUID, type: str, created_at: datetime, data: Mapping[str, Any]) -> str:
    """Return the JSON of an event.

    The JSON is stored, so that every attempt sends the same bytes.
    """
    event = {"id": str(event_id), "type": type, "created_at": format_moment(created_at), "data": data}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def format_moment(at: datetime) -> str:
    """Format a time in UTC as the API does, with `Z`."""
    return at.isoformat().replace("+00:00", "Z")


def retry_delay(tries: int, jitter: int) -> timedelta | None:
    """Return the delay after a number of failed attempts, or None after the last.

    The delay is `jitter` percent longer than the usual one.
    """
    if tries >= MAX_ATTEMPTS:
        return None
    return _with_jitter(RETRY_DELAYS[tries - 1], jitter)


def pause_after_failures(failures: int, jitter: int) -> timedelta:
    """Return how long an endpoint is paused after failures.

    `failures` counts the unanswered attempts in a row.
    """
    return _with_jitter(min(RETRY_DELAYS[min(failures, len(RETRY_DELAYS)) - 1], MAX_PAUSE), jitter)


def _with_jitter(delay: timedelta, jitter: int) -> timedelta:
    return delay * (100 + jitter) // 100
