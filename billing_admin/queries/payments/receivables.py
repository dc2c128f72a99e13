"""What customers owe, now or as of a past day: positions by customer and currency, and statements. Money is in minor units.

Everything counts from its own date: a document from its issue, a void, payment or reversal from its day, an allocation from the
day it was made until it is withdrawn. What is asked of a day therefore does not change when later days are booked.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, literal, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.errors import Invalid
from billing_admin.domain.payments import WRITE_OFF
from billing_admin.domain.receivables import (
    ZERO_POSITION,
    Position,
    Statement,
    StatementEntry,
    ageing_buckets,
    make_statement,
)
from billing_admin.models import Allocation, Customer, Invoice, Payment
from billing_admin.queries.payments.payments import is_open

AccountKey = tuple[UUID, str]
Rows: TypeAlias = Select[*tuple[Any, ...]]


def positions(
    session: Session, today: date, as_of: date | None = None, customer_ids: Sequence[UUID] | None = None
) -> dict[AccountKey, Position]:
    """Where the accounts of these customers stand, or all; those on which nothing was ever booked are left out.

    Without `as_of` everything counts that is booked, whatever its date, by how overdue it is today.
    """
    found: dict[AccountKey, Position] = {}
    for row in session.execute(_owed(today, as_of, customer_ids)):
        customer_id, currency, oldest_due, *amounts = row
        invoiced, credited, allocated, excess, *open_ = (int(amount) for amount in amounts)
        found[customer_id, currency] = Position(
            invoiced, credited, allocated - excess, excess - allocated, tuple(open_), oldest_due
        )
    for customer_id, currency, received in session.execute(_received(as_of, customer_ids)):
        found[customer_id, currency] = found.get((customer_id, currency), ZERO_POSITION) + Position(
            0, 0, 0, int(received), ZERO_POSITION.open
        )
    return found


def _owed(today: date, as_of: date | None, customer_ids: Sequence[UUID] | None) -> Rows:
    """Per account: the oldest due day, invoiced, credited, allocated, allocated in excess, and what is open in each bucket."""
    items = _items(as_of, customer_ids).c
    left = items.invoiced - items.credited - items.allocated
    return select(
        items.customer_id,
        items.currency,
        func.min(case((left > 0, items.due_date))),
        func.sum(items.invoiced),
        func.sum(items.credited),
        func.sum(items.allocated),
        # An entry that is dated back may leave an invoice covered twice for some days: until then it is credit.
        func.sum(case((left < 0, -left), else_=0)),
        *(
            func.sum(case((and_(left > 0, *within(items.due_date, bucket.first, bucket.last)), left), else_=0))
            for bucket in ageing_buckets(as_of or today)
        ),
    ).group_by(items.customer_id, items.currency)


def within(day: ColumnElement[Any], first: date | None, last: date | None) -> list[ColumnElement[bool]]:
    """The conditions that a day lies between two, both included."""
    conditions = [] if first is None else [day >= first]
    return conditions if last is None else [*conditions, day <= last]


def _items(as_of: date | None, customer_ids: Sequence[UUID] | None) -> Subquery:
    """Each invoice with what it asks for, what is credited and what is allocated to it, now or on a day."""
    who = (Invoice.customer_id, Invoice.currency, Invoice.due_date)
    conditions = [Invoice.kind == "invoice", *_of(Invoice.customer_id, customer_ids)]
    if as_of is None:
        stored = (Invoice.total.label("invoiced"), Invoice.credited, Invoice.paid.label("allocated"))
        return select(*who, *stored).where(Invoice.status == "issued", *conditions).subquery()
    credits = _credits(as_of, customer_ids)
    parts = _parts(as_of, customer_ids)
    asks = case((_stands(as_of), Invoice.total), else_=0)
    return (
        select(
            *who,
            asks.label("invoiced"),
            func.coalesce(credits.c.amount, 0).label("credited"),
            func.coalesce(parts.c.amount, 0).label("allocated"),
        )
        .outerjoin(credits, credits.c.invoice_id == Invoice.id)
        .outerjoin(parts, parts.c.invoice_id == Invoice.id)
        .where(Invoice.status != "draft", Invoice.issue_date <= as_of, *conditions)
        .subquery()
    )


def _of(column: InstrumentedAttribute[UUID], customer_ids: Sequence[UUID] | None) -> list[ColumnElement[bool]]:
    return [] if customer_ids is None else [is_any_of(column, customer_ids)]


def _stands(as_of: date) -> ColumnElement[bool]:
    """Of an issued document: it is not void on that day."""
    return or_(Invoice.voided_on.is_(None), Invoice.voided_on > as_of)


def _credits(as_of: date, customer_ids: Sequence[UUID] | None) -> Subquery:
    return (
        select(Invoice.corrects_id.label("invoice_id"), func.sum(Invoice.total).label("amount"))
        .where(
            Invoice.kind == "credit_note",
            Invoice.status != "draft",
            Invoice.issue_date <= as_of,
            _stands(as_of),
            *_of(Invoice.customer_id, customer_ids),
        )
        .group_by(Invoice.corrects_id)
        .subquery()
    )


def _parts(as_of: date, customer_ids: Sequence[UUID] | None) -> Subquery:
    return (
        select(Allocation.invoice_id, func.sum(Allocation.amount).label("amount"))
        .where(
            Allocation.made_on <= as_of,
            or_(Allocation.withdrawn_on.is_(None), Allocation.withdrawn_on > as_of),
            *_of(Allocation.customer_id, customer_ids),
        )
        .group_by(Allocation.invoice_id)
        .subquery()
    )


def _received(as_of: date | None, customer_ids: Sequence[UUID] | None) -> Rows:
    """Per account: all money received and written off, less what is reversed."""
    counts = (
        [Payment.status == "recorded"]
        if as_of is None
        else [Payment.received_on <= as_of, or_(Payment.reversed_on.is_(None), Payment.reversed_on > as_of)]
    )
    account = (Payment.customer_id, Payment.currency)
    query: Rows = select(*account, func.sum(Payment.amount)).group_by(*account)
    return query.where(*counts, *_of(Payment.customer_id, customer_ids))


def positions_by_currency(found: Iterable[tuple[AccountKey, Position]]) -> dict[str, Position]:
    """Add accounts up, per currency."""
    added: dict[str, Position] = defaultdict(lambda: ZERO_POSITION)
    for (_, currency), position in found:
        added[currency] += position
    return dict(sorted(added.items()))


@dataclass(frozen=True, slots=True)
class AgedAccount:
    """An account on which something is open or unallocated."""

    key: AccountKey
    reference: str
    name: str
    position: Position

    @property
    def currency(self) -> str:
        """That of the account."""
        return self.key[1]


def aged_accounts(session: Session, today: date, as_of: date | None, currency: str = "") -> list[AgedAccount]:
    """Every account on which something is open or unallocated, by currency, the largest balance first."""
    found = positions(session, today, as_of)
    people = {row.id: row for row in session.execute(select(Customer.id, Customer.reference, Customer.name))}
    rows = [
        AgedAccount(key, people[key[0]].reference, people[key[0]].name, position)
        for key, position in found.items()
        if (any(position.open) or position.unallocated) and currency in {"", key[1]}
    ]
    return sorted(rows, key=lambda row: (row.currency, -row.position.balance, row.reference))


def open_amounts_by_bucket(session: Session, today: date) -> dict[str, tuple[int, ...]]:
    """What is open now in each bucket, per currency; reads open invoices alone."""
    left = Invoice.total - Invoice.paid - Invoice.credited
    aged = [
        func.sum(case((and_(*within(Invoice.due_date.expression, one.first, one.last)), left), else_=0))
        for one in ageing_buckets(today)
    ]
    query: Rows = select(Invoice.currency, *aged).where(is_open()).group_by(Invoice.currency)
    found = session.execute(query.order_by(Invoice.currency))
    return {currency: tuple(int(amount) for amount in amounts) for currency, *amounts in found}


def entries(session: Session, customer_id: UUID, through: date | None = None) -> dict[str, list[StatementEntry]]:
    """Each dated change of what a customer owes, up to a day or all, by currency."""
    found: dict[str, list[StatementEntry]] = defaultdict(list)
    for query in _ENTRIES:
        on = query.selected_columns["on"]
        own = query.where(query.selected_columns.customer_id == customer_id)
        for row in session.execute(own if through is None else own.where(on <= through)):
            found[row.currency].append(
                StatementEntry(row.on, row.kind, row.id, row.number, row.method, int(row.amount))
            )
    return dict(sorted(found.items()))


def _documents(kind: str, sign: int, *conditions: ColumnElement[bool]) -> Rows:
    query: Rows = select(
        Invoice.customer_id,
        Invoice.currency,
        (Invoice.voided_on if kind == "void" else Invoice.issue_date).label("on"),
        literal(kind).label("kind"),
        Invoice.id,
        Invoice.number,
        literal("").label("method"),
        (Invoice.total * sign).label("amount"),
    )
    return query.where(*conditions)


def _payments(kind: str, sign: int, *conditions: ColumnElement[bool]) -> Rows:
    query: Rows = select(
        Payment.customer_id,
        Payment.currency,
        (Payment.reversed_on if kind == "reversal" else Payment.received_on).label("on"),
        literal(kind).label("kind"),
        Payment.id,
        Payment.reference.label("number"),
        Payment.method,
        (Payment.amount * sign).label("amount"),
    )
    return query.where(*conditions)


_ENTRIES = (
    _documents("invoice", 1, Invoice.kind == "invoice", Invoice.status != "draft"),
    _documents("void", -1, Invoice.kind == "invoice", Invoice.status == "void"),
    _documents("credit_note", -1, Invoice.kind == "credit_note", Invoice.status != "draft"),
    _documents("void", 1, Invoice.kind == "credit_note", Invoice.status == "void"),
    _payments("payment", -1, Payment.method != WRITE_OFF),
    _payments("write_off", -1, Payment.method == WRITE_OFF),
    _payments("reversal", 1, Payment.status == "reversed"),
)


def booked_balances(session: Session, through: date | None = None) -> dict[AccountKey, int]:
    """What all entries up to a day, or all, add up to: each account's balance, counted without any stored sum."""
    every = union_all(*_ENTRIES).subquery().c
    account = (every.customer_id, every.currency)
    query: Rows = select(*account, func.sum(every.amount)).group_by(*account)
    rows = session.execute(query if through is None else query.where(every.on <= through))
    return {(customer_id, currency): int(amount) for customer_id, currency, amount in rows}


def statements(
    session: Session, customer_id: UUID, first: date | None = None, last: date | None = None
) -> dict[str, Statement]:
    """A customer's statement per currency from a first day to a last one, both included; without them all that is booked.

    Raises Invalid where the first day comes after the last.
    """
    if first is not None and last is not None and first > last:
        raise Invalid("out_of_order", "Let the first day come before the last.", "from")
    return {currency: make_statement(own, first) for currency, own in entries(session, customer_id, last).items()}
