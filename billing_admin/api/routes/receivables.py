"""Receivables: balances with ageing, and statements of a customer."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from billing_admin.api.frame.fields import (
    Currency,
    Exact,
    FigureDay,
    Listing,
    Paging,
    Parameters,
    ResponseModel,
    enumeration,
)
from billing_admin.api.frame.routing import Reply, list_reply, route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.domain.money import ZERO, Money
from billing_admin.domain.receivables import BUCKET_NAMES, ENTRY_KINDS, ZERO_POSITION, Position, Statement
from billing_admin.queries.master_data.customers import UnbilledAmounts, customer, unbilled_by_customer
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.payments.open_items import OpenItemFilter, open_items
from billing_admin.queries.payments.receivables import positions, statements


class BalanceOut(ResponseModel):
    """The balance in one currency: invoiced − credited − paid − unallocated.

    `ageing` is the open amount by days overdue. `unbilled` is the exact sum of all charges that are pending now,
    whatever the day of the balance.
    """

    currency: str
    invoiced: str
    credited: str
    paid: str
    unallocated: str
    balance: str
    overdue: str
    unbilled: Exact
    ageing: dict[str, str]


class BalancesOut(ResponseModel):
    """The balances of a customer by currency.

    `as_of` defaults to today.
    """

    customer: str
    as_of: date | None
    balances: list[BalanceOut]


class EntryOut(ResponseModel):
    """A change of the balance, and the balance after it.

    `number` is a document's number or a payment's reference.
    """

    date: date
    kind: Annotated[str, enumeration(*ENTRY_KINDS)]
    id: UUID
    number: str
    amount: str
    balance: str


class StatementOut(ResponseModel):
    """The statement of a customer in one currency."""

    currency: str
    opening: str
    entries: list[EntryOut]
    closing: str


class StatementsOut(ResponseModel):
    """The statements of a customer, one for each currency."""

    customer: str
    from_: date | None = Field(serialization_alias="from")
    to: date | None
    statements: list[StatementOut]


class BalanceQuery(Parameters):
    """The day of the balance, by default today."""

    as_of: FigureDay | None = None


class StatementQuery(Parameters):
    """The period of a statement, both days included.

    By default it is from the first entry to today.
    """

    from_: FigureDay | None = Field(None, alias="from")
    to: FigureDay | None = None
    currency: Currency = ""


class OpenItemOut(ResponseModel):
    """An invoice with an open amount on a day.

    `open_amount` is its total less the payments and credit notes that count on that day.
    """

    id: UUID
    number: str
    customer: str
    customer_name: str
    currency: str
    issue_date: date
    due_date: date
    days_overdue: int
    bucket: Annotated[str, enumeration(*BUCKET_NAMES)]
    total: str
    open_amount: str
    as_of: date


class OpenItemFilters(Parameters):
    """Filters of open items.

    `as_of` defaults to today. `bucket` is a range of days overdue, as in the ageing of a balance.
    """

    as_of: FigureDay | None = None
    customer: str = ""
    currency: Currency = ""
    bucket: Literal["", "not_due", "1_30", "31_60", "61_90", "over_90"] = ""

    def to_filter(self, today: date) -> OpenItemFilter:
        """Return the filter for the queries."""
        return OpenItemFilter(self.as_of or today, self.customer, self.currency, self.bucket)


class OpenItemQuery(OpenItemFilters, Paging):
    """A page of open items."""


def _balance(currency: str, position: Position, pending: UnbilledAmounts | None) -> BalanceOut:
    def money(minor: int) -> str:
        return str(Money(minor, currency))

    return BalanceOut(
        currency=currency,
        invoiced=money(position.invoiced),
        credited=money(position.credited),
        paid=money(position.paid),
        unallocated=money(position.unallocated),
        balance=money(position.balance),
        overdue=money(position.overdue),
        unbilled=pending.pending_amount if pending else ZERO,
        ageing=dict(zip(BUCKET_NAMES, map(money, position.open), strict=True)),
    )


@route("GET", "/customers/{ref}/balance", scope="read", query=BalanceQuery, response=BalancesOut)
def get_balance(ref: str, query: BalanceQuery) -> Reply:
    """Show the balance and ageing of a customer, now or on a past day."""
    session = db.session()
    row = customer(session, ref)
    by_account = positions(session, query.as_of or today(session, now()), [row.id])
    by_currency = {currency: position for (_, currency), position in by_account.items()}
    pending = {sums.currency: sums for sums in unbilled_by_customer(session, [row.id]).get(row.id, [])}
    balances = [
        _balance(currency, by_currency.get(currency, ZERO_POSITION), pending.get(currency))
        for currency in sorted(by_currency.keys() | pending.keys())
    ]
    return Reply(BalancesOut(customer=row.reference, as_of=query.as_of, balances=balances))


@route("GET", "/customers/{ref}/statement", scope="read", query=StatementQuery, response=StatementsOut)
def get_statement(ref: str, query: StatementQuery) -> Reply:
    """Read a customer's statement: opening balance, entries, and closing balance.

    Each entry has the balance after it.
    """
    session = db.session()
    row = customer(session, ref)
    by_currency = statements(session, row.id, today(session, now()), query.from_, query.to)
    selected = [
        _statement_out(currency, statement)
        for currency, statement in by_currency.items()
        if query.currency in {"", currency}
    ]
    return Reply(StatementsOut(customer=row.reference, from_=query.from_, to=query.to, statements=selected))


def _statement_out(currency: str, statement: Statement) -> StatementOut:
    def money(minor: int) -> str:
        return str(Money(minor, currency))

    entries = [
        EntryOut(
            date=row.entry.on,
            kind=row.entry.kind,
            id=row.entry.id,
            number=row.entry.number,
            amount=money(row.entry.amount),
            balance=money(row.balance),
        )
        for row in statement.rows
    ]
    return StatementOut(
        currency=currency, opening=money(statement.opening), entries=entries, closing=money(statement.closing)
    )


@route("GET", "/open-items", scope="read", query=OpenItemQuery, response=Listing[OpenItemOut])
def list_open_items(query: OpenItemQuery) -> Reply:
    """List the invoices with an open amount on a day.

    The oldest due date is first in each currency. The open amounts add up to the ageing of that day.
    """
    session = db.session()
    rows = open_items(session, query.to_filter(today(session, now())))
    return list_reply(page(session, rows, query.limit, query.after), _open_item_out)


def _open_item_out(row: Any) -> OpenItemOut:
    money = {name: str(Money(int(getattr(row, name)), row.currency)) for name in ("total", "open_amount")}
    return OpenItemOut(**{name: getattr(row, name) for name in OpenItemOut.model_fields} | money)
