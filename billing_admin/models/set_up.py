"""The set-up of a new installation."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base


class ClosedSetUpStep(Base):
    """A step of the set-up that a person finished or skipped.

    Other steps are done once their data exist.
    """

    __tablename__ = "closed_set_up_steps"

    step: Mapped[str] = mapped_column(primary_key=True)
    closed_at: Mapped[datetime]
