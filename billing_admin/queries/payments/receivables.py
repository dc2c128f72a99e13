"""Receivables on a day: positions by customer and currency, and statements.

Money is in minor units. `entry_days` decides which entries count on a day. Figures of a past day therefore do not
change when later days are booked, and those of today do not depend on documents that are dated later.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Subquery, and_, case, cast, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from billing_admin.db.lookup import is_any_of
from billing_admin.domain.charges import AccountKey
from billing_admin.domain.days import check_day_range
from billing_admin.domain.opening_balances import OPENING_CREDIT
from billing_admin.domain.payments import WRITE_OFF
from billing_admin.domain.receivables import (
    BUCKET_NAMES,
    ZERO_POSITION,
    Position,
    Statement,
    StatementEntry,
    ageing_buckets,
    make_statement,
)
from billing_admin.models import Allocation, Customer, Invoice, Payment, Refund, RefundPart
from billing_admin.queries.payments.entry_days import (
    has_later_entries,
    is_allocated,
    is_issued,
    is_not_void,
    is_received,
    is_refunded,
    reversal_day,
    void_day,
)
from billing_admin.queries.payments.payments import is_in_state, is_open, unallocated_amount

Rows: TypeAlias = Select[*tuple[Any, ...]]


def positions(session: Session, day: date, customer_ids: Sequence[UUID] | None = None) -> dict[AccountKey, Position]:
    """Return the positions of customers, or of all, on a day.

    Accounts without any booking up to that day are omitted.
    """
    by_account: dict[AccountKey, Position] = {}
    as_of = counted_through(session, day)
    for row in session.execute(_invoice_sums(day, invoice_amounts(as_of, customer_ids))):
        customer_id, currency, oldest_due, *sums = row
        invoiced, credited, allocated, excess, *open_by_bucket = (int(amount) for amount in sums)
        by_account[customer_id, currency] = Position(
            invoiced=invoiced,
            credited=credited,
            paid=allocated - excess,
            unallocated=excess - allocated,  # the money received, less refunds, is added below
            open=tuple(open_by_bucket),
            oldest_due=oldest_due,
        )
    for sign, amounts in ((1, _received(as_of, customer_ids)), (-1, _refunded(as_of, customer_ids))):
        for customer_id, currency, amount in session.execute(amounts):
            money = Position(invoiced=0, credited=0, paid=0, unallocated=sign * int(amount), open=ZERO_POSITION.open)
            by_account[customer_id, currency] = by_account.get((customer_id, currency), ZERO_POSITION) + money
    return by_account


def counted_through(session: Session, day: date) -> date | None:
    """Return the day through which entries count, or None if all of them count.

    Then the stored sums are the figures of the day, which is faster.
    """
    return day if has_later_entries(session, day) else None


def _invoice_sums(day: date, invoices: Subquery) -> Rows:
    """Select due day and sums of invoices per account.

    The columns after the account: oldest due day, invoiced, credited, allocated, allocated in excess, then
    the open amount of each bucket.
    """
    items = invoices.c
    open_amount = items.invoiced - items.credited - items.allocated
    return select(
        items.customer_id,
        items.currency,
        func.min(case((open_amount > 0, items.due_date))),
        func.sum(items.invoiced),
        func.sum(items.credited),
        func.sum(items.allocated),
        # A backdated entry may cover an invoice twice for some days; the excess is credit on these days.
        func.sum(case((open_amount < 0, -open_amount), else_=0)),
        *(
            func.sum(
                case(
                    (and_(open_amount > 0, *is_within(items.due_date, bucket.first, bucket.last)), open_amount), else_=0
                )
            )
            for bucket in ageing_buckets(day)
        ),
    ).group_by(items.customer_id, items.currency)


def is_within(day: ColumnElement[Any], first: date | None, last: date | None) -> list[ColumnElement[bool]]:
    """Return the conditions that a day is within a period, both ends included or open."""
    conditions = [] if first is None else [day >= first]
    return conditions if last is None else [*conditions, day <= last]


def invoice_amounts(as_of: date | None, customer_ids: Sequence[UUID] | None, only_open: bool = False) -> Subquery:
    """Select each invoice with its invoiced, credited and allocated amounts.

    `document_date` is the date on the document, which an opening invoice has from the earlier system.

    The amounts are those of now or of a day. `only_open` may leave out invoices without an open amount.
    """
    columns = (
        *(Invoice.id, Invoice.customer_id, Invoice.currency, Invoice.number),
        *(Invoice.customer_reference, Invoice.customer_name, Invoice.issue_date, Invoice.due_date, Invoice.total),
        func.coalesce(Invoice.original_date, Invoice.issue_date).label("document_date"),
    )
    conditions = [Invoice.kind != "credit_note", *_customer_conditions(Invoice.customer_id, customer_ids)]
    if as_of is None:
        stored = (Invoice.total.label("invoiced"), Invoice.credited, Invoice.paid.label("allocated"))
        counts = is_open() if only_open else Invoice.status == "issued"
        return select(*columns, *stored).where(counts, *conditions).subquery()
    credits = _credits(as_of, customer_ids)
    allocations = _allocations(as_of, customer_ids)
    return (
        select(
            *columns,
            Invoice.total.label("invoiced"),
            func.coalesce(credits.c.amount, 0).label("credited"),
            func.coalesce(allocations.c.amount, 0).label("allocated"),
        )
        .outerjoin(credits, credits.c.invoice_id == Invoice.id)
        .outerjoin(allocations, allocations.c.invoice_id == Invoice.id)
        .where(is_issued(as_of), is_not_void(as_of), *conditions)
        .subquery()
    )


def _customer_conditions(
    column: InstrumentedAttribute[UUID], customer_ids: Sequence[UUID] | None
) -> list[ColumnElement[bool]]:
    return [] if customer_ids is None else [is_any_of(column, customer_ids)]


def _credits(as_of: date, customer_ids: Sequence[UUID] | None) -> Subquery:
    return (
        select(Invoice.corrects_id.label("invoice_id"), func.sum(Invoice.total).label("amount"))
        .where(
            Invoice.kind == "credit_note",
            is_issued(as_of),
            is_not_void(as_of),
            *_customer_conditions(Invoice.customer_id, customer_ids),
        )
        .group_by(Invoice.corrects_id)
        .subquery()
    )


def _allocations(as_of: date, customer_ids: Sequence[UUID] | None) -> Subquery:
    return (
        select(Allocation.invoice_id, func.sum(Allocation.amount).label("amount"))
        .where(is_allocated(as_of), *_customer_conditions(Allocation.customer_id, customer_ids))
        .group_by(Allocation.invoice_id)
        .subquery()
    )


def _received(as_of: date | None, customer_ids: Sequence[UUID] | None) -> Rows:
    """Select per account the sum of payments and write-offs that are not reversed."""
    counts = Payment.status == "recorded" if as_of is None else is_received(as_of)
    account = (Payment.customer_id, Payment.currency)
    query: Rows = select(*account, func.sum(Payment.amount)).group_by(*account)
    return query.where(counts, *_customer_conditions(Payment.customer_id, customer_ids))


def _refunded(as_of: date | None, customer_ids: Sequence[UUID] | None) -> Rows:
    """Select per account the sum of refunds that are not reversed."""
    counts = Refund.status == "recorded" if as_of is None else is_refunded(as_of)
    account = (Refund.customer_id, Refund.currency)
    query: Rows = select(*account, func.sum(Refund.amount)).group_by(*account)
    return query.where(counts, *_customer_conditions(Refund.customer_id, customer_ids))


def positions_by_currency(positions: Iterable[tuple[AccountKey, Position]]) -> dict[str, Position]:
    """Return the sums of positions per currency."""
    sums: dict[str, Position] = defaultdict(lambda: ZERO_POSITION)
    for (_, currency), position in positions:
        sums[currency] += position
    return dict(sorted(sums.items()))


@dataclass(frozen=True, slots=True)
class AgedAccount:
    """An account with an open or unallocated amount.

    Its position counts open invoices and unallocated payments only.
    """

    key: AccountKey
    reference: str
    name: str
    position: Position

    @property
    def currency(self) -> str:
        """The currency of the account."""
        return self.key[1]


def aged_accounts(session: Session, day: date, currency: str = "") -> list[AgedAccount]:
    """Return every account with an open or unallocated amount on a day.

    Accounts are ordered by currency, with the largest balance first.
    """
    by_account = {
        key: position
        for key, position in _open_positions(session, day).items()
        if (any(position.open) or position.unallocated) and currency in {"", key[1]}
    }
    names = select(Customer.id, Customer.reference, Customer.name)
    query = names.where(is_any_of(Customer.id, {customer_id for customer_id, _ in by_account}))
    customers = {id: (reference, name) for id, reference, name in session.execute(query)}
    rows = [AgedAccount(key, *customers[key[0]], position) for key, position in by_account.items()]
    return sorted(rows, key=lambda row: (row.currency, -row.position.balance, row.reference))


def _open_positions(session: Session, day: date) -> dict[AccountKey, Position]:
    """Return the positions on a day, of open invoices and unallocated payments only.

    If the stored sums are those of the day, the others are not read: they are nearly all.
    """
    if counted_through(session, day) is not None:
        return {
            key: _open_position(row.open, row.unallocated, row.oldest_due)
            for key, row in positions(session, day).items()
        }
    account = (Payment.customer_id, Payment.currency)
    payments = select(*account, func.sum(unallocated_amount())).where(is_in_state("unallocated")).group_by(*account)
    unallocated = {(row[0], row[1]): int(row[2]) for row in session.execute(payments)}
    by_account = {key: _open_position(ZERO_POSITION.open, amount, None) for key, amount in unallocated.items()}
    invoices = invoice_amounts(None, None, only_open=True)
    for customer_id, currency, oldest_due, *sums in session.execute(_invoice_sums(day, invoices)):
        key, amounts = (customer_id, currency), tuple(map(int, sums[-len(BUCKET_NAMES) :]))
        by_account[key] = _open_position(amounts, unallocated.get(key, 0), oldest_due)
    return by_account


def _open_position(amounts: tuple[int, ...], unallocated: int, oldest_due: date | None) -> Position:
    return Position(sum(amounts), 0, 0, unallocated, amounts, oldest_due)


def unallocated_sums(session: Session, day: date) -> dict[str, tuple[int, int]]:
    """Return number and sum of payments with unallocated money on a day, by currency."""
    payments = unallocated_payments(counted_through(session, day)).subquery().c
    query: Rows = select(payments.currency, func.count(), func.sum(payments.amount)).group_by(payments.currency)
    rows = session.execute(query.order_by(payments.currency))
    return {currency: (count, int(amount)) for currency, count, amount in rows}


def unallocated_payments(as_of: date | None, customer_ids: Sequence[UUID] | None = None) -> Rows:
    """Select the payments with unallocated money, now or on a day, with that amount."""
    columns = (Payment.id, Payment.customer_id, Payment.currency, Payment.received_on, Payment.reference)
    conditions = _customer_conditions(Payment.customer_id, customer_ids)
    if as_of is None:
        query: Rows = select(*columns, unallocated_amount().label("amount"))
        return query.where(is_in_state("unallocated"), *conditions)
    allocated = (
        select(Allocation.payment_id, func.sum(Allocation.amount).label("amount"))
        .where(is_allocated(as_of), *_customer_conditions(Allocation.customer_id, customer_ids))
        .group_by(Allocation.payment_id)
        .subquery()
    )
    refunded = (
        select(RefundPart.payment_id, func.sum(RefundPart.amount).label("amount"))
        .join(Refund, Refund.id == RefundPart.refund_id)
        .where(is_refunded(as_of), *_customer_conditions(RefundPart.customer_id, customer_ids))
        .group_by(RefundPart.payment_id)
        .subquery()
    )
    unallocated = Payment.amount - func.coalesce(allocated.c.amount, 0) - func.coalesce(refunded.c.amount, 0)
    return (
        select(*columns, cast(unallocated, BigInteger).label("amount"))
        .outerjoin(allocated, allocated.c.payment_id == Payment.id)
        .outerjoin(refunded, refunded.c.payment_id == Payment.id)
        .where(is_received(as_of), unallocated > 0, *conditions)
    )


def _statement_entries(session: Session, customer_id: UUID, through: date) -> dict[str, list[StatementEntry]]:
    """Return the entries of a customer's statement up to a day, by currency."""
    by_currency: dict[str, list[StatementEntry]] = defaultdict(list)
    for query in _ENTRIES:
        columns = query.selected_columns
        for row in session.execute(query.where(columns.customer_id == customer_id, columns["on"] <= through)):
            by_currency[row.currency].append(
                StatementEntry(row.on, row.kind, row.id, row.number, row.method, int(row.amount))
            )
    return dict(sorted(by_currency.items()))


