"""The secret of a one-time link, which leaves the address of its page at once.

It moves from the query string into the session: logs of proxies and the Referer of later requests would hold it otherwise.
"""

from flask import make_response, redirect, request, session
from flask.typing import ResponseReturnValue

from billing_admin.http.security import NO_REFERRER

SESSION_KEY = "one_time_link"  # of the secret of the link that was opened last


def take_secret(url: str, refusal: ResponseReturnValue | None) -> ResponseReturnValue:
    """Store the secret of the requested link, and continue at `url` without it.

    `refusal` is the page for a link that does not work; then nothing is stored.
    """
    if refusal is None:
        session[SESSION_KEY] = request.args["token"]
    response = make_response(redirect(url, 303) if refusal is None else refusal)
    response.headers.update(NO_REFERRER)
    return response


def stored_secret() -> str:
    """Return the secret of the link that was opened last, or an empty text."""
    return str(session.get(SESSION_KEY, ""))


def forget_secret() -> None:
    """Forget the secret of a link that was used or does not work."""
    session.pop(SESSION_KEY, None)
