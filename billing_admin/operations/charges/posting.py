"""Charges come in. One function posts one or ten thousand."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing_admin.db.bulk import insert_many, insert_several, insert_stream
from billing_admin.db.ids import new_ids
from billing_admin.db.lookup import as_id
from billing_admin.db.prepared import SEVERAL, Statement, in_place
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import (
    LIKELY_DUPLICATE,
    ChargeSpec,
    CustomerTerms,
    PricedCharge,
    ServiceTerms,
    differences,
    price,
)
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.models import AuditEvent, Charge
from billing_admin.operations import audit
from billing_admin.operations.master_data.accounts import AccountTotals, add_totals, open_accounts
from billing_admin.operations.webhooks.outbox import enqueue_charges_held
from billing_admin.queries.access.tokens import Bearer, bad_token
from billing_admin.queries.charges.posting import Known, earlier, known
from billing_admin.queries.master_data.organisation import day_of

MOST_PROBLEMS = 1000
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Posting:
    """What one caller posts at once; a bearer's token must be good still."""

    specs: Sequence[ChargeSpec]
    actor: Actor
    bearer: Bearer | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a posting, in the order it was asked; `rows` are the new charges as they were stored."""

    ids: list[UUID]
    known: Known
    rows: list[Row] = field(default_factory=list)
    duplicates: list[UUID] = field(default_factory=list)

    @property
    def created(self) -> int:
        """How many are new."""
        return len(self.rows)

    @property
    def replayed(self) -> int:
        """How many were stored before."""
        return len(self.ids) - len(self.rows)


@dataclass(frozen=True, slots=True)
class Judged:
    """What would become of a posting: the id of each row, what is new with its price, and what is refused, by the row's index."""

    ids: list[UUID]
    known: Known
    fresh: dict[UUID, PricedCharge]
    refusals: list[tuple[int, DomainError]]


def judge(session: Session, specs: Sequence[ChargeSpec], now: datetime) -> Judged:
    """Look everything up, price what is new, compare the rest with what is stored. Locks the accounts, and writes nothing."""
    return _judged(specs, known(session, specs), {}, now)


def post(session: Session, specs: Sequence[ChargeSpec], actor: Actor, now: datetime) -> Posted:
    """Store what is new, answer with the original for what is not; all or nothing.

    A charge whose fingerprint was seen in the last 24 hours under another id is marked as a likely duplicate, and held if the
    organisation wants it so. Raises Invalid or Conflict with a problem for each wrong row; a problem's field begins with the
    row's index.
    """
    posted = post_untold(session, specs, actor, now)
    _tell(session, [posted], now)
    return posted


def post_untold(session: Session, specs: Sequence[ChargeSpec], actor: Actor, now: datetime) -> Posted:
    """Post, for whoever goes on with the charges in the same act, and tells of those that are held then."""
    (outcome,) = _post_each(session, [Posting(specs, actor)], now, waits=True)
    if isinstance(outcome, Posted):
        return outcome
    assert outcome is not None  # noqa: S101 - it waits
    raise outcome


def post_each(
    session: Session, postings: Sequence[Posting], now: datetime, waits: bool
) -> list[Posted | DomainError | None]:
    """Post what several callers ask for, each as if it came alone, in their order: what is refused of one is no other's.

    If it `waits` for no account that others have locked, None is of one who would have kept the rest waiting.
    """
    outcomes = _post_each(session, postings, now, waits)
    _tell(session, [one for one in outcomes if isinstance(one, Posted)], now)
    return outcomes


def keep(session: Session, judged: Judged, actor: Actor, now: datetime) -> Posted:
    """Store what was judged new in this transaction, of which nothing was refused."""
    (posted,) = _keep(session, judged.known, [(judged, actor)], now)
    _tell(session, [posted], now)
    return posted


