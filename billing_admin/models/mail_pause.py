"""The pause of the outbox while the mail server refuses the configuration."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base, StoredPhrase


class MailPause(Base):
    """Refusals of the mail server in a row, and the pause after them.

    They have no accepted message in between. There is one row. `reason` is the latest refusal. No message is sent until `until`.
    """

    __tablename__ = "mail_pause"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    refusals: Mapped[int]
    reason: Mapped[str]
    reason_phrase: Mapped[dict[str, Any] | None]
    reason_text = StoredPhrase("reason")
    until: Mapped[datetime | None]
