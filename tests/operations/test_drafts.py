"""Drafts change as long as they are drafts: what they say, and what is on them."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound, Stale
from billing_admin.domain.master_data import DraftFields
from billing_admin.models import AuditEvent, Charge, Invoice
from billing_admin.operations.charges import charges
from billing_admin.operations.invoices import drafts, invoices
from tests.books import assert_books_balance, contents
from tests.making import (
    NOW,
    all_invoices,
    bill,
    make_customer,
    make_invoice,
    make_service,
    make_spec,
    make_tax_rate,
    post,
)
from tests.prepared import prepared


@pytest.fixture
@prepared
def draft(session: Session) -> Invoice:
    """Of ACME: two charges of a service at 2.50 with 19 % tax, and one that stands alone; a later one is pending."""
    customer, service = make_customer(reference="ACME"), make_service(tax_rate=make_tax_rate().code)
    post(*(make_spec(customer, service=service, quantity=n) for n in ("1", "2")), make_spec(customer, "7"))
    post(make_spec(customer, service=service, quantity="4", incurred_on=date(2026, 4, 1)))
    bill(issue=False)
    return all_invoices()[0]


def move(draft: Invoice, add: list[UUID] | None = None, remove: list[UUID] | None = None, version: int = 1) -> int:
    return transaction(drafts.move_charges, draft.id, add or [], remove or [], version, SYSTEM, NOW)


def ids(session: Session, status: str) -> list[UUID]:
    session.rollback()
    return list(session.scalars(select(Charge.id).where(Charge.status == status).order_by(Charge.id)))


def change(draft: Invoice, version: int | None = None, **fields: object) -> bool:
    given: DraftFields = fields  # type: ignore[assignment]
    return transaction(drafts.change, draft.id, given, version, SYSTEM, NOW)


def test_charges_come_and_go_and_the_document_is_made_anew(session: Session, draft: Invoice) -> None:
    first, second, alone = ids(session, "billed")
    [waiting] = ids(session, "pending")
    assert (draft.net, draft.tax, draft.total) == (1450, 143, 1593)
    assert move(draft, [waiting], [first, alone]) == 3
    [after] = all_invoices()
    assert (after.net, after.tax, after.total, after.version) == (1500, 285, 1785, 2)
    assert [(line.position, line.charges, line.quantity, line.net) for line in after.lines] == [
        (1, 2, Decimal(6), 1500)
    ]
    assert (after.period_from, after.period_to) == (date(2026, 3, 15), date(2026, 4, 1))
    assert (after.id, after.run_id, after.created_at) == (draft.id, draft.run_id, draft.created_at)
    assert ids(session, "pending") == [first, alone]
    assert ids(session, "billed") == [second, waiting]
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "invoice.charges_moved")).one()
    assert event.details["total"] == [1593, 1785]
    assert (event.details["added"], len(event.details["removed"])) == ([str(waiting)], 2)
    assert_books_balance(session)
    assert transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    assert_books_balance(session)


def test_what_is_where_it_should_be_stays(session: Session, draft: Invoice) -> None:
    before = contents(session)
    assert move(draft, [ids(session, "billed")[0]], [ids(session, "pending")[0]]) == 0
    assert contents(session) == before


def test_a_draft_left_empty_or_owing_nothing_is_refused(session: Session, draft: Invoice) -> None:
    [gift] = post(make_spec("ACME", "-14.50", incurred_on=date(2026, 4, 1))).ids
    [large_gift] = post(make_spec("ACME", "-100", incurred_on=date(2026, 4, 1))).ids
    on_it = ids(session, "billed")
    before = contents(session)
    for add, remove, code in (
        ([], on_it, "empty_draft"),
        ([large_gift], [], "negative_total"),
        ([gift], [], None),
    ):
        if code is None:
            assert move(draft, add, remove) == 1
            continue
        with pytest.raises(Conflict) as refused:
            move(draft, add, remove)
        assert refused.value.code == code
        assert contents(session) == before
    assert_books_balance(session)


def test_only_pending_charges_of_the_same_account_are_added(session: Session, draft: Invoice) -> None:
    other = make_customer(reference="OTHER")
    [theirs] = post(make_spec(other, "1")).ids
    [euros] = post(make_spec("ACME", "1", currency="EUR")).ids
    held, cancelled = post(make_spec("ACME", "2"), make_spec("ACME", "3")).ids
    transaction(charges.hold, [held], "", SYSTEM, NOW)
    transaction(charges.cancel, [cancelled], "", SYSTEM, NOW)
    before = contents(session)
    for id, kind, code in (
        (theirs, Invalid, "other_account"),
        (euros, Invalid, "other_account"),
        (held, Conflict, "charge_held"),
        (cancelled, Conflict, "charge_cancelled"),
        (UUID(int=1), Invalid, "unknown_charge"),
    ):
        with pytest.raises(kind) as refused:
            move(draft, [ids(session, "pending")[0], id])
        assert (refused.value.code, refused.value.field) == (code, ("add", 1))
        assert contents(session) == before


def test_what_is_said_on_it_becomes_part_of_the_document(session: Session, draft: Invoice) -> None:
    assert change(draft, 1, note="As agreed.\nThanks.", purchase_order="PO-7", due_date=date(2026, 6, 30))
    assert not change(draft, 2, purchase_order="PO-7")
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "invoice.changed")).one()
    assert event.details == {
        "note": ["", "As agreed.\nThanks."],
        "purchase_order": ["", "PO-7"],
        "due_date": [None, "2026-06-30"],
    }
    transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    [issued] = all_invoices()
    assert (issued.note, issued.purchase_order, issued.due_date) == ("As agreed.\nThanks.", "PO-7", date(2026, 6, 30))
    assert_books_balance(session)


def test_a_due_date_in_the_past_is_refused_when_the_draft_is_saved(session: Session, draft: Invoice) -> None:
    with pytest.raises(Invalid) as refused:
        change(draft, due_date=date(2026, 4, 1), note="Thanks")
    assert (refused.value.code, refused.value.field) == ("due_before_issue", ("due_date",))
    assert refused.value.message == (
        "Use 2026-04-02 (today) or a later day: an invoice cannot be due before it is issued."
    )
    assert change(draft, due_date=date(2026, 4, 2))
    assert change(draft, due_date=None)


def test_a_draft_whose_due_date_has_passed_keeps_it_until_it_is_changed(session: Session, draft: Invoice) -> None:
    change(draft, due_date=date(2026, 4, 2))
    later = NOW + timedelta(days=3)
    assert transaction(drafts.change, draft.id, {"note": "Thanks", "due_date": date(2026, 4, 2)}, None, SYSTEM, later)


def test_a_due_date_before_the_issue_is_refused_at_issue(session: Session, draft: Invoice) -> None:
    change(draft, due_date=date(2026, 4, 2))
    with pytest.raises(Invalid, match="The draft for ACME is due on 2026-04-02") as refused:
        transaction(invoices.issue, draft.id, None, SYSTEM, NOW + timedelta(days=1))
    assert refused.value.code == "due_before_issue"


@pytest.mark.parametrize("fields", [{"note": "\0"}, {"note": "x" * 1001}, {"purchase_order": "a\nb"}])
def test_what_cannot_be_printed_is_refused(session: Session, draft: Invoice, fields: DraftFields) -> None:
    before = contents(session)
    with pytest.raises(Invalid):
        transaction(drafts.change, draft.id, fields, None, SYSTEM, NOW)
    assert contents(session) == before


def test_nobody_changes_what_another_changed_meanwhile(session: Session, draft: Invoice) -> None:
    change(draft, 1, note="Mine")
    before = contents(session)
    with pytest.raises(Stale):
        change(draft, 1, note="Yours")
    with pytest.raises(Stale):
        move(draft, [], ids(session, "billed")[:1])
    assert contents(session) == before


def test_only_a_draft_is_changed(session: Session, draft: Invoice) -> None:
    transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    before = contents(session)
    with pytest.raises(Conflict, match="To correct it, credit or void it"):
        change(draft, note="Late")
    with pytest.raises(Conflict, match="To correct it, credit or void it"):
        move(draft, [], ids(session, "billed")[:1])
    with pytest.raises(NotFound):
        transaction(drafts.change, UUID(int=1), {}, None, SYSTEM, NOW)
    assert contents(session) == before


def test_many_are_issued_at_once_by_reference(session: Session) -> None:
    made = [make_invoice(make_customer(reference=f"D-{n}"), issue=False) for n in range(3)]
    issued = make_invoice(make_customer(reference="A"))
    count = transaction(
        invoices.issue_many,
        [one.id for one in [*reversed(made), issued]],
        date(2026, 4, 3),
        SYSTEM,
        NOW + timedelta(days=1),
    )
    assert count == 3
    assert [one.customer_reference for one in all_invoices()] == ["A", "D-0", "D-1", "D-2"]
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "invoice.issued", AuditEvent.at > NOW)).one()
    assert (event.details["first"], event.details["last"]) == ("INV-2026-00002", "INV-2026-00004")
    assert (
        transaction(invoices.issue_many, [one.id for one in made], date(2026, 4, 3), SYSTEM, NOW + timedelta(days=1))
        == 0
    )
    assert_books_balance(session)


def test_many_are_issued_all_or_none(session: Session) -> None:
    first, second = (make_invoice(make_customer(), issue=False) for _ in range(2))
    change(second, due_date=date(2026, 4, 2))
    before = contents(session)
    with pytest.raises(DomainError):
        transaction(invoices.issue_many, [first.id, second.id], date(2026, 4, 3), SYSTEM, NOW + timedelta(days=1))
    assert contents(session) == before
