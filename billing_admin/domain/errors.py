"""What the business says no to: one small tree of errors, mapped once per surface (page, API, command line)."""

from collections.abc import Sequence
from dataclasses import dataclass

FieldPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a stable code, a sentence that says how to mend it, the place, and in a conflict what differs."""

    code: str
    message: str
    field: FieldPath = ()
    differs: tuple[str, ...] = ()


class DomainError(Exception):
    """A refusal. It carries one problem or many; `extra` holds further members for the caller, such as `differs`."""

    def __init__(self, code: str, message: str, *field: str | int, **extra: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.extra = extra
        differs = extra.get("differs", ())
        self.problems: tuple[Problem, ...] = (
            Problem(code, message, field, tuple(differs) if isinstance(differs, list) else ()),
        )

    @property
    def field(self) -> FieldPath:
        """The place of the first problem."""
        return self.problems[0].field

    @classmethod
    def of(cls, problems: Sequence[Problem], total: int | None = None) -> "DomainError":
        """Make one refusal of many problems; `total` is their number where not all of them are carried."""
        first = problems[0]
        count = len(problems) if total is None else total
        code = first.code if len({problem.code for problem in problems}) == 1 else "several_problems"
        error = cls(code, first.message if count == 1 else f"{count} problems were found.", *first.field)
        error.problems = tuple(problems)
        return error


class Invalid(DomainError):
    """Understood, but wrong."""


class NotFound(DomainError):
    """There is no such thing, or none that the caller may see."""


class Conflict(DomainError):
    """The request contradicts what is stored."""


class Stale(DomainError):
    """Somebody else changed it since it was read."""


class Denied(DomainError):
    """The caller lacks a permission."""


class NotAuthenticated(DomainError):
    """There is no token, or none that is good."""
