"""Billing runs: a list of accounts, billed in chunks of one transaction each.

A worker claims a chunk by locking the next waiting accounts for its transaction, so any number of processes can share a run, on
any host. When a worker dies, its transaction is rolled back and its accounts are waiting again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, insert, literal, null, select, union_all, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from billing_admin.db.ids import new_id
from billing_admin.db.lookup import has_id_or_name
from billing_admin.db.transactions import Transact
from billing_admin.domain.access import Actor
from billing_admin.domain.billing_runs import HELD, PreparedDocument, prepare_documents
from billing_admin.domain.charges import LIKELY_DUPLICATE, AccountKey
from billing_admin.domain.days import check_calendar_day
from billing_admin.domain.errors import Conflict, DomainError, Invalid
from billing_admin.domain.master_data import refuse_differences
from billing_admin.domain.money import MINOR_DIGITS, currency_code
from billing_admin.domain.periods import refuse_future
from billing_admin.domain.selections import check_selected
from billing_admin.domain.text import check_text, refuse_unprintable
from billing_admin.domain.translation import Phrase, phrase_data
from billing_admin.models import Account, BillingRun, BillingRunItem, Customer, Invoice, InvoiceLine, InvoiceTax
from billing_admin.operations.audit import record, seal_all_events
from billing_admin.operations.billing.chunks import bill_chunk, update_items
from billing_admin.operations.charges.charges import hold
from billing_admin.operations.charges.recurring_posting import PostingOutcome, post_possible_charges
from billing_admin.operations.invoices.invoice_rows import build_draft
from billing_admin.operations.invoices.invoices import copied_fields, payment_terms
from billing_admin.operations.jobs import enqueue
from billing_admin.operations.master_data.periods import check_issue_date
from billing_admin.operations.selections import store_charges_of_run
from billing_admin.queries.billing.preview import (
    BillingScope,
    Preview,
    due_charge_ids,
    due_charges,
    load_billing_data,
    preview,
    unbilled_sums,
)
from billing_admin.queries.charges.recurring_charges import (
    due_recurring_charge_ids,
    existing_charge_ids,
    recurring_charges_by_id,
)
from billing_admin.queries.master_data.organisation import day_of, organisation, today
from billing_admin.queries.selections import selected_row_ids

JOB_KIND = "billing_run"
MAX_EXCLUDED = 100  # the URL of a preview names them
PREVIEW_CHANGED = Phrase("Charges have changed since this preview. Review the new preview first.")
_set_expected = update_items("expected")


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The request of a run.

    `confirmed` is the digest of the preview that was shown; a different preview refuses the run. `purchase_order` is for
    invoices whose charges and customer have none. `exclude` names accounts that the run leaves out, each by customer and
    currency. `charges` are the only ones to bill; no recurring charge is posted then.
    """

    through: date
    customers: tuple[str, ...] | None = None
    currency: str | None = None
    issue: bool | None = None
    issue_date: date | None = None
    confirmed: str | None = None
    id: UUID | None = None
    purchase_order: str | None = None
    exclude: tuple[tuple[str, str], ...] = ()
    charges: tuple[UUID, ...] | None = None


def resolve_scope(session: Session, spec: RunSpec, now: datetime) -> BillingScope:
    """Return the accounts and charges of a run.

    Raises Invalid for all that a run refuses. Previews call it as well.
    """
    check_calendar_day(spec.through, "through")
    issue_date = _checked_issue_date(session, spec, now)
    if spec.currency is not None:
        currency_code(spec.currency)
    if spec.purchase_order is not None:
        refuse_unprintable(check_text(spec.purchase_order, "purchase_order"), "purchase_order")
    scope = BillingScope(
        spec.through,
        None,
        spec.currency,
        purchase_order=spec.purchase_order or "",
        issue_date=issue_date if spec.issue else None,
        excluded=_excluded(session, spec),
        charge_ids=_checked_charges(session, spec),
    )
    if spec.customers is None:
        return scope
    ids = [_customer_id(session, name, "customers", index) for index, name in enumerate(spec.customers)]
    return replace(scope, customer_ids=ids)


def _customer_id(session: Session, name: str, *field: str | int) -> UUID:
    id = session.scalar(select(Customer.id).where(has_id_or_name(Customer.id, Customer.reference, name)))
    if id is None:
        raise Invalid("unknown_customer", Phrase("There is no customer “{name}”.", name=name[:80]), *field)
    return id


