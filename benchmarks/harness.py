"""Measuring two things in turn, A B A B, and the table that says how they compare."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Measured = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pair:
    """The medians of two things measured in turn, and the median of their ratios."""

    ours: float
    limit: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, against what, and whether the target was reached."""

    work: str
    database: str
    ours: str
    limit: str
    ratio: str
    target: str
    passed: bool


def measure(ours: Measured, limit: Measured, rounds: int) -> Pair:
    """Run both in turn and return medians of their figures, such as charges per second. A first round does not count."""
    ours()
    limit()
    pairs = [(ours(), limit()) for _ in range(rounds)]
    return Pair(
        statistics.median(mine for mine, _ in pairs),
        statistics.median(most for _, most in pairs),
        statistics.median(mine / most for mine, most in pairs),
    )


def at_least(work: str, database: str, pair: Pair, unit: str, target: float) -> Row:
    """A rate that must reach a share of its limit's."""
    return Row(
        work,
        database,
        f"{pair.ours:,.0f} {unit}",
        f"{pair.limit:,.0f} {unit}",
        f"{pair.ratio:.2f}",
        f"≥ {target:g} of the limit",
        pair.ratio >= target,
    )


def table(rows: Iterable[Row]) -> str:
    """The rows as people read them."""
    head = ("work", "database", "ours", "limit", "ratio", "target now", "")
    body = [(r.work, r.database, r.ours, r.limit, r.ratio, r.target, "reached" if r.passed else "BELOW") for r in rows]
    widths = [max(len(line[column]) for line in [head, *body]) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [head, *body]]
    return "\n".join(
        [lines[0].rstrip(), "  ".join("-" * width for width in widths), *(line.rstrip() for line in lines[1:])]
    )
