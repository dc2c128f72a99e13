"""Billing runs: previewed, started, listed."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    CurrencyCode,
    Day,
    Exact,
    Key,
    Listing,
    Name,
    Paging,
    ResponseModel,
    ShortText,
    enumeration,
)
from billing_admin.api.frame.routing import BASE, REPLAYED, Reply, created_reply, list_reply, parse_id, route
from billing_admin.api.routes.invoices import DocumentOut, document_out
from billing_admin.background import wake_worker
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session, dry_run, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.billing_review import DEFAULT_CHANGE_PERCENT, FLAGS, MAX_CHANGE_PERCENT, ReviewedDocument
from billing_admin.domain.money import Money
from billing_admin.domain.selections import MAX_SELECTED
from billing_admin.operations.billing import runs as operations
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.queries.billing.preview import LeftOut, Preview
from billing_admin.queries.billing.review import review
from billing_admin.queries.billing.runs import RunReport, name_accounts, run_report, runs
from billing_admin.queries.invoices.currency_totals import CurrencyTotal
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.payments.refunds import credit_by_currency

MAX_CUSTOMERS = 10_000


class AccountIn(Body):
    """A customer's account in one currency."""

    customer: Name
    currency: CurrencyCode


class RunIn(Body):
    """The charges to bill, and how.

    `confirmed` is the `digest` of a preview: the run is refused if the preview has changed since. `purchase_order` is for
    invoices whose charges and customer have none. The accounts in `exclude` are left out. A preview flags documents whose
    amount differs by more than `change_percent` from the account's last invoices. `charges` are the only ones to bill; no
    recurring charge is posted then.
    """

    id: Key = OMITTED
    through: Day
    customers: Annotated[list[Name], Field(min_length=1, max_length=MAX_CUSTOMERS)] = OMITTED
    currency: CurrencyCode = OMITTED
    issue: bool = OMITTED
    issue_date: Day = OMITTED
    confirmed: str = OMITTED
    dry_run: bool = False
    background: bool = False
    purchase_order: ShortText = OMITTED
    exclude: Annotated[list[AccountIn], Field(max_length=operations.MAX_EXCLUDED)] = OMITTED
    change_percent: Annotated[int, Field(ge=1, le=MAX_CHANGE_PERCENT)] = DEFAULT_CHANGE_PERCENT
    charges: Annotated[list[Key], Field(min_length=1, max_length=MAX_SELECTED)] = OMITTED

    def spec(self) -> RunSpec:
        """Return the request as a spec."""
        return RunSpec(
            through=self.through,
            customers=tuple(self.customers) if "customers" in self.model_fields_set else None,
            currency=self.currency,
            issue=self.issue,
            issue_date=self.issue_date,
            confirmed=self.confirmed,
            id=self.id,
            purchase_order=self.purchase_order,
            exclude=tuple((account.customer, account.currency) for account in self.exclude or ()),
            charges=tuple(self.charges) if "charges" in self.model_fields_set else None,
        )


class AccountOut(ResponseModel):
    """A customer's account in one currency."""

    customer: str
    currency: str


class TotalOut(ResponseModel):
    """The totals of the documents in one currency."""

    currency: str
    invoices: int
    net: str
    tax: str
    total: str


class LeftOutOut(ResponseModel):
    """The charges of one account that were not billed, their exact sum and the reason."""

    customer: str
    currency: str
    charges: int
    amount: Exact
    reason: str


class PossibleDuplicatesOut(ResponseModel):
    """The likely duplicates of one account that a run would bill, and their exact sum."""

    customer: str
    currency: str
    charges: int
    amount: Exact
    ids: list[UUID]


class DueChargeOut(ResponseModel):
    """A due charge of a recurring charge, which the run posts first."""

    recurring_charge: UUID
    customer: str
    service: str | None
    description: str
    incurred_on: date
    period_from: date | None
    period_to: date | None
    quantity: Exact
    unit_price: Exact | None
    amount: Exact
    currency: str
    status: Annotated[str, enumeration("pending", "held")]


class RefusedRecurringOut(ResponseModel):
    """A due recurring charge that cannot be posted, and the reason."""

    recurring_charge: UUID
    customer: str
    service: str
    reason: str


