"""Drafts become documents, once, and are thrown away whole."""

from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.models import AuditEvent, BillingRunItem, Charge, Invoice
from billing_admin.operations.charges import charges
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import customers
from tests.books import assert_books_balance, contents
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    make_customer,
    make_invoice,
    make_service,
    make_spec,
    post,
    void,
)


def issue(invoice: Invoice, day: date | None = None) -> bool:
    return transaction(invoices.issue, invoice.id, day, SYSTEM, NOW)


def discard(id: UUID) -> None:
    transaction(invoices.discard, id, SYSTEM, NOW)


def test_issuing_gives_number_dates_and_hash(session: Session) -> None:
    draft = make_invoice(issue=False)
    assert issue(draft)
    (issued,) = all_invoices()
    assert (issued.status, issued.number, issued.sequence) == ("issued", "INV-2026-00001", 1)
    assert (issued.issue_date, issued.due_date) == (date(2026, 4, 2), date(2026, 5, 2))
    assert len(issued.hash or "") == 64
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "invoice.issued")).one()
    assert (event.object_id, event.details) == (draft.id, {"number": "INV-2026-00001"})
    assert_books_balance(session)


def test_issuing_twice_changes_nothing(session: Session) -> None:
    draft = make_invoice(issue=False)
    issue(draft)
    before = contents(session)
    assert not issue(draft)
    assert not issue(draft, date(2026, 5, 1))
    assert contents(session) == before


def test_drafts_are_numbered_in_the_order_of_issue(session: Session) -> None:
    drafts = [make_invoice(make_customer(reference=f"D-{n}"), issue=False) for n in range(3)]
    for draft in reversed(drafts):
        issue(draft)
    assert [invoice.customer_reference for invoice in all_invoices()] == ["D-2", "D-1", "D-0"]
    assert_books_balance(session)


def test_the_copies_are_those_of_the_day_of_issue(session: Session) -> None:
    customer = make_customer(name="Before")
    draft = make_invoice(customer, issue=False)
    change_settings(legal_name="After Ltd")
    transaction(customers.update, customer.id, {"name": "After"}, None, SYSTEM, NOW)
    issue(draft)
    transaction(customers.update, customer.id, {"name": "Much later"}, None, SYSTEM, NOW)
    (issued,) = all_invoices()
    assert (issued.customer_name, issued.seller_name) == ("After", "After Ltd")
    assert_books_balance(session)


def test_a_date_before_the_last_one_of_the_series_is_refused(session: Session) -> None:
    make_invoice()
    draft = make_invoice(issue=False)
    before = contents(session)
    with pytest.raises(Invalid, match="2026-04-02 or later") as refused:
        issue(draft, date(2026, 4, 1))
    assert refused.value.field == ("issue_date",)
    assert contents(session) == before
    assert issue(draft, date(2026, 4, 2))


def test_an_unknown_invoice_is_not_found(session: Session) -> None:
    for act in (
        lambda: transaction(invoices.issue, UUID(int=1), None, SYSTEM, NOW),
        lambda: discard(UUID(int=1)),
    ):
        with pytest.raises(NotFound):
            act()


def test_a_void_invoice_is_not_issued(session: Session) -> None:
    invoice = make_invoice()
    void(invoice)
    with pytest.raises(Conflict, match="INV-2026-00001 is void"):
        issue(invoice)


def test_a_draft_thrown_away_leaves_its_charges_as_they_were(session: Session) -> None:
    customer, service = make_customer(), make_service()
    post(*(make_spec(customer, service=service, quantity=str(n)) for n in range(1, 4)), make_spec(customer, "7"))
    columns = [column for column in Charge.__table__.c if column.name != "status_reason"]
    before = session.execute(select(*columns).order_by(Charge.id)).all()
    bill(issue=False)
    id = all_invoices()[0].id
    discard(id)
    session.rollback()
    assert session.execute(select(*columns).order_by(Charge.id)).all() == before
    assert all_invoices() == []
    assert_books_balance(session)
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "invoice.discarded")).one()
    assert event.details == {"customer": customer.reference, "currency": "USD", "total": 2200, "charges": 4}
    assert session.scalars(select(BillingRunItem.invoice_id)).all() == [id]


def test_an_issued_invoice_is_not_thrown_away(session: Session) -> None:
    invoice = make_invoice()
    before = contents(session)
    with pytest.raises(Conflict, match="only a draft") as refused:
        discard(invoice.id)
    assert refused.value.code == "not_a_draft"
    assert contents(session) == before


def test_what_a_discarded_draft_held_is_billed_again_without_a_gap(session: Session) -> None:
    customer = make_customer()
    discard(make_invoice(customer, issue=False).id)
    make_invoice(customer, "5")
    (invoice,) = all_invoices()
    assert (invoice.number, invoice.total) == ("INV-2026-00001", 1500)
    assert_books_balance(session)


def test_charges_on_a_draft_move_only_with_it(session: Session) -> None:
    draft = make_invoice(issue=False)
    ids = session.scalars(select(Charge.id)).all()
    with pytest.raises(Conflict):
        transaction(charges.cancel, ids, "", SYSTEM, NOW)
    discard(draft.id)
    assert transaction(charges.cancel, ids, "", SYSTEM, NOW) == 1
    assert_books_balance(session)
