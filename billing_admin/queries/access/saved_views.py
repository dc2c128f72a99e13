"""The views of lists that people saved."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from billing_admin.models import DefaultView, SavedView


def views_of_list(session: Session, user_id: UUID, list_name: str) -> Sequence[SavedView]:
    """Return a person's own views of a list and those that are shared, by name."""
    query = select(SavedView).where(
        SavedView.list == list_name, or_(SavedView.user_id == user_id, SavedView.is_shared.is_(True))
    )
    return session.scalars(query.order_by(SavedView.name, SavedView.id)).all()


def default_view(session: Session, user_id: UUID, list_name: str) -> SavedView | None:
    """Return the view in which a person's list opens.

    A view that its owner no longer shares is none.
    """
    query = (
        select(SavedView)
        .join(DefaultView, DefaultView.view_id == SavedView.id)
        .where(
            DefaultView.user_id == user_id,
            DefaultView.list == list_name,
            or_(SavedView.user_id == user_id, SavedView.is_shared.is_(True)),
        )
    )
    return session.scalar(query)


def own_view(session: Session, user_id: UUID, list_name: str, name: str) -> SavedView | None:
    """Return a person's own view of a list by its name."""
    query = select(SavedView).where(SavedView.user_id == user_id, SavedView.list == list_name, SavedView.name == name)
    return session.scalar(query)
