"""Save, change and delete views of lists, and open a list in one of them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, Denied, NotFound
from billing_admin.domain.saved_views import MAX_VIEWS, check_name, clean_query
from billing_admin.domain.translation import Phrase
from billing_admin.models import DefaultView, SavedView
from billing_admin.operations.audit import record
from billing_admin.queries.access.saved_views import own_view


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """A view to save.

    It has the endpoint of its list, and the query of the list's URL.
    """

    list: str
    name: str
    query: str
    is_shared: bool = False


def save(session: Session, user_id: UUID, spec: ViewSpec, actor: Actor, now: datetime) -> SavedView:
    """Save a view of a list, in place of the person's own view of the same name.

    Raises:
        Invalid: The name or the query cannot be saved.
        Conflict: The person has too many views of the list.
    """
    name, query = check_name(spec.name), clean_query(spec.query)
    view = own_view(session, user_id, spec.list, name)
    if view is None:
        _check_number(session, user_id, spec.list)
        view = SavedView(
            id=new_id(now),
            user_id=user_id,
            list=spec.list,
            name=name,
            query=query,
            is_shared=spec.is_shared,
            created_at=now,
        )
        session.add(view)
    view.query, view.is_shared = query, spec.is_shared
    session.flush()
    _record(session, actor, now, "saved_view.saved", view)
    return view


def _check_number(session: Session, user_id: UUID, list_name: str) -> None:
    query = select(func.count()).select_from(SavedView).where(SavedView.user_id == user_id, SavedView.list == list_name)
    if (session.scalar(query) or 0) >= MAX_VIEWS:
        raise Conflict(
            "too_many_views",
            Phrase("You have {max_views} views of this list. Delete one of them first.", max_views=MAX_VIEWS),
            "name",
        )


def change(
    session: Session, user_id: UUID, view_id: UUID, name: str, is_shared: bool, actor: Actor, now: datetime
) -> SavedView:
    """Rename a view, and share it or not.

    Raises:
        NotFound: There is no such view.
        Denied: It belongs to another person.
        Conflict: The person has another view of this name.
    """
    view, name = _own(session, user_id, view_id), check_name(name)
    namesake = own_view(session, user_id, view.list, name)
    if namesake is not None and namesake.id != view_id:
        raise Conflict("name_taken", Phrase("You have another view of this name. Choose a different one."), "name")
    if (view.name, view.is_shared) != (name, is_shared):
        view.name, view.is_shared = name, is_shared
        session.flush()
        _record(session, actor, now, "saved_view.changed", view)
    return view


def discard(session: Session, user_id: UUID, view_id: UUID, actor: Actor, now: datetime) -> None:
    """Delete a view, also for those whose list opens in it.

    Raises:
        NotFound: There is no such view.
        Denied: It belongs to another person.
    """
    view = _own(session, user_id, view_id)
    session.execute(delete(DefaultView).where(DefaultView.view_id == view_id))
    session.execute(delete(SavedView).where(SavedView.id == view_id))
    _record(session, actor, now, "saved_view.deleted", view)


def set_default(
    session: Session, user_id: UUID, list_name: str, view_id: UUID | None, actor: Actor, now: datetime
) -> None:
    """Open a person's list in a view from now on, or plain if there is none.

    Raises:
        NotFound: The person is offered no such view of the list.
    """
    view = None if view_id is None else session.get(SavedView, view_id)
    is_offered = view is not None and view.list == list_name and (view.is_shared or view.user_id == user_id)
    if view_id is not None and not is_offered:
        raise _unknown(view_id)
    current = session.get(DefaultView, (user_id, list_name))
    if (current.view_id if current else None) == view_id:
        return
    if current is not None:
        session.delete(current)
        session.flush()
    if view_id is not None:
        session.add(DefaultView(user_id=user_id, list=list_name, view_id=view_id))
        session.flush()
    details = {"list": list_name, "name": view.name if view else None}
    record(session, actor, now, "saved_view.made_default", "saved_view", view_id, details)


def _own(session: Session, user_id: UUID, view_id: UUID) -> SavedView:
    view = session.get(SavedView, view_id)
    if view is None or not (view.user_id == user_id or view.is_shared):
        raise _unknown(view_id)
    if view.user_id != user_id:
        raise Denied("not_your_view", Phrase("This view belongs to another person. Save one of your own instead."))
    return view


def _unknown(view_id: UUID) -> NotFound:
    return NotFound("unknown_view", Phrase("There is no view {view_id}.", view_id=view_id), "view")


def _record(session: Session, actor: Actor, now: datetime, action: str, view: SavedView) -> None:
    details = {"list": view.list, "name": view.name, "is_shared": view.is_shared, "query": view.query}
    record(session, actor, now, action, "saved_view", view.id, details)
