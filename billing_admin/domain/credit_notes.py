"""Credit notes: the creditable amounts of an invoice, and the split of a credit.

A credit is split by tax rate and by line. Amounts are in minor units. The net and tax of a credit are
computed from the sum of all credits at a rate, less the earlier credits. Credits that add up to the invoice
therefore add up to exactly its net and its tax, whatever their sizes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from billing_admin.domain.credit_rounding import CreditedPart, with_recomputable_tax
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.formatting import format_money, format_percent
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import EXACT, ROUNDING, ZERO, Money, exact_decimal, percentage
from billing_admin.domain.translation import Phrase


@dataclass(frozen=True, slots=True)
class CreditableLine:
    """A line of an invoice with its credited net; `included` as in `CreditableTax`.

    `quantity` is None on a line without a unit price.
    """

    id: UUID
    position: int
    rate: TaxRate
    included: bool
    net: int
    credited: int
    quantity: Decimal | None = None

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

    def credited_by(self, base: int, tax: int) -> CreditedPart:
        """Return the part of a credit at this rate."""
        return CreditedPart(self.rate, self.base - self.credited_base, self.tax - self.credited_tax, base, tax)

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
    """An issued invoice with its credited amounts.

    `has_e_invoice` is true if its customer gets e-invoices: they must be able to state each of its credits.
    """

    number: str
    currency: str
    lines: tuple[CreditableLine, ...]
    taxes: tuple[CreditableTax, ...]
    has_e_invoice: bool = False

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


def credit_lines(
    invoice: Creditable, net_by_line: Mapping[UUID, int], by_quantity: Collection[int] = frozenset()
) -> Credit:
    """Return the credit of net amounts of some lines, with the tax at each rate.

    `by_quantity` are the places of the lines whose net is that of a quantity.

    Raises:
        Invalid: An amount exceeds the remainder of a line, a rate or the invoice; the error names it. Or an
            e-invoice cannot state the tax.
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
        _check_line(lines[id], net, invoice.currency, index, by_quantity=index in by_quantity)
    parts, ids_by_place = [], []
    for tax in invoice.taxes:
        ids = tuple(id for id in net_by_line if tax.has(lines[id]))
        base = sum(net_by_line[id] for id in ids)
        if ids:
            _check_rate(tax, base, invoice.currency)
        parts.append(tax.credited_by(base, tax.tax_on(base) if ids else 0))
        ids_by_place.append(ids)
    matching = with_recomputable_tax(parts, invoice.currency, keeps_total=False)
    if matching is None and invoice.has_e_invoice:
        raise _rounded_apart(invoice)
    taxes = [
        CreditedTax(tax.rate, tax.included, ids, part.base, part.tax)
        for tax, ids, part in zip(invoice.taxes, ids_by_place, matching or parts, strict=True)
        if ids
    ]
    credit = Credit(dict(net_by_line), tuple(taxes))
    if not 0 < credit.total <= invoice.left:
        raise _out_of_range(credit.total, invoice, "lines")
    return credit


def credit_amount(invoice: Creditable, amount: int) -> Credit:
    """Return the credit of an amount that includes tax.

    The amount is split over the rates, then over their lines, in proportion to their remainders.

    Raises:
        Invalid: The amount exceeds the remainder of the invoice; the error names it. Or an e-invoice cannot state its
            tax; the error names the next amount whose tax it can state.
        Conflict: The invoice is credited in full.
    """
    _refuse_fully_credited(invoice)
    if not 0 < amount <= invoice.left:
        raise _out_of_range(amount, invoice, "amount")
    parts = _split_over_rates(invoice, amount)
    matching = with_recomputable_tax(parts, invoice.currency, keeps_total=True)
    if matching is None and invoice.has_e_invoice:
        raise _not_statable(invoice, amount)
    lines: dict[UUID, int] = {}
    taxes = []
    for tax, part in zip(invoice.taxes, matching or parts, strict=True):
        if part.base or part.tax:
            nets = _split_over_lines(part.base, [line for line in invoice.lines if tax.has(line)])
            lines |= nets
            taxes.append(CreditedTax(tax.rate, tax.included, tuple(nets), part.base, part.tax))
    return Credit(lines, tuple(taxes))


