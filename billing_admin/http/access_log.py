"""The access log: one line for each request, written after its response."""

import time

import structlog
from flask import Flask, Response, g

from billing_admin.config import Settings
from billing_admin.http.callers import describe_request

_log = structlog.get_logger(__name__)


def init_access_log(app: Flask, settings: Settings) -> None:
    """Log each request, unless the settings switch the log off.

    Call it last: the line is then written before other work that follows the response.
    """
    if settings.access_log:
        app.before_request_funcs.setdefault(None, []).insert(0, _start)  # other functions may end the request
        app.after_request(_log_when_sent)


def _start() -> None:
    g.request_started = time.perf_counter()


def _log_when_sent(response: Response) -> Response:
    fields, started = describe_request(), g.get("request_started", time.perf_counter())

    @response.call_on_close
    def log_request() -> None:
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        _log.info("request", **fields, status=response.status_code, duration_ms=milliseconds)

    return response
