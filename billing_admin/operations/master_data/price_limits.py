"""Price changes above the limit of the actor's role.

A change that is all of its request waits for approval; another one is refused.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.approvals import NeedsApproval, Submission
from billing_admin.domain.errors import Denied
from billing_admin.domain.money import plain_decimal_or_none
from billing_admin.domain.prices import ListPrice, change_in_percent
from billing_admin.domain.translation import Phrase
from billing_admin.models import Service
from billing_admin.operations.limits import above_limit

ACT: Final = "price"


class PriceChange(NamedTuple):
    """The price in a currency from a day on, before and after a change.

    A removal brings back the price before it.
    """

    currency: str
    valid_from: date
    before: ListPrice | None
    after: ListPrice | None
    is_removal: bool = False


def refuse_above_limit(
    session: Session,
    service: Service,
    changes: Iterable[PriceChange],
    actor: Actor,
    now: datetime,
    *,
    may_wait: bool,
    field: str,
) -> None:
    """Refuse price changes above the limit of the actor's role.

    Raises:
        NeedsApproval: A change needs approval, and `may_wait`.
        Denied: A change needs approval; the error names `field`.
    """
    submissions = [_submission(service, change) for change in changes]
    with session.no_autoflush:  # a flush here would count up the version a second time
        above = above_limit(session, actor, ACT, submissions, now)
    for submission in above.values():
        if may_wait:
            raise NeedsApproval(submission)
        message = Phrase(
            "The new price in {currency} differs by more than the limit of your role. Set this price alone, on the page"
            " of the service: that can wait for approval.",
            currency=submission.currency,
        )
        raise Denied("needs_approval", message, field)


def _submission(service: Service, change: PriceChange) -> Submission:
    """Return the submission of a change; that of a removal has no unit price."""
    price = None if change.is_removal else change.after
    values = {
        "currency": change.currency,
        "valid_from": change.valid_from.isoformat(),
        "unit_price": None if price is None else plain_decimal_or_none(price.unit_price),
        "includes_tax": price is not None and price.includes_tax,
    }
    percent = change_in_percent(change.before, change.after)
    return Submission(ACT, "service", service.id, service.code, values, "", currency=change.currency, percent=percent)
