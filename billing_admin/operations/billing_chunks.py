"""The documents of a chunk of accounts: summed, rounded, stored, claimed, numbered, in one transaction."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, delete, select, text, update
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.invoicing import Row, Written
from billing_admin.domain.money import EXACT, exact_sum
from billing_admin.models import Account, BillingRun, BillingRunItem, Charge, Invoice, InvoiceLine, InvoiceTax
from billing_admin.models.base import exact_add
from billing_admin.operations.audit import record
from billing_admin.operations.bulk import UpdateMany, insert_many, joined_by_hash
from billing_admin.operations.charges import lock_accounts
from billing_admin.operations.invoices import buyers, copies, number_documents
from billing_admin.operations.keys import new_ids
from billing_admin.queries.billing import Prepared, Scope, prepare
from billing_admin.queries.lookup import among
from billing_admin.queries.organisation import organisation
from billing_admin.queries.tax import same_tax

CHUNK = 500

_ITEM, _ACCOUNT, _CHARGE = BillingRunItem.__table__.c, Account.__table__.c, Charge.__table__.c
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
_claim_alone = UpdateMany(
    [_CHARGE[name] for name in ("id", "invoice_line_id")],
    lambda given: (
        update(Charge)
        .where(_CHARGE.id == given["id"], _CHARGE.status == "pending")
        .values(status="billed", invoice_line_id=given["invoice_line_id"])
    ),
)


def bill_chunk(session: Session, run_id: UUID, actor: Actor, now: datetime, wait: bool = False) -> int:
    """Bill the next waiting accounts; returns how many there were. `wait` also takes those that another worker has locked."""
    run = session.get_one(BillingRun, run_id)
    items = session.execute(
        select(BillingRunItem.customer_id, BillingRunItem.currency, BillingRunItem.expected)
        .where(BillingRunItem.run_id == run_id, BillingRunItem.state == "waiting")
        .order_by(BillingRunItem.position)
        .limit(CHUNK)
        .with_for_update(of=BillingRunItem, skip_locked=not wait)
    ).all()
    if not items:
        return 0
    expected = {(item.customer_id, item.currency): item.expected for item in items}
    lock_accounts(session, list(expected))
    scope = Scope(run.through, {item.customer_id for item in items}, run.currency)
    due = [one for one in prepare(session, scope) if (one.customer_id, one.document.currency) in expected]
    reasons = [_reason(run, one, expected[one.customer_id, one.document.currency]) for one in due]
    billed = [one for one, reason in zip(due, reasons, strict=True) if reason is None]
    drafts = _make_drafts(session, run, billed, now) if billed else []
    _settle(session, run, due, reasons, drafts)
    _drop_empty(session, run_id, expected.keys() - {(one.customer_id, one.document.currency) for one in due})
    _store(session, run, billed, drafts, now)
    details = {"invoices": len(drafts), "charges": sum(one.document.charges for one in billed)}
    record(session, actor, now, "billing_run.billed", "billing_run", run_id, details)
    return len(items)


def _reason(run: BillingRun, one: Prepared, expected: str | None) -> str | None:
    if one.reason is None and run.confirmed is not None and one.document.digest() != expected:
        return "changed"
    return one.reason


def _make_drafts(session: Session, run: BillingRun, billed: Sequence[Prepared], now: datetime) -> list[Written]:
    """Make the documents' rows. Those to be issued get their copies with their number."""
    keys = new_ids(now)
    if run.issue:
        return [_draft(run, one, {}, keys, now) for one in billed]
    house = organisation(session)
    people = buyers(session, {one.customer_id for one in billed})
    return [_draft(run, one, copies(house, people[one.customer_id]), keys, now) for one in billed]


def _store(
    session: Session, run: BillingRun, billed: Sequence[Prepared], drafts: Sequence[Written], now: datetime
) -> None:
    """Each row once, numbered already if it is to be: an update afterwards would write every invoice twice.

    One chunk at a time holds the series' lock. On PostgreSQL, where there may be others, the invoices therefore come last.
    """
    if not drafts:
        return
    invoices_last = _check_at_commit(session)
    if not invoices_last:
        _store_invoices(session, run, drafts, now)
    insert_many(session, InvoiceLine, [line for draft in drafts for line in draft.lines])
    insert_many(session, InvoiceTax, [tax for draft in drafts for tax in draft.taxes])
    _claim(session, run, billed, drafts)
    if invoices_last:
        _store_invoices(session, run, drafts, now)


def _store_invoices(session: Session, run: BillingRun, drafts: Sequence[Written], now: datetime) -> None:
    if run.issue:
        number_documents(session, drafts, run.issue_date, now)
    insert_many(session, Invoice, [draft.invoice for draft in drafts])


