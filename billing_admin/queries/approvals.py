"""Acts that wait for approval, and previews of their effect."""

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from billing_admin.domain.approvals import WAITING
from billing_admin.domain.errors import NotFound
from billing_admin.domain.formatting import format_day, format_exact, format_money, format_rounded
from billing_admin.domain.money import Money
from billing_admin.domain.prices import ListPrice, prices_on, terms_of
from billing_admin.domain.translation import Phrase
from billing_admin.models import Account, ApprovalRequest, Invoice, ServicePrice
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.payments.refunds import refundable_payments


@dataclass(frozen=True, slots=True)
class Effect:
    """A value that an act changes, before and after it."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The effects that an act would have now, and the fingerprint of its subject."""

    effects: tuple[Effect, ...]
    fingerprint: str


def approval_requests(state: str = "") -> Select[ApprovalRequest]:
    """Select all requests, or those in one state, newest first; for `paging.page`."""
    query = select(ApprovalRequest).order_by(ApprovalRequest.created_at.desc(), ApprovalRequest.id.desc())
    return query.where(ApprovalRequest.state == state) if state else query


def count_waiting() -> Select[int]:
    """Return the query that counts the requests that wait."""
    return select(func.count()).select_from(ApprovalRequest).where(ApprovalRequest.state == WAITING)


def approval_request(session: Session, id: UUID, lock: bool = False) -> ApprovalRequest:
    """Return one request as it is now, and lock its row if `lock`.

    Raises:
        NotFound: No request has this id.
    """
    request = session.get(ApprovalRequest, id, populate_existing=True, with_for_update=lock or None)
    if request is None:
        raise NotFound("unknown_approval", Phrase("There is no request for approval {id}.", id=id), "id")
    return request


def preview(session: Session, request: ApprovalRequest) -> Preview:
    """Return what a request would change if it were approved now."""
    if request.object_type == "invoice":
        return _invoice_preview(session, request)
    if request.act == "negative_charge":
        return _charge_preview(session, request)
    if request.act == "price":
        return _price_preview(session, request)
    if request.object_type == "customer":
        return _refund_preview(session, request)
    return _unlock_preview(session, request)


def _invoice_preview(session: Session, request: ApprovalRequest) -> Preview:
    columns = (Invoice.status, Invoice.total, Invoice.paid, Invoice.credited)
    row = session.execute(select(*columns).where(Invoice.id == request.object_id)).one()
    open_before, amount, currency = row.total - row.paid - row.credited, request.amount or 0, request.currency
    state = [row.status, row.total, row.paid, row.credited]
    if row.status == "void":
        open_before = 0
    if request.act == "void":
        return _preview(state, _change(Phrase("Open balance"), open_before, 0, currency))
    balance = _change(Phrase("Open balance"), open_before, max(open_before - amount, 0), currency)
    if request.act == "write_off":
        return _preview(state, balance)
    credited = _change(Phrase("Credited"), row.credited, row.credited + amount, currency)
    excess = _change(Phrase("Taken from payments and write-offs"), 0, max(amount - open_before, 0), currency)
    return _preview(state, balance, credited, excess)


def _refund_preview(session: Session, request: ApprovalRequest) -> Preview:
    payments = refundable_payments(session, request.object_id, request.currency) if request.object_id else ()
    credit = sum(payment.unallocated for payment in payments)
    after = credit - (request.amount or 0)
    return _preview([credit], _change(Phrase("Customer’s credit"), credit, after, request.currency))


def _charge_preview(session: Session, request: ApprovalRequest) -> Preview:
    """Show the unbilled charges of the account.

    Charges that arrive meanwhile do not change the act that is approved.
    """
    account = (Account.customer_id == request.object_id, Account.currency == request.currency)
    before = session.scalar(select(Account.pending_amount).where(*account)) or Decimal(0)
    after = before - Money(request.amount or 0, request.currency).decimal
    amounts = [format_rounded(amount, request.currency) for amount in (before, after)]
    return _preview([], Effect(Phrase("Unbilled"), *amounts))


def _price_preview(session: Session, request: ApprovalRequest) -> Preview:
    """Show the price of the day; charges that are posted keep theirs."""
    fields, currency, day = request.input, request.currency, date.fromisoformat(request.input["valid_from"])
    prices = list(session.scalars(select(ServicePrice).where(ServicePrice.service_id == request.object_id)))
    before, after = prices_on(day, prices).get(currency), None
    if fields["unit_price"] is not None:
        after = ListPrice(day, Decimal(fields["unit_price"]), fields["includes_tax"])
    else:
        other_prices = [price for price in prices if (price.currency, price.valid_from) != (currency, day)]
        after = terms_of(prices_on(day, other_prices).get(currency))
    state = None if before is None else [before.valid_from.isoformat(), str(before.unit_price), before.includes_tax]
    label = Phrase("Price from {day}", day=format_day(day))
    return _preview([state], Effect(label, _price_words(terms_of(before), currency), _price_words(after, currency)))


def _price_words(price: ListPrice | None, currency: str) -> str:
    if price is None or price.unit_price is None:
        return Phrase("No price")
    words = format_exact(price.unit_price, currency)
    return Phrase("{price}, tax included", price=words) if price.includes_tax else words


def _unlock_preview(session: Session, request: ApprovalRequest) -> Preview:
    before, through = organisation(session).locked_through, request.input["through"]
    after = None if through is None else date.fromisoformat(through)
    names = [format_day(day) if day else Phrase("Not locked") for day in (before, after)]
    return _preview([str(before)], Effect(Phrase("Locked through"), *names))


def _change(label: str, before: int, after: int, currency: str) -> Effect:
    return Effect(label, format_money(before, currency), format_money(after, currency))


def _preview(state: list[Any], *effects: Effect) -> Preview:
    return Preview(effects, sha256(json.dumps(state).encode()).hexdigest())
