"""Opening balances, open documents of an earlier system; and their totals."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    Currency,
    Day,
    Key,
    Listing,
    Name,
    Number,
    Paging,
    ResponseModel,
    ShortText,
    enumeration,
    one_line,
)
from billing_admin.api.frame.routing import Reply, created_reply, list_reply, route
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import Page, page
from billing_admin.db.transactions import Session
from billing_admin.domain.access import Actor
from billing_admin.domain.money import Money
from billing_admin.domain.opening_balances import MAX_NUMBER_LENGTH, OpeningSpec
from billing_admin.http.lock_waits import bounded_transaction
from billing_admin.operations.invoices import opening_balances as operations
from billing_admin.queries.opening_totals import OpeningTotal, opening_totals
from billing_admin.queries.payments.opening_balances import opening_balance, opening_rows


class OpeningBalanceIn(Body):
    """An open invoice or a credit of an earlier system.

    The `open_amount` of a credit is below zero. `number` and `original_date` are those of the earlier document. `opened_on`
    is the cut-over day, by default that of the other opening balances. `due_date` is by default the date plus the payment
    terms; a credit has none.
    """

    id: Key = OMITTED
    customer: Name
    number: Annotated[str, one_line(MAX_NUMBER_LENGTH, named=True)]
    original_date: Day
    due_date: Day = OMITTED
    open_amount: Number
    currency: Currency = OMITTED
    opened_on: Day = OMITTED
    original_total: Number = OMITTED
    original_tax: Number = OMITTED
    purchase_order: ShortText = OMITTED


class OpeningBalanceOut(ResponseModel):
    """An opening balance.

    `type` says whether `id` is that of an invoice (`GET /invoices/{number}`) or of a payment (`GET /payments/{id}`).
    `balance` is the part of `open_amount` that is still open, or not allocated.
    """

    id: UUID
    type: Annotated[str, enumeration("invoice", "credit")]
    customer: str
    number: str
    original_date: date
    due_date: date | None
    opened_on: date
    currency: str
    open_amount: str
    balance: str
    status: Annotated[str, enumeration("issued", "void", "recorded", "reversed")]
    created_at: datetime


class OpeningTotalOut(ResponseModel):
    """The control totals of a customer's opening balances in a currency.

    `balance` is `invoiced` less `credited`. `journal` is what the journal has on the account of opening balances for the
    customer: both are equal.
    """

    customer: str
    currency: str
    invoices: int
    invoiced: str
    credits: int
    credited: str
    balance: str
    journal: str


def _out(row: Any) -> OpeningBalanceOut:
    is_open = row.status in {"issued", "recorded"}
    return OpeningBalanceOut(
        id=row.id,
        type=row.type,
        customer=row.customer,
        number=row.number,
        original_date=row.original_date,
        due_date=row.due_date,
        opened_on=row.opened_on,
        currency=row.currency,
        open_amount=str(Money(row.amount, row.currency)),
        balance=str(Money(row.balance if is_open else 0, row.currency)),
        status=row.status,
        created_at=row.created_at,
    )


def _total_out(total: OpeningTotal) -> OpeningTotalOut:
    def money(minor: int) -> str:
        return str(Money(minor, total.currency))

    return OpeningTotalOut(
        customer=total.reference,
        currency=total.currency,
        invoices=total.invoices,
        invoiced=money(total.invoiced),
        credits=total.credits,
        credited=money(total.credited),
        balance=money(total.balance),
        journal=money(total.journal),
    )


@route(
    "POST",
    "/opening-balances",
    scope="billing:write",
    body=OpeningBalanceIn,
    response=OpeningBalanceOut,
    statuses=(201, 200),
)
def post_opening_balance(actor: Actor, body: OpeningBalanceIn) -> Reply:
    """Record an open invoice or a credit of an earlier system."""
    stored, is_new = bounded_transaction(_record, OpeningSpec(**body.__dict__), actor, now())
    return created_reply(stored, is_new)


def _record(session: Session, spec: OpeningSpec, actor: Actor, at: datetime) -> tuple[OpeningBalanceOut, bool]:
    recorded = operations.record(session, spec, actor, at)
    return _out(opening_balance(session, recorded.id)), recorded.created


@route("GET", "/opening-balances", scope="read", query=Paging, response=Listing[OpeningBalanceOut])
def list_opening_balances(query: Paging) -> Reply:
    """List opening balances, newest first, void and reversed ones included."""
    session = db.session()
    return list_reply(page(session, opening_rows(), query.limit, query.after), _out)


@route("GET", "/opening-balances/totals", scope="read", response=Listing[OpeningTotalOut])
def list_opening_totals() -> Reply:
    """List the control totals of opening balances, per customer and currency."""
    return list_reply(Page(opening_totals(db.session()), None, None), _total_out)
