"""Where customers stand: what each was invoiced and paid, since when something is overdue, and what is unbilled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.receivables import ZERO_POSITION, Position
from billing_admin.queries.master_data.customers import UnbilledAmounts, unbilled_by_customer
from billing_admin.queries.payments.receivables import positions


@dataclass(frozen=True, slots=True)
class CustomerBalance:
    """A customer in one currency: the position in minor units; `unbilled` is exact, None for nothing."""

    currency: str
    position: Position
    overdue_since: date | None
    unbilled: UnbilledAmounts | None


def customer_balances(session: Session, customer_ids: Sequence[UUID], today: date) -> dict[UUID, list[CustomerBalance]]:
    """Each customer's standing in every currency in which something was booked or is unbilled, by currency."""
    owed = positions(session, today, customer_ids=customer_ids)
    waiting = {
        (id, one.currency): one for id, ones in unbilled_by_customer(session, customer_ids).items() for one in ones
    }
    found: dict[UUID, list[CustomerBalance]] = {id: [] for id in customer_ids}
    for key in sorted(owed.keys() | waiting.keys(), key=lambda key: key[1]):
        found[key[0]].append(_standing(key[1], owed.get(key, ZERO_POSITION), waiting.get(key), today))
    return found


def _standing(currency: str, position: Position, waiting: UnbilledAmounts | None, today: date) -> CustomerBalance:
    oldest = position.oldest_due
    return CustomerBalance(currency, position, oldest if oldest is not None and oldest < today else None, waiting)
