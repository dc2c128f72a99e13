"""How the numbers of a document came about: each computed anew, by the functions that made it, beside what is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing_admin.domain.invoices import Document, Line, TaxRate, TaxTotal, includes_tax
from billing_admin.domain.money import EXACT, unrounded_included_tax


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is stored and as it comes out now."""

    stored: int
    computed: int

    @property
    def holds(self) -> bool:
        """Whether the two agree."""
        return self.stored == self.computed


@dataclass(frozen=True, slots=True)
class TaxStep:
    """How the tax at one rate was made of `amount`, the sum of line nets, or of line grosses where prices include it.

    `exactly` is the tax in minor units before it was rounded.
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
        """Whether base and tax come out as they are stored."""
        return self.base.holds and self.tax.holds


@dataclass(frozen=True, slots=True)
class LineStep:
    """How a line was made: its charges' exact sum, rounded once, and the tax taken out where its price includes it.

    `amount` is that sum as it is stored; `line` is computed anew.
    """

    line: Line
    amount: Decimal
    rounded: Figure
    net: Figure

    @property
    def holds(self) -> bool:
        """Whether sum, rounding and net come out as they are stored."""
        return self.amount == self.line.group.amount and self.rounded.holds and self.net.holds


@dataclass(frozen=True, slots=True)
class Explanation:
    """A whole document, from its charges to its total. Money in minor units."""

    document: Document
    lines: Sequence[LineStep]
    taxes: Sequence[TaxStep]
    net: Figure
    tax: Figure
    total: Figure

    @property
    def holds(self) -> bool:
        """Whether every number comes out as it is stored."""
        figures = (self.net, self.tax, self.total)
        parts = (
            *(one.holds for one in figures),
            *(one.holds for one in self.lines),
            *(one.holds for one in self.taxes),
        )
        return all(parts)


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """What is stored of a document: its totals, and of its lines in their order (exact sum, gross, net)."""

    net: int
    tax: int
    total: int
    lines: Sequence[tuple[Decimal, int | None, int]]
    taxes: Mapping[tuple[TaxRate, bool], TaxTotal]


def computed_figures(document: Document) -> StoredFigures:
    """What is computed and not stored is what it is."""
    lines = [(line.group.amount, line.gross, line.net) for line in document.lines]
    taxes = {(total.rate, total.included): total for total in document.taxes}
    return StoredFigures(document.net, document.tax, document.total, lines, taxes)


def explain(document: Document, kept: StoredFigures) -> Explanation:
    """Set what is stored beside the document that its charges make now."""
    taxes = {(total.rate, total.included): total for total in document.taxes}
    nothing = TaxTotal(TaxRate("", Decimal(0)), 0, 0)
    return Explanation(
        document,
        [_line(line, *stored) for line, stored in zip(document.lines, kept.lines, strict=True)],
        [
            _tax(position, document, taxes.get(key, nothing), kept.taxes.get(key, nothing), *key)
            for position, key in enumerate(sorted(taxes.keys() | kept.taxes.keys()), 1)
        ],
        Figure(kept.net, document.net),
        Figure(kept.tax, document.tax),
        Figure(kept.total, document.total),
    )


def _line(line: Line, amount: Decimal, gross: int | None, net: int) -> LineStep:
    computed = line.net if line.gross is None else line.gross
    return LineStep(line, amount, Figure(net if gross is None else gross, computed), Figure(net, line.net))


def _tax(
    position: int, document: Document, computed: TaxTotal, stored: TaxTotal, rate: TaxRate, included: bool
) -> TaxStep:
    own = [line for line in document.lines if (line.group.tax, includes_tax(line.gross, rate)) == (rate, included)]
    amount = sum(line.gross or 0 if included else line.net for line in own)
    return TaxStep(
        position,
        rate,
        included,
        stored.note,
        [line.position for line in own],
        amount,
        unrounded_included_tax(amount, rate.percent) if included else _percent_of(amount, rate.percent),
        Figure(stored.base, computed.base),
        Figure(stored.tax, computed.tax),
    )


def _percent_of(amount: int, percent: Decimal) -> Decimal:
    return EXACT.scaleb(EXACT.multiply(Decimal(amount), percent), -2)
