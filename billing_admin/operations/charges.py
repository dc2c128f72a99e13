"""Charges come in, are held, released and cancelled. One function posts one or ten thousand."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.charging import (
    LIKELY_DUPLICATE,
    LIKELY_DUPLICATE_HOURS,
    ChargeSpec,
    CustomerTerms,
    PricedCharge,
    ServiceTerms,
    differences,
    price,
)
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound
from billing_admin.domain.money import ZERO, exact_sum
from billing_admin.models import Account, Charge, Customer, Organisation, Service, ServicePrice
from billing_admin.models.base import exact_add
from billing_admin.operations.audit import record
from billing_admin.operations.bulk import FEW, UpdateMany, insert_many, plan_for_many
from billing_admin.operations.keys import new_id
from billing_admin.queries.lookup import among, among_named, as_id
from billing_admin.queries.organisation import day_of

MOST_PROBLEMS = 1000
AccountKey = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a posting, in the order it was asked."""

    ids: list[UUID]
    created: int
    duplicates: list[UUID] = field(default_factory=list)

    @property
    def replayed(self) -> int:
        """How many were stored before."""
        return len(self.ids) - self.created


@dataclass(slots=True)
class _Known:
    """What the posting needs to know, loaded in one query each."""

    customers: dict[str, tuple[CustomerTerms, bool]]
    services: dict[str, tuple[ServiceTerms, bool]]
    accounts: dict[AccountKey, date | None]
    stored: dict[UUID, Any]


def post(session: Session, specs: Sequence[ChargeSpec], actor: Actor, now: datetime) -> Posted:
    """Store what is new, answer with the original for what is not; all or nothing.

    A charge whose fingerprint was seen in the last 24 hours under another id is marked as a likely duplicate, and held if the
    organisation wants it so. Raises Invalid or Conflict with a problem for each wrong row; a problem's field begins with the
    row's index.
    """
    if len(specs) > FEW:
        plan_for_many(session)
    known = _load(session, specs)
    time_zone, hold_likely_duplicates = session.connection().execute(_HOUSE).one()
    today = day_of(now, time_zone)
    ids: list[UUID] = []
    fresh: dict[UUID, PricedCharge] = {}
    refusals: list[tuple[int, DomainError]] = []
    for index, spec in enumerate(specs):
        id = spec.id or new_id(now)
        ids.append(id)
        try:
            original = known.stored.get(id) or fresh.get(id)
            if original is None:
                fresh[id] = _priced(spec, id, known, today)
            else:
                _check_same(spec, known, original)
        except DomainError as error:
            refusals.append((index, error))
    if refusals:
        raise _refusal(refusals)
    if not fresh:
        return Posted(ids, 0)
    likely = _likely_duplicates(session, list(fresh.values()), now)
    status = "held" if hold_likely_duplicates else "pending"
    _store(session, list(fresh.values()), likely, status, known, actor, now)
    return Posted(ids, len(fresh), [id for id in fresh if id in likely])


def _load(session: Session, specs: Sequence[ChargeSpec]) -> _Known:
    customers, accounts = _load_customers(session, {spec.customer for spec in specs})
    lock_accounts(session, list(accounts))
    services = _load_services(session, {spec.service for spec in specs if spec.service is not None})
    asked = {spec.id for spec in specs if spec.id is not None}
    stored = session.connection().execute(_STORED, {"ids": asked}) if asked else ()
    return _Known(customers, services, accounts, {row.id: row for row in stored})


def _load_customers(
    session: Session, names: set[str]
) -> tuple[dict[str, tuple[CustomerTerms, bool]], dict[AccountKey, date | None]]:
    found: dict[str, tuple[CustomerTerms, bool]] = {}
    accounts: dict[AccountKey, date | None] = {}
    rows = session.connection().execute(_CUSTOMERS, _called(names))
    for id, reference, currency, archived_at, account_currency, billed_through in rows:
        found[reference] = found[str(id)] = (CustomerTerms(id, currency), archived_at is not None)
        if account_currency is not None:
            accounts[id, account_currency] = billed_through
    return found, accounts


def _load_services(session: Session, names: set[str]) -> dict[str, tuple[ServiceTerms, bool]]:
    if not names:
        return {}
    found: dict[str, tuple[ServiceTerms, bool]] = {}
    prices: dict[UUID, dict[str, Decimal]] = defaultdict(dict)
    inclusive: dict[UUID, set[str]] = defaultdict(set)
    rows = session.connection().execute(_SERVICES, _called(names))
    for id, code, name, archived_at, currency, unit_price, includes_tax in rows:
        if currency is not None:
            prices[id][currency] = unit_price
        if includes_tax:
            inclusive[id].add(currency)
        terms = ServiceTerms(id, code, name, prices[id], inclusive[id])
        found[code] = found[str(id)] = (terms, archived_at is not None)
    return found


def _called(names: set[str]) -> dict[str, Any]:
    return {"names": names, "ids": [id for id in map(as_id, names) if id is not None]}


