"""The stored data that a posting needs to decide on requested charges.

It is customers, services, settings, stored ids and recent charges that are alike. Names are looked up in
one round trip, which locks the accounts as well.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
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

from billing_admin.db.ids import new_ids
from billing_admin.db.lookup import ValueList, array_of, is_any_of_named, parse_uuid
from billing_admin.db.prepared import MAX_NUMBERED, PreparedQuery, Rows, numbered_name, numbered_values
from billing_admin.domain.charges import ChargeSpec, CustomerTerms, ServiceTerms, duplicate_window_start
from billing_admin.domain.posting import PostingContext
from billing_admin.domain.prices import ListPrice
from billing_admin.models import Account, Charge, Customer, Organisation, Service, ServicePrice
from billing_admin.queries.master_data.organisation import day_of


class _ContextRow(NamedTuple):
    """A row of the lookup: its kind, then the columns of that kind.

    All values are texts; flags are 'yes' or None. The columns by kind:

    A customer: id, reference, archived_at, currency, its account's currency and billed_through, `day` (its standing purchase
    order), whether the account is locked.
    A service: id, code, archived_at, name, a price's currency, value and first day, whether that includes tax.
    The organisation: only name (time zone) and value (whether likely duplicates are held). A stored charge: only its id.
    """

    kind: str
    id: str
    name: str
    archived_at: str | None
    label: str
    currency: str | None
    value: str | None
    day: str | None
    flag: str | None


def load_context(
    session: Session, specs: Sequence[ChargeSpec], now: datetime, *, skip_locked: bool = False
) -> PostingContext:
    """Load the data that decides on requested charges, and lock their accounts.

    The accounts of the customers are locked in the order of their keys. With `skip_locked`, accounts that
    another transaction has locked are not waited for, but named in the context.
    """
    context, stored_ids = PostingContext(), list[UUID]()
    look_up = _look_up_few if 0 < len(specs) <= MAX_NUMBERED else _look_up_many
    for row in map(_ContextRow._make, look_up(session, specs, skip_locked)):
        match row.kind:
            case "customer":
                _add_customer(context, row)
            case "service":
                _add_service(context, row)
            case "organisation":
                context.today = day_of(now, row.name)
                context.hold_likely_duplicates = row.value is not None
            case _:
                stored_ids.append(UUID(row.id))
    if stored_ids:
        context.stored = {
            charge.id: charge for charge in session.connection().execute(_STORED_CHARGES, {"ids": stored_ids})
        }
    context.add_candidates(specs, new_ids(now))
    if fingerprints := context.fingerprints():
        context.recent = load_recent(session, fingerprints, now)
    return context


def _add_customer(context: PostingContext, row: _ContextRow) -> None:
    """Add a customer, and its account in one currency, if it has one."""
    is_archived, order = row.archived_at is not None, row.day or ""
    customer = CustomerTerms(UUID(row.id), row.name, row.label, archived=is_archived, purchase_order=order)
    context.customers[row.name] = context.customers[row.id] = customer
    if row.flag is not None:
        context.locked_by_others |= {row.name, row.id}
    elif row.currency is not None:
        context.accounts[customer.id, row.currency] = date.fromisoformat(row.value) if row.value else None


def _add_service(context: PostingContext, row: _ContextRow) -> None:
    """Add a service with one of its prices.

    Earlier rows may have added its other prices.
    """
    service = context.services.get(row.id)
    if service is None:
        prices = defaultdict[str, list[ListPrice]](list)
        service = ServiceTerms(UUID(row.id), row.name, row.label, prices, archived=row.archived_at is not None)
        context.services[row.name] = context.services[row.id] = service
    if row.currency is not None and row.day is not None:
        unit_price = None if row.value is None else Decimal(row.value)
        price = ListPrice(date.fromisoformat(row.day), unit_price, row.flag is not None)
        service.prices[row.currency].append(price)


def _look_up_few(session: Session, specs: Sequence[ChargeSpec], skip_locked: bool) -> Rows:
    """Look each name up by itself.

    Places without a name are NULL, which matches nothing.
    """
    customers = list(dict.fromkeys(spec.customer for spec in specs))
    services = list(dict.fromkeys(spec.service for spec in specs if spec.service is not None))
    charges = list(dict.fromkeys(spec.id for spec in specs if spec.id is not None))
    customer_ids, service_ids = _ids(customers), _ids(services)
    names: dict[str, list[Any]] = {"customer": customers, "service": services, "charge": charges}
    names |= {"customer_id": customer_ids, "service_id": service_ids}
    parameters: dict[str, Any] = {}
    for name, values in names.items():
        parameters |= numbered_values(name, [*values, *[None] * (len(specs) - len(values))])
    return _lookup(len(specs), bool(customer_ids), bool(service_ids), skip_locked)(session, parameters)


def _look_up_many(session: Session, specs: Sequence[ChargeSpec], skip_locked: bool) -> Rows:
    customers = {spec.customer for spec in specs}
    services = {spec.service for spec in specs if spec.service is not None}
    parameters = {
        "customer": customers,
        "customer_id": _ids(customers),
        "service": services,
        "service_id": _ids(services),
        "charge": {spec.id for spec in specs if spec.id is not None},
    }
    statement = _lookup(None, customer_ids=True, service_ids=True, skip_locked=skip_locked)
    return statement(session, parameters, many=True)


def load_recent(session: Session, fingerprints: Collection[int], now: datetime) -> dict[int, UUID]:
    """Return the earliest charge of the last 24 hours by fingerprint.

    Cancelled charges do not count.
    """
    since = duplicate_window_start(now)
    parameters: dict[str, Any] = {"yesterday": since.date(), "today": now.astimezone(UTC).date()}
    if len(fingerprints) <= MAX_NUMBERED:
        rows = _recent(len(fingerprints))(session, parameters | numbered_values("fingerprint", fingerprints))
    else:
        statement = _RECENT_BY_PROBE if session.get_bind().dialect.name == "postgresql" else _recent(None)
        rows = statement(session, parameters | {"fingerprint": fingerprints})
    latest_first = sorted(
        ((created_at, id, fingerprint) for fingerprint, id, created_at, status in rows if status != "cancelled"),
        reverse=True,
    )
    return {fingerprint: id for created_at, id, fingerprint in latest_first if created_at >= since}


def _ids(names: Collection[str]) -> list[UUID]:
    return [id for id in map(parse_uuid, names) if id is not None]


def _text(value: object) -> ColumnElement[str]:
    return cast(value, Text)


def _flag(condition: Any) -> ColumnElement[str]:
    return case((condition, literal_column("'yes'")), else_=_text(null()))


def _by_value(
    query: Select[Any], attribute: InstrumentedAttribute[Any], name: str, places: int | None
) -> list[Select[Any]]:
    """Return one query for each of a few values, or one for a list of values.

    The list has any length; it is used if `places` is None. PostgreSQL's cached plan for a list expects ten
    values and scans a small table, which a new table is for a while. For "name or id" it would scan as
    well, so that names and ids are separate queries in a union.
    """
    if places is None:
        return [query.where(is_any_of_named(attribute, name))]
    return [query.where(_equals(attribute, numbered_name(name, place))) for place in range(places)]


def _equals(attribute: InstrumentedAttribute[Any], name: str) -> ColumnElement[bool]:
    return attribute == bindparam(name, type_=attribute.type)


@cache
def _lookup(places: int | None, customer_ids: bool, service_ids: bool, skip_locked: bool) -> PreparedQuery:
    """Return the statement that yields the `_ContextRow`s.

    It is for `places` names of a kind, or for lists if `places` is None. Names that look like ids are
    looked up as ids as well if `customer_ids` and `service_ids` say so.
    """
    customer: Any = select(
        Customer.id, Customer.reference, Customer.currency, Customer.archived_at, Customer.purchase_order
    )
    named = union_all(
        *_by_value(customer, Customer.reference, "customer", places),
        *(_by_value(customer, Customer.id, "customer_id", places) if customer_ids else ()),
    ).cte("named")
    # PostgreSQL locks these before it reads them. SQLite has one writer at a time.
    locked = (
        select(Account.customer_id, Account.currency, Account.billed_through)
        .join(named, named.c.id == Account.customer_id)
        .order_by(Account.customer_id, Account.currency)
        .with_for_update(key_share=True, of=Account, skip_locked=skip_locked)
        .cte("locked")
    )
    customers = select(
        literal_column("'customer'"),
        _text(named.c.id),
        named.c.reference,
        _text(named.c.archived_at),
        named.c.currency,
        Account.currency,
        _text(locked.c.billed_through),
        named.c.purchase_order,
        _flag(and_(Account.currency.is_not(None), locked.c.currency.is_(None))),
    )
    with_accounts = named.outerjoin(Account, Account.customer_id == named.c.id).outerjoin(
        locked, and_(locked.c.customer_id == Account.customer_id, locked.c.currency == Account.currency)
    )
    return PreparedQuery(
        union_all(
            customers.select_from(with_accounts),
            *_by_value(_SERVICE, Service.code, "service", places),
            *(_by_value(_SERVICE, Service.id, "service_id", places) if service_ids else ()),
            _ORGANISATION,
            *_by_value(_CHARGE, Charge.id, "charge", places),
        )
    )


_NO_VALUE = _text(null())
_SERVICE: Any = select(
    literal_column("'service'"),
    _text(Service.id),
    Service.code,
    _text(Service.archived_at),
    Service.name,
    ServicePrice.currency,
    _text(ServicePrice.unit_price),
    _text(ServicePrice.valid_from),
    _flag(ServicePrice.includes_tax),
).outerjoin(ServicePrice, ServicePrice.service_id == Service.id)
_ORGANISATION: Any = select(
    literal_column("'organisation'"),
    _NO_VALUE,
    Organisation.time_zone,
    _NO_VALUE,
    _NO_VALUE,
    _NO_VALUE,
    _flag(Organisation.hold_likely_duplicates),
    _NO_VALUE,
    _NO_VALUE,
)
_CHARGE: Any = select(literal_column("'charge'"), _text(Charge.id), *[_NO_VALUE] * 7)
_STORED_CHARGES = select(Charge.__table__).where(is_any_of_named(Charge.id, "ids"))


@cache
def _recent(places: int | None) -> PreparedQuery:
    """Return the statement that yields the charges of two days.

    Its columns are fingerprint, id, created_at and status. It has no further condition: without statistics
    of today's charges PostgreSQL would choose another index and read them all.
    """
    charge: Any = select(Charge.fingerprint, Charge.id, Charge.created_at, Charge.status)
    days = [charge.where(_equals(Charge.created_on, day)) for day in ("yesterday", "today")]
    queries = [query for day in days for query in _by_value(day, Charge.fingerprint, "fingerprint", places)]
    return PreparedQuery(union_all(*queries))


def _recent_by_probe() -> PreparedQuery:
    """Return the same statement for PostgreSQL and any number of fingerprints.

    For a list it would read all of today's charges. A lateral query with an offset runs for each value by itself.
    """
    values = array_of(bindparam("fingerprint", type_=ValueList()), Charge.fingerprint.type)
    requested = func.unnest(values).table_valued(column("value", Charge.fingerprint.type)).render_derived("requested")
    charge = select(Charge.fingerprint, Charge.id, Charge.created_at, Charge.status)
    probes = [
        charge.where(_equals(Charge.created_on, day), Charge.fingerprint == requested.c.value)
        .offset(literal_column("0"))
        .lateral(day)
        for day in ("yesterday", "today")
    ]
    return PreparedQuery(union_all(*(select(*probe.c).select_from(requested).join(probe, true()) for probe in probes)))


_RECENT_BY_PROBE = _recent_by_probe()
