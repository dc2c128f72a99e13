"""Who is there: Flask-Login over sessions that the server can end, and what views ask about the person and the time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import flask_login
from flask import Flask, current_app, g, session

from billing_admin import clock
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import ROLES, Actor
from billing_admin.domain.sign_in import LAST_SEEN_INTERVAL, SessionLifetime
from billing_admin.http.request_ids import request_id
from billing_admin.operations.access import users
from billing_admin.queries.access.users import open_session
from billing_admin.queries.master_data.organisation import day_of, organisation


@dataclass(frozen=True, slots=True)
class SignedInPerson:
    """The person of this request: a plain value, as rows expire when a transaction begins."""

    id: UUID
    email: str
    role: str
    token: str = field(repr=False)

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """What Flask-Login keeps in the cookie: the session's random token, never the person's id."""
        return self.token

    def actor(self, request_id: str | None) -> Actor:
        """The person as operations and the audit log know them."""
        return Actor("person", self.id, self.email, ROLES[self.role], request_id)


@dataclass(frozen=True, slots=True)
class OrganisationProfile:
    """What pages say of the organisation."""

    name: str
    time_zone: str
    base_currency: str
    is_demo: bool


def init_sign_in(app: Flask, settings: Settings) -> None:
    """Let Flask-Login find the person by the session's token. It asks the database on first use, at most once a request."""
    app.extensions["billing_lifetime"] = SessionLifetime(settings.session_hours, settings.session_idle_minutes)
    manager = flask_login.LoginManager()
    manager.session_protection = None  # it would compare addresses, which change under honest people
    manager.init_app(app, add_context_processor=False)
    manager.user_loader(_load)


def current_person() -> SignedInPerson | None:
    """Whoever is signed in, or None."""
    found = flask_login.current_user
    return found._get_current_object() if found.is_authenticated else None


def actor() -> Actor:
    """The signed-in person as the actor of this request; only for pages behind the guard."""
    found = current_person()
    if found is None:
        raise RuntimeError("A page that acts must be behind the guard.")
    return found.actor(request_id())


def now() -> datetime:
    """This moment, in UTC."""
    return clock.now()


def today() -> date:
    """The calendar day where the organisation is."""
    return day_of(now(), current_organisation().time_zone)


def current_organisation() -> OrganisationProfile:
    """The organisation, read once a request."""
    if "house" not in g:
        row = organisation(db.session())
        g.house = OrganisationProfile(row.legal_name, row.time_zone, row.base_currency, row.is_demo)
    found: OrganisationProfile = g.house
    return found


def begin_session(token: str) -> None:
    """Begin a session in this browser, and leave nothing of an earlier one, its CSRF token included."""
    session.clear()
    found = _load(token)
    if found is not None:
        flask_login.login_user(found)


def end_session() -> None:
    """End this browser's session here and in the database. A copy of its cookie is worth nothing from now on."""
    found = current_person()
    if found is not None:
        transaction(users.end_session, found.token, found.actor(request_id()), now())
    flask_login.logout_user()
    session.clear()


def session_has_expired() -> bool:
    """Whether this browser was signed in, and is no longer."""
    return "_user_id" in session and current_person() is None


def _load(token: str) -> SignedInPerson | None:
    found = open_session(db.session(), token)
    if found is None:
        return None
    moment = now()
    signed_in = SignedInPerson(found.user_id, found.email, found.role, token)
    lifetime: SessionLifetime = current_app.extensions["billing_lifetime"]
    if not lifetime.covers(found.created_at, found.last_seen_at, moment):
        owner = signed_in.actor(request_id())
        _write_if_possible(users.end_session, token, owner, moment, "user.session_expired")
        return None
    if moment - found.last_seen_at >= LAST_SEEN_INTERVAL:
        _write_if_possible(users.record_session_use, token, moment)
    return signed_in


def _write_if_possible(work: Callable[..., None], *args: object) -> None:
    """Keep the books of sessions, but let people read on while nothing can be written."""
    with LogIfUnavailable("session_not_updated"):
        transaction(work, *args)
