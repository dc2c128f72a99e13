"""An invoice nobody paid becomes void once; its number stays, and its charges are where the person chose."""

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound
from billing_admin.models import AuditEvent, Charge, Invoice, VoidedCharge
from billing_admin.operations.invoices import credit_notes, voids
from billing_admin.operations.master_data import periods
from billing_admin.operations.messages import documents
from tests.books import assert_books_balance, contents
from tests.making import (
    NOW,
    all_invoices,
    bill,
    credit,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
    void,
)
from tests.messages import make_message
from tests.prepared import prepared


@pytest.fixture
@prepared
def invoice(session: Session) -> Invoice:
    """Issued, over two charges of a service and one that stands alone."""
    make_tax_rate()
    customer, service = make_customer(reference="ACME"), make_service(tax_rate="VAT19")
    post(*(make_spec(customer, service=service, quantity=n) for n in ("1", "2")), make_spec(customer, "0.005"))
    bill()
    return all_invoices()[0]


def charges(session: Session) -> list[Charge]:
    session.rollback()
    return list(session.scalars(select(Charge).order_by(Charge.id).execution_options(populate_existing=True)))


def test_the_number_stays_and_the_charges_are_pending_again(session: Session, invoice: Invoice) -> None:
    assert void(invoice, reason="Wrong customer") is None
    [voided] = all_invoices()
    assert (voided.status, voided.number, voided.voided_on, voided.reason) == (
        "void",
        "INV-2026-00001",
        date(2026, 4, 2),
        "Wrong customer",
    )
    assert (voided.total, voided.hash) == (invoice.total, invoice.hash)
    assert {charge.status for charge in charges(session)} == {"pending"}
    once = {(row.invoice_line_id, row.charge_id) for row in session.scalars(select(VoidedCharge))}
    assert {line for line, _ in once} == {line.id for line in voided.lines}
    assert len(once) == 3
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "invoice.voided")).one()
    assert event.details == {
        "number": "INV-2026-00001",
        "total": invoice.total,
        "reason": "Wrong customer",
        "charges": 3,
        "became": "pending",
    }
    assert_books_balance(session)


def test_the_charges_are_billed_again_under_the_next_number(session: Session, invoice: Invoice) -> None:
    void(invoice)
    bill()
    first, second = all_invoices()
    assert (first.status, second.status, second.number, second.total) == (
        "void",
        "issued",
        "INV-2026-00002",
        first.total,
    )
    assert_books_balance(session)


def test_the_charges_may_be_cancelled(session: Session, invoice: Invoice) -> None:
    void(invoice, "cancelled", reason="A mistake")
    assert {(charge.status, charge.status_reason) for charge in charges(session)} == {("cancelled", "A mistake")}
    assert_books_balance(session)


def test_billed_again_at_once_on_a_draft_that_names_it(session: Session, invoice: Invoice) -> None:
    draft_id = void(invoice, "billed_again")
    draft = next(one for one in all_invoices() if one.id == draft_id)
    assert (draft.status, draft.replaces_id, draft.total) == ("draft", invoice.id, invoice.total)
    assert [(line.description, line.net) for line in draft.lines] == [
        (line.description, line.net) for line in invoice.lines
    ]
    assert {charge.status for charge in charges(session)} == {"billed"}
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "invoice.voided")).one()
    assert event.details["replaced_by"] == str(draft_id)
    assert_books_balance(session)


def test_voiding_twice_changes_nothing(session: Session, invoice: Invoice) -> None:
    void(invoice)
    before = contents(session)
    assert transaction(voids.void_invoice, invoice.id, "Again", "cancelled", SYSTEM, NOW) == (False, None)
    assert contents(session) == before


def test_what_is_void_may_be_voided_again_under_its_new_number(session: Session, invoice: Invoice) -> None:
    """A charge may have stood on many void lines."""
    for number in range(3):
        void(all_invoices()[number])
        bill()
    assert [one.status for one in all_invoices()] == ["void", "void", "void", "issued"]
    assert_books_balance(session)


@pytest.mark.parametrize("act", ["pay", "credit"])
def test_what_is_paid_or_credited_is_not_voided(session: Session, invoice: Invoice, act: str) -> None:
    if act == "pay":
        pay(make_payment_spec("ACME", "1"))
    else:
        credit(invoice, "1")
    before = contents(session)
    with pytest.raises(Conflict, match="Credit the remaining amount") as refused:
        void(invoice)
    assert refused.value.code == "has_payments_or_credits"
    assert contents(session) == before


