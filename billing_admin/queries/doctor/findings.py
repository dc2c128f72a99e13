"""The types of checks and their results."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A rule: its name, and the sentence that is true of consistent data."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that violates a rule: its table, its key, and the problem."""

    table: str
    id: str
    problem: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check: how many rows violate the rule, and the first of them."""

    check: Check
    count: int
    rows: list[Finding]
