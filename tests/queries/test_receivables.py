"""What is owed on any day: the worked cases of `docs/receivables.md`, credit notes, voids, statements, and a past that stays."""

import random
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.money import Money, exact_decimal
from billing_admin.domain.receivables import Position
from billing_admin.domain.refunds import RefundSpec
from billing_admin.models import Allocation, Customer, Invoice
from billing_admin.operations.payments import payments, refunds
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.payments.receivables import positions, positions_by_currency, statements
from tests.levels import rounds
from tests.making import all_invoices, make_customer, make_invoice, make_payment_spec, pay
from tests.prepared import prepared

PAGE = Path(__file__).resolve().parents[2] / "docs" / "receivables.md"
BOOKINGS = ["Booked", "Dated", "What", "Name", "Amount", "For"]
FIGURES = [
    "As of",
    "Invoiced",
    "Credited",
    "Paid",
    "Credit",
    "Balance",
    "Not due",
    "1–30",
    "31–60",
    "61–90",
    "Over 90",
]
TODAY = date(2026, 6, 1)


@dataclass(frozen=True)
class Case:
    """A customer's bookings, and what is owed on some days."""

    name: str
    bookings: list[list[str]]
    figures: list[list[str]]


def _rows(part: str, header: list[str]) -> list[list[str]]:
    tables = [[_cells(line) for line in table.splitlines()] for table in part.split("\n\n") if table.startswith("|")]
    return next(table[2:] for table in tables if table[0] == header)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip()[1:-1].split("|")]


def _cases() -> Iterator[Case]:
    for part in PAGE.read_text().partition("## Worked")[2].split("\n### ")[1:]:
        name, _, rest = part.partition("\n\n")
        yield Case(name, _rows(rest, BOOKINGS), _rows(rest, FIGURES))


CASES = list(_cases())


class Book:
    """One customer in USD, for whom things are booked by name."""

    def __init__(self) -> None:
        self.customer = make_customer(reference="ACME")
        self.ids: dict[str, UUID] = {}

    def enter(self, booked: str, dated: str, what: str, name: str, amount: str, parts: str) -> None:
        """Book one row of a table."""
        now = datetime.combine(date.fromisoformat(booked), time(12), UTC)
        work: dict[str, Callable[[], Any]] = {
            "invoice": lambda: make_invoice(self.customer, amount, now=now).id,
            "payment": lambda: pay(self._payment(amount, dated, parts), now),
            "reverse": lambda: self._do(payments.reverse, name, "Bounced", date.fromisoformat(dated), now=now),
            "allocate": lambda: self._do(payments.allocate, name, parts, now=now),
            "write off": lambda: self._do(payments.write_off, name, exact_decimal(amount), "A cent", None, now=now),
            "withdraw": lambda: self._do(
                payments.withdraw_allocation, name, self._allocation(name, parts), "", now=now
            ),
            "refund": lambda: transaction(refunds.record, self._refund(amount, dated), SYSTEM, now).id,
            "reverse refund": lambda: self._do(refunds.reverse, name, "Came back", date.fromisoformat(dated), now=now),
        }
        made = work[what]()
        if what in {"invoice", "payment", "refund"}:
            self.ids[name] = made

    def _payment(self, amount: str, dated: str, parts: str) -> Any:
        asked: Any = {"oldest": "oldest", "nothing": ()}.get(parts)
        if asked is None:
            asked = {str(self.ids[invoice]): part for invoice, part in (one.split() for one in parts.split("; "))}
        return make_payment_spec(self.customer, amount, asked, received_on=date.fromisoformat(dated))

    def _refund(self, amount: str, dated: str) -> RefundSpec:
        paid_on = date.fromisoformat(dated)
        return RefundSpec(self.customer.reference, exact_decimal(amount), "bank_transfer", paid_on=paid_on)

    def _do(self, operation: Callable[..., Any], name: str, *args: Any, now: datetime) -> Any:
        return transaction(operation, self.ids[name], *args, SYSTEM, now)

    def _allocation(self, payment: str, invoice: str) -> UUID:
        def find(session: Session) -> UUID:
            of = (Allocation.payment_id == self.ids[payment], Allocation.invoice_id == self.ids[invoice])
            return session.scalars(select(Allocation.id).where(*of, Allocation.withdrawn_on.is_(None))).one()

        return transaction(find)


