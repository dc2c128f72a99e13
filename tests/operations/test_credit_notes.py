"""Credit notes: numbered in their own series, never above what is left, and what was paid too much becomes the customer's."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, DomainError, NotFound
from billing_admin.domain.money import exact_decimal
from billing_admin.models import Allocation, AuditEvent, Invoice, Payment
from billing_admin.operations.invoices import credit_notes
from billing_admin.operations.master_data import periods
from billing_admin.queries.invoices.credit_notes import CreditSpec
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
from tests.prepared import prepared

A = UUID(int=0xA)


@pytest.fixture
@prepared
def invoice(session: Session) -> Invoice:
    """100.00 at 19 % and 50.00 at 7 %: 172.50 USD."""
    customer = make_customer(reference="ACME", name="ACME Inc")
    for code, percent, amount in (("VAT19", "19", "100"), ("VAT7", "7", "50")):
        service = make_service(code=f"at-{code}", tax_rate=make_tax_rate(code, percent).code)
        post(make_spec(customer, amount, service=service, description=None))
    bill()
    return all_invoices()[0]


def fresh(id: UUID) -> Invoice:
    return next(one for one in all_invoices() if one.id == id)


def test_half_by_amount_is_split_over_rates_and_lines(session: Session, invoice: Invoice) -> None:
    note = credit(invoice, "86.25", reason="Half was not delivered")
    assert (note.kind, note.status, note.number, note.corrects_id) == (
        "credit_note",
        "issued",
        "CN-2026-00001",
        invoice.id,
    )
    assert (note.net, note.tax, note.total, note.reason) == (7500, 1125, 8625, "Half was not delivered")
    assert [(line.net, line.corrects_line_id) for line in note.lines] == [
        (5000, invoice.lines[0].id),
        (2500, invoice.lines[1].id),
    ]
    assert [(tax.percent, tax.base, tax.tax) for tax in note.taxes] == [
        (Decimal(7), 2500, 175),
        (Decimal(19), 5000, 950),
    ]
    assert (note.issue_date, note.due_date) == (date(2026, 4, 2), date(2026, 4, 2))
    corrected = fresh(invoice.id)
    assert (corrected.credited, corrected.hash, corrected.version) == (8625, invoice.hash, invoice.version)
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "credit_note.issued")).one()
    assert (event.object_id, event.details) == (
        note.id,
        {"number": note.number, "corrects": invoice.number, "total": 8625, "reason": "Half was not delivered"},
    )
    assert_books_balance(session)


def test_by_line_then_the_rest(session: Session, invoice: Invoice) -> None:
    first = credit(invoice, lines={invoice.lines[1].id: "33.33"})
    assert (first.net, first.tax) == (3333, 233)
    rest = credit(invoice, "136.84")
    assert (rest.number, rest.total, fresh(invoice.id).credited) == ("CN-2026-00002", 13684, 17250)
    with pytest.raises(Conflict, match="credited in full"):
        credit(invoice, "0.01")
    assert_books_balance(session)


def test_what_exceeds_the_debt_becomes_the_customers_credit(session: Session, invoice: Invoice) -> None:
    paid = pay(make_payment_spec("ACME", "150"))
    credit(invoice, "72.50")
    corrected = fresh(invoice.id)
    assert (corrected.paid, corrected.credited) == (10000, 7250)
    payment = session.get_one(Payment, paid)
    assert payment.amount - payment.allocated == 5000
    standing = session.scalars(select(Allocation.amount).where(Allocation.withdrawn_on.is_(None))).all()
    assert standing == [10000]
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "credit_note.issued")).one()
    assert event.details["became_credit"] == 5000
    assert_books_balance(session)


def test_what_is_still_owed_is_reduced_first(session: Session, invoice: Invoice) -> None:
    paid = pay(make_payment_spec("ACME", "100"))
    credit(invoice, "72.50")
    assert (fresh(invoice.id).paid, session.get_one(Payment, paid).allocated) == (10000, 10000)


def test_above_what_is_left_nothing_happens(session: Session, invoice: Invoice) -> None:
    credit(invoice, "72.50")
    before = contents(session)
    with pytest.raises(DomainError, match=r"Enter at most 100\.00 USD"):
        credit(invoice, "100.01")
    with pytest.raises(DomainError, match=r"Enter at most .* net for line 2"):
        credit(invoice, lines={invoice.lines[1].id: "50"})
    assert contents(session) == before


def test_under_its_id_it_is_made_once(session: Session, invoice: Invoice) -> None:
    note = credit(invoice, "10", id=A)
    by_line = credit(invoice, lines={invoice.lines[0].id: "5"}, id=UUID(int=0xB), reason="Line")
    before = contents(session)
    assert credit(invoice, "10", id=A).id == note.id == A
    assert credit(invoice, lines={invoice.lines[0].id: "5"}, id=by_line.id, reason="Line").id == by_line.id
    other = make_invoice(make_customer())
    for change, differs in (
        ({"amount": "11"}, ["amount"]),
        ({"reason": "Another"}, ["reason"]),
        ({"issue_date": date(2026, 4, 3)}, ["issue_date"]),
        ({"amount": None, "lines": {invoice.lines[0].id: "5"}}, ["lines"]),
        ({"invoice": other}, ["invoice"]),
    ):
        asked = {"invoice": invoice, "amount": "10", "id": A} | change
        with pytest.raises(Conflict) as refused:
            credit(**asked)  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.extra["differs"]) == ("id_conflict", differs)
    assert {name: rows for name, rows in before.items() if name == "number_series"}["number_series"]
    assert [one.number for one in all_invoices() if one.kind == "credit_note"] == ["CN-2026-00001", "CN-2026-00002"]


def test_dates_follow_the_series_the_invoice_and_the_lock(session: Session, invoice: Invoice) -> None:
    later = make_invoice(make_customer(), now=NOW + timedelta(days=3))
    credit(later, "1", now=NOW + timedelta(days=3))
    transaction(periods.set_period_lock, date(2026, 4, 1), "", SYSTEM, NOW)
    before = contents(session)
    for day, code in (
        (date(2026, 4, 1), "before_invoice"),
        (date(2026, 4, 4), "before_last_issue"),
    ):
        with pytest.raises(DomainError) as refused:
            credit(invoice, "1", issue_date=day, now=NOW + timedelta(days=9))
        assert (refused.value.code, refused.value.field) == (code, ("issue_date",))
    transaction(periods.set_period_lock, date(2026, 4, 6), "", SYSTEM, NOW + timedelta(days=9))
    with pytest.raises(DomainError, match="locked through") as refused:
        credit(invoice, "1", issue_date=date(2026, 4, 6), now=NOW + timedelta(days=9))
    assert refused.value.code == "period_locked"
    assert {name: len(rows) for name, rows in contents(session).items()}["invoices"] == len(before["invoices"])
    note = credit(invoice, "1", issue_date=date(2026, 4, 7), now=NOW + timedelta(days=9))
    assert note.issue_date == date(2026, 4, 7)


def test_an_invoice_of_a_locked_period_is_credited_in_the_open_one(session: Session, invoice: Invoice) -> None:
    later = NOW + timedelta(days=40)
    transaction(periods.set_period_lock, date(2026, 4, 30), "", SYSTEM, later)
    assert credit(invoice, "172.50", now=later).issue_date == date(2026, 5, 12)
    assert_books_balance(session)


def test_what_cannot_be_credited_says_why(session: Session, invoice: Invoice) -> None:
    note, draft, voided = credit(invoice, "1"), make_invoice(issue=False), make_invoice()
    void(voided)
    before = contents(session)
    for id, sentence in (
        (note.id, "is a credit note and cannot be credited"),
        (draft.id, "A draft cannot be credited"),
        (voided.id, "is void and cannot be credited"),
    ):
        with pytest.raises(Conflict, match=sentence):
            transaction(credit_notes.credit_invoice, id, CreditSpec("Why", exact_decimal("1")), SYSTEM, NOW)
    with pytest.raises(NotFound):
        transaction(credit_notes.credit_invoice, A, CreditSpec("Why", exact_decimal("1")), SYSTEM, NOW)
    line = invoice.lines[0].id
    for spec, code in (
        (CreditSpec("", exact_decimal("1")), "blank"),
        (CreditSpec("Why"), "amount_or_lines"),
        (CreditSpec("Why", exact_decimal("1"), [(line, exact_decimal("1"))]), "amount_or_lines"),
        (CreditSpec("Why", exact_decimal("0.001")), "too_precise"),
        (CreditSpec("Why", None, [(line, exact_decimal("1")), (line, exact_decimal("2"))]), "line_twice"),
        (CreditSpec("Why", None, [(A, exact_decimal("1"))]), "unknown_line"),
    ):
        with pytest.raises(DomainError) as refused:
            transaction(credit_notes.credit_invoice, invoice.id, spec, SYSTEM, NOW)
        assert refused.value.code == code
    assert contents(session) == before


@pytest.mark.parametrize(("currency", "total", "half"), [("JPY", 1190, "595"), ("BHD", 1190000, "595")])
def test_currencies_without_and_with_three_digits(session: Session, currency: str, total: int, half: str) -> None:
    customer = make_customer(currency=currency)
    service = make_service(tax_rate=make_tax_rate().code)
    post(make_spec(customer, "1000", service=service, description=None))
    bill()
    [invoice] = all_invoices()
    assert invoice.total == total
    notes = [credit(invoice, half), credit(invoice, half)]
    assert sum(note.tax for note in notes) == invoice.tax
    assert_books_balance(session)


def test_the_hash_covers_reason_and_what_is_corrected(session: Session, invoice: Invoice) -> None:
    """`assert_books_balance` recomputes it: here, that it is not the same without them."""
    from billing_admin.domain.document_hash import canonical_content  # noqa: PLC0415
    from billing_admin.queries.invoices.document_rows import load_document_rows  # noqa: PLC0415

    note = credit(invoice, "1", reason="Agreed on the phone")
    row = dict(session.execute(select(Invoice.__table__).where(Invoice.id == note.id)).mappings().one())
    [whole] = load_document_rows(session, [row])
    said = canonical_content(whole)
    assert "Agreed on the phone" in str(said)
    assert str(invoice.id) in str(said)
    assert str(invoice.lines[0].id) in str(said)
