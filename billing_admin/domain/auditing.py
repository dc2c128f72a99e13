"""The audit log's chain: what is hashed of an event, and how each hash covers the one before it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

# What the first seal covers in place of a hash before it.
BEGINNING = "0" * 64


def content(event: Mapping[str, str | None]) -> bytes:
    """An event's one spelling: plain JSON of all its columns, each handed over as the database writes it as text.

    Databases write moments and JSON differently, so these two are read first; what cannot be read counts as it stands.
    """
    spelled = {**event, "at": _moment(event["at"]), "details": _data(event["details"])}
    return json.dumps(spelled, sort_keys=True, separators=(",", ":")).encode()


def chained(before: str, content: bytes) -> str:
    """The hash of an event that is sealed after the hash before it."""
    return sha256(before.encode() + b"\n" + content).hexdigest()


def _moment(text: str | None) -> str | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return text
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="microseconds")


def _data(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return text
