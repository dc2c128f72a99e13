"""Documents: drafted by a run, rearranged, discarded, issued, voided, credited."""

from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from sqlalchemy import func, select

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.master_data import CustomerFields
from billing_admin.models import Invoice, InvoiceLine, InvoiceTax, Payment as StoredPayment
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.invoices import credit_notes, drafts, invoices, voids
from billing_admin.operations.master_data import customers
from billing_admin.queries.billing.preview import BillingScope, preview
from billing_admin.queries.invoices.credit_notes import CreditSpec
from tests.life.charging import Charging
from tests.life.model import UNTAXED, Charge, Document, rounded, totals
from tests.life.sequence import ACCOUNTS, BACK, PICK, PRICES, stage


class Invoicing(Charging):
    """What happens to documents."""

    @initialize(holds=st.booleans(), numbers=st.lists(st.integers(0, 4), min_size=2, max_size=5), issue=st.booleans())
    def begin(self, holds: bool, numbers: list[int], issue: bool) -> None:
        """Everybody has used something and was billed, or is about to be; likely duplicates are held, or are not."""
        self.customers = transaction(stage, holds, self.now)
        self.books.holds_duplicates = holds
        for account in ACCOUNTS[:2]:
            for service in PRICES:
                self.post(account, service, numbers, 3)
        self.run(0, issue, None)
        self.post(ACCOUNTS[0], None, numbers, 3)

    @precondition(lambda self: self.is_there("charges"))
    @rule(back=BACK, issue=st.booleans(), on=st.none() | st.integers(-2, 9))
    def run(self, back: int, issue: bool, on: int | None) -> None:
        """Bill everybody; what the preview shows is what is made."""
        self.tick()
        through, day = self.day(back), self.day(on or 0)
        refusals = self.books.refuse_future(day, self.today)
        refusals |= self.books.refuse_number("invoice", day, self.today) if issue else set()
        due = self.books.due(through)
        db.session.rollback()
        shown = preview(db.session(), BillingScope(through))
        given = None if on is None else day
        spec = RunSpec(through, None, None, issue, given, shown.digest, self.new_id())
        if self.expect(refusals, lambda: runs.run_billing(transaction, spec, SYSTEM, self.now)) is None:
            return
        made = db.session.execute(
            select(Invoice.id, Invoice.customer_reference, Invoice.currency)
            .where(Invoice.run_id == spec.id)
            .order_by(Invoice.customer_reference, Invoice.currency)
        ).all()
        assert [(reference, currency) for _, reference, currency in made] == list(due)
        for id, *account in made:
            key = account[0], account[1]
            document = self.books.draft(id, key, due[key])
            self.books.billed_through[key] = max(through, self.books.billed_through.get(key, through))
            if issue:
                self.books.issue(document, day)
        assert [one.document.total for one in shown.documents] == [self.books.documents[one.id].total for one in made]

    @rule(tax_id=st.sampled_from(["", " ", "ATU13585627", "ATU99999001"]))
    def name_tax_id(self, tax_id: str) -> None:
        """Give the customer under reverse charge a tax ID, or take it away."""
        fields: CustomerFields = {"tax_id": tax_id}
        self.attempt(set(), customers.update, self.customers[UNTAXED], fields, None)
        self.books.has_tax_id = bool(tax_id.strip())

    @precondition(lambda self: self.is_there("documents"))
    @rule(pick=PICK, on=st.none() | st.integers(-2, 9))
    def issue(self, pick: int, on: int | None) -> None:
        document: Document = self.one_of(self.books.documents, pick)
        day = self.day(on or 0)
        refusals = {"already_void"} if document.status == "void" else set()
        if document.status == "draft":
            refusals = self.books.refuse_number("invoice", day, self.today) | self.books.refuse_party(document.account)
        if self.attempt(refusals, invoices.issue, document.id, None if on is None else day):
            self.books.issue(document, day)

    @precondition(lambda self: any(one.status == "draft" for one in self.books.documents.values()))
    @rule(pick=PICK)
    def discard(self, pick: int) -> None:
        document: Document = self.one_of(self.books.documents, pick)
        refusals = set() if document.status == "draft" else {"not_a_draft"}
        self.attempt(refusals, invoices.discard, document.id)
        if not refusals:
            self.books.set_free(document)
            del self.books.documents[document.id]

    @precondition(lambda self: any(one.status == "draft" for one in self.books.documents.values()))
    @rule(pick=PICK, on=st.lists(PICK, max_size=2), off=st.lists(PICK, max_size=2))
    def rearrange(self, pick: int, on: list[int], off: list[int]) -> None:
        """Put charges on a draft, take others off."""
        document: Document = self.one_of(self.books.documents, pick)
        own = {charge.id: charge for charge in self.books.on(document.id)}
        add: dict[UUID, Charge] = {one.id: one for one in (self.one_of(self.books.charges, place) for place in on)}
        remove = [list(own)[place % len(own)] for place in off if own]
        fresh = {id: charge for id, charge in add.items() if id not in own}
        after = [charge for id, charge in {**own, **fresh}.items() if id not in remove]
        refusals = set() if document.status == "draft" else {"not_a_draft"}
        if not refusals:
            for charge in fresh.values():
                refusals |= {"other_account"} if charge.account != document.account else set()
                refusals |= {f"charge_{charge.status}"} if charge.status != "pending" else set()
        if not refusals and (fresh or remove):
            asks = sum(totals(document.account, after))
            refusals = {"empty_draft"} if not after else {"zero_total", "negative_total"} if asks <= 0 else set()
        if self.attempt(refusals, drafts.move_charges, document.id, list(add), remove, None):
            self.books.draft(document.id, document.account, after)

    @precondition(lambda self: self.is_there("documents"))
    @rule(pick=PICK, fate=st.sampled_from(voids.CHARGE_OUTCOMES))
    def void(self, pick: int, fate: str) -> None:
        document: Document = self.one_of(self.books.documents, pick)
        if document.status == "void":
            assert self.attempt(set(), voids.void_invoice, document.id, "Wrong", fate) == (False, None)
            return
        refusals = self.books.refuse_void(document, self.today)
        is_opening = document.kind == "opening_invoice"
        refusals |= {"no_charges"} if is_opening and fate == "billed_again" else set()
        done = self.attempt(refusals, voids.void_invoice, document.id, "Wrong", fate)
        if done is not None:
            document.status = "void"
            if is_opening:
                self.books.free_number(document)
            freed = self.books.set_free(document, "cancelled" if fate == "cancelled" else "pending")
            if fate == "billed_again":
                self.books.draft(done[1], document.account, freed)

    @precondition(lambda self: self.is_there("documents"))
    @rule(pick=PICK, quarters=st.integers(1, 5), on=st.none() | st.integers(-2, 9))
    def credit(self, pick: int, quarters: int, on: int | None) -> None:
        """Credit a part of what is left, all of it, or too much."""
        document: Document = self.one_of(self.books.documents, pick)
        left = document.total - document.credited
        minor = left + 1 if quarters == 5 else max(1, left * quarters // 4)
        day = self.day(on or 0)
        note = self.new_id()
        spec = CreditSpec("Agreed", self.major(minor, document.account), (), None if on is None else day, note)
        refusals = self.books.refuse_credit(document, minor, day, self.today)
        if self.attempt(refusals, credit_notes.credit_invoice, document.id, spec) is None:
            return
        net, tax = self.stored_note(note)
        assert net + tax == minor
        self.books.credit(document, note, net, tax, day, self.new_write_off())
        if document.credited == document.total:
            notes = select(func.sum(Invoice.net), func.sum(Invoice.tax)).where(Invoice.corrects_id == document.id)
            assert tuple(map(int, db.session.execute(notes).one())) == (document.net, document.tax)

    @precondition(lambda self: self.uncredited())
    @rule(pick=PICK, line=PICK)
    def credit_line(self, pick: int, line: int) -> None:
        """Credit a whole line of an invoice that is not credited yet: its tax, rounded once, goes back with it."""
        document: Document = self.one_of(self.uncredited(), pick)
        lines = db.session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == document.id)).all()
        chosen = sorted(lines, key=lambda one: one.position)[line % len(lines)]
        if min(one.net for one in lines) <= 0:
            return
        tax = self.tax_of(chosen, [one for one in lines if rate_of(one) == rate_of(chosen)])
        note = self.new_id()
        spec = CreditSpec("Agreed", None, [(chosen.id, self.major(chosen.net, document.account))], None, note)
        refusals = self.books.refuse_credit(document, chosen.net + tax, self.today, self.today)
        if self.attempt(refusals, credit_notes.credit_invoice, document.id, spec) is not None:
            assert self.stored_note(note) == (chosen.net, tax)
            self.books.credit(document, note, chosen.net, tax, self.today, self.new_write_off())

    def new_write_off(self) -> UUID | None:
        """Return the write-off that a credit note made over the rest of another one."""
        return db.session.scalars(
            select(StoredPayment.id).where(StoredPayment.id.not_in(self.books.payments))
        ).one_or_none()

    def uncredited(self) -> dict[UUID, Document]:
        """Return the open invoices with lines of which nothing was credited."""
        own = {id: one for id, one in self.books.documents.items() if one.kind == "invoice" and self.books.open(one)}
        return {id: one for id, one in own.items() if not one.credited}

    def tax_of(self, line: InvoiceLine, at_rate: list[InvoiceLine]) -> int:
        """The tax that goes back with a line: all there is at its rate, if no other line has it."""
        percent, within = rate_of(line)
        if len(at_rate) > 1:
            return rounded(Fraction(line.net) * Fraction(percent) / 100)
        query = select(InvoiceTax.tax).where(
            InvoiceTax.invoice_id == line.invoice_id, InvoiceTax.percent == percent, InvoiceTax.included == within
        )
        return int(db.session.scalars(query).one())

    def stored_note(self, id: UUID) -> tuple[int, int]:
        """Net and tax of a credit note."""
        net, tax = db.session.execute(select(Invoice.net, Invoice.tax).where(Invoice.id == id)).one()
        return net, tax


def rate_of(line: InvoiceLine) -> tuple[Decimal, bool]:
    """At which rate a line is taxed, and whether its price had the tax in it."""
    return line.tax_percent, line.gross is not None and line.tax_percent != 0