def _excluded(session: Session, spec: RunSpec) -> frozenset[AccountKey]:
    if len(spec.exclude) > MAX_EXCLUDED:
        raise Invalid(
            "too_many",
            Phrase(
                "Exclude at most {max_excluded} accounts. Hold the charges of others, or choose the customers to bill.",
                max_excluded=MAX_EXCLUDED,
            ),
            "exclude",
        )
    for index, (_, currency) in enumerate(spec.exclude):
        if currency not in MINOR_DIGITS:
            message = Phrase("“{currency}” is not an ISO 4217 currency code such as EUR.", currency=currency[:40])
            raise Invalid("unknown_currency", message, "exclude", index, "currency")
    return frozenset(
        (_customer_id(session, name, "exclude", index, "customer"), currency)
        for index, (name, currency) in enumerate(spec.exclude)
    )


def _checked_charges(session: Session, spec: RunSpec) -> frozenset[UUID] | None:
    if spec.charges is None:
        return None
    ids = frozenset(spec.charges)
    check_selected(len(ids), "charges")
    existing = existing_charge_ids(session, list(ids))
    for index, id in enumerate(spec.charges):
        if id not in existing:
            raise Invalid("unknown_charge", Phrase("There is no charge {id}.", id=id), "charges", index)
    return ids


def preview_run(roll_back: Transact, session: Session, spec: RunSpec, actor: Actor, now: datetime) -> Preview:
    """Return the preview of a run; nothing is stored.

    A run posts the due recurring charges of its accounts first. If there are any, so does the preview, by `roll_back`:
    `db.transactions.dry_run`, or a function that calls it. Raises as `resolve_scope` does.
    """
    scope = resolve_scope(session, spec, now)
    if not _due_ids(session, scope, now):
        return preview(session, scope)
    result: Preview = roll_back(_post_and_preview, scope, actor, now)
    return result


def _post_and_preview(session: Session, scope: BillingScope, actor: Actor, now: datetime) -> Preview:
    """Post due recurring charges, and return the preview that includes them."""
    outcome = _post_due_charges(session, scope, actor, now)
    rows = recurring_charges_by_id(session, [id for id, _ in outcome.refused])
    return replace(
        preview(session, scope),
        due=due_charges(session, outcome.charge_ids),
        refused=[(rows[id], message) for id, message in outcome.refused],
    )


@dataclass(frozen=True, slots=True)
class PreviewedDocument:
    """A document as a run would make it: a draft that is not stored.

    `prepared` says what it lacks, and why a run would leave it out. `terms` are the days from its date to its due date.
    """

    prepared: PreparedDocument
    draft: Invoice
    terms: int


def preview_document(
    roll_back: Transact, session: Session, spec: RunSpec, account: AccountKey, actor: Actor, now: datetime
) -> PreviewedDocument | None:
    """Return the document that a run would make of one account.

    It is None without due charges. Nothing is stored. Raises as `resolve_scope` does.
    """
    customer_id, currency = account
    scope = replace(resolve_scope(session, spec, now), customer_ids=[customer_id], currency=currency)
    if not _due_ids(session, scope, now):
        return _make_document(session, scope, now)
    result: PreviewedDocument | None = roll_back(_post_and_make_document, scope, actor, now)
    return result


def _post_and_make_document(
    session: Session, scope: BillingScope, actor: Actor, now: datetime
) -> PreviewedDocument | None:
    _post_due_charges(session, scope, actor, now)
    return _make_document(session, scope, now)


def _make_document(session: Session, scope: BillingScope, now: datetime) -> PreviewedDocument | None:
    data, parties = load_billing_data(session, scope)
    for prepared in prepare_documents(data):
        customer = parties.customers[prepared.customer_id]
        copied = copied_fields(parties.organisation, customer)
        rows = build_draft(None, prepared, copied, now)
        draft = Invoice(**rows.invoice)
        set_committed_value(draft, "lines", [InvoiceLine(**line) for line in rows.lines])
        set_committed_value(draft, "taxes", [InvoiceTax(**tax) for tax in rows.taxes])
        set_committed_value(draft, "corrected", None)
        return PreviewedDocument(prepared, draft, payment_terms(parties.organisation, customer))
    return None


def _due_ids(session: Session, scope: BillingScope, now: datetime) -> list[UUID]:
    """Return the recurring charges that a run posts.

    They are due on its last day, and not after today. A run that is limited to some charges posts none.
    """
    if scope.charge_ids is not None:
        return []
    return due_recurring_charge_ids(session, _last_due_day(session, scope, now), scope.customer_ids, scope.currency)


def _last_due_day(session: Session, scope: BillingScope, now: datetime) -> date:
    return min(scope.through, today(session, now))


def _post_due_charges(session: Session, scope: BillingScope, actor: Actor, now: datetime) -> PostingOutcome:
    ids = _due_ids(session, scope, now)
    if not ids:
        return PostingOutcome()
    return post_possible_charges(session, ids, _last_due_day(session, scope, now), actor, now)


