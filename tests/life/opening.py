"""Opening balances: open invoices and credits of an earlier system, recorded once."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from billing_admin.domain.opening_balances import OpeningSpec
from billing_admin.operations.invoices import opening_balances
from tests.life.model import TERMS, Account, Document, Payment
from tests.life.paying import Paying
from tests.life.sequence import ACCOUNTS


class Opening(Paying):
    """What the books began with; it may come at any time."""

    @rule(
        account=st.sampled_from(ACCOUNTS),
        number=st.sampled_from(["4711", "4712", "G 3"]),
        amount=st.sampled_from([500, 1234, -700]),
        on=st.integers(-1, 9),
        age=st.integers(-1, 60),
        due=st.none() | st.integers(0, 40),
    )
    def open(self, account: Account, number: str, amount: int, on: int, age: int, due: int | None) -> None:
        """Record an open invoice or a credit, and once more."""
        day = self.day(on)
        issued, id = self.day(on + age), self.new_id()
        due_date = None if due is None else self.day(on + age - due)
        refusals = self.books.refuse_day(day) | self.books.refuse_future(day, self.today)
        refusals |= {"after_cut_over"} if issued > day else set()
        refusals |= self.books.refuse_opening(account, number, amount < 0)
        spec = OpeningSpec(account[0], number, issued, self.major(amount, account), due_date, account[1], day, id=id)
        if self.attempt(refusals, opening_balances.record, spec) is None:
            return
        if amount < 0:
            self.books.payments[id] = Payment(id, account, -amount, day, opening=number)
        else:
            due_on = due_date or issued + TERMS
            self.books.documents[id] = Document(
                id, account, amount, 0, "opening_invoice", "issued", number, issued=day, due=due_on
            )
        assert not self.attempt(set(), opening_balances.record, spec).created
