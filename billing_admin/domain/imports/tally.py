"""What an import counts, so that its check can promise and its end can prove: rows by what becomes of them, sums by currency."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

from billing_admin.domain.money import EXACT, ZERO, plain_decimal


class Outcome(Enum):
    """What becomes of a row."""

    NEW = "new"
    UNCHANGED = "unchanged"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """One thing that rows asked for; money has an amount."""

    outcome: Outcome
    currency: str | None = None
    amount: Decimal | None = None


@dataclass(slots=True)
class Tally:
    """`rows` of the file; `things` of them by outcome (a service may have several rows); rows left out; rows with errors.

    `sums` are those of all that is new or there already, `added` of what is new, exact, by currency.
    """

    rows: int = 0
    new: int = 0
    unchanged: int = 0
    changed: int = 0
    left_out: int = 0
    wrong: int = 0
    errors: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    added: dict[str, Decimal] = field(default_factory=dict)

    def note(self, made: AcceptedRow) -> None:
        """Count one thing."""
        name = made.outcome.value
        setattr(self, name, getattr(self, name) + 1)
        if made.currency is not None and made.amount is not None:
            _add(self.sums, made.currency, made.amount)
            if made.outcome is Outcome.NEW:
                _add(self.added, made.currency, made.amount)

    def as_data(self) -> dict[str, Any]:
        """As JSON keeps it."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        return counts | {name: _written(getattr(self, name)) for name in ("sums", "added")}

    @classmethod
    def of_data(cls, data: Mapping[str, Any] | None) -> "Tally":
        """Of what `as_data` made; of nothing, a new one."""
        if data is None:
            return cls()
        counts: dict[str, Any] = {name: data[name] for name in _COUNTS}
        return cls(**counts, sums=_read(data["sums"]), added=_read(data["added"]))


_COUNTS = ("rows", "new", "unchanged", "changed", "left_out", "wrong", "errors")


def _add(sums: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    sums[currency] = EXACT.add(sums.get(currency, ZERO), amount)


def _written(sums: Mapping[str, Decimal]) -> dict[str, str]:
    return {currency: plain_decimal(sums[currency]) for currency in sorted(sums)}


def _read(sums: Mapping[str, str]) -> dict[str, Decimal]:
    return {currency: Decimal(sum) for currency, sum in sums.items()}
