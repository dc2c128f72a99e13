"""Sending runs: many documents in chunks, nothing twice, and one that fails does not stop the others."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.messages import MARK_SENT, SendingFacts, recipients_digest
from billing_admin.models import AuditEvent, Customer, Invoice, Job, Message
from billing_admin.operations import jobs
from billing_admin.operations.master_data import contacts
from billing_admin.operations.messages import documents, sending_runs
from billing_admin.operations.messages.document_messages import document_messages
from billing_admin.operations.messages.sending_runs import SendingRunSpec, send_chunk, send_run, start_run
from billing_admin.queries.invoices.invoices import InvoiceFilter
from billing_admin.queries.messages.documents import unsent_sums
from billing_admin.queries.messages.sending_runs import left_out_of_run, sending_progress
from tests.making import NOW, credit, make_customer, make_invoice, make_payment_spec, pay
from tests.messages import make_message
from tests.prepared import prepared
from tests.web.reading import fresh


@pytest.fixture
@prepared
def ids(session: Session) -> list[UUID]:
    """Five issued invoices: the customer of the third one has no contact."""
    payer, silent = make_customer(reference="ACME", email="pay@acme.example"), make_customer(reference="SILENT")
    return [make_invoice(silent if place == 2 else payer).id for place in range(5)]


def start(ids: Sequence[UUID], mail_on: bool = True, **fields: Any) -> tuple[UUID, bool]:
    return transaction(start_run, SendingRunSpec(**fields), ids, mail_on, SYSTEM, NOW)


def reasons(session: Session, run_id: UUID) -> list[tuple[str | None, str]]:
    session.rollback()
    return [(row.number, row.reason) for row in left_out_of_run(session, run_id)]


def messages(session: Session) -> list[Message]:
    return fresh(session, select(Message).order_by(Message.created_at, Message.id))


@pytest.mark.both_databases
def test_documents_are_sent_in_chunks_and_never_twice(
    session: Session, ids: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending_runs, "CHUNK", 2)
    run_id, is_new = start(ids)
    assert is_new
    session.rollback()
    assert sending_progress(session, run_id).waiting == 5
    assert transaction(send_chunk, run_id, 0, True, SYSTEM, NOW) == 2  # the worker dies here
    for _ in range(2):
        send_run(transaction, run_id, True, SYSTEM, NOW)
    session.rollback()
    progress = sending_progress(session, run_id)
    assert (progress.sent, progress.left_out, progress.waiting) == (4, 1, 0)
    assert reasons(session, run_id) == [("INV-2026-00003", "no_recipient")]
    assert [row.documents[0].invoice_id for row in messages(session)] == [ids[0], ids[1], ids[3], ids[4]]
    again, _ = start(ids)
    send_run(transaction, again, True, SYSTEM, NOW)
    assert {reason for _, reason in reasons(session, again)} == {"already_waiting", "no_recipient"}
    assert len(messages(session)) == 4
    events = fresh(session, select(AuditEvent).where(AuditEvent.action == "sending_run.created"))
    assert events[0].details == {"act": "send", "documents": 5}


def test_a_repeated_request_continues_its_run(session: Session, ids: list[UUID]) -> None:
    id = uuid4()
    assert start(ids, id=id) == (id, True)
    assert start(ids[::-1], id=id) == (id, False)
    with pytest.raises(Conflict) as refused:
        start(ids[:1], id=id)
    assert refused.value.extra["differs"] == ["invoices"]
    with pytest.raises(Conflict) as refused:
        start(ids, id=id, act=MARK_SENT, reason="By letter")
    assert refused.value.extra["differs"] == ["act", "reason"]


@pytest.mark.both_databases
def test_documents_with_other_recipients_than_confirmed_are_left_out(session: Session, ids: list[UUID]) -> None:
    session.rollback()
    confirmed = {
        facts.invoice_id: recipients_digest(facts.recipients) for facts in documents.plan_sending(session, ids).ready
    }
    customer = session.get_one(Customer, session.get_one(Invoice, ids[4]).customer_id)
    run_id, _ = transaction(start_run, SendingRunSpec(), dict(list(confirmed.items())[:2]), True, SYSTEM, NOW)
    send_run(transaction, run_id, True, SYSTEM, NOW)
    assert reasons(session, run_id) == []
    ben: Any = {"name": "Ben", "email": "ben@acme.example"}
    transaction(contacts.create, customer.id, ben, None, SYSTEM, NOW)
    run_id, _ = transaction(start_run, SendingRunSpec(), confirmed, True, SYSTEM, NOW)
    send_run(transaction, run_id, True, SYSTEM, NOW)
    changed, sent = "recipients_changed", "already_waiting"
    assert [reason for _, reason in reasons(session, run_id)] == [sent, sent, changed, changed]
    free, _ = start(ids)  # without confirmed recipients, those of the moment get it
    send_run(transaction, free, True, SYSTEM, NOW)
    assert {len(row.recipients) for row in messages(session)} == {1, 2}


def test_each_run_has_a_job_until_nothing_waits(session: Session, ids: list[UUID]) -> None:
    id = uuid4()
    start(ids, id=id)
    start(ids, id=id)
    session.rollback()
    [job] = fresh(session, select(Job))
    assert (job.kind, job.subject_id, job.state) == (sending_runs.JOB_KIND, id, "queued")
    transaction(jobs.cancel, job.id, SYSTEM, NOW)
    start(ids, id=id)  # continues the run
    assert sorted(row.state for row in fresh(session, select(Job))) == ["cancelled", "queued"]
    send_run(transaction, id, True, SYSTEM, NOW)
    for row in fresh(session, select(Job).where(Job.state == "queued")):
        transaction(jobs.cancel, row.id, SYSTEM, NOW)
    start(ids, id=id)
    assert {row.state for row in fresh(session, select(Job))} == {"cancelled"}


def test_one_text_that_cannot_be_made_does_not_stop_the_others(
    session: Session, ids: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    make = document_messages

    def make_or_fail(session: Session, facts: Sequence[SendingFacts]) -> Any:
        if any(row.number == "INV-2026-00002" for row in facts):
            raise RuntimeError("no text")
        return make(session, facts)

    monkeypatch.setattr(documents, "document_messages", make_or_fail)
    run_id, _ = start(ids)
    send_run(transaction, run_id, True, SYSTEM, NOW)
    assert reasons(session, run_id) == [("INV-2026-00002", "not_made"), ("INV-2026-00003", "no_recipient")]
    assert len(messages(session)) == 3


def test_a_wrong_run_is_refused(session: Session, ids: list[UUID]) -> None:
    with pytest.raises(Conflict, match="BILLING_MAIL_URL"):
        start(ids, mail_on=False)
    with pytest.raises(Invalid) as refused:
        start(ids, act=MARK_SENT, reason=" ")
    assert refused.value.field == ("reason",)
    with pytest.raises(Invalid, match="No document"):
        start([])
    run_id, _ = start(ids)
    with pytest.raises(Conflict, match="BILLING_MAIL_URL"):
        send_run(transaction, run_id, False, SYSTEM, NOW)
    assert messages(session) == []


@pytest.mark.both_databases
def test_old_documents_are_marked_as_sent_also_paid_ones(session: Session, ids: list[UUID]) -> None:
    pay(make_payment_spec("ACME", "10", {"INV-2026-00001": "10"}))
    credit(session.get_one(Invoice, ids[1]), "4")
    make_message(session.get_one(Invoice, ids[4]), state="failed")
    session.rollback()
    filters = InvoiceFilter(NOW.date(), issued_to=NOW.date())
    assert unsent_sums(session, filters) == {"USD": (5, 3600)}
    spec = SendingRunSpec(MARK_SENT, "By letter")
    run_id, _ = transaction(start_run, spec, filters, False, SYSTEM, NOW)
    send_run(transaction, run_id, False, SYSTEM, NOW)
    marked = [row for row in messages(session) if row.by_hand]
    assert {(row.state, row.reason) for row in marked} == {("sent", "By letter")}
    assert len(marked) == 5
    assert reasons(session, run_id) == []
    actions = [row.action for row in fresh(session, select(AuditEvent).order_by(AuditEvent.id))]
    assert actions.count("message.marked_sent") == 5


def test_documents_that_cannot_be_marked_are_left_out(session: Session, ids: list[UUID]) -> None:
    draft = make_invoice(session.get_one(Customer, session.get_one(Invoice, ids[0]).customer_id), issue=False)
    make_message(session.get_one(Invoice, ids[1]), state="uncertain")
    run_id, _ = start([draft.id, *ids[:2]], act=MARK_SENT, reason="By letter")
    send_run(transaction, run_id, True, SYSTEM, NOW)
    assert sorted(reasons(session, run_id), key=str) == [
        ("INV-2026-00002", "sending_uncertain"),
        (None, "not_issued"),
    ]
