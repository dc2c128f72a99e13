"""What holds for every request and every answer: secret, cookies, sizes, hosts, proxies, request id, headers."""

from flask import Flask, Request, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from billing_admin.config import Settings
from billing_admin.http.body_limits import init_body_limits
from billing_admin.http.request_ids import init_request_ids

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none';"
    " form-action 'self'"
)
TWO_YEARS = 2 * 365 * 24 * 60 * 60

csrf = CSRFProtect()


def init_security(app: Flask, settings: Settings) -> None:
    """Set up what no page has to think of."""
    app.secret_key = settings.secret_key
    _set_cookies(app, settings)
    _trust_hosts_and_proxies(app, settings)
    init_request_ids(app)
    init_body_limits(app, settings)
    _send_headers(app, settings)
    _require_tokens(app)


class PagesSession(SecureCookieSessionInterface):
    """The session of pages. A script's request has none, and does not pay for reading and signing one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie; below `/api/v1/` no cookie counts."""
        return None if request.path.startswith("/api/v1/") else super().open_session(app, request)


def _set_cookies(app: Flask, settings: Settings) -> None:
    app.session_interface = PagesSession()
    app.config.update(
        SESSION_COOKIE_NAME="__Host-billing" if settings.production else "billing",
        SESSION_COOKIE_SECURE=settings.production,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
    )


def _trust_hosts_and_proxies(app: Flask, settings: Settings) -> None:
    """X-Forwarded-* count only as far as our own proxies wrote them."""
    app.config["TRUSTED_HOSTS"] = list(settings.trusted_hosts)
    count = settings.proxies
    if count > 0:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]


def _send_headers(app: Flask, settings: Settings) -> None:
    fixed = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
    if settings.production:
        fixed["Strict-Transport-Security"] = f"max-age={TWO_YEARS}; includeSubDomains"

    @app.after_request
    def send_headers(response: Response) -> Response:
        response.headers.update(fixed)
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response


def _require_tokens(app: Flask) -> None:
    """The guard asks for the token (`csrf.protect`) wherever it asks who is there; a token lives as long as its session."""
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)
    csrf.init_app(app)
