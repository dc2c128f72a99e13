"""Credit notes: how much of an invoice is left, and how a credit splits over its rates and lines. Amounts are in minor units.

Each rate counts what was credited before, and a step's net and tax are what the sum of all steps makes, less the steps before.
So credits that together take back an invoice take back exactly its net and its tax, whatever the steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import EXACT, ROUNDING, Money, percentage, plain_decimal


@dataclass(frozen=True, slots=True)
class CreditableLine:
    """An invoice's line: its rate, its net, and the net that was credited before. `included` as in `CreditableTax`."""

    id: UUID
    position: int
    rate: TaxRate
    included: bool
    net: int
    credited: int

    @property
    def left(self) -> int:
        """The net that can still be credited; of the line's own sign."""
        return self.net - self.credited


@dataclass(frozen=True, slots=True)
class CreditableTax:
    """An invoice's tax at one rate, and what was credited of it before. `included`: its lines' prices had the tax in them."""

    rate: TaxRate
    included: bool
    base: int
    tax: int
    credited_base: int
    credited_tax: int

    @property
    def left(self) -> int:
        """Net and tax at this rate that can still be credited."""
        return self.base + self.tax - self.credited_base - self.credited_tax

    def has(self, line: CreditableLine) -> bool:
        """Whether the line is taxed here."""
        return (line.rate, line.included) == (self.rate, self.included)

    def tax_on(self, net: int) -> int:
        """The tax that goes back with so much more net."""
        credited = self.credited_base + net
        in_all = self.tax if credited == self.base else percentage(credited, self.rate.percent)
        return in_all - self.credited_tax

    def net_in(self, gross: int) -> int:
        """The net within so much more net and tax."""
        credited = self.credited_base + self.credited_tax + gross
        in_all = self.base if credited == self.base + self.tax else _net_within(credited, self.rate.percent)
        return in_all - self.credited_base


@dataclass(frozen=True, slots=True)
class Creditable:
    """An issued invoice as its credit notes see it."""

    number: str
    currency: str
    lines: tuple[CreditableLine, ...]
    taxes: tuple[CreditableTax, ...]

    @property
    def left(self) -> int:
        """The most that can still be credited, tax and all."""
        return sum(tax.left for tax in self.taxes)


@dataclass(frozen=True, slots=True)
class CreditedTax:
    """What goes back at one rate, and of which lines."""

    rate: TaxRate
    included: bool
    lines: tuple[UUID, ...]
    base: int
    tax: int


@dataclass(frozen=True, slots=True)
class Credit:
    """What a credit note takes back: net by line, base and tax by rate."""

    lines: Mapping[UUID, int]
    taxes: tuple[CreditedTax, ...]

    @property
    def net(self) -> int:
        """The sum of its lines."""
        return sum(self.lines.values())

    @property
    def tax(self) -> int:
        """The sum of its taxes."""
        return sum(tax.tax for tax in self.taxes)

    @property
    def total(self) -> int:
        """Net and tax."""
        return self.net + self.tax

    def tax_within(self) -> dict[UUID, int]:
        """The tax that goes back with each line whose price had it in it."""
        within: dict[UUID, int] = {}
        for tax in self.taxes:
            if tax.included:
                shares = split_by_weight(tax.tax, [self.lines[id] for id in tax.lines])
                within |= dict(zip(tax.lines, shares, strict=True))
        return within


@dataclass(frozen=True, slots=True)
class CreditEffect:
    """What a credit does to an invoice: how far it reduces what is owed, and what becomes the customer's credit."""

    reduces: int
    becomes_credit: int
    owed_after: int


def credit_effect(owed: int, total: int) -> CreditEffect:
    """What is owed is reduced first; what exceeds it was paid, and is the customer's from then on."""
    reduces = min(owed, total)
    return CreditEffect(reduces, total - reduces, owed - reduces)