class PriceChangeOut(ResponseModel):
    """A unit price that is not on the account's last invoice with this service."""

    description: str
    before: list[Exact]
    after: Exact


class ReviewOut(ResponseModel):
    """The flags of a document.

    `usual_net` is the average net of the account's last `invoices`, three at most, and `change_percent` compares the
    document with it.
    """

    customer: str
    currency: str
    flags: list[Annotated[str, enumeration(*FLAGS)]]
    net: str
    usual_net: str | None
    change_percent: int | None
    invoices: list[str]
    price_changes: list[PriceChangeOut]


class UsuallyBilledOut(ResponseModel):
    """An account that is usually billed and has no document in the preview.

    `invoices` counts those of the 100 days up to the last day of the run.
    """

    customer: str
    currency: str
    invoices: int
    last_issued: date
    average_net: str


class CreditOut(ResponseModel):
    """The customers' credit that would pay invoices of a preview when they are issued."""

    currency: str
    amount: str


class ProgressOut(ResponseModel):
    """The progress of a run: `done` of its accounts are processed."""

    done: int
    of: int


class RunOut(ResponseModel):
    """A billing run or a preview.

    Fields that a preview does not have are null.
    """

    id: UUID | None
    state: Annotated[str, enumeration("preview", "running", "done", "failed")]
    through: date
    issue: bool
    issue_date: date
    invoices: int
    charges: int
    totals: list[TotalOut]
    left_out: list[LeftOutOut]
    progress: ProgressOut | None = None
    failure: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    finished_at: datetime | None = None
    documents: list[DocumentOut] | None = None
    digest: str | None = None
    possible_duplicates: list[PossibleDuplicatesOut] | None = None
    due_recurring_charges: list[DueChargeOut] | None = None
    refused_recurring_charges: list[RefusedRecurringOut] | None = None
    purchase_order: str = ""
    excluded: list[AccountOut] = Field(default_factory=list)
    reviews: list[ReviewOut] | None = None
    usually_billed: list[UsuallyBilledOut] | None = None
    selected_charges: int | None = None
    credit_to_apply: list[CreditOut] | None = None


def _totals(sums: list[CurrencyTotal]) -> list[TotalOut]:
    return [
        TotalOut(
            currency=row.currency,
            invoices=row.invoices,
            net=str(Money(row.net, row.currency)),
            tax=str(Money(row.tax, row.currency)),
            total=str(Money(row.total, row.currency)),
        )
        for row in sums
    ]


def _left_out(rows: list[LeftOut]) -> list[LeftOutOut]:
    return [
        LeftOutOut(
            customer=row.reference, currency=row.currency, charges=row.charges, amount=row.amount, reason=row.reason
        )
        for row in rows
    ]


def _out(report: RunReport) -> RunOut:
    run = report.run
    return RunOut(
        id=run.id,
        state=run.state,
        through=run.through,
        issue=run.issue,
        issue_date=run.issue_date,
        invoices=report.invoices,
        charges=report.charges,
        totals=_totals(report.totals),
        left_out=_left_out(report.left_out),
        progress=ProgressOut(done=report.processed, of=report.accounts),
        failure=run.failure,
        created_at=run.created_at,
        created_by=run.created_by,
        finished_at=run.finished_at,
        purchase_order=run.purchase_order,
        excluded=_accounts(report.excluded),
        selected_charges=run.selected_charges,
    )


def _accounts(accounts: Sequence[tuple[str, str]]) -> list[AccountOut]:
    return [AccountOut(customer=reference, currency=currency) for reference, currency in accounts]


@route("POST", "/billing-runs", scope="billing:write", body=RunIn, response=RunOut, statuses=(201, 200, 202))
def post_billing_run(actor: Actor, body: RunIn) -> Reply:
    """Run billing for the pending charges up to a day.

    With `dry_run`, return a preview and store nothing.
    """
    if body.dry_run:
        return Reply(_preview(db.session(), body.spec(), body.change_percent, actor, now()))
    at = now()
    if body.background:
        return _in_background(body.spec(), actor, at)
    run_id, is_new = operations.run_billing(transaction, body.spec(), actor, at)
    return created_reply(_report(run_id), is_new)


