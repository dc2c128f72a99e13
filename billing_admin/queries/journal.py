"""The accounting journal, read off documents and payments: everything counts from its own day. Money is in minor units.

An invoice, a credit note and a void move receivables against revenue and tax; a payment, a write-off and a reversal move
money against the customer's credit, and an allocation and its withdrawal move credit against receivables. Allocations of the
day a payment came in, and withdrawals of the day it is reversed, are parts of its own transaction.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, CompoundSelect, Select, case, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from billing_admin.db.paging import Record
from billing_admin.domain.errors import Invalid
from billing_admin.domain.journal import Accounts, Posting, Transaction, merge_postings
from billing_admin.domain.payments import WRITE_OFF
from billing_admin.models import Allocation, Customer, Invoice, InvoiceLine, InvoiceTax, Payment, Service
from billing_admin.models.base import ByteOrderedText, ExactDecimal
from billing_admin.queries.master_data.organisation import organisation

Rows: TypeAlias = Select[*tuple[Any, ...]]

FETCH_SIZE = 2_000
# Within a day, in this order.
TRANSACTION_KINDS = ("invoice", "credit_note", "void", "payment", "write_off", "allocation", "withdrawal", "reversal")
OPENING = "opening"


@dataclass(frozen=True, slots=True)
class Period:
    """Days, both included; None is as far as there is. Raises Invalid where the first comes after the last."""

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first and self.last and self.first > self.last:
            raise Invalid("out_of_order", "Let the first day come before the last.", "from")


def accounts(session: Session) -> Accounts:
    """What the accounts are called."""
    return Accounts.of(organisation(session).journal_accounts)


def transactions(session: Session, period: Period, opening: bool = False) -> Iterator[Transaction]:
    """The transactions of a period by day; before them, if wanted, one of what all that came before it adds up to."""
    names = accounts(session)
    if opening and period.first:
        before = merge_postings(_opening(session, names, period.first))
        if before:
            yield Transaction(period.first, OPENING, "", "", "", None, before)
    with session.execute(_ordered(period).execution_options(yield_per=FETCH_SIZE)) as found:
        for (on, rank, id), rows in groupby(found, key=lambda row: (row.on, row.rank, row.id)):
            own = list(rows)
            postings = merge_postings(_posting(names, row, int(row.minor)) for row in own)
            if postings:
                first = own[0]
                yield Transaction(
                    on, TRANSACTION_KINDS[rank], first.number, first.customer, first.customer_name, id, postings
                )


def _opening(session: Session, names: Accounts, first: date) -> Iterator[Posting]:
    every = union_all(*_ENTRIES).subquery().c
    account = (every.customer, every.currency, every.part, every.word, every.own, every.percent)
    query: Rows = select(*account, func.sum(every.minor).label("minor")).where(every.on < first).group_by(*account)
    added: dict[tuple[str, str], int] = defaultdict(int)
    for row in session.execute(query):
        one = _posting(names, row, int(row.minor))
        added[one.account, one.currency] += one.minor
    return (Posting(account, minor, currency) for (account, currency), minor in added.items())


def _posting(names: Accounts, row: Record, minor: int) -> Posting:
    match row.part:
        case "receivable":
            account = names.receivable(row.customer)
        case "credit":
            account = names.credit(row.customer)
        case "revenue":
            account = names.revenue(row.word, row.own)
        case "tax":
            account = names.tax(row.word, row.percent)
        case _:
            account = names.money(row.word)
    return Posting(account, minor, row.currency)


def _ordered(period: Period) -> CompoundSelect[*tuple[Any, ...]]:
    conditions = ((period.first, "__ge__"), (period.last, "__le__"))
    entries = [
        query.where(*(getattr(query.selected_columns["on"], compare)(day) for day, compare in conditions if day))
        for query in _ENTRIES
    ]
    return union_all(*entries).order_by("on", "rank", "sequence", "id")


def _rank(kind: str) -> int:
    return TRANSACTION_KINDS.index(kind)


def _entry(
    on: Any, rank: Any, sequence: Any, id: Any, number: Any, about: Any, part: str, minor: Any, **more: Any
) -> Rows:
    """One kind of posting; `about` is the row that knows customer and currency."""
    return select(
        on.label("on"),
        rank.label("rank"),
        sequence.label("sequence"),
        id.label("id"),
        number.label("number"),
        Customer.reference.label("customer"),
        Customer.name.label("customer_name"),
        about.currency.label("currency"),
        literal(part).label("part"),
        more.get("word", literal("", ByteOrderedText)).label("word"),
        more.get("own", cast(null(), ByteOrderedText)).label("own"),
        more.get("percent", cast(null(), ExactDecimal)).label("percent"),
        minor.label("minor"),
    ).join_from(about, Customer, Customer.id == about.customer_id)


def _documents(void: bool) -> list[Rows]:
    on = Invoice.voided_on if void else Invoice.issue_date
    kind = case((Invoice.kind == "invoice", _rank("invoice")), else_=_rank("credit_note"))
    rank: ColumnElement[Any] = literal(_rank("void")) if void else kind
    debit = case((Invoice.kind == "invoice", 1), else_=-1) * (-1 if void else 1)
    head = (on, rank, Invoice.sequence, Invoice.id, Invoice.number, Invoice)
    parts = [
        _entry(*head, "receivable", debit * Invoice.total),
        _entry(*head, "revenue", -debit * InvoiceLine.net, word=InvoiceLine.service_code, own=Service.revenue_account)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .outerjoin(Service, Service.id == InvoiceLine.service_id),
        _entry(*head, "tax", -debit * InvoiceTax.tax, word=InvoiceTax.category, percent=InvoiceTax.percent).join(
            InvoiceTax, InvoiceTax.invoice_id == Invoice.id
        ),
    ]
    return [query.where(Invoice.status == "void" if void else Invoice.status != "draft") for query in parts]


def _payments(back: bool) -> list[Rows]:
    on = Payment.reversed_on if back else Payment.received_on
    kind = case((Payment.method == WRITE_OFF, _rank("write_off")), else_=_rank("payment"))
    rank: ColumnElement[Any] = literal(_rank("reversal")) if back else kind
    head = (on, rank, literal(0), Payment.id, Payment.reference, Payment)
    sign = -1 if back else 1
    parts = [
        _entry(*head, "money", sign * Payment.amount, word=Payment.method),
        _entry(*head, "credit", -sign * Payment.amount),
    ]
    return [query.where(Payment.status == "reversed") for query in parts] if back else parts


def _allocations(back: bool) -> list[Rows]:
    """A part of the payment's own transaction where it has the same day."""
    on = Allocation.withdrawn_on if back else Allocation.made_on
    with_payment = Allocation.withdrawn_on == Payment.reversed_on if back else Allocation.made_on == Payment.received_on
    own = case((Payment.method == WRITE_OFF, _rank("write_off")), else_=_rank("payment"))
    together: Any = _rank("reversal") if back else own
    rank = case((with_payment, together), else_=_rank("withdrawal" if back else "allocation"))
    id = case((with_payment, Payment.id), else_=Allocation.id)
    number = case((with_payment, Payment.reference), else_=Invoice.number)
    head = (on, rank, literal(0), id, number, Payment)
    sign = -1 if back else 1
    parts = [_entry(*head, "credit", sign * Allocation.amount), _entry(*head, "receivable", -sign * Allocation.amount)]
    joined = [
        query.join(Allocation, Allocation.payment_id == Payment.id).join(Invoice, Invoice.id == Allocation.invoice_id)
        for query in parts
    ]
    return [query.where(Allocation.withdrawn_on.is_not(None)) for query in joined] if back else joined


_ENTRIES = [
    *_documents(void=False),
    *_documents(void=True),
    *_payments(back=False),
    *_payments(back=True),
    *_allocations(back=False),
    *_allocations(back=True),
]
