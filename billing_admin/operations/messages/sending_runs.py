"""Sending runs: send many documents, or mark them as sent, chunk by chunk.

A run lists its documents in the transaction that starts it. Each chunk is a transaction of its own, so that other
writers wait for a moment only. A run that stops continues with the documents that wait.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, insert, literal, select, update
from sqlalchemy.orm import Session

from billing_admin.db.ids import new_id
from billing_admin.db.lookup import is_any_of
from billing_admin.db.transactions import Transact
from billing_admin.domain.access import Actor
from billing_admin.domain.errors import Invalid
from billing_admin.domain.master_data import differing_fields, refuse_differences
from billing_admin.domain.messages import MARK_SENT, SEND, mail_off
from billing_admin.domain.text import MAX_REASON_LENGTH, check_not_blank
from billing_admin.domain.translation import Phrase
from billing_admin.models import Invoice, SendingRun, SendingRunItem
from billing_admin.models.base import UuidKey
from billing_admin.operations.audit import record
from billing_admin.operations.jobs import enqueue
from billing_admin.operations.messages.documents import mark_documents_sent, send_documents
from billing_admin.queries.invoices.invoices import InvoiceFilter, conditions
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages.documents import unsent_conditions
from billing_admin.queries.messages.sending_runs import sending_progress, waiting_documents

JOB_KIND: Final = "sending_run"
CHUNK: Final = 200  # documents of one transaction
# Parts of a filter whose result for an issued document does not change.
LASTING_FILTERS: Final = ("customer", "kind", "currency", "issued_from", "issued_to", "run")
# The documents of a run: their ids, or a filter that stands for its issued documents without a message. A mapping holds
# the digest of the confirmed recipients of each document: it is left out if they have changed when it is its turn.
Documents = Collection[UUID] | Mapping[UUID, str] | InvoiceFilter
NO_DOCUMENTS: Final = Phrase("No document of this list was issued and not sent. Choose other filters.")


@dataclass(frozen=True, slots=True)
class SendingRunSpec:
    """A request to send documents, or to mark them as sent for a `reason`."""

    act: str = SEND
    reason: str = ""
    id: UUID | None = None


def start_run(
    session: Session,
    spec: SendingRunSpec,
    documents: Documents | None,
    mail_on: bool,
    actor: Actor,
    now: datetime,
) -> tuple[UUID, bool]:
    """Store a run with documents and its job, or return the run that has the same id.

    The job is there for small runs as well, which the caller finishes at once: without it, their documents would wait for
    ever if the caller's process died before. None stands for the documents of the run that has the same id. Returns the
    id, and whether the run is new. `mail_on` tells whether a mail server is set up.

    Raises:
        Conflict: The id belongs to another run, or no mail server is set up.
        Invalid: The reason is blank, or no document matches.
        NotFound: The customer of the filter is unknown.
    """
    reason = check_not_blank(spec.reason, "reason", longest=MAX_REASON_LENGTH) if spec.act == MARK_SENT else ""
    stored = session.get(SendingRun, spec.id, with_for_update=True) if spec.id else None
    if stored is not None:
        differs = differing_fields({"act": spec.act, "reason": reason}, {"act": stored.act, "reason": stored.reason})
        differs += _differing_documents(session, stored, documents)
        refuse_differences(Phrase("Sending run {stored_id}", stored_id=stored.id), differs, "id")
        if waiting_documents(session, stored.id, 0, 1):
            _enqueue_job(session, stored.id, actor, now)
        return stored.id, False
    if spec.act == SEND and not mail_on:
        raise mail_off(is_demo=organisation(session).is_demo)
    run = SendingRun(
        id=spec.id or new_id(now), act=spec.act, reason=reason, documents=0, created_at=now, created_by=actor.name
    )
    session.add(run)
    session.flush()
    run.documents = 0 if documents is None else _store_items(session, run, documents)
    if not run.documents:
        raise Invalid("no_documents", NO_DOCUMENTS, "documents")
    session.flush()
    details = {"act": run.act, "documents": run.documents} | ({"reason": reason} if reason else {})
    record(session, actor, now, "sending_run.created", "sending_run", run.id, details)
    _enqueue_job(session, run.id, actor, now)
    return run.id, True


def _differing_documents(session: Session, run: SendingRun, documents: Documents | None) -> list[str]:
    """Return the fields of a repeated request that do not fit the run's documents.

    A run does not store its filter: each part of the filter that no later act changes must fit all documents.
    """
    of_run = select(SendingRunItem.invoice_id).where(SendingRunItem.run_id == run.id)
    if documents is None:
        return []
    if not isinstance(documents, InvoiceFilter):
        return [] if set(session.scalars(of_run)) == set(documents) else ["invoices"]
    differs = []
    for name in LASTING_FILTERS:
        if value := getattr(documents, name):
            fitting = conditions(session, replace(InvoiceFilter(documents.today), **{name: value}))
            query = select(func.count()).select_from(Invoice).where(Invoice.id.in_(of_run), *fitting)
            if session.scalar(query) != run.documents:
                differs.append(name)
    return differs


def _enqueue_job(session: Session, run_id: UUID, actor: Actor, now: datetime) -> None:
    enqueue(session, JOB_KIND, run_id, "messages:write", actor, now)


def _store_items(session: Session, run: SendingRun, documents: Documents) -> int:
    """Store the documents of a run, by series and number, and return how many.

    Those with confirmed recipients are stored in their own order.
    """
    if isinstance(documents, Mapping):
        item = insert(SendingRunItem).values(run_id=run.id, reason="")
        confirmed = enumerate(documents.items(), 1)
        items = [{"position": position, "invoice_id": id, "recipients": digest} for position, (id, digest) in confirmed]
        if items:
            session.connection().execute(item, items)
        return len(items)
    chosen = (
        unsent_conditions(session, documents, with_settled=run.act == MARK_SENT)
        if isinstance(documents, InvoiceFilter)
        else [is_any_of(Invoice.id, documents)]
    )
    order = (Invoice.series_id, Invoice.sequence, Invoice.id)
    columns = (
        literal(run.id, UuidKey()),
        func.row_number().over(order_by=order),
        Invoice.id,
        literal("", SendingRunItem.reason.type),
        literal("", SendingRunItem.recipients.type),
    )
    names = ["run_id", "position", "invoice_id", "reason", "recipients"]
    rows = insert(SendingRunItem).from_select(names, select(*columns).where(*chosen), include_defaults=False)
    session.connection().execute(rows)
    return sending_progress(session, run.id).waiting


def send_run(transact: Transact, run_id: UUID, mail_on: bool, actor: Actor, now: datetime) -> None:
    """Send the documents of a run that wait, or mark them as sent, chunk by chunk.

    Raises:
        Conflict: No mail server is set up.
    """
    after: int | None = 0
    while after is not None:
        after = transact(send_chunk, run_id, after, mail_on, actor, now)


def send_chunk(session: Session, run_id: UUID, after: int, mail_on: bool, actor: Actor, now: datetime) -> int | None:
    """Send the next documents of a run, or mark them as sent.

    Returns the position of the last one, or None if none waits. The run is locked, so that two processes do not work on
    the same documents.
    """
    run = session.get_one(SendingRun, run_id, with_for_update=True)
    documents = waiting_documents(session, run_id, after, CHUNK)
    if not documents:
        return None
    if run.act == MARK_SENT:
        outcome = mark_documents_sent(session, documents, run.reason, actor, now)
    else:
        confirmed = {id: document.recipients for id, document in documents.items()}
        outcome = send_documents(session, documents, mail_on, actor, now, confirmed)
    reasons = {row.facts.invoice_id: row.problem.code for row in outcome.left_out}
    item = update(SendingRunItem).where(
        SendingRunItem.run_id == run_id, SendingRunItem.position == bindparam("item_position")
    )
    session.connection().execute(
        item.values(message_id=bindparam("sent_by"), reason=bindparam("left_out_for")),
        [
            {
                "item_position": document.position,
                "sent_by": outcome.messages.get(id),
                "left_out_for": reasons.get(id, ""),
            }
            for id, document in documents.items()
        ],
    )
    return max(document.position for document in documents.values())
