"""Negative charges above the limit of the actor's role.

One waits for approval, several are refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import NeedsApproval, Submission
from billing_admin.domain.charges import ChargeSpec, PricedCharge, corrected_spec
from billing_admin.domain.errors import Denied
from billing_admin.domain.money import minor_units, plain_decimal
from billing_admin.domain.posting import Assessment, Candidate, PostingContext
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer
from billing_admin.operations.limits import above_limit
from billing_admin.queries.access.limits import limit_of

ACT: Final = "negative_charge"
# How values that are no JSON are read from a submission.
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("quantity", "unit_price", "amount"), Decimal),
    **dict.fromkeys(("incurred_on", "period_from", "period_to"), date.fromisoformat),
    "id": UUID,
}


def refuse_above_limit(
    session: Session,
    assessment: Assessment,
    candidates: Sequence[Candidate],
    context: PostingContext,
    actor: Actor,
    now: datetime,
    *,
    may_wait: bool,
) -> None:
    """Refuse each new negative charge above the limit of the actor's role.

    The refusals are added to the assessment.

    Raises:
        NeedsApproval: It is the only charge of the request, and `may_wait`.
    """
    negative = {id: new.charge for id, new in assessment.new.items() if new.charge.amount < 0}
    if not negative:
        return
    place_of = {id: place for place, id in reversed(list(enumerate(assessment.ids)))}
    places = [place_of[id] for id in negative]
    submissions = (
        _submission(candidates[place].spec, charge, context)
        for place, charge in zip(places, negative.values(), strict=True)
    )
    above = above_limit(session, actor, ACT, submissions, now)
    if above and may_wait and len(candidates) == 1:
        raise NeedsApproval(above[0])
    assessment.refusals.extend((places[number], _denied()) for number in above)


def is_limited(session: Session, candidate: Candidate, actor: Actor) -> bool:
    """Return whether a charge is negative and its actor has a limit for that."""
    priced = candidate.priced
    if not isinstance(priced, PricedCharge) or priced.amount >= 0:
        return False
    return limit_of(session, actor.kind, actor.id, ACT) is not None


def check_recurring(
    session: Session, customer: Customer, amount: Decimal, currency: str, actor: Actor, now: datetime
) -> None:
    """Raise Denied for a negative recurring amount above the limit of the role."""
    if amount >= 0:
        return
    minor = -minor_units(amount, currency)
    submission = Submission(ACT, "customer", customer.id, customer.reference, {}, "", minor, currency, -amount)
    if above_limit(session, actor, ACT, [submission], now):
        message = Phrase("This amount is above the limit of your role. A person with a higher limit can add it.")
        raise Denied("above_limit", message, "quantity")


def spec_as_submitted(fields_of_charge: Mapping[str, Any]) -> ChargeSpec:
    """Return the charge of a submission."""
    values = {
        name: _READ[name](value) if name in _READ and value is not None else value
        for name, value in fields_of_charge.items()
    }
    return ChargeSpec(**values)


def _submission(spec: ChargeSpec, charge: PricedCharge, context: PostingContext) -> Submission:
    """Return the submission of a charge, with the price and the day that it has now."""
    priced = corrected_spec(charge, {}, spec.id)
    values = {field.name: _as_json(getattr(priced, field.name)) for field in fields(priced)}
    minor = -minor_units(charge.amount, charge.currency)
    customer = context.customer_of(spec)
    return Submission(
        ACT,
        "customer",
        customer.id,
        customer.reference,
        values,
        charge.description,
        minor,
        charge.currency,
        -charge.amount,
    )


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if isinstance(value, date | UUID) else value


def _denied() -> Denied:
    message = Phrase("This negative charge is above the limit of your role. Add it alone: that can wait for approval.")
    return Denied("needs_approval", message, "amount")