def run_billing(transact: Transact, spec: RunSpec, actor: Actor, now: datetime) -> tuple[UUID, bool]:
    """Start a run, or continue the one with the same id, and bill all its chunks.

    Returns its id and whether it is new. Raises Invalid or Conflict before anything is billed. An error while billing
    leaves the run failed, with the reason.
    """
    run_id, created = transact(start, spec, actor, now)
    bill_chunks(transact, run_id, actor, now)
    return run_id, created


def start(session: Session, spec: RunSpec, actor: Actor, now: datetime) -> tuple[UUID, bool]:
    """Store a run and its accounts, and return its id and whether it is new.

    The due recurring charges of these accounts are posted in the same transaction.
    An existing run with the same id is resumed if it has failed. Raises Conflict if it was started with other values.
    """
    existing = session.get(BillingRun, spec.id, with_for_update=True) if spec.id else None
    if existing is not None:
        _check_same(session, existing, spec)
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
        purchase_order=spec.purchase_order or "",
        excluded=_stored_exclusions(scope.excluded),
        selected_charges=None if scope.charge_ids is None else len(scope.charge_ids),
    )
    session.add(run)
    session.flush()
    if scope.charge_ids is not None:
        store_charges_of_run(session, run.id, scope.charge_ids, actor, now)
    _post_due_charges(session, scope, actor, now)
    _insert_items(session, run.id, scope)
    if spec.confirmed is not None:
        _set_expected_documents(session, run.id, scope, spec.confirmed)
    record(session, actor, now, "billing_run.started", "billing_run", run.id, {"through": run.through.isoformat()})
    return run.id, True


def _stored_exclusions(excluded: frozenset[AccountKey]) -> list[list[str]] | None:
    return sorted([str(customer_id), currency] for customer_id, currency in excluded) or None


def hold_accounts(
    session: Session, spec: RunSpec, accounts: Sequence[tuple[str, str]], reason: str, actor: Actor, now: datetime
) -> int:
    """Hold the charges that a run would bill to some accounts.

    Returns their number. Due recurring charges are posted, so that they can be held. Raises as `resolve_scope` does.
    """
    scope = resolve_scope(session, replace(spec, exclude=tuple(accounts)), now)
    _post_due_charges(session, scope, actor, now)
    return hold(session, due_charge_ids(session, scope, scope.excluded), reason, actor, now)


def hold_duplicates(session: Session, spec: RunSpec, actor: Actor, now: datetime) -> int:
    """Hold the likely duplicates that a run would bill, and return their number.

    Keeping one releases it. Due recurring charges are posted, so that they can be held. Raises as `resolve_scope` does.
    """
    duplicates = _post_and_preview(session, resolve_scope(session, spec, now), actor, now).duplicates
    return hold(session, [id for account in duplicates for id in account.ids], LIKELY_DUPLICATE, actor, now)


def start_in_background(session: Session, spec: RunSpec, actor: Actor, now: datetime) -> tuple[UUID, bool]:
    """Store a run as `start` does, and enqueue its job unless it is done."""
    run_id, created = start(session, spec, actor, now)
    if session.get_one(BillingRun, run_id).state == "running":
        enqueue(session, JOB_KIND, run_id, "billing:write", actor, now)
    return run_id, created


def resume(session: Session, run_id: UUID, actor: Actor, now: datetime) -> None:
    """Set a failed run to running.

    Does nothing for a run in another state.
    """
    run = session.get_one(BillingRun, run_id, with_for_update=True)
    if run.state == "failed":
        run.state, run.failure = "running", None
        session.flush()
        record(session, actor, now, "billing_run.resumed", "billing_run", run_id)


def _check_same(session: Session, run: BillingRun, spec: RunSpec) -> None:
    requested: dict[str, Any] = {
        "through": spec.through,
        "customers": None if spec.customers is None else sorted(spec.customers),
        "currency": spec.currency,
        "issue": spec.issue,
        "issue_date": spec.issue_date,
        "purchase_order": spec.purchase_order,
    }
    if spec.exclude:
        requested["exclude"] = _stored_exclusions(_excluded(session, spec))
    stored = {name: getattr(run, "excluded" if name == "exclude" else name) for name in requested}
    differs = [name for name, value in requested.items() if value is not None and value != stored[name]]
    if spec.charges is not None and sorted(set(spec.charges)) != selected_row_ids(session, run.id):
        differs.append("charges")
    refuse_differences(Phrase("Billing run {run_id}", run_id=run.id), differs, "id")


