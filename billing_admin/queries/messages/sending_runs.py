"""Sending runs, with their progress and the documents that they left out."""

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from billing_admin.domain.errors import NotFound
from billing_admin.domain.translation import Phrase
from billing_admin.models import Customer, Invoice, SendingRun, SendingRunItem


@dataclass(frozen=True, slots=True)
class SendingProgress:
    """The numbers of documents of a run that have a message, were left out, or wait."""

    sent: int
    left_out: int
    waiting: int

    @property
    def done(self) -> int:
        """The documents that have a message or were left out."""
        return self.sent + self.left_out


def sending_runs() -> Select[SendingRun]:
    """Select the sending runs, newest first; for `paging.page`."""
    return select(SendingRun).order_by(SendingRun.created_at.desc(), SendingRun.id.desc())


def sending_run(session: Session, id: UUID) -> SendingRun:
    """Return one sending run.

    Raises:
        NotFound: There is no such run.
    """
    row = session.get(SendingRun, id, populate_existing=True)
    if row is None:
        raise NotFound("unknown_run", Phrase("There is no sending run {id}.", id=id), "id")
    return row


def sending_progress(session: Session, run_id: UUID) -> SendingProgress:
    """Return the progress of a run."""
    counts = (
        func.count().filter(SendingRunItem.message_id.is_not(None)),
        func.count().filter(SendingRunItem.reason != ""),
        func.count().filter(_is_waiting()),
    )
    return SendingProgress(*session.execute(select(*counts).where(SendingRunItem.run_id == run_id)).one())


class WaitingDocument(NamedTuple):
    """A waiting document: its position, and the digest of confirmed recipients."""

    position: int
    recipients: str


def waiting_documents(session: Session, run_id: UUID, after: int, limit: int) -> dict[UUID, WaitingDocument]:
    """Return the next documents of a run that wait after a position."""
    columns = (SendingRunItem.invoice_id, SendingRunItem.position, SendingRunItem.recipients)
    query = select(*columns).where(SendingRunItem.run_id == run_id, SendingRunItem.position > after, _is_waiting())
    rows = session.execute(query.order_by(SendingRunItem.position).limit(limit))
    return {row.invoice_id: WaitingDocument(row.position, row.recipients) for row in rows}


def _is_waiting() -> ColumnElement[bool]:
    return and_(SendingRunItem.message_id.is_(None), SendingRunItem.reason == "")


def left_out_of_run(session: Session, run_id: UUID) -> list[Any]:
    """Return the documents that a run left out, in its order, each with the reason."""
    query = (
        select(
            SendingRunItem.invoice_id,
            SendingRunItem.reason,
            Invoice.number,
            Invoice.customer_id,
            Customer.name.label("customer_name"),
        )
        .join(Invoice, Invoice.id == SendingRunItem.invoice_id)
        .join(Customer, Customer.id == Invoice.customer_id)
        .where(SendingRunItem.run_id == run_id, SendingRunItem.reason != "")
    )
    return list(session.execute(query.order_by(SendingRunItem.position)))
