"""Acts that wait for approval: a script sees what became of its own and others'."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from billing_admin.api.frame.fields import Exact, Listing, Paging, ResponseModel, enumeration
from billing_admin.api.frame.routing import Reply, list_reply, parse_id, route
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.domain.approvals import ACTS, STATES
from billing_admin.domain.money import Money
from billing_admin.models import ApprovalRequest
from billing_admin.queries import approvals as queries


class ApprovalOut(ResponseModel):
    """An act above a limit.

    `object` is the id of the invoice, customer or service that it changes, and `percent` by how much it changes a price.
    `decided_by` is empty while it waits.
    """

    id: UUID
    act: Annotated[str, enumeration(*ACTS)]
    object_type: Annotated[str, enumeration("invoice", "customer", "service", "organisation")]
    object: UUID | None
    amount: str | None
    percent: Exact | None
    currency: str
    reason: str
    state: Annotated[str, enumeration(*STATES)]
    asked_by: str
    created_at: datetime
    decided_by: str
    decided_at: datetime | None
    decision_reason: str


class ApprovalQuery(Paging):
    """A page of requests for approval."""

    state: Literal["", "waiting", "approved", "rejected", "withdrawn"] = ""


@route("GET", "/approvals", scope="read", query=ApprovalQuery, response=Listing[ApprovalOut])
def list_approvals(query: ApprovalQuery) -> Reply:
    """List acts that wait for approval or were decided, newest first."""
    return list_reply(page(db.session(), queries.approval_requests(query.state), query.limit, query.after), _out)


@route("GET", "/approvals/{id}", scope="read", response=ApprovalOut)
def get_approval(id: str) -> Reply:
    """Return one act that waits for approval or was decided."""
    return Reply(_out(queries.approval_request(db.session(), parse_id(id))))


def _out(row: ApprovalRequest) -> ApprovalOut:
    return ApprovalOut(
        id=row.id,
        act=row.act,
        object_type=row.object_type,
        object=row.object_id,
        amount=None if row.amount is None else str(Money(row.amount, row.currency).decimal),
        percent=row.percent,
        currency=row.currency,
        reason=row.reason,
        state=row.state,
        asked_by=row.maker_name,
        created_at=row.created_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
    )