def credit_lines(invoice: Creditable, asked: Mapping[UUID, int]) -> Credit:
    """Credit a net amount of some lines; the tax of each rate follows.

    Raises Invalid above what is left of a line, of a rate or of the invoice, naming the most that can be credited, and
    Conflict when nothing is left.
    """
    _refuse_done(invoice)
    known = {line.id: line for line in invoice.lines}
    for place, (id, net) in enumerate(asked.items()):
        if id not in known:
            raise Invalid("unknown_line", f"This line is not on {invoice.number}.", "lines", place, "line")
        _check_line(known[id], net, invoice.currency, place)
    taxes = []
    for tax in invoice.taxes:
        own = {id: net for id, net in asked.items() if tax.has(known[id])}
        if own:
            base = sum(own.values())
            _check_rate(tax, base, invoice.currency)
            taxes.append(CreditedTax(tax.rate, tax.included, tuple(own), base, tax.tax_on(base)))
    credit = Credit(dict(asked), tuple(taxes))
    if not 0 < credit.total <= invoice.left:
        raise _not_within(credit.total, invoice, "lines")
    return credit


def credit_amount(invoice: Creditable, amount: int) -> Credit:
    """Credit an amount with tax in it, spread over the rates, then over their lines, by what is left of each.

    Raises Invalid above what is left of the invoice, naming it, and Conflict when nothing is left.
    """
    _refuse_done(invoice)
    if not 0 < amount <= invoice.left:
        raise _not_within(amount, invoice, "amount")
    lines: dict[UUID, int] = {}
    taxes = []
    for tax, gross in zip(invoice.taxes, split_by_weight(amount, [tax.left for tax in invoice.taxes]), strict=True):
        if gross:
            base = tax.net_in(gross)
            own = _over_lines(base, [line for line in invoice.lines if tax.has(line)])
            lines |= own
            taxes.append(CreditedTax(tax.rate, tax.included, tuple(own), base, gross - base))
    return Credit(lines, tuple(taxes))


def _refuse_done(invoice: Creditable) -> None:
    if invoice.left <= 0:
        raise Conflict("nothing_left", f"{invoice.number} is credited in full: nothing is left to credit.")


def _check_line(line: CreditableLine, net: int, currency: str, place: int) -> None:
    sign = -1 if line.net < 0 else 1
    if 0 < net * sign <= line.left * sign:
        return
    said = (
        f"Line {line.position} is credited in full: leave it out."
        if not line.left
        else f"Of line {line.position} at most {Money(line.left, currency)} {currency} net can be credited."
    )
    raise Invalid("above_line", said, "lines", place, "amount")


def _check_rate(tax: CreditableTax, base: int, currency: str) -> None:
    left, sign = tax.base - tax.credited_base, -1 if tax.base < 0 else 1
    if not 0 <= base * sign <= left * sign:
        at = f"{tax.rate.category} {plain_decimal(tax.rate.percent)} %"
        said = f"At the tax rate {at} at most {Money(left, currency)} {currency} net can be credited."
        raise Invalid("above_rate", said, "lines")


def _not_within(amount: int, invoice: Creditable, field: str) -> Invalid:
    left = f"{Money(invoice.left, invoice.currency)} {invoice.currency}"
    if amount > 0:
        return Invalid(
            "above_remaining", f"At most {left} can be credited: no more is left of {invoice.number}.", field
        )
    return Invalid("not_positive", f"Credit more than nothing: at most {left}.", field)


def _net_within(gross: int, percent: Decimal) -> int:
    """The net of an amount that includes the tax, rounded once, half away from zero."""
    net = ROUNDING.divide(Decimal(gross * 100), EXACT.add(Decimal(100), percent))
    return int(ROUNDING.quantize(net, Decimal(1)))


def _over_lines(base: int, lines: Sequence[CreditableLine]) -> dict[UUID, int]:
    """Where a step is so small that it is all tax, its first line says so, with a net of zero."""
    shares = split_by_weight(base, [line.left for line in lines])
    return {line.id: net for line, net in zip(lines, shares, strict=True) if net} or {lines[0].id: 0}


def split_by_weight(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weights into whole units that add up to it: the largest remainders get the units left over."""
    total = sum(weights)
    if not total:
        return [0 for _ in weights]
    shares = [amount * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: (-(amount * weights[place] % total), place))
    for place in by_remainder[: amount - sum(shares)]:
        shares[place] += 1
    return shares
