"""Credit notes: the creditable amounts of an invoice, and the split of a credit.

A credit is split by tax rate and by line. Amounts are in minor units. The net and tax of a credit are
computed from the sum of all credits at a rate, less the earlier credits. Credits that add up to the invoice
therefore add up to exactly its net and its tax, whatever their sizes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.formatting import format_money, format_percent
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import EXACT, ROUNDING, percentage
from billing_admin.domain.translation import Phrase


@dataclass(frozen=True, slots=True)
class CreditableLine:
    """A line of an invoice with its credited net; `included` as in `CreditableTax`."""

    id: UUID
    position: int
    rate: TaxRate
    included: bool
    net: int
    credited: int

    @property
    def left(self) -> int:
        """The net that can still be credited, with the line's sign."""
        return self.net - self.credited

    @property
    def is_credited_in_part(self) -> bool:
        """Whether a part of the line is credited and a part is left."""
        return bool(self.credited and self.left)


@dataclass(frozen=True, slots=True)
class CreditableTax:
    """The tax of an invoice at one rate, with its credited part.

    `included` is true if the prices include tax.
    """

    rate: TaxRate
    included: bool
    base: int
    tax: int
    credited_base: int
    credited_tax: int

    @property
    def left(self) -> int:
        """The sum of net and tax that can still be credited at this rate."""
        return self.base + self.tax - self.credited_base - self.credited_tax

    def has(self, line: CreditableLine) -> bool:
        """Return whether a line is taxed at this rate."""
        return (line.rate, line.included) == (self.rate, self.included)

    def tax_on(self, net: int) -> int:
        """Return the tax of crediting another net amount."""
        credited = self.credited_base + net
        total_tax = self.tax if credited == self.base else percentage(credited, self.rate.percent)
        return total_tax - self.credited_tax

    def net_in(self, gross: int) -> int:
        """Return the net of crediting another gross amount."""
        credited = self.credited_base + self.credited_tax + gross
        total_net = self.base if credited == self.base + self.tax else _net_of(credited, self.rate.percent)
        return total_net - self.credited_base


@dataclass(frozen=True, slots=True)
class Creditable:
    """An issued invoice with its credited amounts."""

    number: str
    currency: str
    lines: tuple[CreditableLine, ...]
    taxes: tuple[CreditableTax, ...]

    @property
    def left(self) -> int:
        """The amount that can still be credited, including tax."""
        return sum(tax.left for tax in self.taxes)


@dataclass(frozen=True, slots=True)
class CreditedTax:
    """The net and tax credited at one rate, with the ids of the lines."""

    rate: TaxRate
    included: bool
    lines: tuple[UUID, ...]
    base: int
    tax: int


@dataclass(frozen=True, slots=True)
class Credit:
    """The amounts of a credit note: net by line id, base and tax by rate."""

    lines: Mapping[UUID, int]
    taxes: tuple[CreditedTax, ...]

    @property
    def net(self) -> int:
        """The sum of the lines."""
        return sum(self.lines.values())

    @property
    def tax(self) -> int:
        """The sum of the taxes."""
        return sum(tax.tax for tax in self.taxes)

    @property
    def total(self) -> int:
        """The sum of net and tax."""
        return self.net + self.tax

    def tax_within(self) -> dict[UUID, int]:
        """Return the included tax of each line whose price includes tax."""
        included: dict[UUID, int] = {}
        for tax in self.taxes:
            if tax.included:
                shares = split_by_weight(tax.tax, [self.lines[id] for id in tax.lines])
                included |= dict(zip(tax.lines, shares, strict=True))
        return included


@dataclass(frozen=True, slots=True)
class CreditEffect:
    """The effect of a credit on an invoice's open amount and on the customer's credit."""

    reduces: int
    becomes_credit: int
    owed_after: int
    reverses: int = 0


def credit_effect(owed: int, total: int, written_off: int = 0) -> CreditEffect:
    """Return a credit's effect: it reduces the open amount.

    The excess reverses what was written off, and what then is left becomes credit.
    """
    reduces = min(owed, total)
    reverses = min(total - reduces, written_off)
    return CreditEffect(reduces, total - reduces - reverses, owed - reduces, reverses)


def credit_lines(invoice: Creditable, net_by_line: Mapping[UUID, int]) -> Credit:
    """Return the credit of net amounts of some lines, with the tax at each rate.

    Raises:
        Invalid: An amount exceeds the remainder of a line, a rate or the invoice; the error names it.
        Conflict: The invoice is credited in full.
    """
    _refuse_fully_credited(invoice)
    lines = {line.id: line for line in invoice.lines}
    for index, (id, net) in enumerate(net_by_line.items()):
        if id not in lines:
            raise Invalid(
                "unknown_line",
                Phrase("Choose a line of {invoice_number}.", invoice_number=invoice.number),
                "lines",
                index,
                "line",
            )
        _check_line(lines[id], net, invoice.currency, index)
    taxes = []
    for tax in invoice.taxes:
        nets = {id: net for id, net in net_by_line.items() if tax.has(lines[id])}
        if nets:
            base = sum(nets.values())
            _check_rate(tax, base, invoice.currency)
            taxes.append(CreditedTax(tax.rate, tax.included, tuple(nets), base, tax.tax_on(base)))
    credit = Credit(dict(net_by_line), tuple(taxes))
    if not 0 < credit.total <= invoice.left:
        raise _out_of_range(credit.total, invoice, "lines")
    return credit


