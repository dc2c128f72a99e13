"""Charges are held, released and cancelled, under the lock of their accounts, which keep what is unbilled."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import UpdateMany
from billing_admin.db.lookup import among, among_named
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.domain.money import EXACT, ZERO
from billing_admin.domain.text import refuse_unprintable
from billing_admin.models import Account, Charge
from billing_admin.models.base import exact_add
from billing_admin.operations.audit import record
from billing_admin.operations.webhooks.outbox import tell_held

AccountKey = tuple[UUID, str]


def open_accounts(session: Session, missing: Iterable[AccountKey]) -> None:
    """Open the accounts that a customer's first charge in a currency needs; somebody else may be doing so right now."""
    rows = [
        {
            "customer_id": customer_id,
            "currency": currency,
            "billed_through": None,
            **_NOTHING,
        }
        for customer_id, currency in sorted(missing)
    ]
    if rows:
        session.execute(insert(Account), rows)


# A charge that came, moved or went: customer, currency, status before, status after, exact amount.
Move = tuple[UUID, str, str | None, str | None, Decimal]


def book(session: Session, moves: Iterable[Move]) -> None:
    """Keep the accounts' unbilled totals.

    Whoever moves charges has locked their accounts before, so that two bookings never wait for each other in a circle.
    """
    totals = Totals()
    for move in moves:
        totals.add(*move)
    booking(session, totals.rows())


class Totals:
    """What moves add to accounts: each keeps what is pending and what is held, nothing else."""

    def __init__(self) -> None:
        self._rows: dict[AccountKey, dict[str, Any]] = {}

    def add(self, customer_id: UUID, currency: str, before: str | None, after: str | None, amount: Decimal) -> None:
        """Count one move."""
        row = self._rows.get((customer_id, currency))
        if row is None:
            row = {"customer_id": customer_id, "currency": currency, **_NOTHING}
            self._rows[customer_id, currency] = row
        if before in _KEPT:
            charges, total = _KEPT[before]
            row[charges] -= 1
            row[total] = EXACT.subtract(row[total], amount)
        if after in _KEPT:
            charges, total = _KEPT[after]
            row[charges] += 1
            row[total] = EXACT.add(row[total], amount)

    def rows(self) -> list[dict[str, Any]]:
        """What to book, an account each."""
        return list(self._rows.values())


# Where an account keeps how many charges of a status there are, and their sum.
_KEPT: Final[Mapping[str | None, tuple[str, str]]] = {
    "pending": ("pending_charges", "pending_amount"),
    "held": ("held_charges", "held_amount"),
}
_NOTHING: Final[Mapping[str, Any]] = {
    name: start for kept in _KEPT.values() for name, start in zip(kept, (0, ZERO), strict=True)
}


_ACCOUNT = Account.__table__.c
booking = UpdateMany(
    [
        _ACCOUNT[name]
        for name in ("customer_id", "currency", "pending_charges", "pending_amount", "held_charges", "held_amount")
    ],
    lambda given: (
        update(Account)
        .where(_ACCOUNT.customer_id == given["customer_id"], _ACCOUNT.currency == given["currency"])
        .values(
            pending_charges=_ACCOUNT.pending_charges + given["pending_charges"],
            pending_amount=exact_add(_ACCOUNT.pending_amount, given["pending_amount"]),
            held_charges=_ACCOUNT.held_charges + given["held_charges"],
            held_amount=exact_add(_ACCOUNT.held_amount, given["held_amount"]),
        )
    ),
)


# Which statuses a charge may leave for which, and the verb that the audit event records.
_MOVES: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "held": (frozenset({"pending"}), "charge.held"),
    "pending": (frozenset({"held"}), "charge.released"),
    "cancelled": (frozenset({"pending", "held"}), "charge.cancelled"),
}


def hold(session: Session, ids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> int:
    """Keep pending charges off the next invoice. Returns how many moved; those already held are left as they are."""
    moved = _move(session, ids, "held", reason, actor, now)
    tell_held(session, moved, now)
    return len(moved)


def release(session: Session, ids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> int:
    """Let held charges be billed again. Returns how many moved."""
    return len(_move(session, ids, "pending", reason, actor, now))


def cancel(session: Session, ids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> int:
    """Cancel charges that are not billed. Returns how many moved; those already cancelled are left as they are."""
    return len(_move(session, ids, "cancelled", reason, actor, now))


def _move(session: Session, ids: Sequence[UUID], to: str, reason: str, actor: Actor, now: datetime) -> list[UUID]:
    """Returns the charges that moved. Raises NotFound for an unknown id, and Conflict when a charge's status does not allow
    the move; then nothing moves.
    """
    lock_accounts_of(session, ids)
    rows = session.execute(
        select(Charge.id, Charge.customer_id, Charge.currency, Charge.status, Charge.amount).where(
            among(session, Charge.id, ids)
        )
    ).all()
    if len(rows) != len(set(ids)):
        missing = next(id for id in ids if id not in {row.id for row in rows})
        raise NotFound("unknown_charge", f"There is no charge {missing}.", "id")
    allowed, action = _MOVES[to]
    moving = [row for row in rows if row.status != to]
    for row in moving:
        if row.status not in allowed:
            verb = action.removeprefix("charge.")
            raise Conflict(f"charge_{row.status}", f"Charge {row.id} is {row.status} and cannot be {verb}.", "status")
    if not moving:
        return []
    refuse_unprintable(reason, "reason")
    session.execute(
        update(Charge)
        .where(among(session, Charge.id, [row.id for row in moving]))
        .values(status=to, status_reason=reason or None)
        .execution_options(synchronize_session=False)
    )
    book(session, ((row.customer_id, row.currency, row.status, to, row.amount) for row in moving))
    moved = [row.id for row in moving]
    one = moving[0].id if len(moving) == 1 else None
    record(session, actor, now, action, "charge", one, {"reason": reason, "charges": [str(id) for id in moved]})
    return moved


def lock_accounts_of(session: Session, charge_ids: Sequence[UUID]) -> None:
    """Lock the accounts that the charges are on: from here on nobody bills, posts or moves them but us."""
    keys = session.execute(
        select(Charge.customer_id, Charge.currency).where(among(session, Charge.id, charge_ids)).distinct()
    )
    lock_accounts(session, [(row.customer_id, row.currency) for row in keys])


def lock_accounts(session: Session, keys: Sequence[AccountKey]) -> None:
    """Lock accounts in the order of their keys. SQLite has one writer at a time: there the transaction is the lock."""
    if session.get_bind().dialect.name == "postgresql" and keys:
        locked_accounts(session, keys)


def locked_accounts(session: Session, keys: Collection[AccountKey]) -> dict[AccountKey, Any]:
    """Lock the accounts, with all others of their customers, and return their pending totals by key."""
    rows = session.connection().execute(_LOCKED, {"ids": {customer_id for customer_id, _ in keys}})
    wanted = set(keys)
    return {key: row for row in rows if (key := (row.customer_id, row.currency)) in wanted}


_LOCKED = (
    select(Account.customer_id, Account.currency, Account.pending_charges, Account.pending_amount)
    .where(among_named(Account.customer_id, "ids"))
    .order_by(Account.customer_id, Account.currency)
    .with_for_update(key_share=True)
)
