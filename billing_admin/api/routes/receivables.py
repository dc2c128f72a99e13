"""What a customer owes: balances with their ageing, and statements, on any day."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field

from billing_admin.api.frame.fields import Currency, Exact, FigureDay, Parameters, ResponseModel, enumeration
from billing_admin.api.frame.routing import Reply, route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.domain.money import ZERO, Money
from billing_admin.domain.receivables import BUCKET_NAMES, ENTRY_KINDS, ZERO_POSITION, Position, Statement
from billing_admin.queries.master_data.customers import UnbilledAmounts, customer, unbilled_by_customer
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.payments.receivables import positions, statements


class BalanceOut(ResponseModel):
    """One currency: invoiced − credited − paid − unallocated = balance; `ageing` is what is open by days overdue.

    `unbilled` is the exact sum of the charges that are pending now, whatever the day.
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
    """A customer's balances, per currency; without `as_of` everything counts that is booked."""

    customer: str
    as_of: date | None
    balances: list[BalanceOut]


class EntryOut(ResponseModel):
    """One dated change of what is owed, and the balance after it; `number` is a document's number or a payment's reference."""

    date: date
    kind: Annotated[str, enumeration(*ENTRY_KINDS)]
    id: UUID
    number: str
    amount: str
    balance: str


class StatementOut(ResponseModel):
    """A statement in one currency."""

    currency: str
    opening: str
    entries: list[EntryOut]
    closing: str


class StatementsOut(ResponseModel):
    """A customer's statements, one per currency."""

    customer: str
    from_: date | None = Field(serialization_alias="from")
    to: date | None
    statements: list[StatementOut]


class BalanceQuery(Parameters):
    """On which day; everything that is booked if left out."""

    as_of: FigureDay | None = None


class StatementQuery(Parameters):
    """From which day to which, both included; from the beginning, and to the last entry, if left out."""

    from_: FigureDay | None = Field(None, alias="from")
    to: FigureDay | None = None
    currency: Currency = ""


def _balance(currency: str, position: Position, waiting: UnbilledAmounts | None) -> BalanceOut:
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
        unbilled=waiting.pending_amount if waiting else ZERO,
        ageing=dict(zip(BUCKET_NAMES, map(money, position.open), strict=True)),
    )


@route("GET", "/customers/{ref}/balance", scope="read", query=BalanceQuery, response=BalancesOut)
def get_balance(ref: str, query: BalanceQuery) -> Reply:
    """Show what a customer owes, and for how long, now or on a past day."""
    session = db.session()
    who = customer(session, ref)
    found = positions(session, today(session, now()), query.as_of, [who.id])
    by_currency = {currency: position for (_, currency), position in found.items()}
    waiting = {one.currency: one for one in unbilled_by_customer(session, [who.id]).get(who.id, [])}
    rows = [
        _balance(currency, by_currency.get(currency, ZERO_POSITION), waiting.get(currency))
        for currency in sorted(by_currency.keys() | waiting.keys())
    ]
    return Reply(BalancesOut(customer=who.reference, as_of=query.as_of, balances=rows))


@route("GET", "/customers/{ref}/statement", scope="read", query=StatementQuery, response=StatementsOut)
def get_statement(ref: str, query: StatementQuery) -> Reply:
    """Show the opening balance, each document with the running balance, and the closing balance."""
    session = db.session()
    who = customer(session, ref)
    found = statements(session, who.id, query.from_, query.to)
    told = [_statement(currency, one) for currency, one in found.items() if query.currency in {"", currency}]
    return Reply(StatementsOut(customer=who.reference, from_=query.from_, to=query.to, statements=told))


def _statement(currency: str, told: Statement) -> StatementOut:
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
        for row in told.rows
    ]
    return StatementOut(currency=currency, opening=money(told.opening), entries=entries, closing=money(told.closing))
