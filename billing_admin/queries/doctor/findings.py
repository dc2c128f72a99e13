"""What a check is, and what it finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A rule: its name, and the sentence that is true of sound data."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that breaks a rule: its table, its key, and what is wrong with it."""

    table: str
    id: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found: how many rows break the rule, and the first of them."""

    check: Check
    found: int
    rows: list[Finding]
