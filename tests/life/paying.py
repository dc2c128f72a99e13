"""Money: received, allocated, withdrawn, reversed, written off; and the books, locked and opened again."""

from datetime import date

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select

from billing_admin.db.engine import db
from billing_admin.domain.payments import AllocationRequest, AllocationSpec, PaymentSpec
from billing_admin.domain.refunds import RefundSpec
from billing_admin.models import Allocation as StoredAllocation
from billing_admin.operations.master_data import periods
from billing_admin.operations.payments import payments, refunds
from billing_admin.queries.payments import receivables
from tests.life.invoicing import Invoicing
from tests.life.model import Account, Allocation, Document, Payment, Refund
from tests.life.sequence import ACCOUNTS, PICK

BACK = st.none() | st.integers(-1, 9)


class Paying(Invoicing):
    """What happens to money, and to the period."""

    def parts(self, amount: int, picks: list[int]) -> list[tuple[Document, int]]:
        """By hand: what some documents have open, the last one up to the whole amount and perhaps beyond."""
        chosen = list({one.id: one for one in (self.one_of(self.books.documents, pick) for pick in picks)}.values())
        return [(one, max(1, min(self.books.open(one), amount) if one is not chosen[-1] else amount)) for one in chosen]

    def refuse_parts(self, account: Account, parts: list[tuple[Document, int]], left: int) -> set[str]:
        """Of those named, the first that cannot be paid is told; or that they are more than there is.

        What is said of an invoice in another currency is read in the payment's own, and is any amount there.
        """
        foreign = any(one.account[1] != account[1] for one, _ in parts)
        refusals = {"above_payment"} if foreign or sum(part for _, part in parts) > left else set()
        return refusals.union(*(self.books.refuse_part(account, one, part) for one, part in parts))

    def asked(self, parts: list[tuple[Document, int]]) -> AllocationRequest:
        return tuple(AllocationSpec(str(one.id), self.major(part, one.account)) for one, part in parts)

    @rule(
        account=st.sampled_from(ACCOUNTS),
        amount=st.sampled_from([1, 500, 1234, 100_000]),
        on=BACK,
        by_hand=st.booleans(),
    )
    def pay(self, account: Account, amount: int, on: int | None, by_hand: bool) -> None:
        """Receive money for the oldest invoices, or for none yet."""
        self.receive(account, amount, on, None if not by_hand else [])

    @precondition(lambda self: any(self.books.open(one) for one in self.books.documents.values()))
    @rule(pick=PICK, thirds=st.integers(1, 4), picks=st.lists(PICK, max_size=1), on=BACK)
    def pay_by_hand(self, pick: int, thirds: int, picks: list[int], on: int | None) -> None:
        """Receive a part of what an invoice still asks for, or more; perhaps for another one as well."""
        open_ = {id: one for id, one in self.books.documents.items() if self.books.open(one)}
        document: Document = self.one_of(open_, pick)
        amount = max(1, self.books.open(document) * thirds // 3)
        others = self.parts(1, picks) if picks else []
        parts = [(document, amount), *(part for part in others if part[0] is not document)]
        self.receive(document.account, amount + len(parts) - 1, on, parts)

    def receive(self, account: Account, amount: int, on: int | None, parts: list[tuple[Document, int]] | None) -> None:
        """Record a payment; without parts, for the oldest invoices first."""
        day = self.day(on or 0)
        refusals = self.books.refuse_day(day) | ({"in_the_future"} if day > self.today else set())
        refusals |= self.refuse_parts(account, parts or [], amount)
        asked: AllocationRequest = "oldest" if parts is None else self.asked(parts)
        spec = PaymentSpec(
            account[0],
            self.major(amount, account),
            "cash",
            asked,
            account[1],
            None if on is None else day,
            None,
            self.new_id(),
        )
        assert spec.id is not None
        if self.attempt(refusals, payments.record, spec) is not None:
            payment = self.books.payments[spec.id] = Payment(spec.id, account, amount, day)
            self.books.allocate(payment, self.books.oldest_first(account, amount) if parts is None else parts, day)
            assert not self.attempt(set(), payments.record, spec).created

    @precondition(lambda self: self.is_there("payments") and self.is_there("documents"))
    @rule(pick=PICK, to=st.none() | PICK, more=st.integers(0, 1))
    def allocate(self, pick: int, to: int | None, more: int) -> None:
        """Allocate what is left of a payment, or, to a document named, that and a little more."""
        payment: Payment = self.one_of(self.books.payments, pick)
        left = payment.amount - self.books.allocated(payment)
        document: Document | None = None if to is None else self.one_of(self.books.documents, to)
        parts = self.books.oldest_first(payment.account, left) if document is None else [(document, left + more or 1)]
        refusals = set() if document is None else self.refuse_parts(payment.account, parts, left)
        if payment.status == "reversed":
            refusals = {"payment_reversed"} | (refusals & {"too_precise"})
        refusals |= self.books.refuse_day(self.today)
        asked: AllocationRequest = "oldest" if document is None else self.asked(parts)
        if self.attempt(refusals, payments.allocate, payment.id, asked) is not None:
            self.books.allocate(payment, parts, self.today)

    @precondition(lambda self: self.is_there("allocations"))
    @rule(pick=PICK)
    def withdraw(self, pick: int) -> None:
        """Take an allocation back, or one that was taken back before."""
        one: Allocation = self.books.allocations[pick % len(self.books.allocations)]
        own = [
            other for other in self.books.allocations if (other.payment, other.invoice) == (one.payment, one.invoice)
        ]
        query = select(StoredAllocation.id).order_by(StoredAllocation.id)
        ids = db.session.scalars(query.filter_by(payment_id=one.payment, invoice_id=one.invoice)).all()
        id = ids[own.index(one)]
        refusals = self.books.refuse_day(self.today)
        if one.withdrawn is None and self.books.payments[one.payment].written_off:
            refusals |= {"write_off"}
        if self.attempt(refusals, payments.withdraw_allocation, one.payment, id, "Elsewhere") is not None:
            self.books.withdraw([one], self.today)

    @precondition(lambda self: self.is_there("payments"))
    @rule(pick=PICK, on=BACK)
    def reverse(self, pick: int, on: int | None) -> None:
        payment: Payment = self.one_of(self.books.payments, pick)
        day = self.day(on or 0)
        refusals = set()
        if payment.status == "recorded":
            refusals = self.books.refuse_reversal(payment, day) | ({"in_the_future"} if day > self.today else set())
        if self.attempt(refusals, payments.reverse, payment.id, "Bounced", None if on is None else day):
            payment.status = "reversed"
            self.books.withdraw([one for one in self.books.allocations if one.payment == payment.id], day)

    @precondition(lambda self: self.is_there("documents"))
    @rule(pick=PICK, more=st.sampled_from([0, 0, 1]))
    def write_off(self, pick: int, more: int) -> None:
        """Give up what an invoice still asks for, if that is named to the cent."""
        document: Document = self.one_of(self.books.documents, pick)
        left, id = self.books.open(document), self.new_id()
        refusals = self.books.refuse_day(self.today) | ({"not_the_balance"} if more else set())
        refusals |= set() if left else {"nothing_open"}
        amount = self.major(left + more or 1, document.account)
        if self.attempt(refusals, payments.write_off, document.id, amount, "Small", id) is not None:
            day = max(self.today, document.issued or self.today)
            payment = self.books.payments[id] = Payment(id, document.account, left, day, written_off=True)
            self.books.allocate(payment, [(document, left)], day)

    @precondition(lambda self: self.is_there("payments"))
    @rule(pick=PICK, thirds=st.integers(1, 4), on=BACK)
    def refund(self, pick: int, thirds: int, on: int | None) -> None:
        """Pay a part of a customer's credit back, or all of it, or more than there is."""
        account = self.one_of(self.books.payments, pick).account
        credit = sum(self.books.oldest_credit(account, 10**18)[0].values())
        amount, day = max(1, credit * thirds // 3), self.day(on or 0)
        parts, since = self.books.oldest_credit(account, amount)
        refusals = self.books.refuse_day(day) | ({"in_the_future"} if day > self.today else set())
        refusals |= {"above_credit"} if amount > credit else {"before_credit"} if day < since else set()
        paid_on = None if on is None else day
        spec = RefundSpec(account[0], self.major(amount, account), "cash", account[1], paid_on, None, self.new_id())
        assert spec.id is not None
        if self.attempt(refusals, refunds.record, spec) is not None:
            self.books.refunds[spec.id] = Refund(spec.id, account, parts, day)
            assert not self.attempt(set(), refunds.record, spec).created

    @precondition(lambda self: self.is_there("refunds"))
    @rule(pick=PICK, on=BACK)
    def reverse_refund(self, pick: int, on: int | None) -> None:
        refund: Refund = self.one_of(self.books.refunds, pick)
        day = self.day(on or 0)
        refusals = set()
        if not refund.reversed:
            refusals = self.books.refuse_day(day) | ({"in_the_future"} if day > self.today else set())
            refusals |= {"before_last_change"} if day < refund.paid else set()
        if self.attempt(refusals, refunds.reverse, refund.id, "Came back", None if on is None else day):
            refund.reversed = day

    @rule(back=st.none() | st.integers(-1, 30), reason=st.sampled_from(["", "The auditor asked"]))
    def lock(self, back: int | None, reason: str) -> None:
        """Close the books, or open them again, which takes a reason; meanwhile nothing has changed in them."""
        self.still_frozen()
        through, before = None if back is None else self.day(back), self.books.locked_through
        refusals = {"in_the_future"} if through and through > self.today else set()
        if through != before and before and (through is None or through < before) and not reason:
            refusals |= {"blank"}
        if self.attempt(refusals if through != before else set(), periods.set_period_lock, through, reason) is not None:
            self.books.locked_through = through
            self.frozen = self.seen(through)

    def seen(self, day: date | None) -> tuple[date, object] | None:
        """Where every account stood on a day."""
        return None if day is None else (day, receivables.positions(db.session(), day))
