"""The request class: it limits bodies, forms and cookies before they are parsed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from io import BytesIO
from typing import IO, TYPE_CHECKING

import flask
from gunicorn.http.errors import ParseException
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wsgi import LimitedStream, get_input_stream

if TYPE_CHECKING:
    from werkzeug.formparser import t_parse_result

MAX_COOKIE_BYTES = 8_192  # browsers and proxies send less in total


@contextmanager
def _malformed_as_bad_request() -> Iterator[None]:
    try:
        yield
    except (ParseException, OSError) as error:
        raise BadRequest from error


class BodyStream(LimitedStream):
    """A body of at most `limit` bytes.

    Reading more raises RequestEntityTooLarge, with or without a Content-Length.
    """

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__(stream, limit, is_max=True)

    def readinto(self, buffer: bytearray) -> int | None:  # type: ignore[override]
        """Read bytes into the buffer.

        Raises BadRequest for malformed chunks.
        """
        with _malformed_as_bad_request():
            return super().readinto(buffer)

    def on_exhausted(self) -> None:
        """Allow a body that ends exactly at the limit."""
        with _malformed_as_bad_request():
            if self._stream.read(1):
                raise RequestEntityTooLarge

    def readall(self) -> bytes:
        """Read the whole body.

        Werkzeug's own method returns the first `limit` bytes of a longer one.
        """
        body = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return body


class FormParser(FormDataParser):
    """A form parser that counts the fields of a urlencoded form first.

    Werkzeug limits multipart forms only.
    """

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> "t_parse_result":
        """Parse a form.

        Raises RequestEntityTooLarge for more fields than `max_form_parts`.
        """
        if mimetype == "application/x-www-form-urlencoded":
            body = stream.read()
            if self.max_form_parts is not None and body.count(b"&") >= self.max_form_parts:
                raise RequestEntityTooLarge
            stream = BytesIO(body)
        return super().parse(stream, mimetype, content_length, options)


class Request(flask.Request):
    """A request whose body is read only when unsealed, and only up to its limits."""

    form_data_parser_class = FormParser
    is_sealed = False

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body of the request.

        Raises RequestEntityTooLarge if its Content-Length exceeds `max_content_length`.
        """
        if self.is_sealed:
            raise RuntimeError("Check the caller's permission and call open_body() before reading the body.")
        limit = self.max_content_length
        if limit is None:
            raise RuntimeError("Set MAX_CONTENT_LENGTH: a body without a limit is not read.")
        if self.content_length is not None and self.content_length > limit:
            raise RequestEntityTooLarge
        return BodyStream(get_input_stream(self.environ), limit)  # type: ignore[return-value]

    @cached_property
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies; empty if their header exceeds `MAX_COOKIE_BYTES`."""
        if sum(map(len, self.headers.getlist("Cookie"))) > MAX_COOKIE_BYTES:
            return ImmutableMultiDict()
        return super().cookies
