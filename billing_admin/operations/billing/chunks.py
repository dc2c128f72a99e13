"""Bill a chunk of a run's accounts in one transaction.

The steps are: claim and lock the accounts, load, plan, store.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Update, case, delete, select, update
from sqlalchemy.orm import Session

from billing_admin.db.bulk import UpdateMany, ValuesByColumn, insert_many
from billing_admin.db.ids import new_ids
from billing_admin.db.lookup import is_any_of
from billing_admin.db.rows import NamedRow, named_rows
from billing_admin.domain.access import Actor
from billing_admin.domain.billing_runs import (
    BilledItem,
    ChunkPlan,
    LeftOutItem,
    WaitingAccount,
    billed_charges,
    plan_chunk,
)
from billing_admin.domain.charges import AccountKey, duplicate_window_start
from billing_admin.domain.document_hash import DocumentRows, Row
from billing_admin.domain.money import EXACT, ZERO
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
from billing_admin.operations.invoices.invoices import copied_fields, issue_details, number_documents
from billing_admin.operations.master_data.accounts import lock_and_read_accounts
from billing_admin.operations.master_data.periods import lock_organisation
from billing_admin.operations.payments.credit import apply_credit_to_issued
from billing_admin.operations.webhooks.outbox import enqueue_invoices_issued
from billing_admin.queries.billing.preview import BillingScope, load_billing_data, unbilled_sums
from billing_admin.queries.billing.runs import excluded_accounts
from billing_admin.queries.invoices.readiness import PartyData
from billing_admin.queries.selections import selected_row_ids

CHUNK = 500  # accounts

_ITEM, _ACCOUNT = BillingRunItem.__table__.c, Account.__table__.c
_ITEM_KEY = ("run_id", "customer_id", "currency", "part")


def update_items(*names: str) -> UpdateMany:
    """Return the update of some columns of a run's items, by their key."""
    return UpdateMany(
        [_ITEM[name] for name in (*_ITEM_KEY, *names)],
        lambda values: (
            update(BillingRunItem)
            .where(*(_ITEM[name] == values[name] for name in _ITEM_KEY))
            .values({name: values[name] for name in names})
        ),
    )


_update_outcomes = update_items("state", "reason", "charges", "amount", "invoice_id")
_PENDING_TOTALS = ("customer_id", "currency", "pending_charges", "pending_amount")


def _take_off_pending(values: ValuesByColumn) -> Update:
    return (
        update(Account)
        .where(_ACCOUNT.customer_id == values["customer_id"], _ACCOUNT.currency == values["currency"])
        .values(
            pending_charges=_ACCOUNT.pending_charges + values["pending_charges"],
            pending_amount=exact_add(_ACCOUNT.pending_amount, values["pending_amount"]),
        )
    )


_update_pending = UpdateMany([_ACCOUNT[name] for name in _PENDING_TOTALS], _take_off_pending)
_update_accounts = UpdateMany(
    [_ACCOUNT[name] for name in (*_PENDING_TOTALS, "billed_through")],
    lambda values: _take_off_pending(values).values(
        billed_through=case(
            (_ACCOUNT.billed_through > values["billed_through"], _ACCOUNT.billed_through),
            else_=values["billed_through"],
        )
    ),
)


def bill_chunk(session: Session, run_id: UUID, actor: Actor, now: datetime, wait: bool = False) -> int:
    """Bill the next waiting accounts of a running run, and return their number.

    Accounts that another worker has locked are skipped, unless `wait` is given. Returns 0 as well if the run has failed.
    """
    run = session.get_one(BillingRun, run_id)
    items = _claim_items(session, run, wait) if run.state == "running" else ()
    if not items:
        return 0
    accounts = _lock_accounts(session, items)
    scope = BillingScope(
        run.through,
        {customer_id for customer_id, _ in accounts},
        run.currency,
        None if run.selected_charges is None else selected_row_ids(session, run.id),
        purchase_order=run.purchase_order,
        issue_date=run.issue_date if run.issue else None,
        excluded=excluded_accounts(run),
    )
    if scope.charge_ids is not None:
        accounts = _count_selected(session, scope, accounts)
    if run.issue:
        lock_organisation(session)  # documents are frozen with the data that they are planned with
    data, parties = load_billing_data(session, scope)
    plan = plan_chunk(accounts, data, confirmed=run.confirmed is not None)
    _store(session, run, scope, accounts, plan, parties, actor, now)
    return len(items)


def _claim_items(session: Session, run: BillingRun, wait: bool) -> Sequence[NamedRow]:
    """Lock the next waiting items of a run; the lock is the claim."""
    waiting = (
        select(BillingRunItem.customer_id, BillingRunItem.currency, BillingRunItem.expected, BillingRunItem.position)
        .where(BillingRunItem.run_id == run.id, BillingRunItem.state == "waiting")
        .order_by(BillingRunItem.position)
        .limit(CHUNK)
    )
    return named_rows(session.execute(waiting.with_for_update(of=BillingRunItem, skip_locked=not wait)))


def _lock_accounts(session: Session, items: Sequence[NamedRow]) -> dict[AccountKey, WaitingAccount]:
    rows = lock_and_read_accounts(session, {(item.customer_id, item.currency) for item in items})
    accounts = {}
    for item in items:
        row = rows[item.customer_id, item.currency]
        account = WaitingAccount(item.position, item.expected, row.pending_charges, row.pending_amount)
        accounts[item.customer_id, item.currency] = account
    return accounts