# Built once: building such a statement takes longer than running it.
_HOUSE = select(Organisation.time_zone, Organisation.hold_likely_duplicates)
_STORED = select(Charge.__table__).where(among_named(Charge.id, "ids"))
_CUSTOMERS = (
    select(
        Customer.id,
        Customer.reference,
        Customer.currency,
        Customer.archived_at,
        Account.currency.label("account_currency"),
        Account.billed_through,
    )
    .outerjoin(Account, Account.customer_id == Customer.id)
    .where(or_(among_named(Customer.reference, "names"), among_named(Customer.id, "ids")))
)
_SERVICES = (
    select(
        Service.id,
        Service.code,
        Service.name,
        Service.archived_at,
        ServicePrice.currency,
        ServicePrice.unit_price,
        ServicePrice.includes_tax,
    )
    .outerjoin(ServicePrice, ServicePrice.service_id == Service.id)
    .where(or_(among_named(Service.code, "names"), among_named(Service.id, "ids")))
)
_LIKELY = (
    select(Charge.fingerprint, Charge.id)
    .where(
        Charge.created_on.in_([bindparam("yesterday"), bindparam("today")]),
        among_named(Charge.fingerprint, "fingerprints"),
        Charge.created_at >= bindparam("since"),
        Charge.status != "cancelled",
    )
    .order_by(Charge.created_at.desc(), Charge.id.desc())
)


def _key(name: str) -> str:
    id = as_id(name)
    return name if id is None else str(id)


def _customer(spec: ChargeSpec, known: _Known) -> tuple[CustomerTerms, bool]:
    found = known.customers.get(_key(spec.customer))
    if found is None:
        raise Invalid("unknown_customer", f"There is no customer “{spec.customer[:80]}”.", "customer")
    return found


def _service(spec: ChargeSpec, known: _Known) -> tuple[ServiceTerms | None, bool]:
    if spec.service is None:
        return None, False
    found = known.services.get(_key(spec.service))
    if found is None:
        raise Invalid("unknown_service", f"There is no service “{spec.service[:80]}”.", "service")
    return found


def _priced(spec: ChargeSpec, id: UUID, known: _Known, today: Any) -> PricedCharge:
    customer, gone = _customer(spec, known)
    if gone:
        raise Invalid("archived_customer", f"Customer “{spec.customer}” is archived: restore it first.", "customer")
    service, retired = _service(spec, known)
    if retired:
        raise Invalid("archived_service", f"Service “{spec.service}” is archived: restore it first.", "service")
    return price(spec, id, customer, service, today)


def _check_same(spec: ChargeSpec, known: _Known, original: Any) -> None:
    service, _ = _service(spec, known)
    differs = differences(spec, _customer(spec, known)[0].id, service.id if service else None, original)
    if differs:
        listed = ", ".join(differs)
        raise Conflict(
            "id_conflict", f"Charge {spec.id} is stored already, with another {listed}.", "id", differs=differs
        )


def _refusal(refusals: list[tuple[int, DomainError]]) -> DomainError:
    problems = [replace(error.problems[0], field=(index, *error.field)) for index, error in refusals[:MOST_PROBLEMS]]
    kind = Conflict if all(isinstance(error, Conflict) for _, error in refusals) else Invalid
    refusal = kind.of(problems, len(refusals))
    refusal.extra = dict(refusals[0][1].extra) if len(refusals) == 1 else {}
    return refusal


def _likely_duplicates(session: Session, fresh: list[PricedCharge], now: datetime) -> dict[UUID, UUID]:
    """For each new charge that looks like an earlier one of the last 24 hours, or of this very posting: the earliest."""
    since = now - timedelta(hours=LIKELY_DUPLICATE_HOURS)
    asked = {
        "yesterday": since.astimezone(UTC).date(),
        "today": now.astimezone(UTC).date(),
        "fingerprints": {charge.fingerprint for charge in fresh},
        "since": since,
    }
    earliest: dict[int, UUID] = dict(iter(session.connection().execute(_LIKELY, asked)))
    likely = {}
    for charge in fresh:
        first = earliest.setdefault(charge.fingerprint, charge.id)
        if first != charge.id:
            likely[charge.id] = first
    return likely


