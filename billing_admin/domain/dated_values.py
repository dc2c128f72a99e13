"""Values that change on a day: tax rates and prices."""

from collections.abc import Iterable
from datetime import date
from typing import Protocol, TypeVar


class DatedValue(Protocol):
    """A value that is valid from a day until the next value begins."""

    @property
    def valid_from(self) -> date:
        """The first day."""


ValueT = TypeVar("ValueT", bound=DatedValue)


def effective_on(day: date, values: Iterable[ValueT]) -> ValueT | None:
    """Return the value that is valid on a day, or None before the first one begins."""
    latest = None
    for value in values:
        if value.valid_from <= day and (latest is None or value.valid_from > latest.valid_from):
            latest = value
    return latest
