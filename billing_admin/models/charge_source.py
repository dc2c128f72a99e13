"""Sources of charges from which no further charges are expected."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base


class EndedSource(Base):
    """A source that was ended; it counts until the source delivers again.

    `id` is that of an API token, or of the import that was the last one.
    """

    __tablename__ = "ended_sources"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime]
