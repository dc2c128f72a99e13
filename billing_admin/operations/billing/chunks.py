"""The documents of a chunk of accounts: summed, rounded, stored, claimed, numbered, in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import UpdateMany, insert_many
from billing_admin.db.ids import new_ids
from billing_admin.db.lookup import is_any_of
from billing_admin.domain.access import Actor
from billing_admin.domain.charges import duplicate_window_start
from billing_admin.domain.document_hash import DocumentRows, Row
from billing_admin.domain.errors import Conflict
from billing_admin.domain.money import EXACT
from billing_admin.models import Account, BillingRun, BillingRunItem
from billing_admin.models.base import exact_add
from billing_admin.operations.audit import record
from billing_admin.operations.invoices.invoice_rows import (
    build_draft,
    claim_charges,
    defer_invoice_checks,
    store_invoices,
    store_lines_and_taxes,
)
from billing_admin.operations.invoices.invoices import customer_fields, load_customers, number_documents, seller_fields
from billing_admin.operations.master_data.accounts import AccountKey, lock_and_read_accounts
from billing_admin.operations.webhooks.outbox import enqueue_invoices_issued
from billing_admin.queries.billing.preview import AFTER_CUT_OFF, BillingScope, PreparedDocument, prepare_documents
from billing_admin.queries.master_data.organisation import organisation

CHUNK = 500

_ITEM, _ACCOUNT = BillingRunItem.__table__.c, Account.__table__.c
_ITEM_KEY = ("run_id", "customer_id", "currency", "part")


def update_items(*names: str) -> UpdateMany:
    """The update of some columns of a run's items, by their key."""
    return UpdateMany(
        [_ITEM[name] for name in (*_ITEM_KEY, *names)],
        lambda given: (
            update(BillingRunItem)
            .where(*(_ITEM[name] == given[name] for name in _ITEM_KEY))
            .values({name: given[name] for name in names})
        ),
    )