@pytest.mark.parametrize("state", ["sending", "sent", "uncertain"])
def test_what_was_sent_is_not_voided(session: Session, invoice: Invoice, state: str) -> None:
    make_message(invoice, state=state)
    before = contents(session)
    with pytest.raises(Conflict) as refused:
        void(invoice)
    assert refused.value.code == "was_sent"
    assert contents(session) == before


def test_what_was_marked_as_sent_or_reminded_of_is_not_voided(session: Session, invoice: Invoice) -> None:
    other = make_invoice()
    transaction(documents.mark_document_sent, invoice.id, "By letter post", None, SYSTEM, NOW)
    make_message(other, state="sent", level=1)
    for sent in (invoice, other):
        with pytest.raises(Conflict, match="was sent to the customer"):
            void(sent)


@pytest.mark.parametrize("state", ["waiting", "failed", "cancelled", "dropped"])
def test_what_was_not_sent_is_voided(session: Session, invoice: Invoice, state: str) -> None:
    make_message(invoice, state=state)
    void(invoice)
    assert all_invoices()[0].status == "void"


def test_a_void_that_is_repeated_after_a_message_changes_nothing(session: Session, invoice: Invoice) -> None:
    void(invoice)
    make_message(invoice, state="sent")
    assert transaction(voids.void_invoice, invoice.id, "Wrong", "pending", SYSTEM, NOW) == (False, None)


def test_an_invoice_is_credited_in_full_once(session: Session, invoice: Invoice) -> None:
    make_message(invoice, state="sent")
    credit(invoice, "1")
    id = uuid4()
    assert transaction(credit_notes.credit_in_full, invoice.id, "Wrong", id, SYSTEM, NOW) == (id, True)
    before = contents(session)
    assert transaction(credit_notes.credit_in_full, invoice.id, "Wrong", id, SYSTEM, NOW) == (id, False)
    with pytest.raises(Conflict, match="different reason"):
        transaction(credit_notes.credit_in_full, invoice.id, "Other", id, SYSTEM, NOW)
    assert contents(session) == before
    [credited] = [document for document in all_invoices() if document.id == invoice.id]
    assert (credited.status, credited.credited) == ("issued", credited.total)
    with pytest.raises(DomainError) as refused:
        transaction(credit_notes.credit_in_full, invoice.id, "Wrong", uuid4(), SYSTEM, NOW)
    assert refused.value.code == "nothing_left"
    assert_books_balance(session)


def test_a_draft_a_credit_note_and_nothing_are_not_voided(session: Session, invoice: Invoice) -> None:
    note = credit(invoice, "1")
    draft = make_invoice(issue=False)
    before = contents(session)
    for id, error, sentence in (
        (draft.id, Conflict, "Discard it"),
        (note.id, Conflict, "is a credit note"),
        (UUID(int=1), NotFound, "There is no invoice"),
    ):
        with pytest.raises(error, match=sentence):
            transaction(voids.void_invoice, id, "Wrong", "pending", SYSTEM, NOW)
    assert contents(session) == before


def test_it_needs_a_reason_a_known_fate_and_an_open_day(session: Session, invoice: Invoice) -> None:
    transaction(periods.set_period_lock, date(2026, 4, 2), "", SYSTEM, NOW)
    before = contents(session)
    for reason, fate, code in (
        (" ", "pending", "blank"),
        ("x" * 501, "pending", "too_long"),
        ("Wrong", "lost", "not_a_choice"),
        ("Wrong", "pending", "period_locked"),
    ):
        with pytest.raises(DomainError) as refused:
            void(invoice, fate, reason=reason)
        assert isinstance(refused.value, Invalid)
        assert refused.value.code == code
    assert contents(session) == before


def test_what_makes_no_invoice_any_more_is_not_billed_again(session: Session) -> None:
    """The tax rate fell meanwhile: nothing is owed, so that nothing happens."""
    service = make_service(tax_rate=make_tax_rate("HIGH", "100").code, prices={"USD": Decimal("0.01")})
    customer = make_customer()
    post(make_spec(customer, service=service, quantity="0.5"), make_spec(customer, "-0.01"))
    bill()
    [invoice] = all_invoices()
    make_tax_rate("LOW", "0", "Z")
    from billing_admin.operations.master_data import services  # noqa: PLC0415

    transaction(services.update, service.id, {"tax_rate": "LOW"}, None, SYSTEM, NOW)
    before = contents(session)
    with pytest.raises(Conflict, match="The total would be zero"):
        void(invoice, "billed_again")
    assert contents(session) == before