def _check_at_commit(session: Session) -> bool:
    """Let lines and taxes come before their invoice, whose being there is seen at the end. False where that is not to be had."""
    if session.get_bind().dialect.name != "postgresql":
        return False
    lines, taxes = "fk_invoice_lines_invoice_id_customer_id_currency", "fk_invoice_taxes_invoice_id"
    session.execute(text(f"SET CONSTRAINTS {lines}, {taxes} DEFERRED"))
    return True


def _draft(run: BillingRun, one: Prepared, copied: Row, keys: Iterator[UUID], now: datetime) -> Written:
    document, invoice_id = one.document, next(keys)
    invoice = {
        "id": invoice_id,
        "kind": "invoice",
        "status": "draft",
        "customer_id": one.customer_id,
        "currency": document.currency,
        "run_id": run.id,
        "series_id": None,
        "sequence": None,
        "number": None,
        "issue_date": None,
        "due_date": None,
        "period_from": document.period_from,
        "period_to": document.period_to,
        "net": document.net,
        "tax": document.tax,
        "total": document.total,
        "paid": 0,
        "credited": 0,
        **copied,
        "note": "",
        "purchase_order": "",
        "corrects_id": None,
        "replaces_id": None,
        "reason": "",
        "voided_on": None,
        "hash": None,
        "created_at": now,
        "issued_at": None,
        "version": 1,
    }
    lines = [
        {
            "id": next(keys),
            "invoice_id": invoice_id,
            "customer_id": one.customer_id,
            "currency": document.currency,
            "position": line.position,
            "service_id": line.group.service_id,
            "service_code": line.group.service_code,
            "description": line.group.description,
            "quantity": line.group.quantity,
            "unit_price": line.group.unit_price,
            "amount": line.group.amount,
            "gross": line.gross,
            "included_percent": line.group.included_percent,
            "net": line.net,
            "tax_category": line.group.tax.category,
            "tax_percent": line.group.tax.percent,
            "charges": line.group.charges,
            "corrects_line_id": None,
        }
        for line in document.lines
    ]
    taxes = [
        {
            "invoice_id": invoice_id,
            "position": position,
            "category": total.rate.category,
            "percent": total.rate.percent,
            "included": total.included,
            "base": total.base,
            "tax": total.tax,
            "note": total.note,
        }
        for position, total in enumerate(document.taxes, 1)
    ]
    return Written(invoice, lines, taxes)


def _claim(session: Session, run: BillingRun, billed: Sequence[Prepared], drafts: Sequence[Written]) -> None:
    """Put the charges on their lines: those that stand alone one by one, all others in one set-based update."""
    alone = [
        {"id": line.group.charge_id, "invoice_line_id": row["id"]}
        for one, draft in zip(billed, drafts, strict=True)
        for line, row in zip(one.document.lines, draft.lines, strict=True)
        if line.group.charge_id is not None
    ]
    pending = update(Charge).where(Charge.status == "pending")
    claimed = _claim_alone(session, alone)
    gathered = (
        pending.where(
            # Said of the charges, too: else each chunk would read all that is unbilled.
            *Scope(run.through, {one.customer_id for one in billed}, run.currency).covers(session),
            among(session, InvoiceLine.invoice_id, [draft.invoice["id"] for draft in drafts]),
            Charge.customer_id == InvoiceLine.customer_id,
            Charge.currency == InvoiceLine.currency,
            Charge.service_id == InvoiceLine.service_id,
            Charge.unit_price.is_not_distinct_from(InvoiceLine.unit_price),
            *same_tax(session),
            Charge.incurred_on <= run.through,
        )
        .values(status="billed", invoice_line_id=InvoiceLine.id)
        .execution_options(synchronize_session=False)
    )
    with joined_by_hash(session):
        claimed += session.connection().execute(gathered).rowcount
    expected = sum(one.document.charges for one in billed)
    if claimed != expected:
        raise RuntimeError(f"claimed {claimed} charges where {expected} were summed")


def _settle(
    session: Session,
    run: BillingRun,
    due: Sequence[Prepared],
    reasons: Sequence[str | None],
    drafts: Sequence[Written],
) -> None:
    """Write down what became of each account, and take what is billed off its unbilled total."""
    invoices = iter(drafts)
    rows: list[Row] = [
        {
            "run_id": run.id,
            "customer_id": one.customer_id,
            "currency": one.document.currency,
            "part": "due",
            "state": "left_out" if reason else "billed",
            "reason": reason,
            "charges": one.document.charges,
            "amount": exact_sum(line.group.amount for line in one.document.lines),
            "invoice_id": None if reason else next(invoices).invoice["id"],
        }
        for one, reason in zip(due, reasons, strict=True)
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


def _drop_empty(session: Session, run_id: UUID, keys: Collection[tuple[UUID, str]]) -> None:
    """Forget accounts that another run has billed meanwhile."""
    for customer_id, currency in keys:
        session.execute(
            delete(BillingRunItem).where(
                BillingRunItem.run_id == run_id,
                BillingRunItem.customer_id == customer_id,
                BillingRunItem.currency == currency,
                BillingRunItem.part == "due",
            )
        )
