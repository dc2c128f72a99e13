"""The control totals of an import: rows by outcome and sums by currency.

The check of an import computes them, and the import must reach the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from billing_admin.domain.money import EXACT, ZERO, plain_decimal


class Outcome(Enum):
    """The outcome of an imported object."""

    NEW = "new"
    UNCHANGED = "unchanged"
    CHANGED = "changed"


class AcceptedRow(NamedTuple):
    """An imported object with its outcome.

    Charges, payments and opening balances have an amount, the last also the reference of their customer.
    """

    outcome: Outcome
    currency: str | None = None
    amount: Decimal | None = None
    customer: str = ""


@dataclass(slots=True)
class Tally:
    """The totals of an import.

    `rows` counts rows of the file; `new`, `unchanged` and `changed` count objects, as a service can
    have several rows. `left_out` (by status), `skipped` (by rules) and `wrong` count rows. `sums` are the
    exact sums of all objects by currency, `added` those of the new ones. `customers` are the sums of opening balances by
    customer, for each currency.
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
    skipped: int = 0
    customers: dict[str, dict[str, Decimal]] = field(default_factory=dict)

    def note(self, accepted: AcceptedRow) -> None:
        """Count an object."""
        name = accepted.outcome.value
        setattr(self, name, getattr(self, name) + 1)
        if accepted.currency is not None and accepted.amount is not None:
            _add(self.sums, accepted.currency, accepted.amount)
            if accepted.outcome is Outcome.NEW:
                _add(self.added, accepted.currency, accepted.amount)
            if accepted.customer:
                _add(self.customers.setdefault(accepted.customer, {}), accepted.currency, accepted.amount)

    def as_data(self) -> dict[str, Any]:
        """Return the totals as JSON values; imports store them."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        sums = {name: _sums_as_text(getattr(self, name)) for name in ("sums", "added")}
        customers = {customer: _sums_as_text(self.customers[customer]) for customer in sorted(self.customers)}
        return counts | sums | ({"customers": customers} if customers else {})

    @classmethod
    def of_data(cls, data: Mapping[str, Any] | None) -> "Tally":
        """Return the totals of stored JSON values; empty totals for None."""
        if data is None:
            return cls()
        counts: dict[str, Any] = {name: data.get(name, 0) for name in _COUNTS}
        customers = {customer: _read_sums(sums) for customer, sums in data.get("customers", {}).items()}
        return cls(**counts, sums=_read_sums(data["sums"]), added=_read_sums(data["added"]), customers=customers)


_COUNTS = ("rows", "new", "unchanged", "changed", "left_out", "wrong", "errors", "skipped")


def _add(sums: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    sums[currency] = EXACT.add(sums.get(currency, ZERO), amount)


def _sums_as_text(sums: Mapping[str, Decimal]) -> dict[str, str]:
    return {currency: plain_decimal(sums[currency]) for currency in sorted(sums)}


def _read_sums(sums: Mapping[str, str]) -> dict[str, Decimal]:
    return {currency: Decimal(amount) for currency, amount in sums.items()}