def written(position: Position) -> list[str]:
    amounts = (position.invoiced, position.credited, position.paid, position.unallocated, position.balance)
    return [str(Money(minor, "USD")) for minor in (*amounts, *position.open)]


def as_of(session: Session, day: date | None) -> Position:
    """The one customer's position in USD."""
    session.rollback()
    return positions_by_currency(positions(session, day or TODAY).items()).get("USD", Position(0, 0, 0, 0, (0,) * 5))


def test_the_cases_are_there() -> None:
    assert len(CASES) == 4
    assert {row[2] for case in CASES for row in case.bookings} >= {
        "payment",
        "reverse",
        "allocate",
        "withdraw",
        "refund",
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_of_the_page_holds(session: Session, case: Case) -> None:
    book = Book()
    for booking in case.bookings:
        book.enter(*booking)
    for day, *amounts in case.figures:
        assert written(as_of(session, date.fromisoformat(day))) == amounts, day
    last = case.figures[-1][0]
    assert written(as_of(session, None))[:5] == written(as_of(session, date.fromisoformat(last)))[:5]
    assert [result.check.name for result in run_checks(session) if result.count] == []


# --- credit notes and voids, which other operations make ---------------------------------------------------------------


def credit(invoice: Invoice, minor: int, day: date) -> None:
    """A credit note as it is stored, with no more than receivables need; its money is freed first, as they free it."""

    def work(session: Session) -> None:
        row = dict(session.execute(select(Invoice.__table__).where(Invoice.id == invoice.id)).mappings().one())
        above = minor - (row["total"] - row["paid"] - row["credited"])
        payments.withdraw_from_invoice(session, row, above, day, SYSTEM, datetime.combine(day, time(12), UTC))
        note = row | {"id": uuid4(), "kind": "credit_note", "corrects_id": row["id"], "number": f"CN-{uuid4()}"}
        note |= {"series_id": row["series_id"], "sequence": 1000 + minor, "issue_date": day, "paid": 0, "credited": 0}
        session.execute(insert(Invoice).values(note | {"net": minor, "tax": 0, "total": minor}))
        session.execute(update(Invoice).where(Invoice.id == row["id"]).values(credited=row["credited"] + minor))

    transaction(work)


def void(invoice: Invoice, day: date) -> None:
    change = update(Invoice).where(Invoice.id == invoice.id).values(status="void", voided_on=day)
    transaction(lambda session: session.execute(change))


def at(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def test_a_credit_note_counts_from_its_day_and_frees_what_was_paid(session: Session) -> None:
    customer = make_customer()
    invoice = make_invoice(customer, "100", now=at(date(2026, 1, 1)))
    pay(make_payment_spec(customer, "80"), at(date(2026, 1, 10)))
    credit(invoice, 5000, date(2026, 1, 20))
    assert written(as_of(session, date(2026, 1, 19)))[:5] == ["100.00", "0.00", "80.00", "0.00", "20.00"]
    assert written(as_of(session, date(2026, 1, 20)))[:5] == ["100.00", "50.00", "50.00", "30.00", "-30.00"]
    assert as_of(session, None).balance == -3000


def test_a_void_invoice_is_owed_until_its_day(session: Session) -> None:
    invoice = make_invoice(amount="100", now=at(date(2026, 1, 1)))
    void(invoice, date(2026, 1, 20))
    assert [as_of(session, date(2026, 1, day)).balance for day in (19, 20)] == [10000, 0]
    assert as_of(session, None).invoiced == 0


def test_covered_twice_by_an_entry_dated_back_the_rest_is_credit(session: Session) -> None:
    customer = make_customer()
    invoice = make_invoice(customer, "100", now=at(date(2026, 1, 1)))
    id = pay(make_payment_spec(customer, "100"), at(date(2026, 1, 10)))
    allocation = transaction(lambda session: session.scalars(select(Allocation.id)).one())
    transaction(payments.withdraw_allocation, id, allocation, "", SYSTEM, at(date(2026, 1, 20)))
    void(invoice, date(2026, 1, 15))
    found = as_of(session, date(2026, 1, 16))
    assert (found.invoiced, found.paid, found.unallocated, found.balance) == (0, 0, 10000, -10000)


def test_drafts_and_other_currencies_stay_apart(session: Session) -> None:
    customer = make_customer(reference="ACME")
    make_invoice(customer, "100", issue=False, now=at(date(2026, 1, 1)))
    pay(make_payment_spec(customer, "7", (), currency="JPY"), at(date(2026, 1, 2)))
    pay(make_payment_spec(make_customer(reference="FOO"), "5", ()), at(date(2026, 1, 2)))
    found = positions(session, TODAY)
    assert {currency: position.balance for (_, currency), position in found.items()} == {"JPY": -7, "USD": -500}
    assert set(positions(session, date(2026, 1, 2), [customer.id])) == {(customer.id, "JPY")}
    assert positions(session, date(2026, 1, 1)) == {}


# --- statements -------------------------------------------------------------------------------------------------------


@pytest.fixture
@prepared
def told(session: Session) -> Customer:
    """A customer with every kind of entry."""
    customer = make_customer(reference="ACME")
    first = make_invoice(customer, "100", now=at(date(2026, 1, 1)))
    second = make_invoice(customer, "50", now=at(date(2026, 1, 5)))
    pay(make_payment_spec(customer, "30", {str(first.id): "30"}, reference="R-1"), at(date(2026, 1, 10)))
    bounced = pay(make_payment_spec(customer, "20", ()), at(date(2026, 1, 10)))
    transaction(payments.reverse, bounced, "Bounced", None, SYSTEM, at(date(2026, 1, 12)))
    void(second, date(2026, 1, 12))
    credit(first, 6998, date(2026, 1, 15))
    transaction(payments.write_off, first.id, exact_decimal("0.02"), "Cents", None, SYSTEM, at(date(2026, 1, 20)))
    return customer


def test_a_statement_runs_from_opening_to_closing(session: Session, told: Customer) -> None:
    session.rollback()
    whole = statements(session, told.id, TODAY)["USD"]
    assert [(row.entry.on.day, row.entry.kind, row.entry.amount, row.balance) for row in whole.rows] == [
        (1, "invoice", 10000, 10000),
        (5, "invoice", 5000, 15000),
        (10, "payment", -2000, 13000),
        (10, "payment", -3000, 10000),
        (12, "void", -5000, 5000),
        (12, "reversal", 2000, 7000),
        (15, "credit_note", -6998, 2),
        (20, "write_off", -2, 0),
    ]
    assert (whole.opening, whole.closing) == (0, as_of(session, None).balance)
    part = statements(session, told.id, TODAY, date(2026, 1, 10), date(2026, 1, 12))["USD"]
    assert (part.opening, part.closing, len(part.rows)) == (15000, 7000, 4)
    assert part.rows[1].entry.number == "R-1"


def test_a_statement_closes_with_the_balance_of_its_last_day(session: Session, told: Customer) -> None:
    for day in (date(2026, 1, 1) + timedelta(n) for n in range(25)):
        assert statements(session, told.id, TODAY, None, day)["USD"].closing == as_of(session, day).balance


def test_who_was_never_billed_has_no_statement(session: Session) -> None:
    assert statements(session, make_customer().id, TODAY) == {}


# --- the past stays as it was -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", rounds(4))
def test_what_was_answered_for_a_past_day_is_answered_again(session: Session, seed: int) -> None:
    chance, book, day = random.Random(seed), Book(), date(2026, 1, 1)
    answered: dict[date, Position] = {}
    for step in range(25):
        day += timedelta(chance.randrange(1, 12))
        _something(chance, book, f"{step}", day)
        answered[day] = as_of(session, day)
        session.rollback()
        stored_sums = astuple(positions_by_currency(positions(session, date.max).items())["USD"])
        assert stored_sums[:4] == astuple(answered[day])[:4]
    for asked, position in answered.items():
        assert as_of(session, asked) == position
        assert sum(position.open) - position.unallocated == position.balance
    assert {type(invoice.paid) for invoice in all_invoices()} == {int}


def _something(chance: random.Random, book: Book, name: str, day: date) -> None:
    """A booking of that day; those that find nothing to do make an invoice."""
    amount, today = str(chance.randrange(1, 200)), day.isoformat()
    known = [one for one in book.ids if one.startswith("P")]
    what = chance.choice(["invoice", "payment", "payment", "allocate", "reverse"])
    if what in {"invoice", "payment"} or not known:
        kind = "payment" if what == "payment" else "invoice"
        book.enter(today, today, kind, f"{kind[0].upper()}{name}", amount, chance.choice(["oldest", "nothing"]))
        return
    one = chance.choice(known)
    book.enter(today, today, what, one, "", "oldest")
    if what == "reverse":
        del book.ids[one]
