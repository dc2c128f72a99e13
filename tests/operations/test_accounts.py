"""After any sequence of acts the accounts hold what the charges add up to, and every document adds up."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict
from billing_admin.domain.money import plain_decimal
from billing_admin.models import Charge, Invoice
from billing_admin.operations.charges import charges
from billing_admin.operations.invoices import invoices
from billing_admin.queries.charges import unbilled
from tests.books import assert_books_balance, contents
from tests.levels import rounds
from tests.making import NOW, bill, change_settings, make_customer, make_service, make_spec, post

ACTS = 40


class Life:
    """Somebody who does this and that, always the same for the same seed."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session, self.chance, self.now = session, random.Random(seed), NOW
        change_settings(hold_likely_duplicates=bool(seed % 2))
        self.people = [make_customer(currency=currency).reference for currency in ("USD", "USD", "JPY")]
        self.services = [make_service(code=f"S{n}", line_per_charge=n == 2).code for n in range(3)]
        self.acts: list[Callable[[], object]] = [
            *(self.post,) * 4,
            *(self.hold, self.release, self.cancel, self.bill, self.draft, self.discard, self.issue),
        ]

    def act(self) -> None:
        """One act; a refusal is fine, if it changes nothing."""
        self.now += timedelta(minutes=self.chance.randint(1, 600))
        self.session.rollback()
        before = contents(self.session)
        try:
            self.chance.choice(self.acts)()
        except Conflict:
            assert contents(self.session) == before

    def post(self) -> None:
        post(*(self._spec() for _ in range(self.chance.randint(1, 12))), now=self.now)

    def _spec(self) -> ChargeSpec:
        steps = self.chance.choice([1, 10**6, 10**10, 10**13])
        return make_spec(
            self.chance.choice(self.people),
            plain_decimal(_exact(self.chance.randint(-steps, 3 * steps))),
            service=self.chance.choice([*self.services, None]),
            currency=self.chance.choice([None, None, "EUR"]),
            incurred_on=date(2026, 3, 1) + timedelta(days=self.chance.randint(0, 45)),
            id=UUID(int=self.chance.randint(1, 2**120)),
        )

    def _some(self) -> list[UUID]:
        ids = list(self.session.scalars(select(Charge.id).where(Charge.status != "billed").order_by(Charge.id)))
        return self.chance.sample(ids, min(len(ids), self.chance.randint(0, 6)))

    def hold(self) -> None:
        transaction(charges.hold, self._some(), "Wait", SYSTEM, self.now)

    def release(self) -> None:
        transaction(charges.release, self._some(), "", SYSTEM, self.now)

    def cancel(self) -> None:
        transaction(charges.cancel, self._some(), "Wrong", SYSTEM, self.now)

    def bill(self) -> None:
        bill(date(2026, 3, self.chance.randint(5, 31)), now=self.now, currency=self.chance.choice([None, "USD"]))

    def draft(self) -> None:
        bill(date(2026, 3, self.chance.randint(5, 31)), now=self.now, issue=False)

    def _draft(self) -> UUID | None:
        drafts = select(Invoice.id).where(Invoice.status == "draft")
        return self.session.scalars(drafts.order_by(Invoice.id).limit(1)).one_or_none()

    def discard(self) -> None:
        if id := self._draft():
            transaction(invoices.discard, id, SYSTEM, self.now)

    def issue(self) -> None:
        if id := self._draft():
            transaction(invoices.issue, id, None, SYSTEM, self.now)


def _exact(steps: int) -> Decimal:
    return Decimal(f"{steps}E-12")


@pytest.mark.parametrize("seed", rounds(4))
def test_accounts_hold_what_their_charges_add_up_to(session: Session, seed: int) -> None:
    life = Life(session, seed)
    for _ in range(ACTS):
        life.act()
        assert_books_balance(session)
    totals = {total.currency: total for total in unbilled.unbilled_totals(session)}
    for currency, total in totals.items():
        pending = session.scalars(select(Charge.amount).where(Charge.status == "pending", Charge.currency == currency))
        assert total.pending_amount == sum(pending)
    assert session.scalars(select(Invoice.id).where(Invoice.status == "issued")).first() is not None
