"""The exceptions of the client, all subclasses of BillingError.

None contains the token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from billing_client.answers import BillingRun, Totals
    from billing_client.asking import NewCharge

SHOWN_ERRORS = 5  # in the text of an exception; `errors` holds all


@dataclass(frozen=True)
class FieldError:
    """An error of one field: its location, a stable code, and a message.

    The location is a JSON pointer. The message says how to fix the error.
    """

    pointer: str
    code: str
    detail: str
    differs: tuple[str, ...] = ()

    @property
    def row(self) -> int | None:
        """The index of the charge in a batch, from 0."""
        _, _, location = self.pointer.partition("/charges/")
        row = location.partition("/")[0]
        return int(row) if row.isdecimal() else None

    @property
    def field(self) -> str:
        """The name of the field, or an empty text for a whole row."""
        name = self.pointer.rpartition("/")[2]
        return "" if name.isdecimal() else name


@dataclass(frozen=True)
class FailedBatch:
    """A batch that `create_many` could not post, with the ids of its charges.

    `first` is the index of its first charge in the call. `posted` holds the totals of the batches before. If the server
    refused the batch, none of its charges is posted.
    """

    first: int
    charges: Sequence[NewCharge]
    posted: Totals


class BillingError(Exception):
    """A failed call.

    `status` is the status of the response, None without one. `code` is stable, `detail` is for people. `request_id` identifies
    the request in the server's log. `worth_retrying`: the same call may succeed later. `safe_to_retry`: repeating it under the
    same `id` does nothing twice. `tries` counts the attempts.
    """

    worth_retrying = False
    safe_to_retry = False
    unsent = False  # True if the server cannot have processed the call
    id: str | None = None
    tries = 0
    batch: FailedBatch | None = None

    def __init__(  # every argument but the first has a default: pickling needs it
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
        """Return the message, status, code, request id, and the first errors by field."""
        facts = [str(self.status or ""), self.code, f"request {self.request_id}" if self.request_id else ""]
        context = ", ".join(filter(None, facts))
        lines = [f"{self.detail} [{context}]" if context else self.detail]
        lines += [f"  {error.pointer}: {error.detail}" for error in self.errors[:SHOWN_ERRORS]]
        if len(self.errors) > SHOWN_ERRORS:
            lines.append(f"  and {len(self.errors) - SHOWN_ERRORS} more")
        return "\n".join(lines)


class NotConfigured(BillingError):
    """The address of the server, the token or another setting is missing or unsafe."""


class ConnectionFailed(BillingError):
    """No response, or an incomplete one.

    Unless `unsent` is true, the server may have processed the call.
    """

    worth_retrying = True


class TimedOut(ConnectionFailed):
    """No response in time."""


class CertificateRefused(ConnectionFailed):
    """The server's certificate is not trusted, so nothing was sent.

    See `ca_certs`.
    """

    worth_retrying = False
    unsent = True


class UnexpectedAnswer(BillingError):
    """The response is not from this API, or from a version that is not supported."""


class Refused(BillingError):
    """The server refused the call."""


class BadRequest(Refused):
    """400: the body is not JSON."""


class Unauthorized(Refused):
    """401: the token is missing, unknown, expired or revoked."""


class Forbidden(Refused):
    """403: the token lacks the scope for this call, or for a negative charge in it."""


class NotFound(Refused):
    """404: the object does not exist."""


class Conflict(Refused):
    """409: the call conflicts with stored data.

    `differs` names the fields that differ from the object with the same id.
    """


class Stale(Refused):
    """412: the object has changed since it was read."""


class TooLarge(Refused):
    """413: the body is larger than the server accepts."""


class Invalid(Refused):
    """422: a value is not valid.

    `errors` says which, and how to fix it.
    """


class VersionNeeded(Refused):
    """428: the change does not name the version that it applies to."""


class RateLimited(Refused):
    """429: the rate limit is exceeded.

    Try again after `retry_after` seconds.
    """

    worth_retrying = True
    unsent = True


class ServerFailed(BillingError):
    """500 and other errors of the server.

    Quote the `request_id` when you report them.
    """


class Unavailable(ServerFailed):
    """502, 503, 504: the server or its database is unavailable for now."""

    worth_retrying = True


class RunFailed(BillingError):
    """The billing run failed.

    `run` holds the reason.
    """

    run: BillingRun


class WaitExpired(BillingError):
    """The billing run is not over yet.

    `run` holds its progress.
    """

    run: BillingRun


ERRORS_BY_STATUS: Mapping[int, type[BillingError]] = {
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
    """Return the exception for an error response.

    `problem` is its problem document, or empty.
    """
    kind = ERRORS_BY_STATUS.get(status) or (Refused if status < 500 else ServerFailed)
    errors = tuple(_field_error(error) for error in problem.get("errors", ()))
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
        error.worth_retrying = True  # the server is processing the same call at this moment
    return error


def _field_error(error: Mapping[str, Any]) -> FieldError:
    differs = tuple(error.get("differs", ()))
    return FieldError(error.get("pointer", ""), error.get("code", ""), error.get("detail", ""), differs)
