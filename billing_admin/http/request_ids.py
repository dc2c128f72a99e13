"""The id of each request, sent as `X-Request-Id`.

Error pages show it, and the log and the audit log hold it.
"""

from uuid import uuid4

from flask import Flask, Response, g


def request_id() -> str:
    """Return the id of this request."""
    if "request_id" not in g:
        _set_request_id()
    return str(g.request_id)


def init_request_ids(app: Flask) -> None:
    """Give each request a new id, and send it in the response."""
    app.before_request(_set_request_id)
    app.after_request(_send_request_id)


def _set_request_id() -> None:
    g.request_id = str(uuid4())


def _send_request_id(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id()
    return response
