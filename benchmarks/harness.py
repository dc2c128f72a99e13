"""Measure two functions in turn, A B A B, and print a table that compares them."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Measured = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pair:
    """The medians of two rates measured in turn, and the median of their ratios."""

    ours: float
    limit: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: the work, its rate, the limit, and whether the target was reached."""

    work: str
    database: str
    ours: str
    limit: str
    ratio: str
    target: str
    passed: bool


def measure(ours: Measured, limit: Measured, rounds: int) -> Pair:
    """Run both in turn and return the medians of their rates; a first round is not counted."""
    ours()
    limit()
    pairs = [(ours(), limit()) for _ in range(rounds)]
    return Pair(
        statistics.median(rate for rate, _ in pairs),
        statistics.median(limit_rate for _, limit_rate in pairs),
        statistics.median(rate / limit_rate for rate, limit_rate in pairs),
    )


def at_least(work: str, database: str, pair: Pair, unit: str, target: float) -> Row:
    """Return the row of a rate that must reach a share of its limit."""
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
    """Return the rows as a text table."""
    head = ("work", "database", "ours", "limit", "ratio", "target now", "")
    body = [(r.work, r.database, r.ours, r.limit, r.ratio, r.target, "reached" if r.passed else "BELOW") for r in rows]
    widths = [max(len(line[column]) for line in [head, *body]) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [head, *body]]
    return "\n".join(
        [lines[0].rstrip(), "  ".join("-" * width for width in widths), *(line.rstrip() for line in lines[1:])]
    )
