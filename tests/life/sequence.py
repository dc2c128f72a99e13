"""What every step of a sequence does: try a deed, note whether it was refused, and compare the product with the model."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import DomainError
from billing_admin.models import Account as StoredAccount, AuditEvent, Charge, Customer, Invoice, Payment, Refund
from billing_admin.operations.master_data import customers, organisation, services, tax_rates
from billing_admin.queries.doctor import run_checks
from billing_admin.queries.payments import receivables
from tests.conftest import Database
from tests.life.model import DIGITS, PERCENT, TERMS, UNTAXED, Account, Books

BEGIN = datetime(2026, 11, 20, 9, tzinfo=UTC)
BACK, PICK = st.integers(0, 12), st.integers(0, 40)
ACCOUNTS: tuple[Account, ...] = (("A", "EUR"), ("A", "JPY"), ("B", "JPY"), (UNTAXED, "EUR"))
PRICES = {"Hours": {"EUR": "12.345", "JPY": "33.3"}, "Meals": {"EUR": "9.995", "JPY": "105.5"}}


def stage(session: Session, holds_duplicates: bool, now: datetime) -> dict[str, UUID]:
    """Two rates, two services, three customers; returns the customers' ids by reference."""
    for percent in sorted(set(PERCENT.values())):
        rate = {"code": f"VAT{percent}", "name": "VAT", "category": "S", "percent": Decimal(percent)}
        tax_rates.create(session, rate, SYSTEM, now)  # type: ignore[arg-type]
    house = {
        "time_zone": "UTC",
        "payment_terms_days": TERMS.days,
        "invoice_format": "INV-{year}-{number:5}",
        "credit_note_format": "CN-{year}-{number:5}",
        "hold_likely_duplicates": holds_duplicates,
        "default_tax_rate": f"VAT{PERCENT[None]}",
    }
    organisation.update(session, house, None, SYSTEM, now)  # type: ignore[arg-type]
    for code, prices in PRICES.items():
        exactly = {currency: Decimal(price) for currency, price in prices.items()}
        item = {"code": code, "tax_rate": f"VAT{PERCENT[code]}", "prices": exactly}
        item["prices_include_tax"] = list(prices) if code == "Meals" else []
        services.create(session, item, None, SYSTEM, now)  # type: ignore[arg-type]
    ids = {}
    for reference, currency in dict(ACCOUNTS[::-1]).items():
        buyer = {"reference": reference, "name": reference, "currency": currency}
        if reference == UNTAXED:
            buyer |= {"tax_treatment": "reverse_charge", "tax_id": "ATU13585627"}
        ids[reference] = customers.create(session, buyer, None, SYSTEM, now)[0].id  # type: ignore[arg-type]
    return ids


