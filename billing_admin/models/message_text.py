"""The organisation's own texts of messages to customers."""

from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.domain.message_texts import TEXT_KEYS
from billing_admin.domain.parties import LANGUAGES
from billing_admin.models.base import Base, value_check


class StoredMessageText(Base):
    """A subject and a text, with named fields, that replace the built-in ones.

    Both are empty after the built-in text was restored. The row stays, so that its `version` never repeats.
    """

    __tablename__ = "message_texts"
    __table_args__ = (value_check("key", *TEXT_KEYS), value_check("language", *LANGUAGES))

    key: Mapped[str] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    body: Mapped[str]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
