"""Balances of customers, with the oldest overdue day and unbilled amounts."""

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
    """A customer's balance in one currency.

    `position` is in minor units; `unbilled` is exact or None.
    """

    currency: str
    position: Position
    overdue_since: date | None
    unbilled: UnbilledAmounts | None


def customer_balances(session: Session, customer_ids: Sequence[UUID], today: date) -> dict[UUID, list[CustomerBalance]]:
    """Return the balances of customers by currency.

    The currencies are those with bookings or unbilled charges.
    """
    booked = positions(session, today, customer_ids)
    unbilled = {
        (customer_id, amounts.currency): amounts
        for customer_id, all_amounts in unbilled_by_customer(session, customer_ids).items()
        for amounts in all_amounts
    }
    balances: dict[UUID, list[CustomerBalance]] = {id: [] for id in customer_ids}
    for key in sorted(booked.keys() | unbilled.keys(), key=lambda key: key[1]):
        customer_id, currency = key
        position = booked.get(key, ZERO_POSITION)
        is_overdue = position.oldest_due is not None and position.oldest_due < today
        overdue_since = position.oldest_due if is_overdue else None
        balances[customer_id].append(CustomerBalance(currency, position, overdue_since, unbilled.get(key)))
    return balances
