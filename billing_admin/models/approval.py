"""Limits of roles, and acts that wait for approval."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from billing_admin.domain.approvals import ACTS, STATES, measure_of
from billing_admin.models.base import Base, exact_checks, value_check
from billing_admin.models.user import User


class RoleLimit(Base):
    """The amount in the base currency, or percentage, above which acts wait."""

    __tablename__ = "role_limits"
    __table_args__ = (*exact_checks("amount"), value_check("act", *ACTS))

    role: Mapped[str] = mapped_column(primary_key=True)
    act: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal]


class LimitedAct(Base):
    """The sum of a person's limited acts on one object in one day.

    Acts that another person approved are not in it. Rows of earlier days are deleted when the person acts again.
    `currency` is that of a price, blank for amounts.
    """

    __tablename__ = "limited_acts"
    __table_args__ = (
        *exact_checks("measure"),
        value_check("act", *ACTS),
        Index(None, "person_id", "act", "object_id", "currency", "day", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey(User.id))
    act: Mapped[str]
    object_id: Mapped[UUID]
    currency: Mapped[str]
    day: Mapped[date]
    measure: Mapped[Decimal]


class ApprovalRequest(Base):
    """An act that waits for approval, or was decided.

    `input` is what its operation needs. `maker_id` is the person or token who asked, `person_id` that person or the
    token's owner. `fingerprint` is that of what it would change, as it was then. `in_base` is the amount in the base
    currency, `percent` by how much a price changes.
    """

    __tablename__ = "approval_requests"
    __table_args__ = (
        *exact_checks("in_base", "percent"),
        value_check("act", *ACTS),
        value_check("state", *STATES),
        Index(None, "state", "created_at"),
        Index(
            "uq_approval_requests_waiting",
            "digest",
            unique=True,
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    act: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[UUID | None]
    object_name: Mapped[str]
    input: Mapped[dict[str, Any]]
    digest: Mapped[str]
    fingerprint: Mapped[str]
    reason: Mapped[str]
    amount: Mapped[int | None]
    currency: Mapped[str]
    in_base: Mapped[Decimal | None]
    percent: Mapped[Decimal | None]
    state: Mapped[str]
    maker_kind: Mapped[str]
    maker_id: Mapped[UUID]
    maker_name: Mapped[str]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.id))
    created_at: Mapped[datetime]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.id))
    decided_by: Mapped[str]
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str]

    @property
    def measure(self) -> Decimal | None:
        """The number that limits are compared with; None if it is unknown."""
        return measure_of(self.act, self.in_base, self.percent)
