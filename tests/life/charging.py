"""Charges: posted, sent twice, held, released, cancelled, corrected, kept."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from billing_admin.domain.charges import ChargeSpec
from billing_admin.operations.charges import charges, corrections, duplicates, posting
from tests.life.model import Account, Charge
from tests.life.sequence import ACCOUNTS, PICK, PRICES, Sequence

QUANTITIES = ("1", "0.5", "2.25", "7.333", "-1")
AMOUNTS = ("10", "0.005", "-3.75", "199.995", "1000")


class Charging(Sequence):
    """What happens to charges before they are billed."""

    @rule(days=st.sampled_from([0, 1, 7, 25]))
    def wait(self, days: int) -> None:
        self.now += timedelta(days)

    @rule(
        account=st.sampled_from(ACCOUNTS),
        service=st.sampled_from([None, "Hours", "Meals"]),
        numbers=st.lists(st.integers(0, 4), min_size=1, max_size=7),
        back=st.integers(-3, 40),
    )
    def post(self, account: Account, service: str | None, numbers: list[int], back: int) -> None:
        """Charges of one kind; sent twice, as a script does that got no answer."""
        specs = [self.spec(account, service, number, self.day(back)) for number in numbers]
        posted = self.attempt(set(), posting.post, specs)
        assert posted.ids == [spec.id for spec in specs]
        for spec in specs:
            self.books.post(self.charge(spec))
        assert self.attempt(set(), posting.post, specs).created == 0

    def spec(self, account: Account, service: str | None, number: int, day: date) -> ChargeSpec:
        return ChargeSpec(
            customer=account[0],
            service=service,
            description=None if service else "Work",
            quantity=Decimal(QUANTITIES[number]) if service else None,
            amount=None if service else Decimal(AMOUNTS[number]),
            currency=account[1],
            incurred_on=day,
            id=self.new_id(),
        )

    def charge(self, spec: ChargeSpec) -> Charge:
        assert spec.id is not None
        assert spec.incurred_on is not None
        account = spec.customer, spec.currency or ""
        price = Decimal(PRICES[spec.service][account[1]]) if spec.service else None
        quantity = spec.quantity or Decimal(1)
        amount = spec.amount if price is None else price * quantity
        assert amount is not None
        late = self.books.is_late(account, spec.incurred_on)
        return Charge(spec.id, account, spec.service, quantity, price, amount, spec.incurred_on, self.now, late)

    @precondition(lambda self: self.is_there("charges"))
    @rule(picks=st.lists(PICK, min_size=1, max_size=3), to=st.sampled_from(["held", "pending", "cancelled"]))
    def move(self, picks: list[int], to: str) -> None:
        """Hold, release, cancel."""
        ids = list(dict.fromkeys(self.one_of(self.books.charges, pick).id for pick in picks))
        work = {"held": charges.hold, "pending": charges.release, "cancelled": charges.cancel}[to]
        if self.attempt(self.books.refuse_move(ids, to), work, ids, "So") is not None:
            self.books.move(ids, to)

    @precondition(lambda self: self.is_there("charges"))
    @rule(pick=PICK, number=st.integers(0, 4))
    def correct(self, pick: int, number: int) -> None:
        old: Charge = self.one_of(self.books.charges, pick)
        spec = self.spec(old.account, old.service, number, old.day)
        new = self.charge(spec)
        fields = {"quantity": new.quantity} if old.service else {"amount": new.amount}
        refusals = {f"charge_{old.status}"} if old.status in {"billed", "cancelled"} else set()
        if not refusals and new.alike == old.alike:
            refusals = {"nothing_changed"}
        if self.attempt(refusals, corrections.correct_charge, old.id, fields, new.id, "Typo") is None:
            return
        new.posted = self.now
        on_purpose = old.status == "held" and not old.held_as_duplicate
        self.books.move([old.id], "cancelled")
        self.books.post(new)
        if on_purpose and new.status == "pending":
            new.status = "held"

    @precondition(lambda self: any(charge.duplicate for charge in self.books.charges.values()))
    @rule(pick=PICK)
    def keep(self, pick: int) -> None:
        """Decide on a likely duplicate, or on what is none."""
        charge: Charge = self.one_of(self.books.charges, pick)
        refusals = set() if charge.duplicate else {"not_a_duplicate"}
        if charge.duplicate and charge.status == "cancelled":
            refusals = {"charge_cancelled"}
        if self.attempt(refusals, duplicates.keep_duplicates, [charge.id], "Two indeed") is not None:
            self.books.keep(charge)
