"""Rules for passkeys (WebAuthn)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from billing_admin.domain.errors import Conflict
from billing_admin.domain.translation import Phrase

CHALLENGE_BYTES: Final = 32
CEREMONY_IS_VALID_FOR: Final = timedelta(minutes=10)
MAX_PASSKEYS: Final = 20
MAX_CREDENTIAL_LENGTH: Final = 20_000  # characters of a browser's JSON


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The name under which browsers keep passkeys, and the origin of our pages."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A challenge for a browser, and when it was made."""

    challenge: bytes
    created_at: datetime
    party: RelyingParty

    def is_valid(self, now: datetime) -> bool:
        """Return whether the challenge can still be answered."""
        return self.created_at <= now < self.created_at + CEREMONY_IS_VALID_FOR

    def is_newer_than(self, last_used_at: datetime | None) -> bool:
        """Return whether the challenge was made after the last use of a passkey.

        An answer that was accepted before is refused by this, even if its challenge and cookie are sent again.
        """
        return last_used_at is None or self.created_at > last_used_at


def check_passkey_count(count: int) -> None:
    """Check that a person may add another passkey.

    Raises:
        Conflict: They have as many as are allowed.
    """
    if count >= MAX_PASSKEYS:
        raise Conflict("too_many_passkeys", Phrase("Remove a passkey first: {most} are allowed.", most=MAX_PASSKEYS))
