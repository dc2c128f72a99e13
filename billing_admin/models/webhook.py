"""Webhook endpoints, deliveries, and their attempts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from billing_admin.models.base import Base, StoredPhrase, value_check

ENDPOINT_STATES = ("active", "paused", "archived")
DELIVERY_STATES = ("waiting", "delivered", "given_up")
_WAITING = text("state = 'waiting'")


class WebhookEndpoint(Base):
    """An address that receives events.

    Its secret is not stored: it is derived from `salt` and the installation's key, and checked against
    `secret_hash`. Until `previous_until` the previous secret signs as well. Only the `worker` sends to the
    endpoint, until its claim ends at `held_until`. `silent` is the number of consecutive attempts without
    any response; after such an attempt nothing is sent until `rest_until`.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        value_check("state", *ENDPOINT_STATES),
        CheckConstraint("(previous_salt IS NULL) = (previous_until IS NULL)", name="previous_ends"),
        CheckConstraint("(worker IS NULL) = (held_until IS NULL)", name="held_by_worker"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    url: Mapped[str]
    description: Mapped[str]
    events: Mapped[list[str]]
    state: Mapped[str]
    salt: Mapped[str]
    secret_hash: Mapped[str]
    previous_salt: Mapped[str | None]
    previous_until: Mapped[datetime | None]
    given_up_in_a_row: Mapped[int]
    silent: Mapped[int]
    rest_until: Mapped[datetime | None]
    worker: Mapped[str | None]
    held_until: Mapped[datetime | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class WebhookDelivery(Base):
    """One event for one endpoint.

    `body` is the same in each attempt; `about` names the event's object.

    `tries` is the number of attempts since `asked_at`: the time of the event, or of the last request to
    send it again.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        value_check("state", *DELIVERY_STATES),
        CheckConstraint("(state = 'waiting') = (next_attempt_at IS NOT NULL)", name="waiting_is_due"),
        CheckConstraint("(state = 'waiting') = (finished_at IS NULL)", name="waiting_is_not_finished"),
        Index(None, "endpoint_id", "created_at", "id"),
        Index(
            "ix_webhook_deliveries_waiting",
            "endpoint_id",
            "created_at",
            "id",
            postgresql_where=_WAITING,
            sqlite_where=_WAITING,
        ),
        Index(None, "finished_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey(WebhookEndpoint.id))
    event_id: Mapped[UUID]
    event: Mapped[str]
    about: Mapped[str]
    body: Mapped[str]
    state: Mapped[str]
    tries: Mapped[int]
    next_attempt_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    asked_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    attempts: Mapped[list["WebhookAttempt"]] = relationship(order_by="WebhookAttempt.number", viewonly=True)
    endpoint: Mapped[WebhookEndpoint] = relationship(viewonly=True)


class WebhookAttempt(Base):
    """One attempt, with its outcome.

    Attempts are numbered from 1. The outcome is the status code and the start of the response, or the error.
    """

    __tablename__ = "webhook_attempts"
    __table_args__ = (CheckConstraint("(status IS NULL) = (error IS NOT NULL)", name="answered_or_not"),)

    delivery_id: Mapped[UUID] = mapped_column(ForeignKey(WebhookDelivery.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    milliseconds: Mapped[int]
    status: Mapped[int | None]
    error: Mapped[str | None]
    error_phrase: Mapped[dict[str, Any] | None]
    error_text = StoredPhrase("error")
    answer: Mapped[str]
