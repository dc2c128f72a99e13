"""A billing run: a work list, taken in chunks, each chunk one transaction. A run that dies goes on where it stopped.

There is no lease: whoever works on a run takes the next waiting accounts under a lock, so two workers share it and a dead
one's accounts are simply still waiting.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, insert, literal, null, select, update
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.invoicing import Row, Written
from billing_admin.domain.money import currency_code, exact_sum
from billing_admin.domain.periods import refuse_locked
from billing_admin.models import (
    Account,
    BillingRun,
    BillingRunItem,
    Charge,
    Customer,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    NumberSeries,
)
from billing_admin.models.base import exact_add
from billing_admin.operations.audit import record, seal_all
from billing_admin.operations.bulk import UpdateMany, insert_many, joined_by_hash, plan_for_many
from billing_admin.operations.charges import lock_accounts
from billing_admin.operations.invoices import buyers, copies, number_documents
from billing_admin.operations.keys import new_id
from billing_admin.queries.billing import PART_REASONS, Prepared, Scope, prepare, preview, unbilled_parts
from billing_admin.queries.lookup import among, named
from billing_admin.queries.organisation import organisation, today

CHUNK = 500

_ITEM, _ACCOUNT, _CHARGE = BillingRunItem.__table__.c, Account.__table__.c, Charge.__table__.c
_ITEM_KEY = ("run_id", "customer_id", "currency", "part")


def _update_items(*names: str) -> UpdateMany:
    return UpdateMany(
        [_ITEM[name] for name in (*_ITEM_KEY, *names)],
        lambda given: (
            update(BillingRunItem)
            .where(*(_ITEM[name] == given[name] for name in _ITEM_KEY))
            .values({name: given[name] for name in names})
        ),
    )


_note_expected = _update_items("expected")
_note_outcome = _update_items("state", "reason", "charges", "amount", "invoice_id")
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

# `database.transaction`, handed in: it runs a piece of work on a session and commits it.
Transact = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What is asked of a run. `confirmed` is the digest of the preview that was shown: another preview refuses the run."""

    through: date
    customers: tuple[str, ...] | None = None
    currency: str | None = None
    issue: bool | None = None
    issue_date: date | None = None
    confirmed: str | None = None
    id: UUID | None = None


def scope_of(session: Session, spec: RunSpec, now: datetime) -> Scope:
    """What a run would look at. Raises Invalid for all that a run refuses, so that a preview refuses it as well."""
    _check_issue_date(session, spec, now)
    if spec.currency is not None:
        currency_code(spec.currency)
    if spec.customers is None:
        return Scope(spec.through, None, spec.currency)
    ids = []
    for index, name in enumerate(spec.customers):
        id = session.scalar(select(Customer.id).where(named(Customer.id, Customer.reference, name)))
        if id is None:
            raise Invalid("unknown_customer", f"There is no customer “{name[:80]}”.", "customers", index)
        ids.append(id)
    return Scope(spec.through, ids, spec.currency)


def run(transact: Transact, spec: RunSpec, actor: Actor, now: datetime) -> tuple[UUID, bool]:
    """Start a run, or go on with one of the same id, and work until nothing waits. Returns its id and whether it is new.

    Raises Invalid or Conflict before anything is billed. What goes wrong on the way leaves the run failed, with the reason.
    """
    run_id, created = transact(start, spec, actor, now)
    work(transact, run_id, actor, now)
    return run_id, created