def _post_each(
    session: Session, postings: Sequence[Posting], now: datetime, waits: bool
) -> list[Posted | DomainError | None]:
    bearers = [posting.bearer for posting in postings if posting.bearer]
    specs = [spec for posting in postings for spec in posting.specs]
    found = known(session, specs, bearers, waits)
    before: dict[UUID, PricedCharge] = {}  # what those who come first are about to store
    outcomes = []
    accepted = []
    for posting in postings:
        outcome = _accepted(posting, found, before, now)
        outcomes.append(outcome)
        if isinstance(outcome, Judged):
            before |= outcome.fresh
            accepted.append((outcome, posting.actor))
    kept = iter(_keep(session, found, accepted, now))
    return [next(kept) if isinstance(outcome, Judged) else outcome for outcome in outcomes]


def _accepted(
    posting: Posting, found: Known, before: Mapping[UUID, PricedCharge], now: datetime
) -> Judged | DomainError | None:
    if posting.bearer and not found.proves(posting.bearer):
        return bad_token()
    if found.busy and any(not found.busy.isdisjoint({spec.customer, _key(spec.customer)}) for spec in posting.specs):
        return None
    judged = _judged(posting.specs, found, before, now)
    return _refusal(judged.refusals) if judged.refusals else judged


def _judged(specs: Sequence[ChargeSpec], found: Known, before: Mapping[UUID, PricedCharge], now: datetime) -> Judged:
    today = day_of(now, found.time_zone)
    keys = new_ids(now)
    ids = [spec.id or next(keys) for spec in specs]
    fresh: dict[UUID, PricedCharge] = {}
    taken = {**found.stored, **before}
    refusals: list[tuple[int, DomainError]] = []
    for index, (id, spec) in enumerate(zip(ids, specs, strict=True)):
        try:
            original = (taken.get(id) or fresh.get(id)) if spec.id else None
            if original is None:
                fresh[id] = _priced(spec, id, found, today)
            else:
                _check_same(spec, found, original)
        except DomainError as error:
            refusals.append((index, error))
    return Judged(ids, found, fresh, refusals)


def _keep(session: Session, found: Known, accepted: Sequence[tuple[Judged, Actor]], now: datetime) -> list[Posted]:
    """Store what is new of all of them together, with an event for each."""
    fresh = [charge for judged, _ in accepted for charge in judged.fresh.values()]
    likely = _likely_duplicates(session, fresh, now) if fresh else {}
    posted, events, making = [], list[Row](), list[tuple[Posted, Iterator[Row]]]()
    for judged, actor in accepted:
        one = Posted(judged.ids, found, [], [id for id in judged.fresh if id in likely] if likely else [])
        posted.append(one)
        if judged.fresh:
            only = next(iter(judged.fresh)) if len(judged.fresh) == 1 else None
            events.append(audit.event_row(actor, now, "charge.posted", "charge", only, {"charges": len(judged.fresh)}))
            making.append((one, _rows(judged.fresh.values(), likely, found, events[-1]["id"], now)))
    if events:
        _store(session, events, fresh, making, found)
    return posted


def _tell(session: Session, posted: Sequence[Posted], now: datetime) -> None:
    enqueue_charges_held(session, [row["id"] for one in posted for row in one.rows if row["status"] == "held"], now)


def _key(name: str) -> str:
    id = as_id(name)
    return name if id is None else str(id)


def _customer(spec: ChargeSpec, found: Known) -> tuple[CustomerTerms, bool]:
    customer = found.customers.get(spec.customer) or found.customers.get(_key(spec.customer))
    if customer is None:
        raise Invalid("unknown_customer", f"There is no customer “{spec.customer[:80]}”.", "customer")
    return customer


def _service(spec: ChargeSpec, found: Known) -> tuple[ServiceTerms | None, bool]:
    if spec.service is None:
        return None, False
    service = found.services.get(spec.service) or found.services.get(_key(spec.service))
    if service is None:
        raise Invalid("unknown_service", f"There is no service “{spec.service[:80]}”.", "service")
    return service


