"""What a posting needs to know, asked in one question: customers, services, the organisation's choices, ids that are taken."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import Several, among_named, array_of, as_id
from billing_admin.db.paging import Record
from billing_admin.db.prepared import SEVERAL, Rows, Statement, in_place, in_places
from billing_admin.domain.charges import ChargeSpec, CustomerTerms, ServiceTerms, may_look_alike_since
from billing_admin.models import Account, ApiToken, Charge, Customer, Organisation, Service, ServicePrice, User
from billing_admin.queries.access.tokens import Bearer, good_tokens

AccountKey = tuple[UUID, str]


@dataclass(slots=True)
class Known:
    """What was found. Customers and services stand under their ids, as text, and their own names; True: archived.

    `accounts` are locked, each with the day that it is billed through; `stored` holds the charges whose ids are asked for.
    The customers in `busy` have accounts that others had locked, which were not waited for.
    `tokens` are those asked for that are not revoked, and whose owner, if any, is active: with the owner's role.
    """

    customers: dict[str, tuple[CustomerTerms, bool]] = field(default_factory=dict)
    services: dict[str, tuple[ServiceTerms, bool]] = field(default_factory=dict)
    accounts: dict[AccountKey, date | None] = field(default_factory=dict)
    stored: Mapping[UUID, Record] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    tokens: dict[UUID, str | None] = field(default_factory=dict)
    time_zone: str = ""
    hold_likely_duplicates: bool = False

    def note_customer(
        self,
        key: str,
        name: str,
        archived: str | None,
        label: str,
        currency: str | None,
        billed: str | None,
        busy: str | None,
    ) -> None:
        """Note a customer, and the account on the same row, if there is one."""
        terms = CustomerTerms(UUID(key), name, label)
        self.customers[name] = self.customers[key] = (terms, archived is not None)
        if busy is not None:
            self.busy |= {name, key}
        elif currency is not None:
            self.accounts[terms.id, currency] = date.fromisoformat(billed) if billed else None

    def note_service(
        self,
        key: str,
        name: str,
        archived: str | None,
        label: str,
        currency: str | None,
        price: str,
        inclusive: str | None,
    ) -> None:
        """Note a service with the price on the same row, if there is one; its other prices may stand there already."""
        before = self.services.get(key)
        prices, with_tax = (dict(before[0].prices), set(before[0].inclusive)) if before else ({}, set[str]())
        if currency is not None:
            prices[currency] = Decimal(price)
        if currency is not None and inclusive is not None:
            with_tax.add(currency)
        service = ServiceTerms(UUID(key), name, label, prices, with_tax)
        self.services[name] = self.services[key] = (service, archived is not None)

    def proves(self, bearer: Bearer) -> bool:
        """Whether a token that was good, and has not expired, still is, with what it may do."""
        id = bearer.actor.id
        return id in self.tokens and self.tokens[id] == bearer.role


def known(session: Session, specs: Sequence[ChargeSpec], bearers: Collection[Bearer] = (), waits: bool = True) -> Known:
    """Look everything up that the specs name, and lock the customers' accounts, in the order of their keys.

    Whether it waits for accounts that others have locked is for the caller to say.
    """
    tokens: list[Any] = list(dict.fromkeys(bearer.actor.id for bearer in bearers))
    look = _lookup_several if 0 < len(specs) <= SEVERAL else _lookup_many
    found, taken = Known(), []
    for kind, *row in look(session, specs, tokens, waits):
        match kind:
            case "customer":
                found.note_customer(*row)
            case "service":
                found.note_service(*row)
            case "house":
                found.time_zone, found.hold_likely_duplicates = row[1], row[5] is not None
            case "token":
                found.tokens[UUID(row[0])] = row[1]
            case _:
                taken.append(UUID(row[0]))
    if taken:
        originals = session.connection().execute(_STORED, {"ids": taken})
        found.stored = {row.id: row for row in originals}
    return found


def _lookup_several(session: Session, specs: Sequence[ChargeSpec], tokens: list[Any], waits: bool) -> Rows:
    """Each name has its place once: those left over stay empty, and find nothing."""
    customers = list(dict.fromkeys(spec.customer for spec in specs))
    services = list(dict.fromkeys(spec.service for spec in specs if spec.service is not None))
    charges = list(dict.fromkeys(spec.id for spec in specs if spec.id is not None))
    customer_ids, service_ids = _ids(customers), _ids(services)
    named: dict[str, list[Any]] = {"customer": customers, "service": services, "charge": charges}
    named |= {"customer_id": customer_ids, "service_id": service_ids, "token": tokens}
    asked: dict[str, Any] = {}
    for name, values in named.items():
        asked |= in_places(name, [*values, *[None] * (len(specs) - len(values))])
    return _lookup(len(specs), bool(customer_ids), bool(service_ids), bool(tokens), waits)(session, asked)


def _lookup_many(session: Session, specs: Sequence[ChargeSpec], tokens: list[Any], waits: bool) -> Rows:
    customers = {spec.customer for spec in specs}
    services = {spec.service for spec in specs if spec.service is not None}
    asked = {
        "customer": customers,
        "customer_id": _ids(customers),
        "service": services,
        "service_id": _ids(services),
        "charge": {spec.id for spec in specs if spec.id is not None},
        "token": tokens,
    }
    return _lookup(None, customer_ids=True, service_ids=True, tokens=True, waits=waits)(session, asked, many=True)


def earlier(session: Session, fingerprints: Collection[int], now: datetime) -> dict[int, UUID]:
    """Of the last 24 hours, the earliest charge that looks alike, by fingerprint. What was cancelled does not count."""
    since = may_look_alike_since(now)
    asked = {
        "yesterday": since.date(),
        "today": now.astimezone(UTC).date(),
    }
    if len(fingerprints) <= SEVERAL:
        alike = _alike(len(fingerprints))(session, {**asked, **in_places("fingerprint", fingerprints)})
    else:
        statement = _ALIKE_PROBED if session.get_bind().dialect.name == "postgresql" else _alike(None)
        alike = statement(session, {**asked, "fingerprint": fingerprints})
    latest_first = sorted((at, id, fingerprint) for fingerprint, id, at, status in alike if status != "cancelled")[::-1]
    return {fingerprint: id for at, id, fingerprint in latest_first if at >= since}


def _ids(names: Collection[str]) -> list[UUID]:
    return [id for id in map(as_id, names) if id is not None]


def _word(value: object) -> ColumnElement[str]:
    return cast(value, Text)


def _yes(condition: Any) -> ColumnElement[str]:
    return case((condition, literal_column("'yes'")), else_=_word(null()))


# For "by its name or by its id" PostgreSQL would read a whole small table: each is asked for by itself, and put together.
# Of a list of values a plan that is kept expects ten, and reads a small table from end to end, which a new table is for a while.
# What is asked for a few charges therefore compares with one value at a time.
def _each(
    query: Select[Any], attribute: InstrumentedAttribute[Any], name: str, places: int | None
) -> list[Select[Any]]:
    """The query for what is in that many places by itself, or for what is in a list of any length."""
    if places is None:
        return [query.where(among_named(attribute, name))]
    return [query.where(_is(attribute, in_place(name, place))) for place in range(places)]


def _is(attribute: InstrumentedAttribute[Any], name: str) -> ColumnElement[bool]:
    return attribute == bindparam(name, type_=attribute.type)


@cache
def _lookup(places: int | None, customer_ids: bool, service_ids: bool, tokens: bool, waits: bool) -> Statement:
    """One kind of row each: kind, key, name, archived, a word of its own, currency, value, and one thing that it may be.

    An account may be busy, a price may include tax. It looks for the things' own names, and for their ids, and for tokens, if
    those are asked for.
    """
    customer: Any = select(Customer.id, Customer.reference, Customer.currency, Customer.archived_at)
    wanted = union_all(
        *_each(customer, Customer.reference, "customer", places),
        *(_each(customer, Customer.id, "customer_id", places) if customer_ids else ()),
    ).cte("wanted")
    # PostgreSQL locks these before it reads them; on SQLite whoever writes is alone.
    locked = (
        select(Account.customer_id, Account.currency, Account.billed_through)
        .join(wanted, wanted.c.id == Account.customer_id)
        .order_by(Account.customer_id, Account.currency)
        .with_for_update(key_share=True, of=Account, skip_locked=not waits)
        .cte("locked")
    )
    customers = select(
        literal_column("'customer'"),
        _word(wanted.c.id),
        wanted.c.reference,
        _word(wanted.c.archived_at),
        wanted.c.currency,
        Account.currency,
        _word(locked.c.billed_through),
        _yes(and_(Account.currency.is_not(None), locked.c.currency.is_(None))),
    )
    with_accounts = wanted.outerjoin(Account, Account.customer_id == wanted.c.id).outerjoin(
        locked, and_(locked.c.customer_id == Account.customer_id, locked.c.currency == Account.currency)
    )
    return Statement(
        union_all(
            customers.select_from(with_accounts),
            *_each(_SERVICE, Service.code, "service", places),
            *(_each(_SERVICE, Service.id, "service_id", places) if service_ids else ()),
            _HOUSE,
            *_each(_CHARGE, Charge.id, "charge", places),
            *(_each(_GOOD_TOKEN, ApiToken.id, "token", places) if tokens else ()),
        )
    )


_NOTHING = _word(null())
_SERVICE: Any = select(
    literal_column("'service'"),
    _word(Service.id),
    Service.code,
    _word(Service.archived_at),
    Service.name,
    ServicePrice.currency,
    _word(ServicePrice.unit_price),
    _yes(ServicePrice.includes_tax),
).outerjoin(ServicePrice, ServicePrice.service_id == Service.id)
_HOUSE: Any = select(
    literal_column("'house'"),
    _NOTHING,
    Organisation.time_zone,
    _NOTHING,
    _NOTHING,
    _NOTHING,
    _yes(Organisation.hold_likely_duplicates),
    _NOTHING,
)
_CHARGE: Any = select(literal_column("'charge'"), _word(Charge.id), *[_NOTHING] * 6)
_GOOD_TOKEN: Any = good_tokens(literal_column("'token'"), _word(ApiToken.id), User.role, *[_NOTHING] * 5)
_STORED = select(Charge.__table__).where(among_named(Charge.id, "ids"))


@cache
def _alike(places: int | None) -> Statement:
    """Whatever else is asked of them is asked afterwards: of today's charges PostgreSQL has no statistics yet, takes them for
    few, and would rather read them all by another index.
    """
    charge: Any = select(Charge.fingerprint, Charge.id, Charge.created_at, Charge.status)
    days = [charge.where(_is(Charge.created_on, day)) for day in ("yesterday", "today")]
    return Statement(union_all(*(one for day in days for one in _each(day, Charge.fingerprint, "fingerprint", places))))


def _alike_probed() -> Statement:
    """The same of any number on PostgreSQL, which would read all of today for a list: a lateral query with an offset is run for
    each value by itself.
    """
    values = array_of(bindparam("fingerprint", type_=Several()), Charge.fingerprint.type)
    given = func.unnest(values).table_valued(column("value", Charge.fingerprint.type)).render_derived("given")
    charge = select(Charge.fingerprint, Charge.id, Charge.created_at, Charge.status)
    probes = [
        charge.where(_is(Charge.created_on, day), Charge.fingerprint == given.c.value)
        .offset(literal_column("0"))
        .lateral(day)
        for day in ("yesterday", "today")
    ]
    return Statement(union_all(*(select(*probe.c).select_from(given).join(probe, true()) for probe in probes)))


_ALIKE_PROBED = _alike_probed()
