"""What a posting needs to know, asked in one question: customers, services, the organisation's choices, ids that are taken."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    bindparam,
    case,
    cast,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from billing_admin.domain.charging import LIKELY_DUPLICATE_HOURS, ChargeSpec, CustomerTerms, ServiceTerms
from billing_admin.models import Account, Charge, Customer, Organisation, Service, ServicePrice
from billing_admin.queries.lookup import among_named, as_id
from billing_admin.queries.paging import Record
from billing_admin.statements import Statement

AccountKey = tuple[UUID, str]
FEW = 5


@dataclass(slots=True)
class Known:
    """What was found. Customers and services stand under their ids, as text, and their own names; True: archived.

    `accounts` are locked, each with the day that it is billed through; `stored` holds the charges whose ids are asked for.
    """

    customers: dict[str, tuple[CustomerTerms, bool]] = field(default_factory=dict)
    services: dict[str, tuple[ServiceTerms, bool]] = field(default_factory=dict)
    accounts: dict[AccountKey, date | None] = field(default_factory=dict)
    stored: Mapping[UUID, Record] = field(default_factory=dict)
    time_zone: str = ""
    hold_likely_duplicates: bool = False

    def note_customer(
        self, key: str, name: str, archived: str | None, label: str, currency: str | None, billed: str | None, *_: None
    ) -> None:
        """Note a customer, and the account on the same row, if there is one."""
        terms = CustomerTerms(UUID(key), name, label)
        self.customers[name] = self.customers[key] = (terms, archived is not None)
        if currency is not None:
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


def known(session: Session, specs: Sequence[ChargeSpec]) -> Known:
    """Look everything up that the specs name, and lock the customers' accounts, in the order of their keys."""
    customers, services = (
        {spec.customer for spec in specs},
        {spec.service for spec in specs if spec.service is not None},
    )
    ids = {spec.id for spec in specs if spec.id is not None}
    asked = {
        "customers": customers,
        "customer_ids": _ids(customers),
        "services": services,
        "service_ids": _ids(services),
        "charges": ids,
    }
    found, taken = Known(), []
    for kind, *row in _LOOKUP(session, asked, len(specs) > FEW):
        match kind:
            case "customer":
                found.note_customer(*row)
            case "service":
                found.note_service(*row)
            case "house":
                found.time_zone, found.hold_likely_duplicates = row[1], row[5] is not None
            case _:
                taken.append(UUID(row[0]))
    if taken:
        rows = session.connection().execute(_STORED, {"ids": taken})
        found.stored = {row.id: row for row in rows}
    return found


def earlier(session: Session, fingerprints: Collection[int], now: datetime) -> dict[int, UUID]:
    """Of the last 24 hours, the earliest charge that looks alike, by fingerprint. What was cancelled does not count."""
    since = now - timedelta(hours=LIKELY_DUPLICATE_HOURS)
    asked = {
        "yesterday": since.astimezone(UTC).date(),
        "today": now.astimezone(UTC).date(),
        "fingerprints": fingerprints,
        "since": since,
    }
    return dict(_EARLIER(session, asked, len(fingerprints) > FEW))


def _ids(names: Collection[str]) -> list[UUID]:
    return [id for id in map(as_id, names) if id is not None]


def _word(value: object) -> ColumnElement[str]:
    return cast(value, Text)


def _yes(condition: Any) -> ColumnElement[str]:
    return case((condition, literal_column("'yes'")), else_=_word(null()))


def _either(wanted: Any, *conditions: ColumnElement[bool]) -> list[Any]:
    """What together finds rows for which one of the conditions holds; of an OR PostgreSQL would read a whole small table."""
    return [wanted.where(condition) for condition in conditions]


_CUSTOMER = select(Customer.id, Customer.reference, Customer.currency, Customer.archived_at)
_WANTED = union_all(
    *_either(_CUSTOMER, among_named(Customer.reference, "customers"), among_named(Customer.id, "customer_ids"))
).cte("wanted")
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
# PostgreSQL locks these before it reads them; on SQLite whoever writes is alone.
_LOCKED = (
    select(Account.customer_id, Account.currency, Account.billed_through)
    .join(_WANTED, _WANTED.c.id == Account.customer_id)
    .order_by(Account.customer_id, Account.currency)
    .with_for_update(key_share=True, of=Account)
    .cte("locked")
)
_NOTHING = _word(null())
# One kind of row each: kind, key, name, archived, a word of its own, currency, value, whether it includes tax.
_LOOKUP = Statement(
    union_all(
        select(
            literal_column("'customer'"),
            _word(_WANTED.c.id),
            _WANTED.c.reference,
            _word(_WANTED.c.archived_at),
            _WANTED.c.currency,
            _LOCKED.c.currency,
            _word(_LOCKED.c.billed_through),
            _NOTHING,
        ).outerjoin(_LOCKED, _LOCKED.c.customer_id == _WANTED.c.id),
        *_either(_SERVICE, among_named(Service.code, "services"), among_named(Service.id, "service_ids")),
        select(
            literal_column("'house'"),
            _NOTHING,
            Organisation.time_zone,
            _NOTHING,
            _NOTHING,
            _NOTHING,
            _yes(Organisation.hold_likely_duplicates),
            _NOTHING,
        ),
        select(
            literal_column("'charge'"), _word(Charge.id), _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING
        ).where(among_named(Charge.id, "charges")),
    )
)
_STORED = select(Charge.__table__).where(among_named(Charge.id, "ids"))
_EARLIER = Statement(
    select(Charge.fingerprint, Charge.id)
    .where(
        Charge.created_on.in_([bindparam("yesterday"), bindparam("today")]),
        among_named(Charge.fingerprint, "fingerprints"),
        Charge.created_at >= bindparam("since"),
        Charge.status != "cancelled",
    )
    .order_by(Charge.created_at.desc(), Charge.id.desc())
)
