"""Sending runs: many documents that are sent, or marked as sent, in one act."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import current_app
from pydantic import Field

from billing_admin.api.frame.fields import (
    OMITTED,
    Body,
    CurrencyCode,
    Day,
    Key,
    Listing,
    Name,
    Paging,
    ReasonText,
    ResponseModel,
    enumeration,
)
from billing_admin.api.frame.routing import BASE, REPLAYED, Reply, created_reply, list_reply, parse_id, route
from billing_admin.background import wake_worker
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.db.paging import page
from billing_admin.db.transactions import Session, transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.messages import NOT_SENT_REASONS, SENDING_ACTS
from billing_admin.models import SendingRun
from billing_admin.operations.messages import sending_runs as operations
from billing_admin.operations.messages.sending_runs import SendingRunSpec
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.messages.outbox import can_send
from billing_admin.queries.messages.sending_runs import left_out_of_run, sending_progress, sending_run, sending_runs
from billing_admin.queries.object_ids import invoice_id

MAX_NAMES = 1_000
_FILTERS = ("customer", "kind", "currency", "status", "issued_from", "issued_to", "run")


class SendingRunIn(Body):
    """The documents to send, or to mark as sent for a `reason`.

    They are the documents of `invoices` (numbers or ids), or those of the filters that were issued and not sent. A run
    that sends leaves out settled invoices, unless the filters have issue dates, a status or a run. With `background`, a
    worker does the work.
    """

    id: Key = OMITTED
    act: Literal["send", "mark_sent"]
    reason: ReasonText = OMITTED
    invoices: Annotated[list[Name], Field(min_length=1, max_length=MAX_NAMES)] = OMITTED
    customer: Name = OMITTED
    kind: Literal["invoice", "credit_note"] = OMITTED
    currency: CurrencyCode = OMITTED
    status: Literal["open", "overdue", "paid"] = OMITTED
    issued_from: Day = OMITTED
    issued_to: Day = OMITTED
    run: Key = OMITTED
    background: bool = False

    def spec(self) -> SendingRunSpec:
        """Return the request as a spec."""
        return SendingRunSpec(self.act, self.reason or "", self.id)


class NotSentOut(ResponseModel):
    """A document that a run left out."""

    id: UUID
    number: str | None
    reason: Annotated[str, enumeration(*NOT_SENT_REASONS)]


class ListedSendingRunOut(ResponseModel):
    """A sending run in a list; `documents` is their number."""

    id: UUID
    act: Annotated[str, enumeration(*SENDING_ACTS)]
    reason: str
    documents: int
    created_at: datetime
    created_by: str


class SendingRunOut(ListedSendingRunOut):
    """A sending run, with the documents that it left out.

    `sent` is the number of those with a message, `waiting` of those that a worker has still to look at.
    """

    sent: int
    waiting: int
    left_out: list[NotSentOut]


@route(
    "POST",
    "/sending-runs",
    scope="messages:write",
    body=SendingRunIn,
    response=SendingRunOut,
    statuses=(201, 200, 202),
)
def post_sending_run(actor: Actor, body: SendingRunIn) -> Reply:
    """Send many documents, or mark them as sent by other means.

    No document is sent twice: those with a message are left out. Post the id of a run again to continue it.
    """
    at, mail_on = now(), can_send(db.session(), current_app.extensions["billing_settings"])
    run_id, is_new = transaction(_start, body, mail_on, actor, at)
    if not body.background:
        operations.send_run(transaction, run_id, mail_on, actor, at)
        wake_worker()  # closes the job of the run, which has nothing left to do
        return created_reply(_report(run_id), is_new)
    wake_worker()
    report = _report(run_id)
    if not is_new and not report.waiting:
        return created_reply(report, is_new)
    return Reply(report, 202, {"Location": f"{BASE}/sending-runs/{run_id}"} | ({} if is_new else REPLAYED))


def _start(session: Session, body: SendingRunIn, mail_on: bool, actor: Actor, at: datetime) -> tuple[UUID, bool]:
    documents = _documents(session, body, today(session, at))
    try:
        return operations.start_run(session, body.spec(), documents, mail_on, actor, at)
    except NotFound as error:
        raise Invalid(error.code, error.message, "customer") from error


def _documents(session: Session, body: SendingRunIn, day: date) -> list[UUID] | InvoiceFilter:
    """Return the documents that a request names, or their filter."""
    filters = {name: getattr(body, name) for name in _FILTERS if name in body.model_fields_set}
    if "invoices" in body.model_fields_set:
        if filters:
            raise Invalid("not_both", "Use invoices or filters, not both.", "invoices")
        return _invoice_ids(session, body.invoices)
    if not filters:
        raise Invalid("missing", "Name invoices, or use a filter such as issued_to.", "invoices")
    return InvoiceFilter(**filters | {"run": str(filters.get("run", "")), "today": day})


def _invoice_ids(session: Session, names: Sequence[str]) -> list[UUID]:
    ids = []
    for index, name in enumerate(names):
        try:
            ids.append(invoice_id(session, name))
        except NotFound as error:
            raise Invalid(error.code, error.message, "invoices", index) from error
    return ids


def _report(run_id: UUID) -> SendingRunOut:
    """Return a run as stored now: its chunks were transactions of their own."""
    session = db.session()
    session.expire_all()
    run, progress = sending_run(session, run_id), sending_progress(session, run_id)
    return SendingRunOut(
        **_columns(run),
        sent=progress.sent,
        waiting=progress.waiting,
        left_out=[
            NotSentOut(id=row.invoice_id, number=row.number, reason=row.reason)
            for row in left_out_of_run(session, run_id)
        ],
    )


def _columns(run: SendingRun) -> dict[str, Any]:
    return {name: getattr(run, name) for name in ListedSendingRunOut.model_fields}


@route("GET", "/sending-runs", scope="read", query=Paging, response=Listing[ListedSendingRunOut])
def list_sending_runs(query: Paging) -> Reply:
    """List sending runs, newest first, without the documents that they left out."""
    rows = page(db.session(), sending_runs(), query.limit, query.after)
    return list_reply(rows, lambda run: ListedSendingRunOut(**_columns(run)))


@route("GET", "/sending-runs/{id}", scope="read", response=SendingRunOut)
def get_sending_run(id: str) -> Reply:
    """Read one sending run: its progress, and the documents that it left out."""
    return Reply(_report(parse_id(id)))
