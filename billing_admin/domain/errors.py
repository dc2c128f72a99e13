"""The errors of the domain.

Pages, the API and the command line each map them to their answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from billing_admin.domain.translation import Phrase

FieldPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a request.

    `code` is stable, `message` says how to fix the problem, `field` is the path of the field, and
    `differs` names the fields that contradict the stored object.
    """

    code: str
    message: str
    field: FieldPath = ()
    differs: tuple[str, ...] = ()


class DomainError(Exception):
    """A refused request, with one problem or several.

    `extra` holds further members of the answer, such as `differs` or `permission`.
    """

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
        """The field of the first problem."""
        return self.problems[0].field

    @classmethod
    def of(cls, problems: Sequence[Problem], total: int | None = None) -> "DomainError":
        """Return one error for several problems.

        `total` counts the problems if not all are included.
        """
        first = problems[0]
        count = len(problems) if total is None else total
        code = first.code if len({problem.code for problem in problems}) == 1 else "several_problems"
        error = cls(
            code,
            first.message if count == 1 else Phrase("{count_value} problems were found.", count_value=count),
            *first.field,
        )
        error.problems = tuple(problems)
        return error


class Invalid(DomainError):
    """The request has a wrong value."""


class NotFound(DomainError):
    """The object does not exist, or the caller may not see it."""


class Conflict(DomainError):
    """The request contradicts what is stored."""


class Stale(DomainError):
    """The object was changed by somebody else since it was read."""


class Denied(DomainError):
    """The caller lacks a permission."""


class NotAuthenticated(DomainError):
    """The request has no valid token."""
