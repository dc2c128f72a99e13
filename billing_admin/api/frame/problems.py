"""The one mapping from errors to problem documents (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from flask import Response
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from billing_admin.api.frame.strict_json import NotJson
from billing_admin.api.frame.versions import VersionNeeded
from billing_admin.clock import now
from billing_admin.db.errors import RETRY_AFTER_SECONDS, explain_unavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.approvals import NeedsApproval
from billing_admin.domain.errors import (
    Conflict,
    Denied,
    DomainError,
    FieldPath,
    Invalid,
    NotAuthenticated,
    NotFound,
    Problem,
    Stale,
)
from billing_admin.domain.money import exact_decimal
from billing_admin.http.callers import require_caller
from billing_admin.http.errors import log_failure, log_refusal, log_unavailable
from billing_admin.http.rate_limits import TooManyRequests
from billing_admin.http.request_ids import request_id
from billing_admin.operations.approvals import submit

MEDIA_TYPE = "application/problem+json"
MAX_PROBLEMS = 1000
MAX_POINTER_PART = 200  # characters of an unknown field's name

STATUS_CODES: Final[Mapping[type[DomainError], int]] = {
    Invalid: 422,
    NotFound: 404,
    Conflict: 409,
    Stale: 412,
    Denied: 403,
    NotJson: 400,
    NotAuthenticated: 401,
    VersionNeeded: 428,
    TooManyRequests: 429,
}

_HTTP_DETAILS = {
    404: "The API has no such URL. Check the path.",
    405: "This URL does not support this method. See the header Allow.",
    413: "The body is too large. Send less at a time.",
}


def error_response(error: Exception) -> Response:
    """Return the problem document for an error; only a bug becomes a 500."""
    log_refusal(error)
    if isinstance(error, NeedsApproval):
        return _submit(error)
    if isinstance(error, DomainError):
        return _domain_response(error)
    if reason := explain_unavailable(error):
        log_unavailable(error, reason)
        detail = f"{reason.detail} Try again in a few seconds. You can safely repeat a request with the same ID."
        return problem_response(503, reason.code, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if isinstance(error, HTTPException):
        return _http_response(error)
    log_failure(error)
    return problem_response(500, "unexpected", "An unexpected error occurred. Quote the request ID if you report it.")


def _submit(error: NeedsApproval) -> Response:
    """Store an act above the limit of the token's owner, and name its request."""
    approval = transaction(submit, error.submission, require_caller(), now())
    url = f"/api/v1/approvals/{approval.id}"
    detail = (
        "This is above the limit of the role of the token's owner, alone or with the same acts of today on the same object. "
        f"It was not done: it waits for the approval of another person, see {url}. Repeating the request does not ask twice."
    )
    return problem_response(403, "needs_approval", detail, approval=str(approval.id), act=approval.act)


def problem_response(
    status: int,
    code: str,
    detail: str,
    errors: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
    **extra: object,
) -> Response:
    """Return a problem document."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request_id(),
        "code": code,
        "errors": [
            {"pointer": json_pointer(error.field), "code": error.code, "detail": error.message}
            | ({"differs": error.differs} if error.differs else {})
            for error in errors
        ],
    }
    return Response(json.dumps(content | extra), status, headers, content_type=MEDIA_TYPE)


def json_pointer(location: FieldPath) -> str:
    """Return the JSON pointer (RFC 6901) of a location."""
    return "".join("/" + str(part)[:MAX_POINTER_PART].replace("~", "~0").replace("/", "~1") for part in location)


def _domain_response(error: DomainError) -> Response:
    status = next(STATUS_CODES[kind] for kind in type(error).__mro__ if kind in STATUS_CODES)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    with_location = [item for item in error.problems if item.field]
    return problem_response(status, error.code, error.message, with_location, headers, **error.extra)


def _http_response(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}}
    code = HTTPStatus(status).name.lower()
    return problem_response(
        status, code, _HTTP_DETAILS.get(status) or error.description or HTTPStatus(status).phrase, headers=headers
    )


# Code and message for pydantic's error types; `{…}` are members of the error's context.
_VALIDATION_MESSAGES: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("required", "Send this field."),
    "extra_forbidden": ("unknown_field", "This field does not exist. Check its name, or remove it."),
    "string_type": ("wrong_type", "Use a string."),
    "bool_type": ("wrong_type", "Use true or false."),
    "int_type": ("wrong_type", "Use a whole number."),
    "dict_type": ("wrong_type", "Use a JSON object."),
    "model_type": ("wrong_type", "Use a JSON object."),
    "list_type": ("wrong_type", "Use a JSON array."),
    "too_short": ("too_short", "Send at least {min_length}."),
    "too_long": ("too_long", "Send at most {max_length}."),
    "literal_error": ("not_a_choice", "Use {expected}."),
}


def as_invalid(error: ValidationError) -> DomainError:
    """Return pydantic's errors as a domain error."""
    return combine_problems(validation_problems(error))


def combine_problems(problems: Sequence[Problem], kind: type[DomainError] = Invalid) -> DomainError:
    """Return one error with the first `MAX_PROBLEMS` problems, ordered by row."""
    ordered = sorted(problems, key=lambda item: [part for part in item.field if isinstance(part, int)])
    return kind.of(ordered[:MAX_PROBLEMS], len(ordered))


def validation_problems(error: ValidationError, *location: str | int) -> list[Problem]:
    """Return pydantic's errors as problems.

    `location` is that of the validated part in the body.
    """
    return [_validation_problem(item, location) for item in error.errors(include_url=False)]


def _validation_problem(error: Mapping[str, Any], location: FieldPath) -> Problem:
    field = (*location, *error["loc"])
    if error["input"] is None and error["loc"] and error["type"] not in {"missing", "extra_forbidden"}:
        return Problem("wrong_type", "Omit the field instead of sending null.", field)
    if error["type"] == "not_a_decimal":
        return _decimal_problem(error["input"], field)
    code, message = _VALIDATION_MESSAGES.get(error["type"], (error["type"], error["msg"]))
    return Problem(code, message.format(**error.get("ctx", {})), field)


def _decimal_problem(value: object, field: FieldPath) -> Problem:
    """Return the domain's message for a number that is not valid."""
    if isinstance(value, str):
        try:
            exact_decimal(value)
        except Invalid as error:
            return Problem(error.code, error.message, field)
    return Problem("wrong_type", 'Use a decimal such as "19.99".', field)
