"""What the books should say: a small model in memory that shares no code with the product. Money is in minor units.

Each `refuse_…` names the codes under which the product may refuse a deed; where there is none, it must do it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from uuid import UUID

TERMS = timedelta(days=14)
DIGITS = {"EUR": 2, "JPY": 0}
PERCENT = {"Hours": 19, "Meals": 7, None: 19}
UNTAXED = "C"
Account = tuple[str, str]


@dataclass
class Charge:
    """A charge: `alike` are the facts by which two look the same."""

    id: UUID
    account: Account
    service: str | None
    quantity: Decimal
    unit_price: Decimal | None
    amount: Decimal
    day: date
    posted: datetime
    late: bool
    status: str = "pending"
    document: UUID | None = None
    duplicate: bool = False
    held_as_duplicate: bool = False

    @property
    def alike(self) -> tuple[object, ...]:
        return self.account, self.service, self.quantity, self.unit_price, self.amount, self.day


@dataclass
class Document:
    """An invoice, a credit note or an opening invoice; `charges` are empty once they were set free."""

    id: UUID
    account: Account
    net: int
    tax: int
    kind: str = "invoice"
    status: str = "draft"
    number: str | None = None
    issued: date | None = None
    due: date | None = None
    credited: int = 0

    @property
    def total(self) -> int:
        return self.net + self.tax


@dataclass
class Allocation:
    """A part of a payment on an invoice, from a day on until another."""

    payment: UUID
    invoice: UUID
    amount: int
    made: date
    withdrawn: date | None = None


@dataclass
class Payment:
    """Money received, given up, or a credit of an earlier system with its number."""

    id: UUID
    account: Account
    amount: int
    received: date
    status: str = "recorded"
    written_off: bool = False
    opening: str = ""


@dataclass
class Refund:
    """Money paid back: what it took of each payment."""

    id: UUID
    account: Account
    parts: dict[UUID, int]
    paid: date
    reversed: date | None = None

    @property
    def amount(self) -> int:
        return sum(self.parts.values())


def rounded(value: Fraction) -> int:
    """To whole units, halves away from zero."""
    units = floor(abs(value) + Fraction(1, 2))
    return units if value >= 0 else -units


def totals(account: Account, charges: Iterable[Charge]) -> tuple[int, int]:
    """Net and tax of an invoice over charges: a line per service and price rounded once, tax per rate once."""
    lines: dict[tuple[object, ...], list[Charge]] = defaultdict(list)
    for charge in charges:
        lines[(charge.service, charge.unit_price) if charge.service else (charge.id,)].append(charge)
    sums: dict[str | None, int] = defaultdict(int)
    for own in lines.values():
        exactly = sum(Fraction(charge.amount) for charge in own)
        sums["Meals" if own[0].service == "Meals" else None] += rounded(exactly * 10 ** DIGITS[account[1]])
    within = rounded(Fraction(sums["Meals"] * PERCENT["Meals"], 100 + PERCENT["Meals"]))
    added = rounded(Fraction(sums[None] * PERCENT[None], 100))
    net = sums[None] + sums["Meals"] - within
    return (net, 0) if account[0] == UNTAXED else (net, added + within)


@dataclass
class Books:
    """Everything that was entered, and what follows from it."""

    holds_duplicates: bool
    charges: dict[UUID, Charge] = field(default_factory=dict)
    documents: dict[UUID, Document] = field(default_factory=dict)
    payments: dict[UUID, Payment] = field(default_factory=dict)
    allocations: list[Allocation] = field(default_factory=list)
    refunds: dict[UUID, Refund] = field(default_factory=dict)
    billed_through: dict[Account, date] = field(default_factory=dict)
    series: dict[tuple[str, int], tuple[int, date]] = field(default_factory=dict)
    locked_through: date | None = None
    has_tax_id: bool = True
    """Whether the customer under reverse charge has a tax ID."""

    # --- charges

    def post(self, charge: Charge) -> None:
        """Add a charge; one that looks like another of the last day is a likely duplicate."""
        since = charge.posted - timedelta(hours=24)
        charge.duplicate = any(
            other.alike == charge.alike and other.posted >= since and other.status != "cancelled"
            for other in self.charges.values()
        )
        if charge.duplicate and self.holds_duplicates:
            charge.status, charge.held_as_duplicate = "held", True
        self.charges[charge.id] = charge

    def is_late(self, account: Account, day: date) -> bool:
        return day <= self.billed_through.get(account, date.min)

    def move(self, ids: Sequence[UUID], to: str) -> None:
        """Hold, release or cancel."""
        for charge in (self.charges[id] for id in ids):
            if charge.status != to:
                charge.status, charge.held_as_duplicate = to, False

    def refuse_move(self, ids: Sequence[UUID], to: str) -> set[str]:
        statuses = {self.charges[id].status for id in ids} - {to}
        allowed = {"held": {"pending"}, "pending": {"held"}, "cancelled": {"pending", "held"}}[to]
        return {f"charge_{status}" for status in statuses - allowed}

    def keep(self, charge: Charge) -> None:
        """A likely duplicate is a charge of its own."""
        if charge.held_as_duplicate:
            charge.status, charge.held_as_duplicate = "pending", False

    # --- documents

    def on(self, document: UUID) -> list[Charge]:
        return [charge for charge in self.charges.values() if charge.document == document]

    def due(self, through: date) -> dict[Account, list[Charge]]:
        """What a run up to a day would bill, in its order: accounts whose invoice would ask for money, and may be issued."""
        found: dict[Account, list[Charge]] = defaultdict(list)
        for charge in self.charges.values():
            if charge.status == "pending" and charge.day <= through:
                found[charge.account].append(charge)
        return {
            account: own
            for account, own in sorted(found.items())
            if sum(totals(account, own)) > 0 and not self.refuse_party(account)
        }

    def refuse_party(self, account: Account) -> set[str]:
        """An invoice with reverse charge names the tax ID."""
        return {"customer_tax_id_missing"} if account[0] == UNTAXED and not self.has_tax_id else set()

    def draft(self, id: UUID, account: Account, charges: Iterable[Charge]) -> Document:
        """Put exactly these charges on a draft, new or known."""
        own = list(charges)
        for charge in self.on(id):
            charge.status, charge.document = "pending", None
        for charge in own:
            charge.status, charge.document = "billed", id
        self.documents[id] = Document(id, account, *totals(account, own))
        return self.documents[id]

    def set_free(self, document: Document, to: str = "pending") -> list[Charge]:
        own = self.on(document.id)
        for charge in own:
            charge.status, charge.document = to, None
        return own

    def refuse_day(self, day: date) -> set[str]:
        return {"period_locked"} if self.locked_through and day <= self.locked_through else set()

    def refuse_future(self, day: date, today: date) -> set[str]:
        return {"in_the_future"} if day > today else set()

    def refuse_number(self, kind: str, day: date, today: date) -> set[str]:
        _, last = self.series.get((kind, day.year), (0, day))
        refused = self.refuse_day(day) | self.refuse_future(day, today)
        return refused | ({"before_last_issue"} if day < last else set())

    def issue(self, document: Document, day: date) -> None:
        """Give a document the next number of its series."""
        sequence = self.series.get((document.kind, day.year), (0, day))[0] + 1
        self.series[document.kind, day.year] = sequence, day
        prefix = "INV" if document.kind == "invoice" else "CN"
        document.number = f"{prefix}-{day.year}-{sequence:05}"
        document.status, document.issued = "issued", day
        document.due = day + TERMS if document.kind == "invoice" else day

    def refuse_void(self, document: Document, today: date) -> set[str]:
        if document.kind == "credit_note":
            return {"is_credit_note"}
        if document.status == "draft":
            return {"is_draft"}
        touched = self.paid(document) or document.credited
        counts_from = max(today, document.issued or today)
        return self.refuse_day(counts_from) | ({"has_payments_or_credits"} if touched else set())

    def refuse_credit(self, document: Document, amount: int, day: date, today: date) -> set[str]:
        if document.kind == "opening_invoice":
            return {"is_opening"}
        if document.kind == "credit_note":
            return {"is_credit_note"}
        if document.status != "issued" or document.issued is None:
            return {"is_draft", "already_void"}
        left = document.total - document.credited
        refused = self.refuse_number("credit_note", day, today)
        refused |= {"before_invoice"} if day < document.issued else set()
        return refused | ({"nothing_left"} if not left else {"above_remaining"} if amount > left else set())

    def credit(
        self, document: Document, id: UUID, net: int, tax: int, day: date, write_off: UUID | None = None
    ) -> None:
        """Issue a credit note; what is paid too much then is freed, the latest allocation first.

        Before it, write-offs are reversed; `write_off` is the new one over the rest of the last of them.
        """
        note = self.documents[id] = Document(id, document.account, net, tax, "credit_note")
        self.issue(note, day)
        too_much = self.paid(document) + document.credited + note.total - document.total
        document.credited += note.total
        standing = [one for one in self.allocations if one.invoice == document.id and not one.withdrawn]
        latest = sorted(enumerate(standing), key=lambda pair: (pair[1].made, pair[0]), reverse=True)
        latest.sort(key=lambda pair: not self.is_written_off(pair[1]))
        for _, one in latest:
            if too_much > 0 and self.is_written_off(one):
                payment = self.payments[one.payment]
                reversal, rest = max(day, self.since(payment)), one.amount - too_much
                one.withdrawn, payment.status = max(reversal, one.made), "reversed"
                if rest > 0:
                    assert write_off is not None
                    again = Payment(write_off, payment.account, rest, reversal, written_off=True)
                    self.payments[write_off] = again
                    self.allocate(again, [(document, rest)], reversal)
                too_much -= one.amount
            elif too_much > 0:
                one.withdrawn = max(day, one.made)
                if one.amount > too_much:
                    rest = one.amount - too_much
                    self.allocations.append(Allocation(one.payment, one.invoice, rest, max(day, one.made)))
                too_much -= one.amount

    def is_written_off(self, allocation: Allocation) -> bool:
        payment = self.payments[allocation.payment]
        return payment.written_off and payment.amount == allocation.amount

    # --- an earlier system

    def refuse_opening(self, account: Account, number: str, is_credit: bool) -> set[str]:
        """A customer has each number once; no two documents have the same."""
        live = [one for one in self.documents.values() if one.status == "issued" and one.number == number]
        credits = [one for one in self.payments.values() if one.status == "recorded" and one.opening == number]
        if account[0] in {one.account[0] for one in live} | {one.account[0] for one in credits}:
            return {"opening_recorded"}
        return {"number_taken"} if live and not is_credit else set()

    def free_number(self, document: Document) -> None:
        """Give the number of a void opening invoice back."""
        before = [one for one in self.documents.values() if (one.number or "").startswith(f"{document.number} (void")]
        document.number = f"{document.number} (void{f' {len(before) + 1}' if before else ''})"

    # --- money

    def paid(self, document: Document) -> int:
        return sum(one.amount for one in self.allocations if one.invoice == document.id and not one.withdrawn)

    def allocated(self, payment: Payment) -> int:
        own = sum(one.amount for one in self.allocations if one.payment == payment.id and not one.withdrawn)
        return own + sum(one.parts.get(payment.id, 0) for one in self.refunds.values() if not one.reversed)

    def since(self, payment: Payment) -> date:
        """The last day on which money of a payment was freed, or came."""
        own = [one for one in self.allocations if one.payment == payment.id]
        ends = [one.withdrawn for one in own if one.withdrawn and one.withdrawn > one.made]
        back = [one.reversed for one in self.refunds.values() if one.reversed and payment.id in one.parts]
        return max([payment.received, *ends, *back])

    def oldest_credit(self, account: Account, amount: int) -> tuple[dict[UUID, int], date]:
        """What a refund takes of each payment, and the day from which there is that much."""
        own = [one for one in self.payments.values() if one.account == account and not one.written_off]
        own = [one for one in own if one.status == "recorded"]
        parts, day = {}, date.min
        for payment in sorted(own, key=lambda one: (self.since(one), one.id)):
            part = min(payment.amount - self.allocated(payment), amount)
            if part:
                parts[payment.id], day = part, self.since(payment)
                amount -= part
        return parts, day

    def open(self, document: Document) -> int:
        """What is still to be paid."""
        owes = document.kind != "credit_note" and document.status == "issued"
        return document.total - self.paid(document) - document.credited if owes else 0

    def oldest_first(self, account: Account, amount: int) -> list[tuple[Document, int]]:
        own = [one for one in self.documents.values() if one.account == account and self.open(one)]
        parts = []
        for document in sorted(own, key=lambda one: (one.due or date.max, one.number or "")):
            part = min(self.open(document), amount)
            if part:
                parts.append((document, part))
                amount -= part
        return parts

    def refuse_part(self, account: Account, document: Document, amount: int) -> set[str]:
        if document.account != account:
            return {"another_account", "too_precise"}  # cents are told before the account is looked at
        if document.kind == "credit_note":
            return {"not_an_invoice"}
        if document.status != "issued":
            return {"not_issued"}
        return {"above_balance"} if amount > self.open(document) else set()

    def allocate(self, payment: Payment, parts: Iterable[tuple[Document, int]], day: date) -> None:
        for document, amount in parts:
            made = max(day, document.issued or day)
            self.allocations.append(Allocation(payment.id, document.id, amount, made))

    def refuse_reversal(self, payment: Payment, day: date) -> set[str]:
        if any(payment.id in one.parts for one in self.refunds.values() if not one.reversed):
            return {"payment_refunded"}
        early = day < self.since(payment)
        return self.refuse_day(day) | ({"before_last_change"} if early else set())

    def withdraw(self, allocations: Iterable[Allocation], day: date) -> None:
        for one in allocations:
            one.withdrawn = one.withdrawn or max(day, one.made)

    def balances(self) -> dict[Account, int]:
        """What is owed on each account."""
        found: dict[Account, int] = defaultdict(int)
        for document in self.documents.values():
            if document.status == "issued":
                found[document.account] += -document.total if document.kind == "credit_note" else document.total
        for payment in self.payments.values():
            if payment.status == "recorded":
                found[payment.account] -= payment.amount
        for refund in self.refunds.values():
            if not refund.reversed:
                found[refund.account] += refund.amount
        return {account: amount for account, amount in found.items() if amount}
