"""Store acts above the limit of a role, and execute or reject them.

An approved act is executed as stored, in one transaction, by its maker: the operation is the one that refused it.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.domain.access import Actor, Approval
from billing_admin.domain.approvals import ACTS, WAITING, Submission, is_within
from billing_admin.domain.errors import Conflict, Denied
from billing_admin.domain.money import Money, plain_decimal
from billing_admin.domain.prices import PriceSpec
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank
from billing_admin.domain.translation import Phrase
from billing_admin.models import ApprovalRequest, Organisation, Service
from billing_admin.operations.audit import record
from billing_admin.operations.charges.negative_charges import spec_as_submitted
from billing_admin.operations.charges.posting import post
from billing_admin.operations.invoices.credit_notes import credit_as_submitted
from billing_admin.operations.invoices.invoices import lock_invoice
from billing_admin.operations.invoices.voids import void_invoice
from billing_admin.operations.master_data.periods import set_period_lock
from billing_admin.operations.master_data.services import remove_price, set_price
from billing_admin.operations.payments.allocations import lock_account_and_invoices
from billing_admin.operations.payments.payments import write_off
from billing_admin.operations.payments.refunds import record_as_submitted
from billing_admin.queries.access.limits import limit_of
from billing_admin.queries.access.permissions import current_permissions, owner_of
from billing_admin.queries.approvals import approval_request, preview

PERMISSION: Final = "approvals:write"
_DECISIONS: Final = {
    "approved": "approval.approved",
    "rejected": "approval.rejected",
    "withdrawn": "approval.withdrawn",
}


def submit(session: Session, submission: Submission, actor: Actor, now: datetime) -> ApprovalRequest:
    """Store an act that needs approval, and return its request.

    Repeating an act that still waits returns its request.
    """
    subject = [submission.act, str(submission.object_id), submission.input, str(actor.id)]
    digest = sha256(json.dumps(subject, sort_keys=True).encode()).hexdigest()
    waiting = select(ApprovalRequest).where(ApprovalRequest.digest == digest, ApprovalRequest.state == WAITING)
    if (existing := session.scalars(waiting).first()) is not None:
        return existing
    request = ApprovalRequest(
        id=new_id(now),
        act=submission.act,
        object_type=submission.object_type,
        object_id=submission.object_id,
        object_name=submission.object_name,
        input=dict(submission.input),
        digest=digest,
        fingerprint="",
        reason=submission.reason,
        amount=submission.minor,
        currency=submission.currency,
        in_base=submission.in_base,
        percent=submission.percent,
        state=WAITING,
        maker_kind=actor.kind,
        maker_id=actor.id,
        maker_name=actor.name,
        person_id=owner_of(session, actor.kind, actor.id),
        created_at=now,
        decided_by_id=None,
        decided_by="",
        decided_at=None,
        decision_reason="",
    )
    request.fingerprint = preview(session, request).fingerprint
    session.add(request)
    session.flush()
    record(session, actor, now, "approval.requested", "approval", request.id, _details(request))
    return request


def approve(session: Session, request_id: UUID, fingerprint: str, actor: Actor, now: datetime) -> ApprovalRequest:
    """Execute a stored act as its maker.

    `fingerprint` is that of the preview that the approver saw. Raises NotFound; Denied for the maker, for a token, and above
    the approver's own limit; Conflict for a decided request, a preview that is out of date, and a maker who lost the
    permission; and what the act itself raises. Nothing is done then.
    """
    request = _lock_for_decision(session, request_id, actor)
    if not is_within(limit_of(session, actor.kind, actor.id, request.act), request.measure):
        raise Denied(
            "above_own_limit", Phrase("This is above the limit of your own role. Another person must approve it.")
        )
    _lock_object(session, request)
    if preview(session, request).fingerprint != fingerprint:
        message = Phrase(
            "The effect of this act is no longer the one shown. Nothing was done: check the preview again."
        )
        raise Conflict("stale_preview", message)
    permissions = current_permissions(session, request.maker_kind, request.maker_id)
    if ACTS[request.act].permission not in permissions:
        message = Phrase("{maker} no longer has the permission for this act.", maker=request.maker_name)
        raise Conflict("maker_lost_permission", message)
    approval = Approval(request.id, actor.name)
    maker = Actor(request.maker_kind, request.maker_id, request.maker_name, permissions, actor.request_id, approval)
    _EXECUTE[request.act](session, request, maker, now)
    _decide(session, request, "approved", "", actor, now)
    return request


def reject(session: Session, request_id: UUID, reason: str, actor: Actor, now: datetime) -> ApprovalRequest:
    """Reject a stored act, which is not done.

    Raises NotFound, Denied for the maker, Conflict for a decided request, and Invalid without a reason.
    """
    request = _lock_for_decision(session, request_id, actor)
    checked = check_not_blank(reason, "reason", longest=MAX_REASON_LENGTH)
    _decide(session, request, "rejected", checked, actor, now)
    return request


def withdraw(session: Session, request_id: UUID, actor: Actor, now: datetime) -> ApprovalRequest:
    """Withdraw a stored act of the actor, or of a token of the actor.

    Raises NotFound, Denied for the act of another person, and Conflict for a decided request.
    """
    request = _lock_waiting(session, request_id)
    if not is_own(request, actor):
        raise Denied("not_own_request", Phrase("Only the person who asked for this can withdraw it."))
    _decide(session, request, "withdrawn", "", actor, now)
    return request


def is_own(request: ApprovalRequest, actor: Actor) -> bool:
    """Return whether the actor asked for the act, also with a token."""
    return actor.id is not None and actor.id in {request.maker_id, request.person_id}


def _lock_waiting(session: Session, request_id: UUID) -> ApprovalRequest:
    request = approval_request(session, request_id, lock=True)
    if request.state != WAITING:
        message = Phrase("This was already decided: it is {state}.", state=request.state)
        raise Conflict("already_decided", message)
    return request


def _lock_for_decision(session: Session, request_id: UUID, actor: Actor) -> ApprovalRequest:
    actor.require(PERMISSION)
    if actor.kind != "person":
        raise Denied("not_a_person", Phrase("Only people can decide on acts that wait for approval."))
    request = _lock_waiting(session, request_id)
    if is_own(request, actor):
        message = Phrase("You asked for this yourself. Another person must approve or reject it.")
        raise Denied("own_request", message)
    return request


def _lock_object(session: Session, request: ApprovalRequest) -> None:
    """Lock what the act changes, so that its preview stays true until the act is done."""
    if request.object_type == "invoice" and request.object_id is not None:
        lock_invoice(session, request.object_id)
    elif request.object_type == "service":
        session.get_one(Service, request.object_id, with_for_update={"of": Service}, populate_existing=True)
    elif request.object_type == "customer" and request.object_id is not None:
        lock_account_and_invoices(session, (request.object_id, request.currency), [])
    else:
        session.get_one(Organisation, 1, with_for_update={"of": Organisation}, populate_existing=True)


def _decide(session: Session, request: ApprovalRequest, state: str, reason: str, actor: Actor, now: datetime) -> None:
    request.state, request.decided_by_id, request.decided_by = (
        state,
        actor.id if actor.kind == "person" else None,
        actor.name,
    )
    request.decided_at, request.decision_reason = now, reason
    session.flush()
    details = _details(request) | ({"decision": reason} if reason else {})
    record(session, actor, now, _DECISIONS[state], "approval", request.id, details)


def _details(request: ApprovalRequest) -> dict[str, Any]:
    details: dict[str, Any] = {"act": request.act, "asked_by": request.maker_name}
    if request.object_id is not None:
        details[request.object_type] = str(request.object_id)
    if request.amount is not None:
        details |= {"amount": str(Money(request.amount, request.currency)), "currency": request.currency}
    if request.percent is not None:
        details |= {"percent": plain_decimal(request.percent), "currency": request.currency}
    return details | ({"reason": request.reason} if request.reason else {})


def _object_id(request: ApprovalRequest) -> UUID:
    if request.object_id is None:
        raise RuntimeError(f"The request {request.id} names no object.")
    return request.object_id


def _credit(session: Session, request: ApprovalRequest, maker: Actor, now: datetime) -> None:
    credit_as_submitted(session, _object_id(request), request.input, maker, now)


def _void(session: Session, request: ApprovalRequest, maker: Actor, now: datetime) -> None:
    fields = request.input
    void_invoice(session, _object_id(request), fields["reason"], fields["charges"], maker, now)


def _write_off(session: Session, request: ApprovalRequest, maker: Actor, now: datetime) -> None:
    fields = request.input
    amount, id = Decimal(fields["amount"]), None if fields["id"] is None else UUID(fields["id"])
    write_off(session, _object_id(request), amount, fields["reason"], id, maker, now, part=fields["part"])


def _refund(session: Session, request: ApprovalRequest, maker: Actor, now: datetime) -> None:
    record_as_submitted(session, _object_id(request), request.input, maker, now)


def _negative_charge(session: Session, request: ApprovalRequest, maker: Actor, now: datetime) -> None:
    maker.require("charges:write")
    post(session, [spec_as_submitted(request.input)], maker, now)


def _price(session: Session, request: ApprovalRequest, maker: Actor, now: datetime) -> None:
    fields, service_id = request.input, _object_id(request)
    currency, day = fields["currency"], date.fromisoformat(fields["valid_from"])
    if fields["unit_price"] is None:
        remove_price(session, service_id, currency, day, maker, now)
        return
    spec = PriceSpec(currency, Decimal(fields["unit_price"]), day, fields["includes_tax"])
    set_price(session, service_id, spec, None, maker, now)


def _unlock(session: Session, request: ApprovalRequest, maker: Actor, now: datetime) -> None:
    through = request.input["through"]
    day = None if through is None else date.fromisoformat(through)
    set_period_lock(session, day, request.input["reason"], maker, now)


_EXECUTE: Final[Mapping[str, Callable[[Session, ApprovalRequest, Actor, datetime], None]]] = {
    "credit": _credit,
    "void": _void,
    "write_off": _write_off,
    "refund": _refund,
    "negative_charge": _negative_charge,
    "price": _price,
    "unlock": _unlock,
}
