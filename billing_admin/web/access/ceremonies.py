"""Challenges for passkeys; the signed cookie of a browser holds its last one.

A challenge is answered once, and for 10 minutes.
"""

import base64
import secrets
from datetime import datetime
from urllib.parse import urlsplit

from flask import current_app, request, session

from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.domain.passkeys import CHALLENGE_BYTES, Ceremony, RelyingParty
from billing_admin.formats.passkeys import request_options
from billing_admin.queries.access.second_factors import has_passkeys
from billing_admin.web.frame.signed_in import now

SESSION_KEY = "passkey_challenge"


def begin_ceremony() -> Ceremony:
    """Return a new challenge, and keep it in this browser."""
    ceremony = Ceremony(secrets.token_bytes(CHALLENGE_BYTES), now(), _relying_party())
    session[SESSION_KEY] = [base64.b64encode(ceremony.challenge).decode(), ceremony.created_at.isoformat()]
    return ceremony


def end_ceremony() -> Ceremony | None:
    """Return the challenge of this browser, and remove it; None if there is none."""
    values = session.pop(SESSION_KEY, None)
    if values is None:
        return None
    challenge, created_at = values
    return Ceremony(base64.b64decode(challenge), datetime.fromisoformat(created_at), _relying_party())


def passkey_options() -> str | None:
    """Return the options to sign in with a passkey; None while nobody has one."""
    return request_options(begin_ceremony()) if has_passkeys(db.session()) else None


def _relying_party() -> RelyingParty:
    """Return the host of the configured address.

    In development without one, it is that of the request.
    """
    settings: Settings = current_app.extensions["billing_settings"]
    address = settings.base_url if settings.production or settings.public_url else request.host_url
    parts = urlsplit(address)
    return RelyingParty(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")
