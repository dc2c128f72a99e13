"""Limits of request bodies, by view.

No body is read before `open_body()`.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import RequestURITooLarge

from billing_admin.config import Settings
from billing_admin.domain.translation import Phrase
from billing_admin.http.requests import Request

KIB, MIB = 1024, 1024 * 1024
FORM_BYTES = 256 * KIB
MAX_PARAMETERS = 500  # of a query string

View = TypeVar("View", bound=Callable[..., Any])
# Returns the page for a body that is too large.
RefusalPage = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """The limits of a request body."""

    size: int | str  # bytes, or the name of the setting that holds them
    fields: int  # of a form, files included

    @property
    def bytes(self) -> int:
        """The limit in bytes.

        BILLING_MAX_BODY_MB is the maximum for every body except uploads.
        """
        if isinstance(self.size, str):
            return int(current_app.config[self.size])
        return int(min(self.size, current_app.config["MAX_CONTENT_LENGTH"]))

    @property
    def text_bytes(self) -> int:
        """The limit of one text field of a multipart form, in bytes."""
        return FORM_BYTES if isinstance(self.size, str) else self.bytes


FORM: Final = BodyLimit(FORM_BYTES, fields=1_000)  # for routes that declare no limit
UPLOAD: Final = BodyLimit("MAX_UPLOAD_LENGTH", fields=20)
JSON: Final = BodyLimit("MAX_CONTENT_LENGTH", fields=0)


def body_limit(limit: BodyLimit, refusal_page: RefusalPage | None = None) -> Callable[[View], View]:
    """Declare the body limit of a view.

    Place this decorator below the route's decorator. `refusal_page` returns the page for a body that is too large,
    instead of the general error page.
    """

    def declare(view: View) -> View:
        view.body_limit = limit  # type: ignore[attr-defined]
        view.refusal_page = refusal_page  # type: ignore[attr-defined]
        return view

    return declare


def endpoint_limit(app: Flask, endpoint: str | None) -> BodyLimit:
    """Return the limit that an endpoint's view declares, or FORM."""
    limit: BodyLimit = getattr(app.view_functions.get(endpoint or ""), "body_limit", FORM)
    return limit


def refusal_page() -> RefusalPage | None:
    """Return what makes the page for a body that is too large.

    None if the request's view has no such page.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    page: RefusalPage | None = getattr(view, "refusal_page", None)
    return page


def open_body() -> None:
    """Allow this request's body to be read.

    Call it after the permission check.
    """
    cast("Request", request).is_sealed = False


def refuse_long_body() -> None:
    """Raise RequestEntityTooLarge if the body is longer than the route allows.

    The body of another type than a form was not read until now. Of routes for files, only the declared length counts.
    """
    stream = request.stream
    if (request.max_content_length or 0) <= MIB:
        while stream.read(64 * KIB):
            pass


def describe_limit() -> str:
    """Return a sentence with the limits of this request's route.

    The response to a request that exceeds them shows it.
    """
    limit = endpoint_limit(current_app, request.endpoint)
    size = f"{limit.bytes // MIB:,} MB" if limit.bytes >= MIB else f"{limit.bytes // KIB:,} KB"
    return Phrase(
        "This page accepts {size} and {fields:,} fields at a time. Go back and send fewer rows, shorter "
        "texts or a smaller file.",
        size=size,
        fields=limit.fields,
    )


def init_body_limits(app: Flask, settings: Settings) -> None:
    """Seal the body of every request and set the limits of its route.

    Call it before code that could read a body.
    """
    app.request_class = Request
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_mb * MIB,
        MAX_UPLOAD_LENGTH=settings.max_upload_mb * MIB,
    )
    app.before_request(_set_limits)
    app.after_request(_free_refused_body)


def _set_limits() -> None:
    limit = endpoint_limit(current_app, request.endpoint)
    cast("Request", request).is_sealed = True
    request.max_content_length = limit.bytes
    request.max_form_parts = limit.fields
    request.max_form_memory_size = limit.text_bytes
    if request.query_string.count(b"&") >= MAX_PARAMETERS:
        raise RequestURITooLarge


def _free_refused_body(response: Response) -> Response:
    """Free the memory of a large chunked body that was refused.

    A reference cycle in gunicorn's reader would keep it. Small bodies are not worth a full garbage collection.
    """
    is_chunked = response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and request.content_length is None
    if is_chunked and (request.max_content_length or 0) >= MIB:
        gc.collect()
    return response