class Sequence(RuleBasedStateMachine):
    """One sequence on one database."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.database.reset()
        self.context = self.database.app.app_context()
        self.context.push()
        self.now, self.made, self.events, self.refused = BEGIN, 0, 0, False
        self.books = Books(holds_duplicates=False)
        self.customers: dict[str, UUID] = {}
        self.frozen: tuple[date, Any] | None = None

    @property
    def today(self) -> date:
        return self.now.date()

    def day(self, back: int) -> date:
        return self.today - timedelta(back)

    def new_id(self) -> UUID:
        self.made += 1
        return UUID(int=self.made)

    def attempt(self, refusals: set[str], work: Callable[..., Any], *args: Any) -> Any:
        """Do it, a minute later. Where there are reasons to refuse it, it must be refused for one of them: then None."""
        self.tick()
        return self.expect(refusals, lambda: transaction(work, *args, SYSTEM, self.now))

    def tick(self) -> None:
        self.now += timedelta(minutes=1)

    def expect(self, refusals: set[str], deed: Callable[[], Any]) -> Any:
        if not refusals:
            return deed()
        with pytest.raises(DomainError) as refusal:
            deed()
        self.refused = True
        codes = {problem.code for problem in refusal.value.problems}
        assert codes <= refusals, f"refused as {codes} where {refusals} was expected"
        return None

    def one_of(self, things: dict[UUID, Any], pick: int) -> Any:
        return list(things.values())[pick % len(things)]

    def is_there(self, name: str) -> bool:
        return bool(getattr(self.books, name))

    def major(self, minor: int, account: Account) -> Decimal:
        """Minor units as people write them."""
        return Decimal(minor).scaleb(-DIGITS[account[1]])

    @invariant()
    def agrees(self) -> None:
        """Charges, documents, payments and balances are as the model says; who was refused left no trace."""
        db.session.rollback()
        self.agree_on_charges()
        self.agree_on_documents()
        self.agree_on_payments()
        names = {id: reference for reference, id in self.customers.items()}
        booked = receivables.booked_balances(db.session())
        assert {(names[id], currency): owed for (id, currency), owed in booked.items() if owed} == self.books.balances()
        events = db.session.scalar(select(func.count()).select_from(AuditEvent)) or 0
        assert events == self.events if self.refused else events >= self.events
        self.events, self.refused = events, False

    def agree_on_charges(self) -> None:
        """Each is what it should be, with its exact amount, on the document it should be on; none is lost."""
        columns = (Charge.id, Charge.status, Charge.amount, Charge.late, Charge.invoice_line_id)
        stored = {row.id: row for row in db.session.execute(select(*columns))}
        assert stored.keys() == self.books.charges.keys()
        for id, charge in self.books.charges.items():
            row = stored[id]
            assert (row.status, row.amount, row.late) == (charge.status, charge.amount, charge.late), charge
            assert (row.invoice_line_id is None) == (charge.document is None), charge
        sums: dict[tuple[Account, str], Decimal] = defaultdict(Decimal)
        for charge in self.books.charges.values():
            sums[charge.account, charge.status] += charge.amount
        query = select(Customer.reference, StoredAccount).join(Customer, Customer.id == StoredAccount.customer_id)
        for reference, account in db.session.execute(query.execution_options(populate_existing=True)):
            key = reference, account.currency
            assert (account.pending_amount, account.held_amount) == (sums[key, "pending"], sums[key, "held"]), key

    def agree_on_documents(self) -> None:
        """Numbers, days, totals, and what is paid and credited of each."""
        columns = (Invoice.kind, Invoice.status, Invoice.number, Invoice.issue_date, Invoice.net, Invoice.tax)
        query = select(Invoice.id, *columns, Invoice.paid, Invoice.credited)
        stored = {id: tuple(facts) for id, *facts in db.session.execute(query)}
        assert stored == {
            id: (one.kind, one.status, one.number, one.issued, one.net, one.tax, self.books.paid(one), one.credited)
            for id, one in self.books.documents.items()
        }

    def agree_on_payments(self) -> None:
        """Amounts, and what is allocated of each."""
        query = select(Payment.id, Payment.amount, Payment.allocated, Payment.received_on, Payment.status)
        stored = {id: tuple(facts) for id, *facts in db.session.execute(query)}
        assert stored == {
            id: (one.amount, self.books.allocated(one), one.received, one.status)
            for id, one in self.books.payments.items()
        }
        paid_back = select(Refund.id, Refund.amount, Refund.paid_on, Refund.reversed_on)
        assert {id: tuple(facts) for id, *facts in db.session.execute(paid_back)} == {
            id: (one.amount, one.paid, one.reversed) for id, one in self.books.refunds.items()
        }

    def teardown(self) -> None:
        """The doctor finds nothing, ageing adds up to the balances, and closed books have stayed as they were."""
        try:
            db.session.rollback()
            session = db.session()
            assert [row for result in run_checks(session, self.now) for row in result.rows] == []
            for position in receivables.positions(session, self.today).values():
                assert sum(position.open) - position.unallocated == position.balance
            self.still_frozen()
        finally:
            self.context.pop()

    def still_frozen(self) -> None:
        """What is asked of the locked day is answered as it was when it was locked."""
        if self.frozen is not None:
            day, before = self.frozen
            db.session.rollback()
            assert receivables.positions(db.session(), day) == before
