"""Errors as RFC 9457 says: one mapping from what was raised to what a script is told."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from flask import Response
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from billing_admin.api.frame.rate_limits import TooManyRequests
from billing_admin.api.frame.strict_json import NotJson
from billing_admin.api.frame.versions import VersionNeeded
from billing_admin.db.errors import RETRY_AFTER_SECONDS, unavailable
from billing_admin.domain.errors import (
    Conflict,
    Denied,
    DomainError,
    Field,
    Invalid,
    NotAuthenticated,
    NotFound,
    Problem,
    Stale,
)
from billing_admin.domain.money import exact
from billing_admin.http.errors import log_failure, log_unavailable
from billing_admin.http.request_ids import request_id

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

_HTTP_WORDS = {
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    413: "The body is too large.",
}


def error_response(error: Exception) -> Response:
    """Say what went wrong, whatever it was; only what is our own fault becomes a 500."""
    if isinstance(error, DomainError):
        return _refusal(error)
    if reason := unavailable(error):
        log_unavailable(error, reason)
        detail = f"{reason.detail} Try again in a moment; sending the same id again is safe."
        return problem_response(503, reason.code, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if isinstance(error, HTTPException):
        return _http(error)
    log_failure(error)
    return problem_response(500, "unexpected", "Something went wrong on our side; the request id tells us what.")


def problem_response(
    status: int,
    code: str,
    detail: str,
    errors: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
    **extra: object,
) -> Response:
    """One problem document."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request_id(),
        "code": code,
        "errors": [
            {"pointer": json_pointer(e.field), "code": e.code, "detail": e.message}
            | ({"differs": e.differs} if e.differs else {})
            for e in errors
        ],
    }
    return Response(json.dumps(content | extra), status, headers, content_type=MEDIA_TYPE)


def json_pointer(place: Field) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part)[:MAX_POINTER_PART].replace("~", "~0").replace("/", "~1") for part in place)


def _refusal(error: DomainError) -> Response:
    status = next(STATUS_CODES[kind] for kind in type(error).__mro__ if kind in STATUS_CODES)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    placed = [one for one in error.problems if one.field]
    return problem_response(status, error.code, error.message, placed, headers, **error.extra)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}}
    code = HTTPStatus(status).name.lower()
    return problem_response(
        status, code, _HTTP_WORDS.get(status) or error.description or HTTPStatus(status).phrase, headers=headers
    )


# pydantic's error types, and what we say instead; `{…}` are members of the error's context.
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("required", "This is required."),
    "extra_forbidden": ("unknown_field", "There is no such field."),
    "string_type": ("wrong_type", "Use text, in quotes."),
    "bool_type": ("wrong_type", "Use true or false."),
    "int_type": ("wrong_type", "Use a whole number."),
    "dict_type": ("wrong_type", "Use a JSON object."),
    "model_type": ("wrong_type", "Use a JSON object."),
    "list_type": ("wrong_type", "Use a JSON array."),
    "too_short": ("too_short", "Give at least {min_length}."),
    "too_long": ("too_long", "Give at most {max_length}."),
    "literal_error": ("not_a_choice", "Use {expected}."),
}


def as_invalid(error: ValidationError) -> Invalid:
    """What pydantic found, as one of our own refusals."""
    return combine_problems(validation_problems(error))


def combine_problems(problems: Sequence[Problem]) -> Invalid:
    """One refusal of problems in the order of their rows, the first thousand of them named."""
    ordered = sorted(problems, key=lambda one: [part for part in one.field if isinstance(part, int)])
    refusal = Invalid.of(ordered[:MAX_PROBLEMS], len(ordered))
    assert isinstance(refusal, Invalid)  # noqa: S101 - `of` makes one of its own class
    return refusal


def validation_problems(error: ValidationError, *place: str | int) -> list[Problem]:
    """What pydantic found, in our own words; `place` is where the validated part stands."""
    return [_worded(one, place) for one in error.errors(include_url=False)]


def _worded(error: Mapping[str, Any], place: Field) -> Problem:
    field = (*place, *error["loc"])
    if error["input"] is None and error["loc"] and error["type"] not in {"missing", "extra_forbidden"}:
        return Problem("wrong_type", "Leave it out instead of sending null.", field)
    if error["type"] == "not_a_decimal":
        return _decimal(error["input"], field)
    code, words = _WORDS.get(error["type"], (error["type"], error["msg"]))
    return Problem(code, words.format(**error.get("ctx", {})), field)


def _decimal(value: object, field: Field) -> Problem:
    """Ask the domain what is wrong with a number: it has the words."""
    if isinstance(value, str):
        try:
            exact(value)
        except Invalid as error:
            return Problem(error.code, error.message, field)
    return Problem("wrong_type", 'Use a decimal such as "19.99".', field)
