"""Where customers stand: what each was invoiced and paid, since when something is overdue, and what is unbilled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.domain.receivables import NOTHING, Position
from billing_admin.queries.master_data.customers import Unbilled, unbilled
from billing_admin.queries.payments.receivables import positions


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer in one currency: the position in minor units; `unbilled` is exact, None for nothing."""

    currency: str
    position: Position
    overdue_since: date | None
    unbilled: Unbilled | None


def standings(session: Session, customer_ids: Sequence[UUID], today: date) -> dict[UUID, list[Standing]]:
    """Each customer's standing in every currency in which something was booked or is unbilled, by currency."""
    owed = positions(session, today, customer_ids=customer_ids)
    waiting = {(id, one.currency): one for id, ones in unbilled(session, customer_ids).items() for one in ones}
    found: dict[UUID, list[Standing]] = {id: [] for id in customer_ids}
    for key in sorted(owed.keys() | waiting.keys(), key=lambda key: key[1]):
        found[key[0]].append(_standing(key[1], owed.get(key, NOTHING), waiting.get(key), today))
    return found


def _standing(currency: str, position: Position, waiting: Unbilled | None, today: date) -> Standing:
    oldest = position.oldest_due
    return Standing(currency, position, oldest if oldest is not None and oldest < today else None, waiting)