def start(session: Session, spec: RunSpec, actor: Actor, now: datetime) -> tuple[UUID, bool]:
    """Store the run and its work list. Under an id that exists: check that the same is asked, and set a failed run going."""
    existing = session.get(BillingRun, spec.id, with_for_update=True) if spec.id else None
    if existing is not None:
        _check_same(existing, spec)
        if existing.state == "failed":
            existing.state, existing.failure = "running", None
            record(session, actor, now, "billing_run.resumed", "billing_run", existing.id)
        session.flush()
        return existing.id, False
    scope = scope_of(session, spec, now)
    run = BillingRun(
        id=spec.id or new_id(now),
        state="running",
        through=spec.through,
        issue=bool(spec.issue),
        issue_date=spec.issue_date or today(session, now),
        customers=None if spec.customers is None else sorted(spec.customers),
        currency=spec.currency,
        confirmed=spec.confirmed,
        failure=None,
        created_at=now,
        created_by=actor.name,
        finished_at=None,
    )
    session.add(run)
    session.flush()
    _list_work(session, run.id, scope)
    if spec.confirmed is not None:
        _expect(session, run.id, scope, spec.confirmed)
    record(session, actor, now, "billing_run.started", "billing_run", run.id, {"through": run.through.isoformat()})
    return run.id, True


def _check_same(run: BillingRun, spec: RunSpec) -> None:
    asked = {
        "through": spec.through,
        "customers": None if spec.customers is None else sorted(spec.customers),
        "currency": spec.currency,
        "issue": spec.issue,
        "issue_date": spec.issue_date,
    }
    differs = [name for name, value in asked.items() if value is not None and value != getattr(run, name)]
    if differs:
        listed = ", ".join(differs)
        raise Conflict(
            "id_conflict", f"Billing run {run.id} exists already, with another {listed}.", "id", differs=differs
        )


def _check_issue_date(session: Session, spec: RunSpec, now: datetime) -> None:
    issue_date = spec.issue_date or today(session, now)
    last = session.scalar(
        select(NumberSeries.last_issue_date).where(NumberSeries.kind == "invoice", NumberSeries.year == issue_date.year)
    )
    if spec.issue and last is not None and issue_date < last:
        raise Invalid(
            "before_last_issue",
            f"Use {last.isoformat()} or later: an invoice of that day is issued already.",
            "issue_date",
        )
    if spec.issue:
        refuse_locked(issue_date, organisation(session).locked_through, "issue_date")


def _list_work(session: Session, run_id: UUID, scope: Scope) -> None:
    """One set-based insert: what is due waits; later and held charges are left out with their reason."""
    parts = unbilled_parts(session, scope).subquery()
    due = parts.c.part == "due"
    session.execute(
        insert(BillingRunItem).from_select(
            ["run_id", "customer_id", "currency", "part", "state", "charges", "amount", "reason", "position"],
            select(
                literal(run_id, BillingRunItem.run_id.type),
                parts.c.customer_id,
                parts.c.currency,
                parts.c.part,
                case((due, "waiting"), else_="left_out"),
                parts.c.charges,
                parts.c.amount,
                case(PART_REASONS, value=parts.c.part, else_=null()),
                func.row_number().over(order_by=(Customer.reference, parts.c.currency)),
            ).join(Customer, Customer.id == parts.c.customer_id),
        )
    )


def _expect(session: Session, run_id: UUID, scope: Scope, confirmed: str) -> None:
    """Note on each waiting account the document that was shown. Raises Conflict when the preview is another by now."""
    shown = preview(session, scope)
    if shown.digest != confirmed:
        raise Conflict("preview_changed", "Charges have changed since this preview: look at the new one.", "confirmed")
    rows = [
        {
            "run_id": run_id,
            "customer_id": one.customer_id,
            "currency": one.document.currency,
            "part": "due",
            "expected": one.document.digest(),
        }
        for one in shown.documents
    ]
    _note_expected(session, rows)


def work(transact: Transact, run_id: UUID, actor: Actor, now: datetime) -> None:
    """Bill chunk after chunk until nothing waits, then close the run, and seal what the audit log says of it.

    Safe to call again, and from several processes.
    """
    try:
        while transact(bill_chunk, run_id, actor, now) or transact(bill_chunk, run_id, actor, now, wait=True):
            pass
    except DomainError as error:
        transact(_fail, run_id, error.message, actor, now)
    else:
        transact(_finish, run_id, actor, now)
    seal_all(transact, now)


