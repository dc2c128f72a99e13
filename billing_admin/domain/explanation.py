"""Explanations of documents: each stored number, and the same number recomputed.

The numbers are recomputed from the charges.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from billing_admin.domain.invoices import Document, Line, TaxRate, TaxTotal, includes_tax
from billing_admin.domain.money import EXACT, unrounded_included_tax


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as stored and as computed now, in minor units."""

    stored: int
    computed: int

    @property
    def holds(self) -> bool:
        """Whether the stored and the computed number are equal."""
        return self.stored == self.computed


@dataclass(frozen=True, slots=True)
class TaxStep:
    """The computation of the tax at one rate.

    `amount` is the sum of the line nets, or of the line grosses if prices include the tax.
    `exactly` is the unrounded tax in minor units. `lines` are positions.
    """

    position: int
    rate: TaxRate
    included: bool
    note: str
    lines: Sequence[int]
    amount: int
    exactly: Decimal
    base: Figure
    tax: Figure

    @property
    def holds(self) -> bool:
        """Whether base and tax are computed as they are stored."""
        return self.base.holds and self.tax.holds


@dataclass(frozen=True, slots=True)
class LineStep:
    """The computation of a line.

    A line is the exact sum of its charges, rounded once, less the tax that its price includes.
    `amount` is the stored sum; `line` is computed from the charges.
    """

    line: Line
    amount: Decimal
    rounded: Figure
    net: Figure

    @property
    def holds(self) -> bool:
        """Whether sum, rounding and net are computed as they are stored."""
        return self.amount == self.line.group.amount and self.rounded.holds and self.net.holds


@dataclass(frozen=True, slots=True)
class Explanation:
    """The computation of a document, from its charges to its total, in minor units."""

    document: Document
    lines: Sequence[LineStep]
    taxes: Sequence[TaxStep]
    net: Figure
    tax: Figure
    total: Figure

    @property
    def holds(self) -> bool:
        """Whether every number is computed as it is stored."""
        totals_hold = self.net.holds and self.tax.holds and self.total.holds
        return totals_hold and all(line.holds for line in self.lines) and all(tax.holds for tax in self.taxes)


class StoredLine(NamedTuple):
    """A line's stored numbers.

    The sum of its charges is exact; gross and net are in minor units.
    """

    amount: Decimal
    gross: int | None
    net: int


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """The stored numbers of a document.

    The lines are in their order; the taxes are keyed by rate and `included`.
    """

    net: int
    tax: int
    total: int
    lines: Sequence[StoredLine]
    taxes: Mapping[tuple[TaxRate, bool], TaxTotal]


def computed_figures(document: Document) -> StoredFigures:
    """Return the numbers of an unstored document, such as the current invoice."""
    lines = [StoredLine(line.group.amount, line.gross, line.net) for line in document.lines]
    taxes = {(total.rate, total.included): total for total in document.taxes}
    return StoredFigures(document.net, document.tax, document.total, lines, taxes)


def explain(document: Document, stored: StoredFigures) -> Explanation:
    """Compare a document, computed from its charges, with its stored numbers."""
    computed_taxes = {(total.rate, total.included): total for total in document.taxes}
    no_tax = TaxTotal(TaxRate("", Decimal(0)), 0, 0)
    return Explanation(
        document,
        [_line_step(line, stored_line) for line, stored_line in zip(document.lines, stored.lines, strict=True)],
        [
            _tax_step(position, document, computed_taxes.get(key, no_tax), stored.taxes.get(key, no_tax), *key)
            for position, key in enumerate(sorted(computed_taxes.keys() | stored.taxes.keys()), 1)
        ],
        Figure(stored.net, document.net),
        Figure(stored.tax, document.tax),
        Figure(stored.total, document.total),
    )


def _line_step(line: Line, stored: StoredLine) -> LineStep:
    computed = line.net if line.gross is None else line.gross
    rounded = stored.net if stored.gross is None else stored.gross
    return LineStep(line, stored.amount, Figure(rounded, computed), Figure(stored.net, line.net))


def _tax_step(
    position: int, document: Document, computed: TaxTotal, stored: TaxTotal, rate: TaxRate, included: bool
) -> TaxStep:
    lines = [line for line in document.lines if (line.group.tax, includes_tax(line.gross, rate)) == (rate, included)]
    amount = sum(line.gross or 0 if included else line.net for line in lines)
    return TaxStep(
        position,
        rate,
        included,
        stored.note,
        [line.position for line in lines],
        amount,
        unrounded_included_tax(amount, rate.percent) if included else _percent_of(amount, rate.percent),
        Figure(stored.base, computed.base),
        Figure(stored.tax, computed.tax),
    )


def _percent_of(amount: int, percent: Decimal) -> Decimal:
    return EXACT.scaleb(EXACT.multiply(Decimal(amount), percent), -2)