def _count_selected(
    session: Session, scope: BillingScope, accounts: Mapping[AccountKey, WaitingAccount]
) -> dict[AccountKey, WaitingAccount]:
    """Return locked accounts with the totals of the selected charges of a run."""
    pending = {
        (row.customer_id, row.currency): (row.charges, row.amount)
        for row in session.execute(unbilled_sums(scope))
        if row.status == "pending"
    }
    return {
        key: WaitingAccount(account.position, account.expected, *pending.get(key, (0, ZERO)))
        for key, account in accounts.items()
    }


def _store(
    session: Session,
    run: BillingRun,
    scope: BillingScope,
    accounts: Mapping[AccountKey, WaitingAccount],
    plan: ChunkPlan,
    parties: PartyData,
    actor: Actor,
    now: datetime,
) -> None:
    documents = _build_documents(run, plan.billed, parties, now)
    _store_later(session, run, accounts, plan.later)
    _delete_items(session, run, plan.finished, "due")
    billed = [
        _outcome(run, item.prepared.key, "billed", item.charges, item.amount, invoice_id=document.invoice["id"])
        for item, document in zip(plan.billed, documents, strict=True)
    ]
    left_out = [
        _outcome(run, item.key, "left_out", item.charges, item.amount, reason=item.reason) for item in plan.left_out
    ]
    _update_outcomes(session, billed + left_out)
    _store_totals(session, run, plan.billed)
    if documents:
        _store_documents(session, run, scope, plan.billed, documents, parties, now)
        details = {"invoices": len(documents), "charges": billed_charges(plan.billed)}
        record(session, actor, now, "billing_run.billed", "billing_run", run.id, details)
        if run.issue:
            record(session, actor, now, "invoice.issued", "invoice", None, issue_details(documents))
            if parties.organisation.applies_credit:
                apply_credit_to_issued(session, documents, actor, now)


def _build_documents(
    run: BillingRun, billed: Sequence[BilledItem], parties: PartyData, now: datetime
) -> list[DocumentRows]:
    """Return the rows of the documents.

    Those that the run issues get the fields of seller and customer with their number.
    """
    ids, rows = new_ids(now), []
    for item in billed:
        customer = parties.customers[item.prepared.customer_id]
        copied = {} if run.issue else copied_fields(parties.organisation, customer)
        rows.append(build_draft(run.id, item.prepared, copied, now, ids))
    return rows


def _outcome(
    run: BillingRun,
    key: AccountKey,
    state: str,
    charges: int,
    amount: Decimal,
    *,
    part: str = "due",
    reason: str | None = None,
    invoice_id: UUID | None = None,
) -> Row:
    customer_id, currency = key
    return {
        "run_id": run.id,
        "customer_id": customer_id,
        "currency": currency,
        "part": part,
        "state": state,
        "reason": reason,
        "charges": charges,
        "amount": amount,
        "invoice_id": invoice_id,
    }


def _store_totals(session: Session, run: BillingRun, billed: Sequence[BilledItem]) -> None:
    """Take the billed charges off the accounts' totals.

    The accounts are billed through the run's last day, unless the run was limited to some of their charges: charges of
    these days that are posted later are then not late.
    """
    rows = [
        {
            "customer_id": customer_id,
            "currency": currency,
            "pending_charges": -item.charges,
            "pending_amount": EXACT.minus(item.amount),
        }
        for item in billed
        for customer_id, currency in (item.prepared.key,)
    ]
    if run.selected_charges is None:
        _update_accounts(session, [row | {"billed_through": run.through} for row in rows])
    else:
        _update_pending(session, rows)


def _store_documents(
    session: Session,
    run: BillingRun,
    scope: BillingScope,
    billed: Sequence[BilledItem],
    documents: Sequence[DocumentRows],
    parties: PartyData,
    now: datetime,
) -> None:
    """Store the documents, numbered if the run issues them, and claim their charges.

    One worker at a time holds the lock of the number series. On PostgreSQL, where several workers bill at once, invoices
    are therefore stored last.
    """
    prepared = [item.prepared for item in billed]
    scope = replace(scope, customer_ids={document.customer_id for document in prepared})
    if defer_invoice_checks(session):
        store_lines_and_taxes(session, documents)
        claim_charges(session, scope, prepared, documents, duplicate_window_start(now))
        _store_invoices(session, run, documents, parties, now)
    else:
        _store_invoices(session, run, documents, parties, now)
        store_lines_and_taxes(session, documents)
        claim_charges(session, scope, prepared, documents, duplicate_window_start(now))


def _store_invoices(
    session: Session, run: BillingRun, documents: Sequence[DocumentRows], parties: PartyData, now: datetime
) -> None:
    if run.issue:
        number_documents(session, documents, parties, run.issue_date, now)
        enqueue_invoices_issued(session, documents, now)
    store_invoices(session, documents)


def _store_later(
    session: Session, run: BillingRun, accounts: Mapping[AccountKey, WaitingAccount], later: Sequence[LeftOutItem]
) -> None:
    """Insert an item for the charges of after the cut-off.

    It is stored next to that of the due charges.
    """
    rows = [
        _outcome(run, item.key, "left_out", item.charges, item.amount, part="later", reason=item.reason)
        | {"position": accounts[item.key].position, "expected": None}
        for item in later
    ]
    _delete_items(
        session, run, [item.key for item in later], "later"
    )  # a run of an earlier release may have listed them
    insert_many(session, BillingRunItem, rows)


def _delete_items(session: Session, run: BillingRun, keys: Collection[AccountKey], part: str) -> None:
    for currency in {currency for _, currency in keys}:
        ids = [customer_id for customer_id, account_currency in keys if account_currency == currency]
        session.execute(
            delete(BillingRunItem).where(
                BillingRunItem.run_id == run.id,
                is_any_of(BillingRunItem.customer_id, ids),
                BillingRunItem.currency == currency,
                BillingRunItem.part == part,
            )
        )
