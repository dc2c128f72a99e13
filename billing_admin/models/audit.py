"""Who did what to what, and when."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.models.base import Base


class AuditEvent(Base):
    """One write, committed together with it. `details` holds before and after, or the counts of a batch."""

    __tablename__ = "audit_events"
    __table_args__ = (Index(None, "at", "id"), Index(None, "object_id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    request_id: Mapped[str | None]
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]]
