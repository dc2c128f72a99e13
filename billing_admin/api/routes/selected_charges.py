"""Hold, release or cancel many charges, by their ids or by a filter."""

from collections.abc import Collection
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Currency,
    Day,
    Exact,
    Key,
    Name,
    ReasonText,
    ResponseModel,
    enumeration,
)
from billing_admin.api.frame.routing import Reply, route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.money import currency_code
from billing_admin.domain.selections import MAX_SELECTED, ActPlan, StatusSum, check_selected
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.charges import charges as operations
from billing_admin.queries.charges.charges import ChargeFilter, charge_ids
from billing_admin.queries.charges.recurring_charges import existing_charge_ids


class ChosenCharges(Body):
    """A filter of the charges to change; both days are included."""

    customer: Name = OMITTED
    service: Name = OMITTED
    status: Literal["pending", "held"] = OMITTED
    currency: Currency = OMITTED
    from_: Day = Field(OMITTED, alias="from")
    to: Day = OMITTED


class ChargesChange(Body):
    """The charges to change, by `charges` or by `filter`, and the reason.

    `confirmed` is the `digest` of a dry run, which a filter needs: the request is refused if it would change other charges.
    """

    charges: Annotated[list[Key], Field(min_length=1, max_length=MAX_SELECTED)] = OMITTED
    filter: ChosenCharges = OMITTED
    reason: ReasonText
    dry_run: bool = False
    confirmed: str = OMITTED


class StatusSumOut(ResponseModel):
    """Count and exact sum of charges of one status and currency."""

    status: Annotated[str, enumeration("pending", "held", "billed", "cancelled")]
    currency: str
    charges: int
    amount: Exact


class ChargesChangedOut(ResponseModel):
    """The charges that were changed, or would be changed by a dry run.

    `totals` are their sums with the new status. `left_out` are charges whose status does not allow the change, or that
    have the new status already.
    """

    changed: int
    totals: list[StatusSumOut]
    left_out: list[StatusSumOut]
    digest: str


@route("POST", "/charges/hold", scope="charges:write", body=ChargesChange, response=ChargesChangedOut)
def hold_charges(actor: Actor, body: ChargesChange) -> Reply:
    """Hold up to 10,000 pending charges, all or nothing."""
    return _change(actor, "hold", body)


@route("POST", "/charges/release", scope="charges:write", body=ChargesChange, response=ChargesChangedOut)
def release_charges(actor: Actor, body: ChargesChange) -> Reply:
    """Release up to 10,000 held charges, all or nothing."""
    return _change(actor, "release", body)


@route("POST", "/charges/cancel", scope="charges:write", body=ChargesChange, response=ChargesChangedOut)
def cancel_charges(actor: Actor, body: ChargesChange) -> Reply:
    """Cancel up to 10,000 charges that are not billed, all or nothing."""
    return _change(actor, "cancel", body)


def _change(actor: Actor, act: str, body: ChargesChange) -> Reply:
    sent = body.model_fields_set
    if ("charges" in sent) == ("filter" in sent):
        raise Invalid("charges_or_filter", "Send either “charges” or “filter”.", "charges")
    if "filter" in sent and not body.dry_run and "confirmed" not in sent:
        message = "A filter needs the digest of a dry run. Send the request with “dry_run” first."
        raise Invalid("not_confirmed", message, "confirmed")
    check_not_blank(body.reason, "reason", longest=MAX_REASON_LENGTH, stored=True)
    if body.dry_run:
        session = db.session()
        return Reply(_out(operations.plan_selected(session, act, _find_ids(session, body))))
    confirmed = body.confirmed if "confirmed" in sent else None

    def change(session: Session) -> ActPlan:
        ids = _find_ids(session, body)
        return operations.change_selected(session, act, ids, body.reason, confirmed, actor, now())

    return Reply(_out(bounded_transaction(change)))


def _find_ids(session: Session, body: ChargesChange) -> list[UUID]:
    """Return the ids of the charges to change.

    Refuses ids that do not exist, and a filter that matches too many charges.
    """
    if "charges" in body.model_fields_set:
        _check_exist(session, body.charges)
        return list(body.charges)
    values = body.filter.provided()
    if "currency" in values:
        currency_code(values["currency"])
    try:
        ids = charge_ids(session, ChargeFilter(**values), MAX_SELECTED + 1)
    except NotFound as error:
        raise Invalid(error.code, error.message, "filter", *error.field) from error
    if ids:
        check_selected(len(ids), "charges")
    return ids


def _check_exist(session: Session, ids: Collection[UUID]) -> None:
    existing = existing_charge_ids(session, list(ids))
    for index, id in enumerate(ids):
        if id not in existing:
            raise Invalid("unknown_charge", f"There is no charge {id}.", "charges", index)


def _out(plan: ActPlan) -> ChargesChangedOut:
    return ChargesChangedOut(
        changed=len(plan.ids),
        totals=[_sum_out(row) for row in plan.sums],
        left_out=[_sum_out(row) for row in plan.left_out],
        digest=plan.digest(),
    )


def _sum_out(row: StatusSum) -> StatusSumOut:
    return StatusSumOut(status=row.status, currency=row.currency, charges=row.charges, amount=row.amount)