_note_outcome = update_items("state", "reason", "charges", "amount", "invoice_id")
_take_off = UpdateMany(
    [_ACCOUNT[name] for name in ("customer_id", "currency", "pending_charges", "pending_amount", "billed_through")],
    lambda given: (
        update(Account)
        .where(_ACCOUNT.customer_id == given["customer_id"], _ACCOUNT.currency == given["currency"])
        .values(
            pending_charges=_ACCOUNT.pending_charges + given["pending_charges"],
            pending_amount=exact_add(_ACCOUNT.pending_amount, given["pending_amount"]),
            billed_through=case(
                (_ACCOUNT.billed_through > given["billed_through"], _ACCOUNT.billed_through),
                else_=given["billed_through"],
            ),
        )
    ),
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some accounts of a run: their places in it, their locked rows, and their documents.

    `reasons` says for each of `due` why it is left out, or None. `drafts` has the others' rows in the same order.
    """

    places: Mapping[AccountKey, int]
    accounts: Mapping[AccountKey, Any]
    due: Sequence[PreparedDocument]
    reasons: Sequence[str | None]
    drafts: Sequence[DocumentRows]


def bill_chunk(session: Session, run_id: UUID, actor: Actor, now: datetime, wait: bool = False) -> int:
    """Bill the next waiting accounts of a running run, and return how many there were.

    Accounts that another worker has locked are skipped, unless `wait` is given. Returns 0 as well when the run has failed.
    """
    run = session.get_one(BillingRun, run_id)
    items = _items(session, run, wait) if run.state == "running" else ()
    if not items:
        return 0
    chunk = _chunk(session, run, now, items)
    billed = [one for one, reason in zip(chunk.due, chunk.reasons, strict=True) if reason is None]
    _leave_later(session, run, chunk)
    _settle(session, run, chunk)
    if chunk.drafts:
        _store(session, run, billed, chunk.drafts, now)
        details = {"invoices": len(billed), "charges": sum(one.document.charges for one in billed)}
        record(session, actor, now, "billing_run.billed", "billing_run", run_id, details)
    return len(items)


def _chunk(session: Session, run: BillingRun, now: datetime, items: Sequence[Any]) -> Chunk:
    places = {(item.customer_id, item.currency): item.position for item in items}
    expected = {(item.customer_id, item.currency): item.expected for item in items}
    accounts = lock_and_read_accounts(session, places)
    scope = BillingScope(run.through, {item.customer_id for item in items}, run.currency)
    due = [one for one in prepare_documents(session, scope) if (one.customer_id, one.document.currency) in places]
    reasons = [_reason(run, one, expected[one.customer_id, one.document.currency]) for one in due]
    billed = [one for one, reason in zip(due, reasons, strict=True) if reason is None]
    drafts = _make_drafts(session, run, billed, now) if billed else []
    return Chunk(places, accounts, due, reasons, drafts)


def _items(session: Session, run: BillingRun, wait: bool) -> Sequence[Any]:
    waiting = (
        select(BillingRunItem.customer_id, BillingRunItem.currency, BillingRunItem.expected, BillingRunItem.position)
        .where(BillingRunItem.run_id == run.id, BillingRunItem.state == "waiting")
        .order_by(BillingRunItem.position)
        .limit(CHUNK)
    )
    return session.execute(waiting.with_for_update(of=BillingRunItem, skip_locked=not wait)).all()


def _reason(run: BillingRun, one: PreparedDocument, expected: str | None) -> str | None:
    if one.reason is None and run.confirmed is not None and one.document.digest() != expected:
        return "changed"
    return one.reason


def _make_drafts(
    session: Session, run: BillingRun, billed: Sequence[PreparedDocument], now: datetime
) -> list[DocumentRows]:
    """Make the documents' rows. Those to be issued get their copies with their number."""
    keys = new_ids(now)
    if run.issue:
        return [build_draft(run.id, one, {}, now, keys) for one in billed]
    own = seller_fields(organisation(session))
    people = load_customers(session, {one.customer_id for one in billed})
    return [build_draft(run.id, one, own | customer_fields(people[one.customer_id]), now, keys) for one in billed]


def _store(
    session: Session, run: BillingRun, billed: Sequence[PreparedDocument], drafts: Sequence[DocumentRows], now: datetime
) -> None:
    """Store the documents, numbered if the run issues them, and claim their charges.

    Only one worker at a time holds the lock of the number series. Where several may bill at once (PostgreSQL), the
    invoices are therefore stored last.
    """
    scope = BillingScope(run.through, {one.customer_id for one in billed}, run.currency)
    if defer_invoice_checks(session):
        store_lines_and_taxes(session, drafts)
        claim_charges(session, scope, billed, drafts, duplicate_window_start(now))
        _store_invoices(session, run, drafts, now)
    else:
        _store_invoices(session, run, drafts, now)
        store_lines_and_taxes(session, drafts)
        claim_charges(session, scope, billed, drafts, duplicate_window_start(now))


def _store_invoices(session: Session, run: BillingRun, drafts: Sequence[DocumentRows], now: datetime) -> None:
    if run.issue:
        number_documents(session, drafts, run.issue_date, now)
        enqueue_invoices_issued(session, drafts, now)
    store_invoices(session, drafts)


def _settle(session: Session, run: BillingRun, chunk: Chunk) -> None:
    """Write down what became of each account, and take what is billed off its unbilled total."""
    invoices = iter(chunk.drafts)
    rows: list[Row] = [
        {
            "run_id": run.id,
            "customer_id": one.customer_id,
            "currency": one.document.currency,
            "part": "due",
            "state": "left_out" if reason else "billed",
            "reason": reason,
            "charges": one.document.charges,
            "amount": one.document.amount,
            "invoice_id": None if reason else next(invoices).invoice["id"],
        }
        for one, reason in zip(chunk.due, chunk.reasons, strict=True)
    ]
    _note_outcome(session, rows)
    taken = [
        {
            "customer_id": row["customer_id"],
            "currency": row["currency"],
            "pending_charges": -row["charges"],
            "pending_amount": EXACT.minus(row["amount"]),
            "billed_through": run.through,
        }
        for row in rows
        if row["state"] == "billed"
    ]
    _take_off(session, taken)


def _leave_later(session: Session, run: BillingRun, chunk: Chunk) -> None:
    """What the accounts keep beyond what is due was incurred after the cut-off: leave it out. Forget those that have nothing
    any more, because another run has billed them meanwhile.
    """
    at_hand = {(one.customer_id, one.document.currency): one.document for one in chunk.due}
    nothing, instead, besides = set(chunk.places) - at_hand.keys(), list[Row](), list[Row]()
    for key, place in chunk.places.items():
        account, document = chunk.accounts[key], at_hand.get(key)
        more = account.pending_charges - (document.charges if document else 0)
        if not more:
            continue
        customer_id, currency = key
        if more < 0:
            said = (
                f"The totals kept of customer {customer_id} in {currency} are wrong: have `flask doctor` look at them."
            )
            raise Conflict("account_drift", said)
        rest = EXACT.subtract(account.pending_amount, document.amount) if document else account.pending_amount
        item = {
            "run_id": run.id,
            "customer_id": customer_id,
            "currency": currency,
            "part": "later" if document else "due",
        }
        outcome = {"state": "left_out", "charges": more, "amount": rest, "reason": AFTER_CUT_OFF, "invoice_id": None}
        (besides if document else instead).append(item | outcome | {"position": place, "expected": None})
        nothing.discard(key)
    _note_outcome(session, instead)
    _forget(session, run, {(row["customer_id"], row["currency"]) for row in besides}, "later")  # an earlier version's
    insert_many(session, BillingRunItem, besides)
    _forget(session, run, nothing, "due")


def _forget(session: Session, run: BillingRun, keys: Collection[AccountKey], part: str) -> None:
    for currency in {currency for _, currency in keys}:
        ids = [customer_id for customer_id, own in keys if own == currency]
        session.execute(
            delete(BillingRunItem).where(
                BillingRunItem.run_id == run.id,
                is_any_of(BillingRunItem.customer_id, ids),
                BillingRunItem.currency == currency,
                BillingRunItem.part == part,
            )
        )
