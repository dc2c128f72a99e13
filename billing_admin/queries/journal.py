"""The accounting journal, computed from documents and payments.

Each is booked on its own day. Amounts are in minor units. An invoice, a credit note and a void are booked from receivables
to revenue and tax, an opening balance to the account of opening balances; a payment, a write-off and a reversal from money
to the customer's credit, a refund the other way; an allocation and its withdrawal from credit to receivables. Allocations
made on the day of the payment, and withdrawals on the day of its reversal, are part of the payment's own transaction.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, CompoundSelect, Date, Select, case, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from billing_admin.db.paging import Record
from billing_admin.domain.days import check_day_range
from billing_admin.domain.journal import Accounts, Posting, Transaction, merge_postings
from billing_admin.domain.opening_balances import OPENING_CREDIT, OPENING_INVOICE
from billing_admin.domain.payments import WRITE_OFF
from billing_admin.models import Allocation, Customer, Invoice, InvoiceLine, InvoiceTax, Payment, Refund, Service
from billing_admin.models.base import ByteOrderedText, ExactDecimal
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.payments.entry_days import reversal_day, void_day

Rows: TypeAlias = Select[*tuple[Any, ...]]
# The first arguments of `_entry`: day, rank, sequence, id, number and table.
Head: TypeAlias = tuple[Any, Any, Any, Any, Any, Any]

FETCH_SIZE = 2_000
# The order of transactions within a day.
TRANSACTION_KINDS = (
    OPENING_INVOICE,
    OPENING_CREDIT,
    *("invoice", "credit_note", "void", "payment", "write_off", "allocation", "withdrawal", "reversal"),
    *("refund", "refund_reversal"),
)
OPENING = "opening"


@dataclass(frozen=True, slots=True)
class Period:
    """First and last day, both included; None is unlimited.

    Raises Invalid if the first is after the last.
    """

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        check_day_range(self.first, self.last, "from")


def account_names(session: Session) -> Accounts:
    """Return the account names of the organisation."""
    return Accounts.of(organisation(session).journal_accounts)


def transactions(session: Session, period: Period, opening: bool = False) -> Iterator[Transaction]:
    """Yield the transactions of a period by day.

    With `opening`, the first one has the opening balances.
    """
    names = account_names(session)
    if opening and period.first:
        balances = merge_postings(_opening_postings(session, names, period.first))
        if balances:
            yield Transaction(period.first, OPENING, "", "", "", None, balances)
    with session.execute(_ordered(period).execution_options(yield_per=FETCH_SIZE)) as entries:
        for (on, rank, id), group in groupby(entries, key=lambda row: (row.on, row.rank, row.id)):
            rows = list(group)
            postings = merge_postings(_posting(names, row, int(row.minor), _period(row)) for row in rows)
            if postings:
                first = rows[0]
                yield Transaction(
                    on, TRANSACTION_KINDS[rank], first.number, first.customer, first.customer_name, id, postings
                )


def _opening_postings(session: Session, names: Accounts, first: date) -> Iterator[Posting]:
    entry = union_all(*_ENTRIES).subquery().c
    account = (entry.customer, entry.currency, entry.part, entry.code, entry.own_account, entry.percent)
    query: Rows = select(*account, func.sum(entry.minor).label("minor")).where(entry.on < first).group_by(*account)
    balances: dict[tuple[str, str], int] = defaultdict(int)
    for row in session.execute(query):
        posting = _posting(names, row, int(row.minor))
        balances[posting.account, posting.currency] += posting.minor
    return (Posting(account, minor, currency) for (account, currency), minor in balances.items())


def opening_balances(session: Session) -> dict[tuple[str, str], int]:
    """Return the sums of the account of opening balances, by customer and currency.

    Amounts that customers owed are above zero.
    """
    entry = union_all(*_OPENING_ENTRIES).subquery().c
    account = (entry.customer, entry.currency)
    query: Rows = select(*account, -func.sum(entry.minor)).group_by(*account)
    return {(customer, currency): int(minor) for customer, currency, minor in session.execute(query)}


def _period(row: Record) -> tuple[date, date] | None:
    return None if row.period_from is None else (row.period_from, row.period_to)


def _posting(names: Accounts, row: Record, minor: int, period: tuple[date, date] | None = None) -> Posting:
    match row.part:
        case "receivable":
            account = names.receivable(row.customer)
        case "credit":
            account = names.credit(row.customer)
        case "revenue":
            account = names.revenue(row.code, row.own_account)
        case "tax":
            account = names.tax(row.code, row.percent)
        case "opening":
            account = names.opening_balance()
        case _:
            account = names.money(row.code)
    return Posting(account, minor, row.currency, period)


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
    on: Any, rank: Any, sequence: Any, id: Any, number: Any, table: Any, part: str, minor: Any, **account: Any
) -> Rows:
    """Select one kind of entry; `table` has the columns customer_id and currency.

    `part` names the kind of account. `account` may give the code, own account and tax percentage that
    choose the account, and the period of a line.
    """
    return select(
        on.label("on"),
        rank.label("rank"),
        sequence.label("sequence"),
        id.label("id"),
        number.label("number"),
        Customer.reference.label("customer"),
        Customer.name.label("customer_name"),
        table.currency.label("currency"),
        literal(part).label("part"),
        account.get("code", literal("", ByteOrderedText)).label("code"),
        account.get("own_account", cast(null(), ByteOrderedText)).label("own_account"),
        account.get("percent", cast(null(), ExactDecimal)).label("percent"),
        minor.label("minor"),
        account.get("period_from", cast(null(), Date)).label("period_from"),
        account.get("period_to", cast(null(), Date)).label("period_to"),
    ).join_from(table, Customer, Customer.id == table.customer_id)


def _documents(void: bool) -> list[Rows]:
    head, debit = _document_head(void)
    parts = [
        _entry(*head, "receivable", debit * Invoice.total),
        _entry(
            *head,
            "revenue",
            -debit * InvoiceLine.net,
            code=InvoiceLine.service_code,
            own_account=Service.revenue_account,
            period_from=InvoiceLine.period_from,
            period_to=InvoiceLine.period_to,
        )
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .outerjoin(Service, Service.id == InvoiceLine.service_id),
        _entry(*head, "tax", -debit * InvoiceTax.tax, code=InvoiceTax.category, percent=InvoiceTax.percent).join(
            InvoiceTax, InvoiceTax.invoice_id == Invoice.id
        ),
    ]
    return [query.where(_is_document(void)) for query in parts]


def _opening_invoices(void: bool) -> Rows:
    """Select the entries of opening invoices in place of revenue and tax."""
    head, debit = _document_head(void)
    return _entry(*head, "opening", -debit * Invoice.total).where(_is_document(void), Invoice.kind == OPENING_INVOICE)


def _document_head(void: bool) -> tuple[Head, ColumnElement[Any]]:
    """Return the first columns of a document's entries, and the sign of its debit."""
    on = void_day() if void else Invoice.issue_date
    ranks = ((Invoice.kind == kind, _rank(kind)) for kind in ("invoice", "credit_note"))
    rank: ColumnElement[Any] = literal(_rank("void")) if void else case(*ranks, else_=_rank(OPENING_INVOICE))
    debit = case((Invoice.kind == "credit_note", -1), else_=1) * (-1 if void else 1)
    sequence = func.coalesce(Invoice.sequence, 0)  # opening invoices have none
    return (on, rank, sequence, Invoice.id, Invoice.number, Invoice), debit


