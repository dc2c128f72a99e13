"""The six steps in which an organisation is set up."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class SetUpStep(StrEnum):
    """A step of the set-up, in their order."""

    ORGANISATION = "organisation"
    TAX = "tax"
    BANK_ACCOUNT = "bank_account"
    LOOK = "look"
    SERVICE = "service"
    CUSTOMER = "customer"


OPTIONAL_STEPS: Final = frozenset({SetUpStep.TAX, SetUpStep.BANK_ACCOUNT, SetUpStep.LOOK})


@dataclass(frozen=True, slots=True)
class SetUpProgress:
    """The state of the steps.

    The data of `completed` steps exist; a person finished or skipped the `closed` ones.
    """

    completed: Collection[SetUpStep]
    closed: Collection[SetUpStep]

    def is_done(self, step: SetUpStep) -> bool:
        """Return whether nothing is left to do in a step."""
        return step in self.completed or step in self.closed

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return all(map(self.is_done, SetUpStep))

    def next_step(self, step: SetUpStep | None = None) -> SetUpStep | None:
        """Return the next step to do after a step, or else the first one before it.

        The result is None if all are done.
        """
        steps = list(SetUpStep)
        start = steps.index(step) + 1 if step else 0
        return next((each for each in (*steps[start:], *steps[:start]) if not self.is_done(each)), None)
