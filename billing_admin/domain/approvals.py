"""Limits of roles, and acts above them, which wait for approval."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from billing_admin.domain.access import CREDIT_PERMISSION
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import Money
from billing_admin.domain.translation import Phrase


@dataclass(frozen=True, slots=True)
class Act:
    """An act that can have a limit, and the permission that it needs.

    Its limit is an amount in the base currency, or a percentage if `in_percent`.
    """

    label: str
    permission: str
    in_percent: bool = False


ACTS: Final[Mapping[str, Act]] = {
    "credit": Act(Phrase("Credit note"), "corrections:write"),
    "void": Act(Phrase("Void"), "corrections:write"),
    "write_off": Act(Phrase("Write-off"), "write-offs:write"),
    "refund": Act(Phrase("Refund"), "payments:write"),
    "negative_charge": Act(Phrase("Negative charge"), CREDIT_PERMISSION),
    "price": Act(Phrase("Price change"), "catalogue:write", in_percent=True),
    "unlock": Act(Phrase("Unlocking the books"), "periods:write"),
}
WAITING: Final = "waiting"
STATES: Final = (WAITING, "approved", "rejected", "withdrawn")
MAX_LIMIT: Final = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Submission:
    """An act as it was asked for, with all that its operation needs to do it later.

    `object` is the invoice, customer, service or organisation that it changes; `input` is JSON. `minor` is the amount in
    minor units of `currency`, and `exact` that in major units if it may have more decimals. `in_base` is the amount in the
    base currency, None without an amount or a rate. `percent` is by how much a price changes.
    """

    act: str
    object_type: str
    object_id: UUID | None
    object_name: str
    input: Mapping[str, Any]
    reason: str
    minor: int | None = None
    currency: str = ""
    exact: Decimal | None = None
    in_base: Decimal | None = None
    percent: Decimal | None = None

    @property
    def amount(self) -> Decimal | None:
        """The amount in major units of the currency."""
        if self.exact is not None or self.minor is None:
            return self.exact
        return Money(self.minor, self.currency).decimal

    @property
    def measure(self) -> Decimal | None:
        """The number that limits are compared with; None if it is unknown."""
        return measure_of(self.act, self.in_base, self.percent)


class NeedsApproval(Exception):
    """The act is above the limit of the actor's role, and was not done."""

    def __init__(self, submission: Submission) -> None:
        super().__init__(f"{ACTS[submission.act].label} needs approval")
        self.submission = submission


def measure_of(act: str, in_base: Decimal | None, percent: Decimal | None) -> Decimal | None:
    """Return the number that limits are compared with; None if it is unknown."""
    return percent if ACTS[act].in_percent else in_base


def is_within(limit: Decimal | None, measure: Decimal | None) -> bool:
    """Return whether an act needs no approval.

    There is no limit, or its measure is known and not above it.
    """
    return limit is None or (measure is not None and measure <= limit)


def check_limits(limits: Mapping[str, Decimal | None]) -> dict[str, Decimal | None]:
    """Return the limits of a role by act; None is no limit.

    Raises:
        Invalid: An act does not exist, or a limit is negative or too large.
    """
    for act, amount in limits.items():
        if act not in ACTS:
            raise Invalid("unknown_act", Phrase("There is no act “{act}”.", act=act[:80]), "act")
        if amount is not None and not 0 <= amount <= MAX_LIMIT:
            raise Invalid("out_of_range", Phrase("Enter a number from 0 to 1,000,000,000,000."), act)
    return dict(limits)
