"""Imported files: how each is read, the result of its check, and its progress."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base, JsonData, StoredPhrase, value_check
from billing_admin.models.job import StoredFile

IMPORT_KINDS = (
    *("customers", "services", "charges", "payments", "contacts", "opening-balances"),
    "recurring-charges",
)
IMPORT_STATES = ("uploaded", "checking", "refused", "checked", "importing", "done")


class Import(Base):
    """The import of one file.

    Its bytes are deleted after a while; the record of the import stays.

    `plan` says how to read the file (`domain.imports.fields.Plan`). `promised` holds the counts and sums
    of the check, `made` those of the rows that are stored so far, and `done` is the number of these rows;
    each chunk updates `made` and `done` in the transaction that stores its rows. `failure` says what
    ended the check or the import early. `error_phrases` are the forms of the first sentences in the file of errors, which
    pages translate.
    """

    __tablename__ = "imports"
    __table_args__ = (
        value_check("kind", *IMPORT_KINDS),
        value_check("state", *IMPORT_STATES),
        CheckConstraint("done >= 0", name="done_not_negative"),
        CheckConstraint("(state = 'done') = (finished_at IS NOT NULL)", name="done_has_moment"),
        Index(None, "created_at", "id"),
        Index(None, "sha256"),
        Index(None, "header_key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    state: Mapped[str]
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey(StoredFile.id, ondelete="SET NULL"))
    file_name: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    header_key: Mapped[str | None]
    plan: Mapped[dict[str, Any] | None] = mapped_column(JsonData)
    promised: Mapped[dict[str, Any] | None] = mapped_column(JsonData)
    errors_id: Mapped[UUID | None] = mapped_column(ForeignKey(StoredFile.id, ondelete="SET NULL"))
    error_phrases: Mapped[list[dict[str, Any] | None] | None] = mapped_column(JsonData)
    made: Mapped[dict[str, Any] | None] = mapped_column(JsonData)
    done: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    finished_at: Mapped[datetime | None]
    failure: Mapped[str | None]
    failure_phrase: Mapped[dict[str, Any] | None]
    failure_text = StoredPhrase("failure")