def _fail(session: Session, run_id: UUID, failure: str, actor: Actor, now: datetime) -> None:
    session.execute(update(BillingRun).where(BillingRun.id == run_id).values(state="failed", failure=failure))
    record(session, actor, now, "billing_run.failed", "billing_run", run_id, {"failure": failure})


def _finish(session: Session, run_id: UUID, actor: Actor, now: datetime) -> None:
    closing = update(BillingRun).where(BillingRun.id == run_id, BillingRun.state == "running")
    if session.connection().execute(closing.values(state="done", finished_at=now)).rowcount:
        record(session, actor, now, "billing_run.finished", "billing_run", run_id)


def bill_chunk(session: Session, run_id: UUID, actor: Actor, now: datetime, wait: bool = False) -> int:
    """Bill the next waiting accounts; returns how many there were. `wait` also takes those that another worker has locked."""
    plan_for_many(session)
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
    if run.issue and drafts:
        number_documents(session, drafts, run.issue_date, now)
    store(session, drafts)
    claim(session, Scope(run.through, {one.customer_id for one in billed}, run.currency), billed, drafts)
    details = {"invoices": len(drafts), "charges": sum(one.document.charges for one in billed)}
    record(session, actor, now, "billing_run.billed", "billing_run", run_id, details)
    return len(items)


def _reason(run: BillingRun, one: Prepared, expected: str | None) -> str | None:
    if one.reason is None and run.confirmed is not None and one.document.digest() != expected:
        return "changed"
    return one.reason


def _make_drafts(session: Session, run: BillingRun, billed: Sequence[Prepared], now: datetime) -> list[Written]:
    """Make the documents' rows. Those to be issued get their copies with their number."""
    if run.issue:
        return [draft(run.id, one, {}, now) for one in billed]
    house = organisation(session)
    people = buyers(session, {one.customer_id for one in billed})
    return [draft(run.id, one, copies(house, people[one.customer_id]), now) for one in billed]


def store(session: Session, drafts: Sequence[Written]) -> None:
    """Each row once, numbered already if it is to be: an update afterwards would write every invoice twice."""
    insert_many(session, Invoice, [draft.invoice for draft in drafts])
    insert_many(session, InvoiceLine, [line for draft in drafts for line in draft.lines])
    insert_many(session, InvoiceTax, [tax for draft in drafts for tax in draft.taxes])


def draft(run_id: UUID | None, one: Prepared, copied: Row, now: datetime) -> Written:
    """The rows of a document as a draft; `copied` is what it says of seller and buyer."""
    document, invoice_id = one.document, new_id(now)
    invoice = {
        "id": invoice_id,
        "kind": "invoice",
        "status": "draft",
        "customer_id": one.customer_id,
        "currency": document.currency,
        "run_id": run_id,
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
            "id": new_id(now),
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
            "gross": None,
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
            "included": False,
            "base": total.base,
            "tax": total.tax,
            "note": "",
        }
        for position, total in enumerate(document.taxes, 1)
    ]
    return Written(invoice, lines, taxes)


def claim(session: Session, scope: Scope, billed: Sequence[Prepared], drafts: Sequence[Written]) -> None:
    """Put the scope's pending charges on their lines: those that stand alone one by one, all others in one set-based update."""
    if not billed:
        return
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
            *scope.covers(session),
            among(session, InvoiceLine.invoice_id, [draft.invoice["id"] for draft in drafts]),
            Charge.customer_id == InvoiceLine.customer_id,
            Charge.currency == InvoiceLine.currency,
            Charge.service_id == InvoiceLine.service_id,
            Charge.unit_price.is_not_distinct_from(InvoiceLine.unit_price),
            Charge.incurred_on <= scope.through,
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
            "pending_amount": -row["amount"],
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
