"""Crediting and billing again in one act: the whole or nothing, once, with the money that was paid."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM, Actor
from billing_admin.domain.errors import Conflict, Denied, DomainError, Invalid
from billing_admin.formats.document_contents import document_contents
from billing_admin.formats.einvoice_terms import document_terms
from billing_admin.models import AuditEvent, Charge, Invoice, Organisation, Payment
from billing_admin.operations.invoices import rebilling
from billing_admin.operations.invoices.rebilling import CorrectedLine, Rebilling, RebillSpec
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.invoices.numbers import SeriesFilter, number_register
from tests.books import assert_books_balance, contents
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_customer,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
)
from tests.people import signed_in
from tests.prepared import prepared
from tests.web.pages import words

LATER = NOW + timedelta(days=3)
N = UUID(int=0xC)


@pytest.fixture
@prepared
def invoice(session: Session) -> Invoice:
    """10 hours at 12.00 and a fee of 30.00, at 19 %: 178.50 USD, of which 100.00 are paid."""
    customer = make_customer(reference="ACME")
    rate = make_tax_rate("VAT19", "19").code
    hours = make_service(code="hours", tax_rate=rate, prices={"USD": Decimal(12)})
    fee = make_service(code="fee", tax_rate=rate, prices={})
    for quantity in ("4", "6"):
        post(make_spec(customer, service=hours, quantity=quantity))
    post(make_spec(customer, "30", service=fee))
    bill()
    pay(make_payment_spec(customer, "100"))
    return all_invoices()[0]


def by_code(invoice: Invoice, code: str) -> UUID:
    return next(line.id for line in invoice.lines if line.service_code == code)


def again(invoice: Invoice, *corrected: CorrectedLine, actor: Actor = SYSTEM, **fields: Any) -> Rebilling:
    spec = RebillSpec("Disputed", corrected, **fields)
    return transaction(rebilling.bill_again, invoice.id, spec, actor, LATER)


def stored(id: UUID) -> Invoice:
    return next(one for one in all_invoices() if one.id == id)


def assert_sound(session: Session) -> None:
    assert_books_balance(session)
    assert [result.check.name for result in run_checks(session) if result.count] == []


def test_a_disputed_line_is_credited_and_billed_again(session: Session, invoice: Invoice) -> None:
    corrected = CorrectedLine(by_code(invoice, "hours"), quantity=Decimal(7))
    made = again(invoice, corrected, issue=True, apply_credit=True)
    note, new, old = stored(made.credit_note), stored(made.invoice), stored(invoice.id)
    assert (note.total, note.corrects_id, note.reason) == (14280, invoice.id, "Disputed")
    assert (new.total, new.status, new.number) == (9996, "issued", "INV-2026-00002")
    assert [(line.quantity, line.unit_price, line.service_code) for line in new.lines] == [
        (Decimal(7), Decimal(12), "hours")
    ]
    # 178.50 less 142.80 leaves 35.70, so that 64.30 of the payment are free again and pay the new invoice.
    assert (old.paid, old.credited, new.paid, made.applied) == (3570, 14280, 6430, 6430)
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "invoice.billed_again")).one()
    assert event.object_id == new.id
    assert event.details == {
        "corrects": "INV-2026-00001",
        "credit_note": note.number,
        "reason": "Disputed",
        "issue": True,
        "apply_credit": True,
    }
    assert_sound(session)


def test_each_new_invoice_names_the_old_one(app: Flask, session: Session, invoice: Invoice) -> None:
    parts = [CorrectedLine(by_code(invoice, code), amount=Decimal(20)) for code in ("fee", "hours")]
    made = [again(invoice, part, issue=True).invoice for part in parts]
    old = stored(invoice.id)
    assert old.replacement is None  # its remainder stays valid
    assert [row.number for row in session.execute(number_register(SeriesFilter("invoice", NOW.year)))] == [
        "INV-2026-00003",
        "INV-2026-00002",
        "INV-2026-00001",
    ]
    page = words(signed_in(app).get(f"/invoices/{made[1]}"))
    assert "It bills lines of INV-2026-00001 again, which were credited." in page
    for new in map(stored, made):
        facts = dict(document_contents(new)["facts"])
        assert facts["Preceding invoice"].startswith("INV-2026-00001 of ")
        assert document_terms(new)["BG-3"] == [{"BT-25": "INV-2026-00001", "BT-26": old.issue_date}]


def test_a_draft_is_made_unless_it_is_issued(session: Session, invoice: Invoice) -> None:
    made = again(invoice, CorrectedLine(by_code(invoice, "fee"), amount=Decimal("20.00")))
    new = stored(made.invoice)
    assert (new.status, new.total, new.number) == ("draft", 2380, None)
    session.rollback()
    assert session.scalar(select(func.sum(Payment.amount - Payment.allocated))) == 0
    assert_sound(session)


@pytest.mark.parametrize("apply_credit", [True, False])
def test_credit_that_the_issue_applies_is_counted(session: Session, invoice: Invoice, apply_credit: bool) -> None:
    change_settings(applies_credit=True)
    corrected = CorrectedLine(by_code(invoice, "hours"), quantity=Decimal(7))
    made = again(invoice, corrected, issue=True, apply_credit=apply_credit)
    assert (stored(made.invoice).paid, made.applied) == (6430, 6430)
    assert_sound(session)


def test_a_price_is_corrected_and_unchanged_values_stay(session: Session, invoice: Invoice) -> None:
    hours, fee = by_code(invoice, "hours"), by_code(invoice, "fee")
    made = again(invoice, CorrectedLine(hours, unit_price=Decimal("11.50")), CorrectedLine(fee))
    new = stored(made.invoice)
    assert [(line.service_code, line.net) for line in new.lines] == [("fee", 3000), ("hours", 11500)]
    assert stored(made.credit_note).total == 17850
    days = set(session.scalars(select(Charge.incurred_on).where(Charge.status == "billed")))
    assert days == {date(2026, 3, 15)}
    assert_sound(session)


def test_the_rest_of_a_line_that_was_credited_in_part_is_credited(session: Session, invoice: Invoice) -> None:
    fee = by_code(invoice, "fee")
    credit(invoice, lines={fee: "10"}, now=LATER)
    made = again(invoice, CorrectedLine(fee, amount=Decimal(5)))
    assert stored(made.credit_note).net == 2000
    assert stored(made.invoice).net == 500
    assert_sound(session)


@pytest.mark.parametrize(
    ("code", "values", "field"),
    [
        ("hours", {}, "quantity"),
        ("hours", {"unit_price": Decimal(11)}, "quantity"),
        ("hours", {"quantity": Decimal(7)}, "unit_price"),
        ("fee", {}, "amount"),
    ],
)
def test_a_line_that_was_credited_in_part_needs_its_values(
    session: Session, invoice: Invoice, code: str, values: dict[str, Decimal], field: str
) -> None:
    line = by_code(invoice, code)
    credit(invoice, lines={line: "20"}, now=LATER)
    before = contents(session)
    with pytest.raises(Invalid) as refusal:
        again(invoice, CorrectedLine(line, **values), issue=True)
    [problem] = refusal.value.problems
    assert (problem.code, problem.field) == ("credited_in_part", ("lines", 0, field))
    assert contents(session) == before


def test_the_values_of_a_line_that_was_credited_in_part_are_billed(session: Session, invoice: Invoice) -> None:
    line = by_code(invoice, "hours")
    credit(invoice, lines={line: "100"}, now=LATER)
    corrected = CorrectedLine(line, quantity=Decimal(2), unit_price=Decimal(10))
    made = again(invoice, corrected, id=N)
    assert (stored(made.credit_note).net, stored(made.invoice).net) == (2000, 2000)
    assert again(invoice, corrected, id=N) == Rebilling(N, made.invoice, False)
    assert_sound(session)


def test_a_charge_like_the_credited_one_is_not_held(session: Session, invoice: Invoice) -> None:
    transaction(lambda session: session.execute(update(Organisation).values(hold_likely_duplicates=True)))
    fee = by_code(invoice, "fee")
    spec = RebillSpec("Disputed", [CorrectedLine(fee)])
    made = transaction(rebilling.bill_again, invoice.id, spec, SYSTEM, NOW + timedelta(hours=1))
    assert stored(made.invoice).net == 3000
    assert_sound(session)


def test_a_repeated_request_answers_with_the_original(session: Session, invoice: Invoice) -> None:
    corrected = CorrectedLine(by_code(invoice, "hours"), quantity=Decimal(7))
    first = again(invoice, corrected, id=N, issue=True, apply_credit=True)
    before = contents(session)
    repeated = again(invoice, corrected, id=N, issue=True, apply_credit=True)
    assert (repeated.credit_note, repeated.invoice, repeated.created) == (N, first.invoice, False)
    for other in (
        CorrectedLine(by_code(invoice, "hours"), quantity=Decimal(8)),
        CorrectedLine(by_code(invoice, "fee")),
    ):
        with pytest.raises(Conflict) as refusal:
            again(invoice, other, id=N)
        assert refusal.value.code == "id_conflict"
    assert contents(session) == before


@pytest.mark.parametrize(
    ("first", "repeated", "differs"),
    [
        ({}, {"issue": True}, ["issue"]),
        ({}, {"issue": True, "apply_credit": True}, ["issue", "apply_credit"]),
        ({"issue": True}, {"issue": True, "apply_credit": True}, ["apply_credit"]),
        ({"issue_date": date(2026, 4, 3)}, {"issue_date": date(2026, 4, 4)}, ["issue_date"]),
        ({"issue": True, "issue_date": date(2026, 4, 3)}, {"issue": True}, []),
        ({"issue": True, "apply_credit": True}, {}, []),
    ],
)
def test_a_repeated_request_that_asks_for_more_is_refused(
    session: Session, invoice: Invoice, first: dict[str, Any], repeated: dict[str, Any], differs: list[str]
) -> None:
    corrected = CorrectedLine(by_code(invoice, "hours"), quantity=Decimal(7))
    made = again(invoice, corrected, id=N, **first)
    before = contents(session)
    if differs:
        with pytest.raises(Conflict) as refusal:
            again(invoice, corrected, id=N, **repeated)
        assert (refusal.value.code, list(refusal.value.problems[0].differs)) == ("id_conflict", differs)
    else:
        assert again(invoice, corrected, id=N, **repeated) == Rebilling(N, made.invoice, False)
    assert contents(session) == before


@pytest.mark.parametrize(
    ("corrected", "fields", "code", "field"),
    [
        ([], {}, "no_lines", ("lines",)),
        ([CorrectedLine(N)], {}, "unknown_line", ("lines", 0, "line")),
        ([{"quantity": "0"}], {}, "zero_total", ("remove",)),
        ([{"quantity": "-1"}], {}, "negative_total", ("remove",)),
        ([{"quantity": "7"}], {"apply_credit": True}, "not_issued", ("apply_credit",)),
        ([{"quantity": "7"}], {"issue": True, "issue_date": date(2026, 4, 9)}, "in_the_future", ("issue_date",)),
    ],
)
def test_it_is_refused_as_a_whole(
    session: Session,
    invoice: Invoice,
    corrected: list[Any],
    fields: dict[str, Any],
    code: str,
    field: tuple[str | int, ...],
) -> None:
    before = contents(session)
    chosen = [
        one
        if isinstance(one, CorrectedLine)
        else CorrectedLine(by_code(invoice, "hours"), quantity=Decimal(one["quantity"]))
        for one in corrected
    ]
    with pytest.raises(DomainError) as refusal:
        again(invoice, *chosen, **fields)
    [problem] = refusal.value.problems
    assert (problem.code, problem.field) == (code, field)
    assert contents(session) == before


def test_a_line_that_is_credited_in_full_is_named(session: Session, invoice: Invoice) -> None:
    fee = by_code(invoice, "fee")
    credit(invoice, lines={fee: "30"}, now=LATER)
    with pytest.raises(Invalid, match="already credited in full"):
        again(invoice, CorrectedLine(fee))


def test_the_actor_may_post_and_allocate(invoice: Invoice) -> None:
    permissions = frozenset({"billing:write", "charges:write"})
    biller = Actor("token", None, "biller", permissions)
    corrected = CorrectedLine(by_code(invoice, "fee"))
    with pytest.raises(Denied, match="payments:write"):
        again(invoice, corrected, actor=biller, issue=True, apply_credit=True)
    with pytest.raises(Denied, match="charges:write"):
        again(invoice, corrected, actor=Actor("token", None, "biller", frozenset({"billing:write"})))
    assert again(invoice, corrected, actor=biller).created
