"""The set-up of a new installation."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base


class SetUpLink(Base):
    """The link by which the first person signs in; there is at most one.

    `token_hash` is the SHA-256 of the random value in the link.
    """

    __tablename__ = "set_up_links"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token_hash: Mapped[str]
    expires_at: Mapped[datetime]


class ClosedSetUpStep(Base):
    """A step of the set-up that a person finished or skipped.

    Other steps are done once their data exist.
    """

    __tablename__ = "closed_set_up_steps"

    step: Mapped[str] = mapped_column(primary_key=True)
    closed_at: Mapped[datetime]