def _documents(kind: Any, sign: Any, *conditions: ColumnElement[bool], void: bool = False) -> Rows:
    query: Rows = select(
        Invoice.customer_id,
        Invoice.currency,
        (void_day() if void else Invoice.issue_date).label("on"),
        kind.label("kind"),
        Invoice.id,
        Invoice.number,
        literal("").label("method"),
        (Invoice.total * sign).label("amount"),
    )
    return query.where(*conditions)


def _payments(kind: Any, sign: int, *conditions: ColumnElement[bool], reversed: bool = False) -> Rows:
    query: Rows = select(
        Payment.customer_id,
        Payment.currency,
        (reversal_day() if reversed else Payment.received_on).label("on"),
        kind.label("kind"),
        Payment.id,
        Payment.reference.label("number"),
        Payment.method,
        (Payment.amount * sign).label("amount"),
    )
    return query.where(*conditions)


def _refunds(kind: str, sign: int, *conditions: ColumnElement[bool]) -> Rows:
    query: Rows = select(
        Refund.customer_id,
        Refund.currency,
        (Refund.reversed_on if kind == "refund_reversal" else Refund.paid_on).label("on"),
        literal(kind).label("kind"),
        Refund.id,
        Refund.reference.label("number"),
        Refund.method,
        (Refund.amount * sign).label("amount"),
    )
    return query.where(*conditions)


