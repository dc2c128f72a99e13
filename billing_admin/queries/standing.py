"""Where customers stand: what each was invoiced and paid, since when something is overdue, and what is unbilled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.queries.customers import Unbilled, unbilled
from billing_admin.queries.invoices import receivables
from billing_admin.queries.paging import Record


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer in one currency: invoiced − paid − credited = balance, in minor units; `unbilled` is exact, None for nothing."""

    currency: str
    invoiced: int
    paid: int
    credited: int
    balance: int
    overdue_since: date | None
    unbilled: Unbilled | None


def standings(session: Session, customer_ids: Sequence[UUID], today: date) -> dict[UUID, list[Standing]]:
    """Each customer's standing in every currency in which something was issued or is unbilled, by currency."""
    owed, waiting = receivables(session, customer_ids), unbilled(session, customer_ids)
    return {id: _of_one(owed.get(id, []), waiting.get(id, []), today) for id in customer_ids}


def _of_one(owed: list[Record], waiting: list[Unbilled], today: date) -> list[Standing]:
    by_currency = {row.currency: row for row in owed}
    unbilled_by_currency = {row.currency: row for row in waiting}
    return [
        _standing(currency, by_currency.get(currency), unbilled_by_currency.get(currency), today)
        for currency in sorted(by_currency.keys() | unbilled_by_currency.keys())
    ]


def _standing(currency: str, owed: Record | None, waiting: Unbilled | None, today: date) -> Standing:
    if owed is None:
        return Standing(currency, 0, 0, 0, 0, None, waiting)
    late = owed.oldest_due if owed.oldest_due is not None and owed.oldest_due < today else None
    return Standing(currency, int(owed.invoiced), int(owed.paid), int(owed.credited), int(owed.balance), late, waiting)
