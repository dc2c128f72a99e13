"""The security set-up of all requests and responses.

It covers the secret key, cookies, body limits, hosts, proxies, headers and CSRF.
"""

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
# For a stored file that people uploaded: it can neither run nor load anything, even if it is opened by itself.
SANDBOX = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
# For a URL that holds a secret. The form of a page needs the Referer: the CSRF check reads it over HTTPS.
NO_REFERRER = {"Referrer-Policy": "no-referrer"}
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"  # no page uses them
TWO_YEARS = 2 * 365 * 24 * 60 * 60  # seconds
WITHOUT_SESSION = ("/api/v1/", "/static/")

csrf = CSRFProtect()


def init_security(app: Flask, settings: Settings) -> None:
    """Configure the security of all requests and responses."""
    app.secret_key = settings.secret_key
    _set_cookies(app, settings)
    _trust_hosts_and_proxies(app, settings)
    init_request_ids(app)
    init_body_limits(app, settings)
    _send_headers(app, settings)
    _init_csrf(app)


class PageSessionInterface(SecureCookieSessionInterface):
    """The session of pages.

    Requests of the API and of static files have no session, which saves reading and signing a cookie. A cache may
    also keep one copy of a static file for everybody.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of the cookie, or None for a path without a session."""
        return None if request.path.startswith(WITHOUT_SESSION) else super().open_session(app, request)


def _set_cookies(app: Flask, settings: Settings) -> None:
    app.session_interface = PageSessionInterface()
    app.config.update(
        SESSION_COOKIE_NAME="__Host-billing" if settings.production else "billing",
        SESSION_COOKIE_SECURE=settings.production,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
    )


def _trust_hosts_and_proxies(app: Flask, settings: Settings) -> None:
    """Accept X-Forwarded-* headers only from the configured number of proxies."""
    app.config["TRUSTED_HOSTS"] = list(settings.trusted_hosts)
    count = settings.proxies
    if count > 0:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]


def _send_headers(app: Flask, settings: Settings) -> None:
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",  # for browsers without frame-ancestors
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": PERMISSIONS_POLICY,
    }
    if settings.production:
        headers["Strict-Transport-Security"] = f"max-age={TWO_YEARS}; includeSubDomains"

    @app.after_request
    def send_headers(response: Response) -> Response:
        response.headers.update(headers | _stricter(response))
        if request.endpoint != "static" or response.status_code >= 400:
            response.headers["Cache-Control"] = "no-store"
        return response


def _stricter(response: Response) -> dict[str, str]:
    """Return the stricter policies that a view has set."""
    policies = SANDBOX | NO_REFERRER
    return {name: policy for name, policy in policies.items() if response.headers.get(name) == policy}


def _init_csrf(app: Flask) -> None:
    """Leave the check of the CSRF token to the guard, after its permission check.

    A token is valid as long as its session.
    """
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)
    csrf.init_app(app)
