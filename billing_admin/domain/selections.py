"""Selections: rows that a person chose in a list, and the plan of an act on them.

A person confirms exactly what an act will change: the digest of an `ActPlan` is on the page and comes back with the
confirmation. If the rows have changed since, the digests differ, and the new plan is shown.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final, Protocol
from uuid import UUID

from billing_admin.domain.document_hash import hash_data
from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_whole
from billing_admin.domain.money import exact_sum
from billing_admin.domain.translation import Phrase

MAX_SELECTED: Final = 10_000  # rows of a selection: they change in one transaction
KEPT_FOR: Final = timedelta(days=90)
BILLING_RUN = "billing_run"
SELECTION_KINDS: Final = ("charges", "invoices", "payments", BILLING_RUN)
_NOTHING_SELECTED: Final = {
    "charges": Phrase("Select at least one charge."),
    "invoices": Phrase("Select at least one invoice."),
    "payments": Phrase("Select at least one payment."),
}


class SelectedCharge(Protocol):
    """A charge as a plan needs it."""

    @property
    def id(self) -> UUID:
        """The key."""
        ...

    @property
    def status(self) -> str:
        """The status."""
        ...

    @property
    def currency(self) -> str:
        """The currency."""
        ...

    @property
    def amount(self) -> Decimal:
        """The exact amount."""
        ...


@dataclass(frozen=True, slots=True)
class StatusSum:
    """Count and exact sum of the selected charges of one status and currency."""

    status: str
    currency: str
    charges: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ActPlan:
    """The charges that an act would change, and those that it leaves out.

    `ids` are the charges that it changes, `sums` their counts and exact sums by currency; `left_out` are charges whose
    status does not allow the act.
    """

    ids: Sequence[UUID]
    sums: Sequence[StatusSum]
    left_out: Sequence[StatusSum]

    @property
    def left_out_charges(self) -> int:
        """The number of charges that are left out."""
        return sum(row.charges for row in self.left_out)

    def digest(self) -> str:
        """Return the digest of the charges that the act changes."""
        return hash_data(sorted(map(str, self.ids)))


def plan_act(charges: Iterable[SelectedCharge], allowed: Collection[str], new_status: str) -> ActPlan:
    """Return which charges an act changes: those of an allowed status.

    Charges that have the new status already are left out, so that a repeated act changes nothing.
    """
    ids: list[UUID] = []
    amounts: dict[tuple[bool, str, str], list[Decimal]] = defaultdict(list)
    for charge in charges:
        applies = charge.status in allowed and charge.status != new_status
        if applies:
            ids.append(charge.id)
        amounts[applies, new_status if applies else charge.status, charge.currency].append(charge.amount)
    rows = [
        (applies, StatusSum(status, currency, len(values), exact_sum(values)))
        for (applies, status, currency), values in sorted(amounts.items())
    ]
    return ActPlan(ids, [row for applies, row in rows if applies], [row for applies, row in rows if not applies])


def check_selected(count: int, kind: str) -> None:
    """Check the number of rows that a person selected.

    Raises:
        Invalid: There is none, or there are too many for one request.
    """
    if not count:
        raise Invalid("nothing_selected", _NOTHING_SELECTED[kind], kind)
    if count > MAX_SELECTED:
        raise Invalid(
            "too_many_selected",
            Phrase(
                "At most {max_selected} rows can be selected at once. Narrow the list, such as by day.",
                max_selected=format_whole(MAX_SELECTED),
            ),
            kind,
        )
