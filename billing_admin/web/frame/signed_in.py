"""The signed-in person, the organisation and the time of a request.

Sessions are rows that the server can end.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import flask_login
from flask import Flask, current_app, g, request, session

from billing_admin import clock
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import Actor, role_permissions
from billing_admin.domain.days import DateOrder
from billing_admin.domain.number_format import NumberFormat, use_number_format
from billing_admin.domain.sign_in import LAST_SEEN_INTERVAL, SessionLifetime
from billing_admin.http.callers import set_caller
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access import users
from billing_admin.queries.access.users import open_session
from billing_admin.queries.master_data.organisation import day_of, organisation


@dataclass(frozen=True, slots=True)
class SignedInPerson:
    """The signed-in person, as a plain value.

    Database rows expire when a transaction begins.
    """

    id: UUID
    email: str
    role: str
    password_temporary: bool
    theme: str
    density: str
    language: str
    permissions: frozenset[str]
    session_id: UUID
    confirmed_at: datetime
    single_sign_on: bool
    must_set_up_second_factor: bool
    token: str = field(repr=False)

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """Return the session's random token for Flask-Login's cookie.

        The person's id is never sent.
        """
        return self.token

    def actor(self, request_id: str | None) -> Actor:
        """Return the person as the actor of operations and audit events."""
        return Actor("person", self.id, self.email, self.permissions, request_id)


@dataclass(frozen=True, slots=True)
class OrganisationProfile:
    """The facts about the organisation that pages show."""

    name: str
    time_zone: str
    language: str
    base_currency: str
    number_format: NumberFormat
    date_order: DateOrder
    is_demo: bool


def init_sign_in(app: Flask, settings: Settings) -> None:
    """Set up Flask-Login to load the person by the session's token.

    The person is loaded at most once a request, and only if a view asks.
    """
    app.extensions["billing_lifetime"] = SessionLifetime(settings.session_hours, settings.session_idle_minutes)
    manager = flask_login.LoginManager()
    manager.session_protection = None  # it compares IP addresses, which may change within a session
    manager.init_app(app, add_context_processor=False)
    manager.user_loader(_load_person)


def current_person() -> SignedInPerson | None:
    """Return the signed-in person, or None."""
    user = flask_login.current_user
    return user._get_current_object() if user.is_authenticated else None


def signed_in_person() -> SignedInPerson:
    """Return the signed-in person of a page behind the guard."""
    person = current_person()
    if person is None:
        raise RuntimeError("This needs a signed-in person: the page must be behind the guard.")
    return person


def actor() -> Actor:
    """Return the signed-in person as the actor of this request.

    Only pages behind the guard have one.
    """
    return signed_in_person().actor(request_id())


def now() -> datetime:
    """Return the current time in UTC."""
    return clock.now()


def today() -> date:
    """Return the current day in the organisation's time zone."""
    return day_of(now(), current_organisation().time_zone)


def current_organisation() -> OrganisationProfile:
    """Return the organisation, read once a request."""
    if "organisation" not in g:
        row = organisation(db.session())
        g.organisation = OrganisationProfile(
            row.legal_name,
            row.time_zone,
            row.language,
            row.base_currency,
            NumberFormat(row.number_format),
            DateOrder(row.date_order),
            row.is_demo,
        )
    profile: OrganisationProfile = g.organisation
    return profile


def init_number_format(app: Flask) -> None:
    """Show numbers in the organisation's format while a page is made."""
    app.before_request(_use_number_format)
    app.teardown_request(_leave_number_format)


def _use_number_format() -> None:
    rule = request.url_rule
    if rule is not None and rule.endpoint != "static" and not rule.endpoint.startswith("api."):
        g.number_format = ExitStack()
        g.number_format.enter_context(use_number_format(current_organisation().number_format))


def _leave_number_format(_error: BaseException | None) -> None:
    if (stack := g.pop("number_format", None)) is not None:
        stack.close()


def begin_session(token: str) -> None:
    """Begin a session in this browser.

    An earlier one is cleared, its CSRF token included.
    """
    session.clear()
    person = _load_person(token)
    if person is not None:
        flask_login.login_user(person)


def renew_session(token: str) -> None:
    """Continue this browser's session with a new token.

    Forms in other windows stay valid: their CSRF token is kept.
    """
    person = _load_person(token)
    if person is not None:
        flask_login.login_user(person)


def end_session() -> None:
    """End this browser's session.

    It ends in the database as well, so that a copy of its cookie stops working.
    """
    person = current_person()
    if person is not None:
        transaction(users.end_session, person.token, person.actor(request_id()), now())
    flask_login.logout_user()
    session.clear()


def session_lifetime() -> SessionLifetime:
    """Return how long sessions last."""
    lifetime: SessionLifetime = current_app.extensions["billing_lifetime"]
    return lifetime


def session_has_expired() -> bool:
    """Return whether this browser had a session that is over."""
    return "_user_id" in session and current_person() is None


def _load_person(token: str) -> SignedInPerson | None:
    row = open_session(db.session(), token)
    if row is None:
        return None
    at = now()
    person = SignedInPerson(
        row.user_id,
        row.email,
        row.role,
        row.password_temporary and not row.single_sign_on,
        row.theme,
        row.density,
        row.language,
        role_permissions(row.role, row.own_permissions),
        row.id,
        row.confirmed_at,
        row.single_sign_on,
        row.must_set_up_second_factor and not (row.single_sign_on and _provider_checks_second_factor()),
        token,
    )
    if not session_lifetime().covers(row.created_at, row.last_seen_at, at):
        _write_if_possible(users.end_session, token, person.actor(request_id()), at, "user.session_expired")
        return None
    if at - row.last_seen_at >= LAST_SEEN_INTERVAL:
        _write_if_possible(users.record_session_use, token, at)
    set_caller(person.actor(request_id()))
    return person


def _provider_checks_second_factor() -> bool:
    settings: Settings = current_app.extensions["billing_settings"]
    return settings.oidc_second_factor


def _write_if_possible(work: Callable[..., None], *args: object) -> None:
    """Update the session's row.

    If the database refuses writes, the person can still read.
    """
    with LogIfUnavailable("session_not_updated"):
        transaction(work, *args)
