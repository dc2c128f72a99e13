"""The pending sign-in of this browser, which its signed cookie holds.

It is no session: it opens nothing but the page that asks for the second factor.
"""

from datetime import UTC, datetime
from uuid import UUID

from flask import session

from billing_admin.domain.sign_in import PENDING_SIGN_IN_IS_VALID_FOR, PendingSignIn

SESSION_KEY = "pending_sign_in"


def keep_pending(pending: PendingSignIn, now: datetime) -> None:
    """Keep a pending sign-in in this browser."""
    session[SESSION_KEY] = [
        *(str(pending.user_id), pending.fingerprint, int(now.timestamp())),
        pending.single_sign_on,
    ]


def kept_pending(now: datetime) -> PendingSignIn | None:
    """Return the pending sign-in of this browser, or None.

    It is over when too much time has passed.
    """
    if SESSION_KEY not in session:
        return None
    user_id, fingerprint, at, *flags = session[SESSION_KEY]  # cookies of earlier versions have three values
    is_valid = datetime.fromtimestamp(at, UTC) <= now < datetime.fromtimestamp(at, UTC) + PENDING_SIGN_IN_IS_VALID_FOR
    return PendingSignIn(UUID(user_id), fingerprint, any(flags)) if is_valid else None
