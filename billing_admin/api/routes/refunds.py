"""Refunds: recorded, listed and reversed."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Currency,
    Day,
    Key,
    Listing,
    Name,
    Number,
    Paging,
    Parameters,
    ReasonText,
    ResponseModel,
    ShortText,
    enumeration,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, parse_id, route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.payments import METHODS
from billing_admin.domain.refunds import RefundSpec
from billing_admin.domain.webhook_payloads import refund_payload
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.payments import refunds as operations
from billing_admin.queries.payments.refunds import RefundFilter, parts_of_refunds, refund, refunds


class RefundIn(Body):
    """A new refund of a customer's credit, by default paid today."""

    id: Key = OMITTED
    customer: Name
    amount: Number
    currency: Currency = OMITTED
    paid_on: Day = OMITTED
    method: Annotated[str, enumeration(*METHODS)]
    reference: ShortText = OMITTED

    def spec(self) -> RefundSpec:
        """Return the request as a spec."""
        return RefundSpec(**self.__dict__)


class ReverseRefundIn(Body):
    """The reason and the day of a reversal, by default today."""

    reason: ReasonText
    reversed_on: Day = OMITTED


class RefundedPaymentOut(ResponseModel):
    """The part of a payment that a refund pays back."""

    payment: UUID
    amount: str


class RefundOut(ResponseModel):
    """A refund.

    `payments` are the payments whose unallocated amounts it pays back.
    """

    id: UUID
    customer: str
    amount: str
    currency: str
    paid_on: date
    method: Annotated[str, enumeration(*METHODS)]
    reference: str
    status: Annotated[str, enumeration("recorded", "reversed")]
    reversed_on: date | None
    reversal_reason: str
    payments: list[RefundedPaymentOut]
    created_at: datetime
    created_by: str


class RefundFilters(Parameters):
    """Filters of refunds.

    `from` and `to` are the days of payment, both included.
    """

    customer: str = ""
    currency: Currency = ""
    status: Literal["", "recorded", "reversed"] = ""
    method: Literal["", "bank_transfer", "direct_debit", "card", "cash", "cheque", "other"] = ""
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    reference: str = ""

    def to_filter(self) -> RefundFilter:
        """Return the filter for the queries."""
        return RefundFilter(**self.filters())


class RefundQuery(RefundFilters, Paging):
    """A page of refunds."""


def _read(session: Session, id: UUID) -> RefundOut:
    return RefundOut(**refund_payload(refund(session, id), parts_of_refunds(session, [id])[id]))


@route("POST", "/refunds", scope="payments:write", body=RefundIn, response=RefundOut, statuses=(201, 200))
def post_refund(actor: Actor, body: RefundIn) -> Reply:
    """Record a refund of a customer's credit, the oldest credit first."""
    stored, is_new = bounded_transaction(_record, body.spec(), actor, now())
    return created_reply(stored, is_new)


def _record(session: Session, spec: RefundSpec, actor: Actor, at: datetime) -> tuple[RefundOut, bool]:
    recorded = operations.record(session, spec, actor, at)
    return _read(session, recorded.id), recorded.created


@route("GET", "/refunds", scope="read", query=RefundQuery, response=Listing[RefundOut])
def list_refunds(query: RefundQuery) -> Reply:
    """List refunds, newest first."""
    session = db.session()
    rows = page(session, refunds(session, query.to_filter()), query.limit, query.after)
    parts = parts_of_refunds(session, [row.id for row in rows.rows])

    def out(row: Any) -> RefundOut:
        return RefundOut(**refund_payload(row, parts[row.id]))

    return list_reply(rows, out)


@route("GET", "/refunds/{id}", scope="read", response=RefundOut)
def get_refund(id: str) -> Reply:
    """Read one refund."""
    return Reply(_read(db.session(), parse_id(id)))


@route("POST", "/refunds/{id}/reverse", scope="payments:write", body=ReverseRefundIn, response=RefundOut)
def reverse_refund(actor: Actor, id: str, body: ReverseRefundIn) -> Reply:
    """Reverse a refund: the money is the customer's credit again."""
    return Reply(bounded_transaction(_reverse, parse_id(id), body.reason, body.reversed_on, actor, now()))


def _reverse(
    session: Session, id: UUID, reason: str, reversed_on: date | None, actor: Actor, at: datetime
) -> RefundOut:
    operations.reverse(session, id, reason, reversed_on, actor, at)
    return _read(session, id)