def credit_amount(invoice: Creditable, amount: int) -> Credit:
    """Return the credit of an amount that includes tax.

    The amount is split over the rates, then over their lines, in proportion to their remainders.

    Raises:
        Invalid: The amount exceeds the remainder of the invoice; the error names it.
        Conflict: The invoice is credited in full.
    """
    _refuse_fully_credited(invoice)
    if not 0 < amount <= invoice.left:
        raise _out_of_range(amount, invoice, "amount")
    lines: dict[UUID, int] = {}
    taxes = []
    for tax, gross in zip(invoice.taxes, split_by_weight(amount, [tax.left for tax in invoice.taxes]), strict=True):
        if gross:
            base = tax.net_in(gross)
            nets = _split_over_lines(base, [line for line in invoice.lines if tax.has(line)])
            lines |= nets
            taxes.append(CreditedTax(tax.rate, tax.included, tuple(nets), base, gross - base))
    return Credit(lines, tuple(taxes))


def _refuse_fully_credited(invoice: Creditable) -> None:
    if invoice.left <= 0:
        raise Conflict(
            "nothing_left", Phrase("{invoice_number} is already credited in full.", invoice_number=invoice.number)
        )


def _check_line(line: CreditableLine, net: int, currency: str, index: int) -> None:
    sign = -1 if line.net < 0 else 1
    if 0 < net * sign <= line.left * sign:
        return
    maximum = Phrase(
        "at most {left} net for line {position}.", left=format_money(line.left, currency), position=line.position
    )
    message = (
        Phrase("Enter an amount above zero and {maximum}", maximum=maximum)
        if net == 0
        else Phrase("Enter {maximum}", maximum=maximum)
    )
    if not line.left:
        message = Phrase("Remove line {position}: it is already credited in full.", position=line.position)
    raise Invalid("above_line", message, "lines", index, "amount")


def _check_rate(tax: CreditableTax, base: int, currency: str) -> None:
    remaining, sign = tax.base - tax.credited_base, -1 if tax.base < 0 else 1
    if not 0 <= base * sign <= remaining * sign:
        rate = f"{tax.rate.category} {format_percent(tax.rate.percent)}"
        message = Phrase(
            "Enter at most {remaining} net for the lines at the tax rate {rate}.",
            remaining=format_money(remaining, currency),
            rate=rate,
        )
        raise Invalid("above_rate", message, "lines")


def _out_of_range(amount: int, invoice: Creditable, field: str) -> Invalid:
    maximum = format_money(invoice.left, invoice.currency)
    if amount > 0:
        message = Phrase(
            "Enter at most {maximum}: this is the amount of {invoice_number} that is not credited yet.",
            maximum=maximum,
            invoice_number=invoice.number,
        )
        return Invalid("above_remaining", message, field)
    return Invalid("not_positive", Phrase("Enter an amount above zero and at most {maximum}.", maximum=maximum), field)


def net_of_quantity(line_net: int, line_quantity: Decimal, quantity: Decimal) -> int:
    """Return the net of a part of a line's quantity, rounded half away from zero."""
    if not line_quantity:
        return 0
    net = ROUNDING.divide(EXACT.multiply(Decimal(line_net), quantity), line_quantity)
    return int(ROUNDING.quantize(net, Decimal(1)))


def _net_of(gross: int, percent: Decimal) -> int:
    """Return the net of an amount that includes tax, rounded half away from zero."""
    net = ROUNDING.divide(Decimal(gross * 100), EXACT.add(Decimal(100), percent))
    return int(ROUNDING.quantize(net, Decimal(1)))


def _split_over_lines(base: int, lines: Sequence[CreditableLine]) -> dict[UUID, int]:
    """Split a net over lines; a credit of tax alone is a net of 0 on the first line."""
    shares = split_by_weight(base, [line.left for line in lines])
    return {line.id: net for line, net in zip(lines, shares, strict=True) if net} or {lines[0].id: 0}


def split_by_weight(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount in proportion to weights into whole units that add up to it.

    Shares are rounded down; the missing units go to the largest remainders, the first of equals first.
    """
    total = sum(weights)
    if not total:
        return [0 for _ in weights]
    shares = [amount * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(amount * weights[index] % total), index))
    for index in by_remainder[: amount - sum(shares)]:
        shares[index] += 1
    return shares