def _store(
    session: Session,
    fresh: list[PricedCharge],
    likely: Mapping[UUID, UUID],
    likely_status: str,
    known: _Known,
    actor: Actor,
    now: datetime,
) -> None:
    one = fresh[0].id if len(fresh) == 1 else None
    event_id = record(session, actor, now, "charge.posted", "charge", one, {"charges": len(fresh)})
    created_on = now.astimezone(UTC).date()
    rows: list[dict[str, Any]] = []
    for charge in fresh:
        billed_through = known.accounts.get((charge.customer_id, charge.currency))
        rows.append(
            {
                "id": charge.id,
                "customer_id": charge.customer_id,
                "service_id": charge.service_id,
                "invoice_line_id": None,
                "event_id": event_id,
                "duplicate_of_id": likely.get(charge.id),
                "duplicate_kept_at": None,
                "replaces_id": None,
                "fingerprint": charge.fingerprint,
                "created_at": now,
                "created_on": created_on,
                "incurred_on": charge.incurred_on,
                "late": billed_through is not None and charge.incurred_on <= billed_through,
                "status": likely_status if charge.id in likely else "pending",
                "status_reason": LIKELY_DUPLICATE if charge.id in likely and likely_status == "held" else None,
                "currency": charge.currency,
                "quantity": charge.quantity,
                "unit_price": charge.unit_price,
                "amount": charge.amount,
                "tax_included": charge.tax_included,
                "description": charge.description,
                "details": charge.details,
            }
        )
    open_accounts(session, {(row["customer_id"], row["currency"]) for row in rows} - known.accounts.keys())
    insert_many(session, Charge, rows)
    book(session, ((row["customer_id"], row["currency"], None, row["status"], row["amount"]) for row in rows))


def open_accounts(session: Session, missing: Iterable[AccountKey]) -> None:
    """Open the accounts that a customer's first charge in a currency needs; somebody else may be doing so right now."""
    rows = [
        {
            "customer_id": customer_id,
            "currency": currency,
            "pending_charges": 0,
            "pending_amount": ZERO,
            "held_charges": 0,
            "held_amount": ZERO,
            "billed_through": None,
        }
        for customer_id, currency in sorted(missing)
    ]
    if rows:
        session.execute(insert(Account), rows)


def book(session: Session, moves: Iterable[tuple[UUID, str, str | None, str, Decimal]]) -> None:
    """Keep the accounts' unbilled totals: `moves` are (customer, currency, status before, status after, exact amount).

    Whoever moves charges has locked their accounts before, so that two bookings never wait for each other in a circle.
    """
    totals: dict[AccountKey, dict[str, Any]] = {}
    for customer_id, currency, before, after, amount in moves:
        total = totals.setdefault((customer_id, currency), dict(_NOTHING))
        if before is not None:
            _count(total, before, -1, -amount)
        _count(total, after, 1, amount)
    _book(session, [{"customer_id": key[0], "currency": key[1], **total} for key, total in totals.items()])


_NOTHING = {"pending_charges": 0, "pending_amount": ZERO, "held_charges": 0, "held_amount": ZERO}


def _count(total: dict[str, Any], status: str, charges: int, amount: Decimal) -> None:
    """Accounts keep what is pending and what is held, nothing else."""
    if status in {"pending", "held"}:
        total[f"{status}_charges"] += charges
        total[f"{status}_amount"] = exact_sum((total[f"{status}_amount"], amount))


_ACCOUNT = Account.__table__.c
_book = UpdateMany(
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
    return _move(session, ids, "held", reason, actor, now)


def release(session: Session, ids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> int:
    """Let held charges be billed again. Returns how many moved."""
    return _move(session, ids, "pending", reason, actor, now)


def cancel(session: Session, ids: Sequence[UUID], reason: str, actor: Actor, now: datetime) -> int:
    """Cancel charges that are not billed. Returns how many moved; those already cancelled are left as they are."""
    return _move(session, ids, "cancelled", reason, actor, now)


def _move(session: Session, ids: Sequence[UUID], to: str, reason: str, actor: Actor, now: datetime) -> int:
    """Raises NotFound for an unknown id, and Conflict when a charge's status does not allow the move; then nothing moves."""
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
        return 0
    session.execute(
        update(Charge)
        .where(among(session, Charge.id, [row.id for row in moving]))
        .values(status=to, status_reason=reason or None)
        .execution_options(synchronize_session=False)
    )
    book(session, ((row.customer_id, row.currency, row.status, to, row.amount) for row in moving))
    moved = [str(row.id) for row in moving]
    one = moving[0].id if len(moving) == 1 else None
    record(session, actor, now, action, "charge", one, {"reason": reason, "charges": moved})
    return len(moving)


def lock_accounts_of(session: Session, charge_ids: Sequence[UUID]) -> None:
    """Lock the accounts that the charges are on: from here on nobody bills, posts or moves them but us."""
    keys = session.execute(
        select(Charge.customer_id, Charge.currency).where(among(session, Charge.id, charge_ids)).distinct()
    )
    lock_accounts(session, [(row.customer_id, row.currency) for row in keys])


def lock_accounts(session: Session, keys: Sequence[AccountKey]) -> None:
    """Lock accounts in the order of their keys. SQLite has one writer at a time: there the transaction is the lock."""
    if session.get_bind().dialect.name == "postgresql" and keys:
        session.execute(
            select(Account.customer_id)
            .where(among(session, Account.customer_id, {customer_id for customer_id, _ in keys}))
            .order_by(Account.customer_id, Account.currency)
            .with_for_update(key_share=True)
        )
