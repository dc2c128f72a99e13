"""The standing of a customer, and the act that is due next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Act = Literal["allocate", "record_payment", "review_drafts", "bill", "add_charge"]


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """The figures of an account: amounts in minor units, and a number of charges."""

    open: int = 0
    overdue: int = 0
    credit: int = 0
    pending_charges: int = 0


def due_acts(accounts: Sequence[AccountStanding], drafts: int) -> list[Act]:
    """Return the acts that are due for a customer, the most urgent first.

    Credit comes first, because it may pay an overdue invoice. A charge can always be added.
    """
    conditions: list[tuple[Act, bool]] = [
        ("allocate", any(account.credit and account.open for account in accounts)),
        ("record_payment", any(account.overdue for account in accounts)),
        ("review_drafts", drafts > 0),
        ("bill", any(account.pending_charges for account in accounts)),
        ("add_charge", True),
    ]
    return [act for act, is_due in conditions if is_due]
