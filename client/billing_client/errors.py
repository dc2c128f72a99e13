"""One exception for each kind of problem, all of them a BillingError. None holds the token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from billing_client.answers import BillingRun, Totals
    from billing_client.asking import NewCharge

SHOWN = 5  # of a thousand errors by field a traceback shows these; `errors` holds all


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with what was sent: the place (a JSON pointer), a stable code, and what would mend it."""

    pointer: str
    code: str
    detail: str
    differs: tuple[str, ...] = ()

    @property
    def row(self) -> int | None:
        """In a batch: the place of the charge in it, from 0."""
        _, _, rest = self.pointer.partition("/charges/")
        row = rest.partition("/")[0]
        return int(row) if row.isdecimal() else None

    @property
    def field(self) -> str:
        """The name of the field at that place; empty where it is a whole row."""
        name = self.pointer.rpartition("/")[2]
        return "" if name.isdecimal() else name


@dataclass(frozen=True)
class FailedBatch:
    """The batch that `create_many` could not post: the place of its first charge, the charges with the ids they were given.

    `posted` is what was posted before. Nothing of the batch is posted if it was refused.
    """

    first: int
    charges: Sequence[NewCharge]
    posted: Totals


class BillingError(Exception):
    """Anything that went wrong between the caller and the books.

    `status` is that of the answer, None where there was none; `code` is stable, `detail` is for people; `request_id` finds the
    request in the server's log. `worth_retrying` says that the same call may succeed later; `safe_to_retry` that it
    does nothing twice, if made with `id`, the id that it was made under. `tries` is how often it was sent.
    """

    worth_retrying = False
    safe_to_retry = False
    unsent = False  # the server cannot have begun it
    id: str | None = None
    tries = 0
    batch: FailedBatch | None = None

    def __init__(  # every argument but the first has a default, so that it can be pickled
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str = "",
        errors: tuple[FieldError, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
        differs: tuple[str, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after
        self.differs = differs

    def __str__(self) -> str:
        """The sentence, where to look it up, and the first of the errors by field."""
        known = [str(self.status or ""), self.code, f"request {self.request_id}" if self.request_id else ""]
        where = ", ".join(filter(None, known))
        lines = [f"{self.detail} [{where}]" if where else self.detail]
        lines += [f"  {one.pointer}: {one.detail}" for one in self.errors[:SHOWN]]
        if len(self.errors) > SHOWN:
            lines.append(f"  and {len(self.errors) - SHOWN} more")
        return "\n".join(lines)


class NotConfigured(BillingError):
    """The client was not told where the server is, or with which token; or not in a way that is safe."""


class ConnectionFailed(BillingError):
    """No answer, or not all of it. Whether the call was carried out is not known unless `unsent` is true."""

    worth_retrying = True


class TimedOut(ConnectionFailed):
    """No answer in time."""


class CertificateRefused(ConnectionFailed):
    """The server's certificate is not one to trust: nothing was sent. See `ca_certs`."""

    worth_retrying = False
    unsent = True


class UnexpectedAnswer(BillingError):
    """What answers is not this API, or a version of it that this client does not understand."""


class Refused(BillingError):
    """The server understood who and what, and did not do it."""


class BadRequest(Refused):
    """400: the body is not JSON."""


class Unauthorized(Refused):
    """401: no token, or one that is unknown, expired or revoked."""


class Forbidden(Refused):
    """403: the token is without the scope for this."""


class NotFound(Refused):
    """404: there is no such thing."""


class Conflict(Refused):
    """409: it contradicts what is stored; `differs` are the fields that another body under the same id has otherwise."""


class Stale(Refused):
    """412: somebody else changed it since it was read."""


class TooLarge(Refused):
    """413: the body is larger than the server takes."""


class Invalid(Refused):
    """422: understood, but wrong; `errors` says where, and what would mend it."""


class VersionNeeded(Refused):
    """428: a change must say which version it is meant for."""


class RateLimited(Refused):
    """429: too many requests; `retry_after` seconds from now there is room again."""

    worth_retrying = True
    unsent = True


class ServerFailed(BillingError):
    """500 and the like: the fault is the server's, and the request id finds it in its log."""


class Unavailable(ServerFailed):
    """502, 503, 504: the server, or what it stands on, is away for the moment."""

    worth_retrying = True


class RunFailed(BillingError):
    """A billing run that was waited for has failed; `run` says why."""

    run: BillingRun


class WaitExpired(BillingError):
    """A billing run that was waited for is not over yet; `run` says how far it is."""

    run: BillingRun


KINDS: Mapping[int, type[BillingError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Stale,
    413: TooLarge,
    422: Invalid,
    428: VersionNeeded,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def refusal(status: int, problem: Mapping[str, Any], request_id: str | None, retry_after: float | None) -> BillingError:
    """The exception for an answer that is an error; `problem` is its problem document, empty if it had none."""
    kind = KINDS.get(status) or (Refused if status < 500 else ServerFailed)
    errors = tuple(_field_error(one) for one in problem.get("errors", ()))
    error = kind(
        str(problem.get("detail") or f"The server answered {status}."),
        status=status,
        code=str(problem.get("code", "")),
        errors=errors,
        request_id=request_id,
        retry_after=retry_after,
        differs=tuple(problem.get("differs", ())),
    )
    if status == 409 and (error.code == "in_progress" or retry_after is not None):
        error.worth_retrying = True  # the same call is being carried out at this moment
    return error


def _field_error(one: Mapping[str, Any]) -> FieldError:
    return FieldError(one.get("pointer", ""), one.get("code", ""), one.get("detail", ""), tuple(one.get("differs", ())))
