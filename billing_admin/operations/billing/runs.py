"""Billing runs: a list of accounts, billed in chunks of one transaction each.

A worker claims a chunk by locking the next waiting accounts for its transaction, so any number of processes can share
a run, on any host. When a worker dies, its transaction is rolled back and its accounts are waiting again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import func, insert, literal, null, select, union_all, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.db.lookup import has_id_or_name
from billing_admin.domain.access import Actor
from billing_admin.domain.billing_runs import HELD
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.money import currency_code
from billing_admin.domain.periods import refuse_future
from billing_admin.models import Account, BillingRun, BillingRunItem, Customer
from billing_admin.operations.audit import record, seal_all_events
from billing_admin.operations.billing.chunks import bill_chunk, update_items
from billing_admin.operations.jobs import enqueue
from billing_admin.operations.master_data.periods import check_issue_date
from billing_admin.queries.billing.preview import BillingScope, preview
from billing_admin.queries.master_data.organisation import day_of, organisation, today

JOB_KIND = "billing_run"
PREVIEW_CHANGED = "Charges have changed since this preview. Review the new preview first."
_note_expected = update_items("expected")
# `database.transaction`, or a function that calls it.
Transact: TypeAlias = Callable[..., Any]


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


def resolve_scope(session: Session, spec: RunSpec, now: datetime) -> BillingScope:
    """What a run would look at. Raises Invalid for all that a run refuses, so that a preview refuses it as well."""
    check_calendar_day(spec.through, "through")
    _check_issue_date(session, spec, now)
    if spec.currency is not None:
        currency_code(spec.currency)
    if spec.customers is None:
        return BillingScope(spec.through, None, spec.currency)
    ids = []
    for index, name in enumerate(spec.customers):
        id = session.scalar(select(Customer.id).where(has_id_or_name(Customer.id, Customer.reference, name)))
        if id is None:
            raise Invalid("unknown_customer", f"There is no customer “{name[:80]}”.", "customers", index)
        ids.append(id)
    return BillingScope(spec.through, ids, spec.currency)


def run_billing(transact: Transact, spec: RunSpec, actor: Actor, now: datetime) -> tuple[UUID, bool]:
    """Start a run, or go on with one of the same id, and work until nothing waits. Returns its id and whether it is new.

    Raises Invalid or Conflict before anything is billed. What goes wrong on the way leaves the run failed, with the reason.
    """
    run_id, created = transact(start, spec, actor, now)
    bill_chunks(transact, run_id, actor, now)
    return run_id, created


def start(session: Session, spec: RunSpec, actor: Actor, now: datetime) -> tuple[UUID, bool]:
    """Store the run and its work list. Under an id that exists: check that the same is asked, and set a failed run going."""
    existing = session.get(BillingRun, spec.id, with_for_update=True) if spec.id else None
    if existing is not None:
        _check_same(existing, spec)
        resume(session, existing.id, actor, now)
        return existing.id, False
    scope = resolve_scope(session, spec, now)
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


def start_in_background(session: Session, spec: RunSpec, actor: Actor, now: datetime) -> tuple[UUID, bool]:
    """Store the run as `start` does, and ask for the job that works on it, unless nothing is left to do."""
    run_id, created = start(session, spec, actor, now)
    if session.get_one(BillingRun, run_id).state == "running":
        enqueue(session, JOB_KIND, run_id, "billing:write", actor, now)
    return run_id, created


def resume(session: Session, run_id: UUID, actor: Actor, now: datetime) -> None:
    """Set a failed run going again. A run in any other state is left as it is."""
    run = session.get_one(BillingRun, run_id, with_for_update=True)
    if run.state == "failed":
        run.state, run.failure = "running", None
        session.flush()
        record(session, actor, now, "billing_run.resumed", "billing_run", run_id)


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
            "id_conflict", f"Billing run {run.id} already exists with a different {listed}.", "id", differs=differs
        )


def _check_issue_date(session: Session, spec: RunSpec, now: datetime) -> None:
    """Refuse a date that the run's invoices could not have; a run that leaves drafts refuses only a date after today."""
    settings = organisation(session)
    current_day = day_of(now, settings.time_zone)
    issue_date = check_calendar_day(spec.issue_date or current_day, "issue_date")
    refuse_future(issue_date, current_day, "issue_date")
    if spec.issue:
        check_issue_date(session, settings, "invoice", issue_date, now)


def _list_work(session: Session, run_id: UUID, scope: BillingScope) -> None:
    """What the accounts keep as pending waits, and is held against the cut-off when its turn comes; what is held is left out."""
    run = literal(run_id, BillingRunItem.run_id.type)
    place = func.row_number().over(order_by=(Customer.reference, Account.currency))
    pending: list[Any] = [literal("due"), literal("waiting"), Account.pending_charges, Account.pending_amount, null()]
    held: list[Any] = [literal("held"), literal("left_out"), Account.held_charges, Account.held_amount, literal(HELD)]
    listed = union_all(  # one statement, so that what is held or released meanwhile is listed once
        *(
            select(run, Account.customer_id, Account.currency, part, state, charges, amount, reason, place)
            .join(Customer, Customer.id == Account.customer_id)
            .where(charges > 0, *scope.account_conditions())
            for part, state, charges, amount, reason in (pending, held)
        )
    )
    names = ["run_id", "customer_id", "currency", "part", "state", "charges", "amount", "reason", "position"]
    session.execute(insert(BillingRunItem).from_select(names, listed))


def _expect(session: Session, run_id: UUID, scope: BillingScope, confirmed: str) -> None:
    """Note on each waiting account the document that was shown. Raises Conflict when the preview is another by now."""
    shown = preview(session, scope)
    if shown.digest != confirmed:
        raise Conflict("preview_changed", PREVIEW_CHANGED, "confirmed")
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
    if _note_expected(session, rows) != len(rows):
        raise Conflict("preview_changed", PREVIEW_CHANGED, "confirmed")


def bill_chunks(transact: Transact, run_id: UUID, actor: Actor, now: datetime) -> None:
    """Bill chunks of a run until none waits, then close the run and seal its audit events.

    Several processes may work on the same run, and each may call this again. A `DomainError` fails the run for all of them.
    """
    try:
        # The second call waits for chunks of other workers: should one of them die, its accounts are billed here.
        while transact(bill_chunk, run_id, actor, now) or transact(bill_chunk, run_id, actor, now, wait=True):
            pass
    except DomainError as error:
        transact(_fail, run_id, error.message, actor, now)
    else:
        transact(_finish, run_id, actor, now)
    seal_all_events(transact, now)


def _fail(session: Session, run_id: UUID, failure: str, actor: Actor, now: datetime) -> None:
    failing = update(BillingRun).where(BillingRun.id == run_id, BillingRun.state == "running")
    if not session.connection().execute(failing.values(state="failed", failure=failure)).rowcount:
        return  # another worker has finished it
    record(session, actor, now, "billing_run.failed", "billing_run", run_id, {"failure": failure})


def _finish(session: Session, run_id: UUID, actor: Actor, now: datetime) -> None:
    closing = update(BillingRun).where(BillingRun.id == run_id, BillingRun.state == "running")
    if session.connection().execute(closing.values(state="done", finished_at=now)).rowcount:
        record(session, actor, now, "billing_run.finished", "billing_run", run_id)
