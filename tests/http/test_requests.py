"""Bodies, forms and cookies are bounded before they are parsed, with a length and without."""

import io
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, strategies as st
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.test import EnvironBuilder

from billing_admin.http.requests import MAX_COOKIE_BYTES, BodyStream, Request

FORM = "application/x-www-form-urlencoded"


def request(body: bytes, limit: int, fields: int = 1000, content_type: str = FORM, chunked: bool = False) -> Request:
    """A POST request outside of an application; `chunked` has no length, as gunicorn hands it on."""
    environ = EnvironBuilder(method="POST", input_stream=io.BytesIO(body), content_type=content_type).get_environ()
    if chunked:
        environ |= {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        environ.pop("CONTENT_LENGTH", None)
    else:
        environ["CONTENT_LENGTH"] = str(len(body))
    built = Request(environ)
    built.max_content_length, built.max_form_parts, built.max_form_memory_size = limit, fields, limit
    return built


@given(st.binary(max_size=300), st.integers(1, 300), st.booleans())
def test_a_body_is_whole_or_refused(body: bytes, limit: int, chunked: bool) -> None:
    incoming = request(body, limit, content_type="", chunked=chunked)
    if len(body) <= limit:
        assert incoming.get_data() == body
    else:
        with pytest.raises(RequestEntityTooLarge):
            incoming.get_data()


@given(st.integers(0, 200_000), st.integers(1, 200_000), st.integers(1, 70_000))
def test_a_body_read_in_pieces_is_whole_or_refused(length: int, limit: int, piece: int) -> None:
    source = io.BytesIO(b"x" * length)
    stream, received = BodyStream(source, limit), 0
    try:
        while part := stream.read(piece):
            received += len(part)
    except RequestEntityTooLarge:
        assert length > limit
        assert source.tell() == limit + 1  # and no more was read
    else:
        assert received == length <= limit


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data; boundary=x"])
def test_fields_are_counted(content_type: str, chunked: bool) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    bodies = {
        count: b"&".join([b"a=1"] * count) if content_type == FORM else part * count + b"--x--\r\n"
        for count in (9, 10, 11)
    }
    for count in (9, 10):
        assert len(request(bodies[count], 9999, 10, content_type, chunked).form.getlist("a")) == count
    with pytest.raises(RequestEntityTooLarge):
        _ = request(bodies[11], 9999, 10, content_type, chunked).form


def test_a_sealed_body_is_not_read() -> None:
    incoming = request(b"a=1", 100)
    incoming.is_sealed = True
    for read in (lambda: incoming.form, lambda: incoming.files, incoming.get_data, lambda: incoming.stream):
        with pytest.raises(RuntimeError, match="permission"):
            read()
    incoming.is_sealed = False
    assert incoming.form["a"] == "1"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_cookie_header_longer_than_any_browsers_is_no_cookie(app: Flask) -> None:
    def names(*headers: Any) -> list[str]:
        with app.test_request_context(headers=[("Cookie", header) for header in headers]) as context:
            return list(context.request.cookies)

    assert names("a=1; b=2") == ["a", "b"]
    assert names("a=1;" + "x" * MAX_COOKIE_BYTES) == []
    assert names(*["a=1;" * 100] * 40) == []
