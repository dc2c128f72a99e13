"""The worked cases of `docs/documents.md`, through the operations."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.lifecycle import balance
from billing_admin.domain.money import Money
from billing_admin.models import Charge, Invoice, Payment
from billing_admin.operations.invoices import invoices
from billing_admin.queries.invoices.credit_notes import creditable
from tests.books import assert_books_balance
from tests.making import (
    NOW,
    all_invoices,
    bill,
    credit,
    make_customer,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
    void,
)
from tests.prepared import prepared

PAGE = Path(__file__).resolve().parents[2] / "docs" / "documents.md"


def table(title: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    part = PAGE.read_text().split(f"### {title}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture
@prepared
def invoice(session: Session) -> Invoice:
    customer = make_customer(reference="ACME", currency="EUR")
    for code, percent, amount in (("VAT19", "19", "100"), ("VAT7", "7", "50")):
        service = make_service(code=f"at-{code}", tax_rate=make_tax_rate(code, percent).code, prices={})
        post(make_spec(customer, amount, service=service))
    bill()
    return all_invoices()[0]


def said(minor: int) -> str:
    return str(Money(minor, "EUR"))


def rest(session: Session, invoice: Invoice) -> str:
    session.rollback()
    return said(creditable(session, invoice.id).left)


def fresh(id: object) -> Invoice:
    return next(one for one in all_invoices() if one.id == id)


def test_credits_one_after_the_other(session: Session, invoice: Invoice) -> None:
    rows = table("Credits, one after the other")
    assert len(rows) >= 5
    for what, *expected in rows:
        number = re.search(r"[0-9.]+", what)
        amount = number[0] if number else rest(session, invoice)
        note = credit(invoice, lines={invoice.lines[0].id: amount}) if "first line" in what else credit(invoice, amount)
        at = {tax.percent: (said(tax.base), said(tax.tax)) for tax in note.taxes}
        nothing = ("0.00", "0.00")
        found = [*at.get(Decimal(19), nothing), *at.get(Decimal(7), nothing), said(note.total), rest(session, invoice)]
        assert found == expected, what
    notes = [one for one in all_invoices() if one.kind == "credit_note"]
    assert (sum(one.net for one in notes), sum(one.tax for one in notes)) == (invoice.net, invoice.tax)
    assert_books_balance(session)


@pytest.mark.parametrize("row", table("What was paid"))
def test_what_was_paid(session: Session, invoice: Invoice, row: list[str]) -> None:
    paid, amount, less, becomes, after = row
    payment = pay(make_payment_spec("ACME", paid)) if Decimal(paid) else None
    owed = balance(fresh(invoice.id))
    credit(invoice, amount)
    now_owed = balance(fresh(invoice.id))
    free = 0
    if payment is not None:
        stored = session.get_one(Payment, payment)
        free = stored.amount - stored.allocated
    assert [said(owed - now_owed), said(free), said(now_owed)] == [less, becomes, after]
    assert_books_balance(session)


def test_a_void_with_re_billing(session: Session, invoice: Invoice) -> None:
    steps = table("A void with re-billing")

    def check(step: int, one: Invoice) -> None:
        session.rollback()
        [status] = set(session.scalars(select(Charge.status)))
        number = one.number or "none"
        assert [number, one.status, said(one.total), status] == steps[step][1:], steps[step][0]

    check(0, invoice)
    draft = void(invoice, "billed_again")
    check(1, fresh(invoice.id))
    check(2, fresh(draft))
    transaction(invoices.issue, fresh(draft).id, None, SYSTEM, NOW)
    check(3, fresh(draft))
    void(fresh(draft), "pending")
    check(4, fresh(draft))
    assert fresh(draft).replaces_id == invoice.id
    assert_books_balance(session)
