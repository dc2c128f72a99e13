"""Purchase orders of customers, charges and runs: on invoices and lines, in previews, and in what is hashed."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import dry_run, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.formats.document_contents import document_contents
from billing_admin.models import AuditEvent, BillingRun, Charge, Customer, Invoice
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.charges import corrections
from billing_admin.operations.invoices import drafts
from billing_admin.operations.master_data import customers
from billing_admin.queries.billing.preview import BillingScope, preview
from tests.books import assert_books_balance
from tests.making import MARCH_END, NOW, all_invoices, bill, credit, make_customer, make_service, make_spec, post, void

A, B = UUID(int=0xA), UUID(int=0xB)


def spec(customer: Customer | str, order: str | None, amount: str | None = "10", **fields: Any) -> ChargeSpec:
    return replace(make_spec(customer, amount, **fields), purchase_order=order)


def orders() -> list[tuple[str, list[str]]]:
    """The purchase order of each invoice and of its lines."""
    return [(invoice.purchase_order, [line.purchase_order for line in invoice.lines]) for invoice in all_invoices()]


def run(order: str | None) -> UUID:
    return runs.run_billing(transaction, RunSpec(MARCH_END, issue=True, purchase_order=order), SYSTEM, NOW)[0]


@pytest.mark.parametrize(
    ("charge", "standing", "of_run", "expected"),
    [
        (None, "", None, ""),
        (None, "", "PO-R", "PO-R"),
        (None, "PO-C", "PO-R", "PO-C"),
        ("PO-1", "PO-C", "PO-R", "PO-1"),
        ("", "PO-C", None, "PO-C"),
    ],
)
def test_an_invoice_has_the_order_of_its_charges_or_the_customer_or_the_run(
    session: Session, charge: str | None, standing: str, of_run: str | None, expected: str
) -> None:
    post(spec(make_customer(purchase_order=standing), charge))
    run(of_run)
    assert orders() == [(expected, [charge or standing])]
    assert_books_balance(session)


def test_charges_of_several_orders_have_lines_of_their_own(session: Session) -> None:
    customer, service = make_customer(purchase_order="PO-C"), make_service()
    post(*(spec(customer, order, None, service=service, quantity="2") for order in ("PO-2", "PO-1", None, "PO-1")))
    shown = preview(session, BillingScope(MARCH_END))
    bill(confirmed=shown.digest)
    assert orders() == [("PO-C", ["PO-1", "PO-2", "PO-C"])]
    [invoice] = all_invoices()
    assert [(line.charges, line.net) for line in invoice.lines] == [(2, 1000), (1, 500), (1, 500)]
    contents = document_contents(invoice)
    assert ("Your order", "PO-C") in contents["facts"]
    assert contents["table"]["details"] == ["Your order PO-1", "Your order PO-2", ""]
    assert_books_balance(session)


def test_the_standing_order_is_copied_once_and_old_invoices_keep_theirs(session: Session) -> None:
    customer = make_customer(purchase_order="PO-1")
    post(spec(customer, None))
    bill()
    transaction(customers.update, customer.id, {"purchase_order": "PO-2"}, None, SYSTEM, NOW)
    post(spec(customer, None, "11"))
    bill()
    assert [order for order, _ in orders()] == ["PO-1", "PO-2"]


def test_a_charge_keeps_the_standing_order_of_its_posting(session: Session) -> None:
    customer = make_customer(purchase_order="PO-1")
    post(spec(customer, None, id=A))
    transaction(customers.update, customer.id, {"purchase_order": "PO-2"}, None, SYSTEM, NOW)
    assert [post(spec(customer, order, id=A)).replayed for order in (None, "", "PO-1")] == [1, 1, 1]
    with pytest.raises(Conflict):
        post(spec(customer, "PO-2", id=A))
    post(spec(customer, "", "11", id=B))
    session.rollback()
    assert [session.get_one(Charge, id).purchase_order for id in (A, B)] == ["PO-1", "PO-2"]
    bill()
    assert orders() == [("PO-2", ["PO-1", "PO-2"])]
    assert_books_balance(session)


def test_the_standing_order_given_on_a_charge_is_a_likely_duplicate(session: Session) -> None:
    customer = make_customer(purchase_order="PO-1")
    result = post(spec(customer, None), spec(customer, "PO-1"), spec(customer, "PO-2"))
    assert result.duplicates == [result.ids[1]]


def test_another_standing_order_changes_the_preview(session: Session) -> None:
    customer = make_customer()
    post(spec(customer, None))
    shown = preview(session, BillingScope(MARCH_END))
    transaction(customers.update, customer.id, {"purchase_order": "PO-2"}, None, SYSTEM, NOW)
    with pytest.raises(Conflict, match="Review the new preview"):
        bill(confirmed=shown.digest)


def test_a_draft_keeps_its_order_when_charges_are_moved(session: Session) -> None:
    customer = make_customer()
    post(spec(customer, "PO-1", id=A))
    bill(issue=False)
    [draft] = all_invoices()
    post(spec(customer, "PO-2", id=B))
    transaction(drafts.move_charges, draft.id, [B], [], None, SYSTEM, NOW)
    assert orders() == [("PO-1", ["PO-1", "PO-2"])]
    assert_books_balance(session)


def test_credit_notes_and_replacements_carry_the_order_on(session: Session) -> None:
    customer = make_customer()
    post(spec(customer, "PO-1"), spec(customer, "PO-2", "20"))
    bill()
    [invoice] = all_invoices()
    note = credit(invoice, lines={line.id: "1" for line in invoice.lines})
    assert [line.purchase_order for line in note.lines] == ["PO-1", "PO-2"]
    other = make_customer(reference="OTHER")
    post(spec(other, "PO-3"))
    bill()
    [billed] = [one for one in all_invoices() if one.customer_reference == "OTHER"]
    void(billed, "billed_again")
    [draft] = [one for one in all_invoices() if one.status == "draft"]
    assert (draft.purchase_order, [line.purchase_order for line in draft.lines]) == ("PO-3", ["PO-3"])
    assert_books_balance(session)


def test_a_repeat_with_another_order_is_refused_and_a_correction_changes_it(session: Session) -> None:
    customer = make_customer()
    post(spec(customer, "PO-1", id=A))
    assert post(spec(customer, "PO-1", id=A)).replayed == 1
    assert post(spec(customer, None, id=A)).replayed == 1
    with pytest.raises(Conflict) as refusal:
        post(spec(customer, "PO-2", id=A))
    assert refusal.value.extra["differs"] == ["purchase_order"]
    transaction(corrections.correct_charge, A, {"purchase_order": "PO-2"}, B, "Typo", SYSTEM, NOW)
    session.rollback()
    assert session.get_one(Charge, B).purchase_order == "PO-2"
    [event] = session.scalars(select(AuditEvent).where(AuditEvent.action == "charge.corrected"))
    assert event.details["purchase_order"] == ["PO-1", "PO-2"]


def test_charges_of_two_orders_are_not_likely_duplicates(session: Session) -> None:
    customer = make_customer()
    result = post(spec(customer, "PO-1"), spec(customer, "PO-2"), spec(customer, None), spec(customer, "PO-1"))
    assert result.duplicates == [result.ids[3]]


@pytest.mark.parametrize("order", ["a\nb", "x" * 201, "\0"])
def test_a_bad_order_is_refused_at_its_field(session: Session, order: str) -> None:
    customer = make_customer()
    post(spec(customer, None))
    for work in (
        lambda: post(spec(customer, order)),
        lambda: runs.preview_run(dry_run, session, RunSpec(MARCH_END, purchase_order=order), SYSTEM, NOW),
        lambda: run(order),
        lambda: make_customer(reference="NEW", purchase_order=order),
    ):
        with pytest.raises(Invalid) as refusal:
            work()
        assert refusal.value.field[-1] == "purchase_order"
    session.rollback()
    assert session.scalars(select(BillingRun)).all() == []


def test_a_run_posted_again_with_another_order_is_refused(session: Session) -> None:
    post(spec(make_customer(), None))
    asked = RunSpec(MARCH_END, issue=True, id=A, purchase_order="PO-1")
    runs.run_billing(transaction, asked, SYSTEM, NOW)
    assert runs.run_billing(transaction, asked, SYSTEM, NOW) == (A, False)
    with pytest.raises(Conflict) as refusal:
        runs.run_billing(transaction, replace(asked, purchase_order="PO-2"), SYSTEM, NOW)
    assert refusal.value.extra["differs"] == ["purchase_order"]


def test_the_order_of_an_issued_line_never_changes(session: Session) -> None:
    post(spec(make_customer(), "PO-1"))
    bill()
    [invoice] = all_invoices()
    with pytest.raises(Exception, match="never changed"):
        transaction(lambda s: s.execute(update(Invoice).where(Invoice.id == invoice.id).values(purchase_order="X")))
