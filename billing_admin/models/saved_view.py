"""Views of lists that people save under a name."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base
from billing_admin.models.user import User


class SavedView(Base):
    """The filter, order and columns of a list, as the query of its URL.

    `list` is the endpoint of the list. A shared view is offered to everybody, and belongs to the person who saved it.
    """

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("user_id", "list", "name"), UniqueConstraint("id", "list"), Index(None, "list"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id))
    list: Mapped[str]
    name: Mapped[str]
    query: Mapped[str]
    is_shared: Mapped[bool]
    created_at: Mapped[datetime]


class DefaultView(Base):
    """The view in which a person's list opens."""

    __tablename__ = "default_views"
    __table_args__ = (
        ForeignKeyConstraint(["view_id", "list"], ["saved_views.id", "saved_views.list"], ondelete="CASCADE"),
        Index(None, "view_id"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True)
    list: Mapped[str] = mapped_column(primary_key=True)
    view_id: Mapped[UUID]
