"""The sign-in at the identity provider that this browser has begun.

Its signed cookie holds it. Another browser cannot complete it, and it can be completed once, within ten minutes.
"""

import hmac
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from flask import current_app, session
from flask.sessions import SecureCookieSessionInterface

from billing_admin.domain.single_sign_on import Flow

SESSION_KEY = "provider_flow"
SECRET_BYTES: Final = 32
MAX_COOKIE_LENGTH: Final = 3_800  # browsers keep 4,096 bytes with name and attributes


def begin_flow(now: datetime, *, next_url: str = "", saved_form: str = "", is_confirmation: bool = False) -> Flow:
    """Return a new flow, and keep it in this browser.

    A saved form that is too long for a cookie is left out.
    """
    state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
    flow = Flow(state, nonce, verifier, now, is_confirmation, next_url, saved_form)
    _keep(flow)
    if saved_form and not _fits_cookie():
        flow = replace(flow, saved_form="")
        _keep(flow)
    return flow


def end_flow(state: str, now: datetime) -> Flow | None:
    """Return the flow of this browser with a state, and remove it.

    None if there is none, if it has another state, or if too much time has passed.
    """
    if SESSION_KEY not in session:
        return None
    kept_state, nonce, verifier, at, *target = session[SESSION_KEY]
    if not hmac.compare_digest(kept_state.encode(), state.encode()):
        return None
    del session[SESSION_KEY]
    flow = Flow(kept_state, nonce, verifier, datetime.fromtimestamp(at, UTC), *target)
    return flow if flow.is_valid(now) else None


def _keep(flow: Flow) -> None:
    session[SESSION_KEY] = [
        *(flow.state, flow.nonce, flow.verifier, flow.created_at.timestamp()),
        *(flow.is_confirmation, flow.next_url, flow.saved_form),
    ]


def _fits_cookie() -> bool:
    interface = current_app.session_interface
    if not isinstance(interface, SecureCookieSessionInterface):
        raise TypeError("The session of pages is a signed cookie.")
    serializer = interface.get_signing_serializer(current_app)
    return serializer is not None and len(str(serializer.dumps(dict(session)))) <= MAX_COOKIE_LENGTH
