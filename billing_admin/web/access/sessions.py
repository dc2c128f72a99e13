"""The sessions of a person, which they or an admin can end."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.devices import describe_device
from billing_admin.domain.translation import Phrase, plural
from billing_admin.operations.access import users as operations
from billing_admin.queries.access import users as queries
from billing_admin.web.access.users import WRITE as USERS_WRITE
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.signed_in import actor, now, session_lifetime, signed_in_person
from billing_admin.web.frame.system_lists import SESSIONS
from billing_admin.web.frame.tables import plain_table

OWN = "password:write"

pages = page_blueprint("sessions", __name__, "/account/sessions", write=OWN, read=OWN)
people_pages = page_blueprint("person_sessions", __name__, "/users", write=USERS_WRITE, read=USERS_WRITE)


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session as the list shows it.

    `address` is empty for sessions of earlier versions.
    """

    id: UUID
    device: str
    address: str
    signed_in: datetime
    last_seen: datetime
    is_current: bool


@pages.get("")
def own() -> ResponseReturnValue:
    """List the person's own sessions."""
    sessions = _sessions(signed_in_person().id)
    return render_template(
        "sessions/list.html",
        page=plain_table(SESSIONS, sessions),
        others=len(sessions) - 1,
        user=None,
    )


@pages.post("/<uuid:id>/end")
def end_own(id: UUID) -> ResponseReturnValue:
    """End one of the person's own sessions.

    Ending the current one leads to the page to sign in.
    """
    _end(signed_in_person().id, id)
    return redirect(url_for("sessions.own"), 303)


@pages.post("/end-others")
def end_others() -> ResponseReturnValue:
    """End all sessions of the person except the current one."""
    person = signed_in_person()
    ended = transaction(operations.end_sessions, person.id, actor(), now(), kept_id=person.session_id)
    flash(_ended(ended), "success")
    return redirect(url_for("sessions.own"), 303)


@people_pages.get("/<uuid:user_id>/sessions")
def of_person(user_id: UUID) -> ResponseReturnValue:
    """List the sessions of a person."""
    user = queries.user(db.session(), user_id)
    sessions = _sessions(user_id)
    return render_template(
        "sessions/list.html",
        page=plain_table(SESSIONS, sessions),
        others=sum(not session.is_current for session in sessions),
        user=user,
    )


@people_pages.post("/<uuid:user_id>/sessions/<uuid:id>/end")
def end_of_person(user_id: UUID, id: UUID) -> ResponseReturnValue:
    """End a session of a person."""
    _end(user_id, id)
    return redirect(url_for("person_sessions.of_person", user_id=user_id), 303)


@people_pages.post("/<uuid:user_id>/sessions/end")
def end_all_of_person(user_id: UUID) -> ResponseReturnValue:
    """End all sessions of a person, except the one that asks for it."""
    queries.user(db.session(), user_id)
    ended = transaction(operations.end_sessions, user_id, actor(), now(), kept_id=signed_in_person().session_id)
    flash(_ended(ended), "success")
    return redirect(url_for("person_sessions.of_person", user_id=user_id), 303)


def _end(user_id: UUID, id: UUID) -> None:
    ended = transaction(operations.end_session_by_id, user_id, id, actor(), now())
    flash(Phrase("The session was ended.") if ended else Phrase("This session had ended before."), "success")


def _ended(count: int) -> str:
    return plural("{count} session was ended.", "{count} sessions were ended.", count)


def _sessions(user_id: UUID) -> list[ShownSession]:
    """Return the sessions of a person that have not ended, the last used one first."""
    current_id, moment, lifetime = signed_in_person().session_id, now(), session_lifetime()
    return [
        ShownSession(
            row.id,
            describe_device(row.user_agent),
            row.address,
            row.created_at,
            row.last_seen_at,
            row.id == current_id,
        )
        for row in queries.sessions_of(db.session(), user_id)
        if lifetime.covers(row.created_at, row.last_seen_at, moment)
    ]