_METHOD_KINDS = case((Payment.method.in_((WRITE_OFF, OPENING_CREDIT)), Payment.method), else_="payment")
_DEBIT = case((Invoice.kind == "credit_note", -1), else_=1)
# The second condition of a void and of a reversal has an index.
_ENTRIES = (
    _documents(Invoice.kind, _DEBIT, Invoice.status != "draft"),
    _documents(literal("void"), -_DEBIT, Invoice.status == "void", Invoice.voided_on.is_not(None), void=True),
    _payments(_METHOD_KINDS, -1),
    _payments(literal("reversal"), 1, Payment.status == "reversed", Payment.reversed_on.is_not(None), reversed=True),
    _refunds("refund", 1),
    _refunds("refund_reversal", -1, Refund.status == "reversed", Refund.reversed_on.is_not(None)),
)


def entry_sums_by_day(session: Session, first: date, last: date) -> list[tuple[str, date, int]]:
    """Return currency, day and sum of the entries of each day.

    The sums change the balance. Days without entries are omitted.
    """
    sums = []
    for query in _ENTRIES:
        columns = query.selected_columns
        by_day = query.with_only_columns(columns.currency, columns["on"], func.sum(columns.amount).label("amount"))
        sums.append(by_day.where(columns["on"].between(first, last)).group_by(columns["on"], columns.currency))
    return [(currency, day, int(amount)) for currency, day, amount in session.execute(union_all(*sums))]