def _priced(spec: ChargeSpec, id: UUID, found: Known, today: date) -> PricedCharge:
    customer, gone = _customer(spec, found)
    if gone:
        raise Invalid("archived_customer", f"Customer “{spec.customer}” is archived: restore it first.", "customer")
    service, retired = _service(spec, found)
    if retired:
        raise Invalid("archived_service", f"Service “{spec.service}” is archived: restore it first.", "service")
    return price(spec, id, customer, service, today)


def _check_same(spec: ChargeSpec, found: Known, original: Any) -> None:
    service, _ = _service(spec, found)
    differs = differences(spec, _customer(spec, found)[0].id, service.id if service else None, original)
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


def _likely_duplicates(session: Session, fresh: Collection[PricedCharge], now: datetime) -> dict[UUID, UUID]:
    """For each new charge that looks like one of the last 24 hours, or like an earlier one of this posting: that one."""
    seen = earlier(session, {charge.fingerprint for charge in fresh}, now)
    likely = {}
    for charge in fresh:
        first = seen.setdefault(charge.fingerprint, charge.id)
        if first != charge.id:
            likely[charge.id] = first
    return likely


def _rows(
    fresh: Iterable[PricedCharge], likely: Mapping[UUID, UUID], found: Known, event_id: UUID, now: datetime
) -> Iterator[Row]:
    held = found.hold_likely_duplicates
    created_on = now.astimezone(UTC).date()
    for charge in fresh:
        original = likely.get(charge.id) if likely else None
        billed_through = found.accounts.get((charge.customer_id, charge.currency))
        yield {
            "id": charge.id,
            "customer_id": charge.customer_id,
            "service_id": charge.service_id,
            "invoice_line_id": None,
            "event_id": event_id,
            "duplicate_of_id": original,
            "duplicate_kept_at": None,
            "replaces_id": None,
            "fingerprint": charge.fingerprint,
            "created_at": now,
            "created_on": created_on,
            "incurred_on": charge.incurred_on,
            "late": billed_through is not None and charge.incurred_on <= billed_through,
            "status": "held" if original and held else "pending",
            "status_reason": LIKELY_DUPLICATE if original and held else None,
            "currency": charge.currency,
            "quantity": charge.quantity,
            "unit_price": charge.unit_price,
            "amount": charge.amount,
            "tax_included": charge.tax_included,
            "description": charge.description,
            "details": charge.details,
        }


def _store(
    session: Session,
    events: Sequence[Row],
    fresh: Collection[PricedCharge],
    making: Sequence[tuple[Posted, Iterator[Row]]],
    found: Known,
) -> None:
    """The events, the charges and the accounts' totals; of a few charges in one statement."""
    open_accounts(session, {(charge.customer_id, charge.currency) for charge in fresh} - found.accounts.keys())
    totals = AccountTotals()
    rows = _made(making, totals)
    if len(fresh) <= SEVERAL:
        charges = list(rows)
        accounts = totals.rows()
        values = _placed("event_", events) | _placed("account_", accounts) | _placed("charge_", charges)
        _storing(len(events), len(accounts), len(charges))(session, values)
    else:
        insert_many(session, AuditEvent, events)
        insert_stream(session, Charge, rows)
        add_totals(session, totals.rows())


def _made(making: Sequence[tuple[Posted, Iterator[Row]]], totals: AccountTotals) -> Iterator[Row]:
    """The rows as they are made, each noted as posted and counted on its account."""
    for posted, rows in making:
        for row in rows:
            posted.rows.append(row)
            totals.add(row["customer_id"], row["currency"], None, row["status"], row["amount"])
            yield row


def _placed(prefix: str, rows: Sequence[Row]) -> dict[str, Any]:
    return {_name(prefix, name, place): value for place, row in enumerate(rows) for name, value in row.items()}


@cache
def _name(prefix: str, name: str, place: int) -> str:
    return in_place(prefix + name, place)


@cache
def _storing(events: int, accounts: int, charges: int) -> Statement:
    return Statement(
        insert_several(AuditEvent, "event_", events),
        *(add_totals.clause("account_", place) for place in range(accounts)),
        insert_several(Charge, "charge_", charges),
    )
