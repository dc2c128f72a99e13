"""Answer the probes of monitoring: `/healthz`, `/readyz` and `/metrics`.

They are answered before Flask sees the request: under any host name, without a session, and without a line in the log.
"""

import hmac
import json
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from flask import Flask

from billing_admin.config import Settings
from billing_admin.db.errors import RETRY_AFTER_SECONDS, explain_unavailable
from billing_admin.db.transactions import check_database
from billing_admin.http.metrics import CONTENT_TYPE, metrics_text

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Answer = tuple[str, str, bytes]  # status, media type and body
JSON = "application/json"
_HEADERS = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
]


def init_probes(app: Flask, settings: Settings) -> None:
    """Answer the probes of monitoring.

    Call it before proxies are trusted, so that the address is then the client's.
    """
    app.wsgi_app = Probes(app, settings, app.wsgi_app)  # type: ignore[method-assign]


class Probes:
    """Answers its paths, and passes other requests on."""

    def __init__(self, app: Flask, settings: Settings, following: "WSGIApplication") -> None:
        self._app, self._settings, self._following = app, settings, following
        self._paths: dict[str, Callable[[WSGIEnvironment], Answer]] = {"/healthz": _healthy, "/readyz": self._ready}
        if settings.metrics != "off":
            self._paths["/metrics"] = self._metrics

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        answer = self._paths.get(environ.get("PATH_INFO", ""))
        if answer is None or environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return self._following(environ, start_response)
        status, media_type, body = answer(environ)
        headers = [*_HEADERS, ("Content-Type", media_type), ("Content-Length", str(len(body)))]
        if status.startswith("401"):
            headers.append(("WWW-Authenticate", "Bearer"))
        if status.startswith("503"):
            headers.append(("Retry-After", str(RETRY_AFTER_SECONDS)))
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _ready(self, _environ: "WSGIEnvironment") -> Answer:
        """Report whether the database is available, at the revision of this program."""
        try:
            with self._app.app_context():
                check_database()
        except Exception as error:
            reason = explain_unavailable(error)
            if reason is None:
                raise
            return "503 Service Unavailable", JSON, json.dumps({"status": reason.code}).encode()
        return "200 OK", JSON, b'{"status": "ready"}'

    def _metrics(self, environ: "WSGIEnvironment") -> Answer:
        if self._settings.metrics == "token":
            expected = f"Bearer {self._settings.metrics_token}".encode()
            header = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace")
            if not hmac.compare_digest(header, expected):
                return "401 Unauthorized", JSON, b'{"status": "token_needed"}'
        elif not _is_local(environ):
            return "403 Forbidden", JSON, b'{"status": "not_local"}'
        return "200 OK", CONTENT_TYPE, metrics_text(self._app)


def _healthy(_environ: "WSGIEnvironment") -> Answer:
    """Report that the process answers, whether or not the database does."""
    return "200 OK", JSON, b'{"status": "ok"}'


def _is_local(environ: "WSGIEnvironment") -> bool:
    """Return whether the request comes from this machine, and not from a proxy on it."""
    try:
        is_loopback = ip_address(environ.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        is_loopback = environ.get("REMOTE_ADDR", "") == ""  # a Unix socket
    return is_loopback and not any(name in environ for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA"))