def balances_by_currency(session: Session, day: date, open_amounts: Mapping[str, int]) -> dict[str, int]:
    """Return the balance of all customers on a day, by currency.

    `open_amounts` are those of the open items of the day.
    """
    balances: dict[str, int] = defaultdict(int)
    if counted_through(session, day) is not None:
        for (_, currency), amount in booked_balances(session, day).items():
            balances[currency] += amount
        return dict(balances)
    balances.update(open_amounts)
    for currency, (_, amount) in unallocated_sums(session, day).items():
        balances[currency] -= amount
    return dict(balances)


def booked_balances(session: Session, through: date | None = None) -> dict[AccountKey, int]:
    """Return the balance of each account as the sum of its entries.

    The entries are all or those up to a day; stored sums are not used.
    """
    entry = union_all(*_ENTRIES).subquery().c
    account = (entry.customer_id, entry.currency)
    query: Rows = select(*account, func.sum(entry.amount)).group_by(*account)
    rows = session.execute(query if through is None else query.where(entry.on <= through))
    return {(customer_id, currency): int(amount) for customer_id, currency, amount in rows}


def statements(
    session: Session, customer_id: UUID, today: date, first: date | None = None, last: date | None = None
) -> dict[str, Statement]:
    """Return a customer's statement per currency.

    The days from `first` to `last` are included; without them, all days up to today.

    Raises:
        Invalid: The first day is after the last.
    """
    check_day_range(first, last, "from")
    return {
        currency: make_statement(rows, first)
        for currency, rows in _statement_entries(session, customer_id, last or today).items()
    }