def _is_document(void: bool) -> ColumnElement[bool]:
    return Invoice.status == "void" if void else Invoice.status != "draft"


def _payments(reversed: bool) -> list[Rows]:
    head, sign = _payment_head(reversed)
    parts = [
        _entry(*head, "money", sign * Payment.amount, code=Payment.method).where(Payment.method != OPENING_CREDIT),
        _entry(*head, "credit", -sign * Payment.amount),
    ]
    return [query.where(Payment.status == "reversed") for query in parts] if reversed else parts


def _refunds(reversed: bool) -> list[Rows]:
    on, kind = (Refund.reversed_on, "refund_reversal") if reversed else (Refund.paid_on, "refund")
    head = (on, literal(_rank(kind)), literal(0), Refund.id, Refund.reference, Refund)
    sign = -1 if reversed else 1
    parts = [
        _entry(*head, "credit", sign * Refund.amount),
        _entry(*head, "money", -sign * Refund.amount, code=Refund.method),
    ]
    return [query.where(Refund.status == "reversed") for query in parts] if reversed else parts


def _opening_credits(reversed: bool) -> Rows:
    """Select the entries of opening credits in place of money."""
    head, sign = _payment_head(reversed)
    query = _entry(*head, "opening", sign * Payment.amount).where(Payment.method == OPENING_CREDIT)
    return query.where(Payment.status == "reversed") if reversed else query


def _payment_head(reversed: bool) -> tuple[Head, int]:
    """Return the first columns of a payment's entries, and the sign of its debit."""
    on = reversal_day() if reversed else Payment.received_on
    rank: ColumnElement[Any] = literal(_rank("reversal")) if reversed else _payment_rank()
    return (on, rank, literal(0), Payment.id, Payment.reference, Payment), -1 if reversed else 1


def _payment_rank() -> ColumnElement[Any]:
    ranks = ((Payment.method == method, _rank(method)) for method in (WRITE_OFF, OPENING_CREDIT))
    return case(*ranks, else_=_rank("payment"))


def _allocations(reversed: bool) -> list[Rows]:
    # An allocation on the day of its payment is part of the payment's transaction.
    on = Allocation.withdrawn_on if reversed else Allocation.made_on
    with_payment = Allocation.withdrawn_on == reversal_day() if reversed else Allocation.made_on == Payment.received_on
    joint_rank: Any = _rank("reversal") if reversed else _payment_rank()
    rank = case((with_payment, joint_rank), else_=_rank("withdrawal" if reversed else "allocation"))
    id = case((with_payment, Payment.id), else_=Allocation.id)
    number = case((with_payment, Payment.reference), else_=Invoice.number)
    head = (on, rank, literal(0), id, number, Payment)
    sign = -1 if reversed else 1
    parts = [_entry(*head, "credit", sign * Allocation.amount), _entry(*head, "receivable", -sign * Allocation.amount)]
    joined = [
        query.join(Allocation, Allocation.payment_id == Payment.id).join(Invoice, Invoice.id == Allocation.invoice_id)
        for query in parts
    ]
    return [query.where(Allocation.withdrawn_on.is_not(None)) for query in joined] if reversed else joined


_OPENING_ENTRIES = [
    _opening_invoices(void=False),
    _opening_invoices(void=True),
    _opening_credits(reversed=False),
    _opening_credits(reversed=True),
]
_ENTRIES = [
    *_OPENING_ENTRIES,
    *_documents(void=False),
    *_documents(void=True),
    *_payments(reversed=False),
    *_payments(reversed=True),
    *_allocations(reversed=False),
    *_allocations(reversed=True),
    *_refunds(reversed=False),
    *_refunds(reversed=True),
]