def _split_over_rates(invoice: Creditable, amount: int) -> list[CreditedPart]:
    """Split an amount over the rates of an invoice, each part into base and tax."""
    shares = split_by_weight(amount, [tax.left for tax in invoice.taxes])
    nets = [tax.net_in(gross) if gross else 0 for tax, gross in zip(invoice.taxes, shares, strict=True)]
    return [tax.credited_by(net, gross - net) for tax, gross, net in zip(invoice.taxes, shares, nets, strict=True)]


def _rounded_apart(invoice: Creditable) -> Invalid:
    return Invalid(
        "tax_rounded_apart",
        Phrase(
            "Credit the lines whose prices include tax on a credit note of their own: together with the others, an"
            " e-invoice cannot state their rounded tax in {currency}.",
            currency=invoice.currency,
        ),
        "lines",
    )


def _not_statable(invoice: Creditable, amount: int) -> Invalid:
    """Return the error for an amount; all that is left can always be credited."""
    parts = (_split_over_rates(invoice, higher) for higher in range(amount + 1, invoice.left))
    matching = (with_recomputable_tax(split, invoice.currency, keeps_total=True) for split in parts)
    possible = next((sum(part.base + part.tax for part in choice) for choice in matching if choice), invoice.left)
    return Invalid(
        "tax_rounded_apart",
        Phrase(
            "Enter {possible}: an e-invoice cannot state {amount} and its tax in whole units.",
            possible=format_money(possible, invoice.currency),
            amount=format_money(amount, invoice.currency),
        ),
        "amount",
    )


def _refuse_fully_credited(invoice: Creditable) -> None:
    if invoice.left <= 0:
        raise Conflict(
            "nothing_left", Phrase("{invoice_number} is already credited in full.", invoice_number=invoice.number)
        )


def _check_line(line: CreditableLine, net: int, currency: str, index: int, *, by_quantity: bool) -> None:
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
    if by_quantity:
        message = Phrase(
            "Enter another quantity, or a net amount of at most {left} for line {position}: this quantity is {net} net.",
            left=format_money(line.left, currency),
            position=line.position,
            net=format_money(net, currency),
        )
    if not line.left:
        message = Phrase("Remove line {position}: it is already credited in full.", position=line.position)
    raise Invalid("above_line", message, "lines", index, "quantity" if by_quantity else "amount")


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


def net_to_credit(
    invoice: Creditable | None, line_id: UUID, quantity: Decimal | None, amount: Decimal | None, place: int
) -> Decimal:
    """Return the net of a line to credit, in major units.

    It is the amount, or that of a part of the line's quantity. `place` is that of the line in the request. Only a
    quantity needs the invoice. A line that the invoice does not have, and a net above what is left, are left to
    `credit_lines`: a repeated request credits nothing again.

    Raises:
        Invalid: Both are given or none, the quantity is not exact, or the line has none.
    """
    field = "lines", place, "quantity"
    if amount is not None:
        if quantity is not None:
            raise Invalid("quantity_and_amount", Phrase("Enter a quantity or a net amount, not both."), *field)
        return amount
    if quantity is None:
        raise Invalid("quantity_and_amount", Phrase("Enter a quantity or a net amount."), *field)
    line = next((line for line in invoice.lines if line.id == line_id), None) if invoice else None
    exact = exact_decimal(quantity, *field)
    if invoice is None or line is None:
        return ZERO
    if line.quantity is None:
        message = Phrase("Line {position} has no unit price. Enter a net amount.", position=line.position)
        raise Invalid("without_quantity", message, *field)
    return Money(net_of_quantity(line.net, line.quantity, exact), invoice.currency).decimal


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