def _in_background(spec: RunSpec, actor: Actor, at: datetime) -> Reply:
    """Start the run in a worker, and return its URL with 202.

    If the run is already over, return it with 200.
    """
    run_id, is_new = transaction(operations.start_in_background, spec, actor, at)
    wake_worker()
    report = _report(run_id)
    if not is_new and report.state != "running":
        return created_reply(report, is_new)
    return Reply(report, 202, {"Location": f"{BASE}/billing-runs/{run_id}"} | ({} if is_new else REPLAYED))


def _preview(session: Session, spec: RunSpec, change_percent: int, actor: Actor, at: datetime) -> RunOut:
    planned = operations.preview_run(dry_run, session, spec, actor, at)
    scope = operations.resolve_scope(session, spec, at)
    checked = review(session, scope, planned, change_percent)
    return RunOut(
        id=spec.id,
        state="preview",
        through=spec.through,
        issue=bool(spec.issue),
        issue_date=spec.issue_date or today(session, at),
        invoices=len(planned.documents),
        charges=planned.charges,
        totals=_totals(planned.totals),
        left_out=_left_out(planned.left_out),
        documents=[document_out(item) for item in planned.documents],
        digest=planned.digest,
        purchase_order=spec.purchase_order or "",
        excluded=_accounts(name_accounts(session, scope.excluded)),
        reviews=[_review(row) for row in checked.documents],
        usually_billed=[
            UsuallyBilledOut(
                customer=row.reference,
                currency=row.currency,
                invoices=row.invoices,
                last_issued=row.last_issued,
                average_net=str(Money(row.average, row.currency)),
            )
            for row in checked.missing
        ],
        selected_charges=None if spec.charges is None else len(set(spec.charges)),
        credit_to_apply=[
            CreditOut(currency=currency, amount=str(Money(amount, currency)))
            for currency, amount in credit_by_currency(session, planned.documents if spec.issue else ()).items()
        ],
        possible_duplicates=[
            PossibleDuplicatesOut(
                customer=row.reference, currency=row.currency, charges=len(row.ids), amount=row.amount, ids=row.ids
            )
            for row in planned.duplicates
        ],
        due_recurring_charges=_due(planned),
        refused_recurring_charges=[
            RefusedRecurringOut(
                recurring_charge=row.id, customer=row.customer_reference, service=row.service_code, reason=reason
            )
            for row, reason in planned.refused
        ],
    )


def _review(row: ReviewedDocument) -> ReviewOut:
    currency = row.prepared.document.currency
    return ReviewOut(
        customer=row.prepared.reference,
        currency=currency,
        flags=list(row.flags),
        net=str(Money(row.prepared.document.net, currency)),
        usual_net=None if row.usual_net is None else str(Money(row.usual_net, currency)),
        change_percent=row.change_percent,
        invoices=[invoice.number for invoice in row.history.invoices],
        price_changes=[
            PriceChangeOut(description=change.description, before=list(change.before), after=change.after)
            for change in row.prices
        ],
    )


def _due(planned: Preview) -> list[DueChargeOut]:
    return [
        DueChargeOut(
            recurring_charge=due.recurring_charge_id,
            customer=due.charge.customer_reference,
            service=due.charge.service_code,
            **{name: getattr(due.charge, name) for name in _DUE_FIELDS},
        )
        for due in planned.due
    ]


_DUE_FIELDS = sorted(DueChargeOut.model_fields.keys() - {"recurring_charge", "customer", "service"})


def _report(run_id: UUID) -> RunOut:
    """Return the run as stored now: its chunks were billed in other sessions."""
    session = db.session()
    session.expire_all()
    return _out(run_report(session, run_id))


@route("GET", "/billing-runs", scope="read", query=Paging, response=Listing[RunOut])
def list_billing_runs(query: Paging) -> Reply:
    """List billing runs, newest first."""
    session = db.session()
    return list_reply(page(session, runs(), query.limit, query.after), lambda run: _out(run_report(session, run.id)))


@route("GET", "/billing-runs/{id}", scope="read", response=RunOut)
def get_billing_run(id: str) -> Reply:
    """Read one billing run: progress, totals, and reasons for charges left out."""
    return Reply(_out(run_report(db.session(), parse_id(id))))