def _checked_issue_date(session: Session, spec: RunSpec, now: datetime) -> date:
    """Return the issue date of a run, by default today.

    Raises Invalid for an impossible date. A run that leaves drafts refuses only a date after today.
    """
    settings = organisation(session)
    current_day = day_of(now, settings.time_zone)
    issue_date = check_calendar_day(spec.issue_date or current_day, "issue_date")
    refuse_future(issue_date, current_day, "issue_date")
    if spec.issue:
        check_issue_date(session, settings, "invoice", issue_date, now)
    return issue_date


def _insert_items(session: Session, run_id: UUID, scope: BillingScope) -> None:
    """Insert the items of a run.

    Accounts with pending charges are waiting, those with held charges are left out. The items hold all pending
    charges. The chunk compares them with the cut-off day.
    """
    run = literal(run_id, BillingRunItem.run_id.type)
    names = ["run_id", "customer_id", "currency", "part", "state", "charges", "amount", "reason", "position"]
    if scope.charge_ids is not None:
        session.execute(insert(BillingRunItem).from_select(names, _items_of_selected_charges(run, scope)))
        return
    position = func.row_number().over(order_by=(Customer.reference, Account.currency))
    pending: list[Any] = [literal("due"), literal("waiting"), Account.pending_charges, Account.pending_amount, null()]
    held: list[Any] = [literal("held"), literal("left_out"), Account.held_charges, Account.held_amount, literal(HELD)]
    listed = union_all(  # one statement, so that a charge held or released at the same time is listed once
        *(
            select(run, Account.customer_id, Account.currency, part, state, charges, amount, reason, position)
            .join(Customer, Customer.id == Account.customer_id)
            .where(charges > 0, *scope.account_conditions())
            for part, state, charges, amount, reason in (pending, held)
        )
    )
    session.execute(insert(BillingRunItem).from_select(names, listed))


def _items_of_selected_charges(run: ColumnElement[UUID], scope: BillingScope) -> Select[Any]:
    """Select the items of a run that is limited to some charges.

    They hold these charges alone.
    """
    sums = unbilled_sums(scope).subquery()
    is_held = sums.c.status == "held"
    return select(
        run,
        sums.c.customer_id,
        sums.c.currency,
        case((is_held, literal("held")), else_=literal("due")),
        case((is_held, literal("left_out")), else_=literal("waiting")),
        sums.c.charges,
        sums.c.amount,
        case((is_held, literal(HELD))),
        func.row_number().over(order_by=(Customer.reference, sums.c.currency)),
    ).join(Customer, Customer.id == sums.c.customer_id)


def _set_expected_documents(session: Session, run_id: UUID, scope: BillingScope, confirmed: str) -> None:
    """Store the confirmed document on each waiting account.

    Raises Conflict when the preview has changed.
    """
    current = preview(session, scope)
    if current.digest != confirmed:
        raise Conflict("preview_changed", PREVIEW_CHANGED, "confirmed")
    rows = [
        {
            "run_id": run_id,
            "customer_id": prepared.customer_id,
            "currency": prepared.document.currency,
            "part": "due",
            "expected": digest,
        }
        for prepared, digest in zip(current.documents, current.document_digests, strict=True)
    ]
    if _set_expected(session, rows) != len(rows):
        raise Conflict("preview_changed", PREVIEW_CHANGED, "confirmed")


def bill_chunks(transact: Transact, run_id: UUID, actor: Actor, now: datetime) -> None:
    """Bill chunks of a run until none is waiting, close it, and seal its audit events.

    Several processes may bill chunks of the same run. A `DomainError` fails the run for all of them.
    """
    try:
        # The second call waits for the chunks of other workers. If one of them dies, its accounts are billed here.
        while transact(bill_chunk, run_id, actor, now) or transact(bill_chunk, run_id, actor, now, wait=True):
            pass
    except DomainError as error:
        transact(_fail, run_id, error.message, actor, now)
    else:
        transact(_finish, run_id, actor, now)
    seal_all_events(transact, now)


def _fail(session: Session, run_id: UUID, failure: str, actor: Actor, now: datetime) -> None:
    running = update(BillingRun).where(BillingRun.id == run_id, BillingRun.state == "running")
    values = {"state": "failed", "failure": str(failure), "failure_phrase": phrase_data(failure)}
    if not session.connection().execute(running.values(values)).rowcount:
        return  # another worker has finished it
    record(session, actor, now, "billing_run.failed", "billing_run", run_id, {"failure": failure})


def _finish(session: Session, run_id: UUID, actor: Actor, now: datetime) -> None:
    statement = update(BillingRun).where(BillingRun.id == run_id, BillingRun.state == "running")
    if session.connection().execute(statement.values(state="done", finished_at=now)).rowcount:
        record(session, actor, now, "billing_run.finished", "billing_run", run_id)
