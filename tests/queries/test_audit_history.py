"""The history of an object has every event about it, whichever object the event names."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Allocation, Invoice
from billing_admin.operations.charges import charges, corrections
from billing_admin.operations.invoices import drafts, invoices
from billing_admin.operations.jobs import enqueue
from billing_admin.operations.messages import documents, messages
from billing_admin.operations.messages.documents import SendSpec
from billing_admin.operations.payments import payments
from billing_admin.queries.audit import AuditFilter, events
from tests.making import NOW, bill, credit, make_customer, make_invoice, make_payment_spec, make_spec, pay, post, void

LATER = NOW + timedelta(days=1)


def history(session: Session, id: UUID) -> list[str]:
    """Return the actions of an object's history, oldest first."""
    session.rollback()
    rows = session.execute(events(session, AuditFilter(object=id))).all()
    assert len({row.id for row in rows}) == len(rows)
    return [row.action for row in reversed(rows)]


def allocation_of(session: Session, payment_id: UUID) -> UUID:
    session.rollback()
    return session.scalars(select(Allocation.id).where(Allocation.payment_id == payment_id)).one()


def test_the_history_of_an_invoice_has_everything_that_happened_to_it(session: Session) -> None:
    acme = make_customer(reference="ACME")
    invoice, other = make_invoice(acme, "100"), make_invoice(acme, "50")
    at = iter(NOW + timedelta(hours=hours) for hours in range(1, 20))
    paid = pay(make_payment_spec(acme, "60", {str(invoice.id): "60"}), next(at))
    unrelated = pay(make_payment_spec(acme, "20", {str(other.id): "20"}), next(at))
    transaction(payments.withdraw_allocation, paid, allocation_of(session, paid), "Meant for another", SYSTEM, next(at))
    transaction(payments.allocate, paid, "oldest", SYSTEM, next(at))
    note = credit(invoice, "70", now=next(at))
    transaction(payments.reverse, paid, "Bounced", None, SYSTEM, next(at))
    assert history(session, invoice.id) == [
        "billing_run.started",
        "billing_run.billed",
        "invoice.issued",
        "payment.recorded",
        "payment.allocation_withdrawn",
        "payment.allocated",
        "credit_note.issued",
        "payment.reversed",
    ]
    assert history(session, other.id) == [
        *("billing_run.started", "billing_run.billed", "invoice.issued", "payment.recorded"),
    ]
    assert history(session, note.id) == ["credit_note.issued"]
    assert history(session, paid) == [
        "payment.recorded",
        "payment.allocation_withdrawn",
        "payment.allocated",
        "credit_note.issued",
        "payment.reversed",
    ]
    assert history(session, unrelated) == ["payment.recorded"]
    assert history(session, acme.id)[:2] == ["customer.created", "charge.posted"]
    assert sorted(set(history(session, acme.id))) == sorted(
        {"customer.created", "charge.posted", *history(session, invoice.id)}
    )
    assert history(session, acme.id).count("payment.recorded") == 2
    assert history(session, make_customer(reference="FOO").id) == ["customer.created"]


def test_a_write_off_and_a_void_are_in_the_history(session: Session) -> None:
    first, second = make_invoice(amount="10"), make_invoice(make_customer(), "20")
    transaction(payments.write_off, first.id, Decimal(10), "Too little", None, SYSTEM, LATER)
    assert history(session, first.id)[-2:] == ["invoice.issued", "payment.written_off"]
    draft = void(second, "billed_again", now=LATER)
    assert draft
    assert history(session, second.id)[-2:] == ["invoice.issued", "invoice.voided"]
    assert history(session, draft) == ["invoice.voided"]
    assert history(session, second.customer_id)[-1] == "invoice.voided"


def test_drafts_that_are_issued_together_have_their_issue_in_the_history(session: Session) -> None:
    drafts_made = [make_invoice(make_customer(), issue=False) for _ in range(3)]
    transaction(invoices.issue_many, [draft.id for draft in drafts_made[:2]], LATER.date(), SYSTEM, LATER)
    for draft in drafts_made[:2]:
        for id in (draft.id, draft.customer_id):
            assert history(session, id)[-1] == "invoice.issued"
    for id in (drafts_made[2].id, drafts_made[2].customer_id):
        assert history(session, id)[-1] == "billing_run.billed"


def test_the_history_of_a_draft_and_its_customer(session: Session) -> None:
    draft = make_invoice(make_customer(reference="ACME"), issue=False)
    draft_id, customer_id = draft.id, draft.customer_id
    [added] = post(make_spec("ACME", "7")).ids
    transaction(drafts.move_charges, draft.id, [added], [], None, SYSTEM, LATER)
    transaction(drafts.move_charges, draft.id, [], [added], None, SYSTEM, LATER)
    transaction(drafts.change, draft.id, {"note": "Thank you"}, None, SYSTEM, LATER)
    changes = ["invoice.charges_moved", "invoice.charges_moved", "invoice.changed"]
    assert history(session, draft.id)[-3:] == changes
    assert history(session, added) == ["charge.posted", *changes[:2]]
    transaction(invoices.discard, draft.id, SYSTEM, LATER + timedelta(hours=1))
    assert history(session, draft_id) == [*changes, "invoice.discarded"]
    assert history(session, customer_id)[-4:] == [*changes, "invoice.discarded"]


def test_the_history_of_a_charge_and_its_replacement(session: Session) -> None:
    make_customer(reference="ACME")
    [charge, other] = post(make_spec("ACME", "10"), make_spec("ACME", "5")).ids
    transaction(charges.hold, [charge, other], "Unclear", SYSTEM, LATER)
    transaction(charges.release, [charge, other], "Clear", SYSTEM, LATER)
    replacement, _ = transaction(
        corrections.correct_charge, charge, {"description": "Other work"}, None, "Mistyped", SYSTEM, LATER
    )
    assert history(session, charge) == ["charge.posted", "charge.held", "charge.released", "charge.corrected"]
    assert sorted(history(session, replacement)) == ["charge.corrected", "charge.posted"]
    bill(now=LATER + timedelta(hours=1))
    session.rollback()
    invoice = session.scalars(select(Invoice)).one()
    billed = ["billing_run.started", "billing_run.billed", "invoice.issued"]
    assert history(session, other) == ["charge.posted", "charge.held", "charge.released", *billed]
    void(invoice, now=LATER + timedelta(hours=2))
    assert history(session, other)[-4:] == [*billed, "invoice.voided"]


def test_a_job_is_in_the_history_of_its_subject(session: Session) -> None:
    run = bill()
    transaction(enqueue, "billing_run", run, "billing:write", SYSTEM, LATER)
    assert history(session, run) == ["billing_run.started", "billing_run.finished", "job.queued"]


def test_messages_are_in_the_history_of_their_documents_and_customer(session: Session) -> None:
    acme = make_customer(reference="ACME", email="anna@example.com")
    invoice, other = make_invoice(acme), make_invoice(acme)
    message_id, _ = transaction(documents.send_document, invoice.id, SendSpec(), True, SYSTEM, LATER)
    transaction(messages.cancel_message, message_id, "Wrong text", SYSTEM, LATER + timedelta(hours=1))
    sent = ["message.enqueued", "message.cancelled"]
    assert history(session, message_id) == sent
    assert history(session, invoice.id)[-2:] == history(session, acme.id)[-2:] == sent
    assert not set(history(session, other.id)) & set(sent)


@pytest.mark.parametrize("id", [UUID(int=0), UUID(int=1)])
def test_an_unknown_object_has_no_history(session: Session, id: UUID) -> None:
    make_invoice()
    assert history(session, id) == []
