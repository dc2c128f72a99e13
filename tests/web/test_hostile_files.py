"""Hostile files on the pages that take one: each is answered with what is wrong with it, never with a 500."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import partial
from http import HTTPStatus
from itertools import count
from typing import Any

import pytest
import xlsxwriter
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing_admin.domain.imports.fields import IMPORT_KINDS
from billing_admin.queries.exports import FILE_KINDS as EXPORTED
from tests.hostile import Watch, share, shares, values
from tests.levels import samples
from tests.making import make_customer, make_spec, post
from tests.people import csrf_token, signed_in
from tests.prepared import prepared

NESTED = b"[" * 100_000
ENCODINGS = (("", ""), ("utf-8", "comma"), ("cp1252", "semicolon"), ("utf-16", "tab"), ("x", "\0"))
HEADER = "id,customer,service,description,quantity,unit_price,amount,currency,incurred_on,status,invoice\r\n"


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    post(make_spec(make_customer(reference="acme"), "12.5"))
    return signed_in(app)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Send requests; fail at the end with everything that went wrong."""
    requests = Watch()
    yield requests
    requests.report()


def bring(browser: FlaskClient, path: str, files: Mapping[str, tuple[bytes, str]]) -> TestResponse:
    sent = {name: (io.BytesIO(content), called) for name, (content, called) in files.items()}
    data = {**sent, "csrf_token": csrf_token(browser)}
    return browser.post(path, data=data, content_type="multipart/form-data")


def packed(name: str, content: bytes) -> bytes:
    """Return a ZIP with a file."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return whole.getvalue()


def contents() -> Iterator[bytes]:
    """Yield files that the product did not write."""
    rows = [value.replace(b"\n", b" ") for kind in ("day", "number", "text") for value in values(kind)]
    yield from (
        b"",
        b"\0",
        b"\0" * 10_000,
        b"\xff\xfe",
        b"\xfe\xff\0",
        b"\xef\xbb\xbf",
        b"\xff\xfea\0\n",
        b"\r",
        b'"',
        b'"' * 9_999,
        NESTED,
    )
    yield from (b"PK\x03\x04", packed("a.csv", b"0" * 3_000_000), packed("xl/workbook.xml", b"<a" * 9)[:-30])
    book = io.BytesIO()
    with xlsxwriter.Workbook(book) as workbook:
        workbook.add_worksheet().write_row(0, 0, ["customer", "amount", "=cmd|' /C calc'!A0", "\u202e"])
    yield from (book.getvalue(), book.getvalue()[:-40], book.getvalue()[40:], gzip.compress(book.getvalue()))
    yield from (gzip.compress(b"\0" * 1_000_000), gzip.compress(b"a,b\n" * 99)[:-8], b"\x1f\x8b" + b"\xff" * 99)
    yield from (b"," * 200_000, b"x" * 300_000, b"\n" * 10_000, "\u202e,\ufeff\n".encode("utf-16"))
    yield HEADER.encode() + b"\r\n".join(b",".join([row] * 11) for row in rows) + b"\r\n"
    yield b"\n".join(b"id;customer;amount\n" + row + b";acme;" + row for row in rows)


@samples(2)
def test_verifying_a_hostile_file(browser: FlaskClient, watch: Watch, step: int) -> None:
    for turn, content in enumerate(contents()):
        for name in share(("a.csv", "a\0\u202e\\..\\" + "b" * 5_000), turn, step):
            response = watch(
                f"{content[:30]!r} {name[:20]}", partial(bring, browser, "/verify-file", {"file": (content, name)})
            )
            watch.check(response is None or response.status_code < 500, f"{content[:30]!r}")


def metas(step: int) -> Iterator[bytes]:
    """Yield `.meta.json` files with each member spoilt, and bytes that are no `.meta.json` at all."""
    good: dict[str, Any] = {
        "name": "charges.csv",
        "kind": "charges",
        "format": "csv",
        "filters": {},
        "made_at": "2026-11-22T10:00:00+00:00",
        "made_by": "a@example.com",
        "rows": 1,
        "sums": {"USD": "12.5"},
        "sha256": "0" * 64,
    }
    spoilt: list[Any] = [
        *(value.decode(errors="replace") for kind in ("day", "number", "id") for value in values(kind)),
        "\ud800",
    ]
    spoilt += ["a\0b", None, True, -1, 2**63, 10**4_000, 1e300, 0.5, [], [[]], {"a": 1}, {"": {}}]
    filters = [(kind, field.name.rstrip("_")) for kind, about in EXPORTED.items() for field in fields(about.filters)]
    filters += [("journal", name) for name in ("from", "to", "opening")]
    places: list[dict[str, Any]] = [
        *({member: None} for member in good),
        *({"kind": kind, "filters": {name: None}} for kind, name in filters),
    ]
    places += [{"sums": {"USD": None}}]
    for at, place in enumerate(places):
        for value in share(spoilt, at, step):
            yield json.dumps(
                good
                | {
                    member: dict.fromkeys(part, value) if isinstance(part, dict) else part or value
                    for member, part in place.items()
                }
            ).encode()
    text = json.dumps(good)
    for old, new in (
        ("1,", "NaN,"),
        ("1,", "1e999,"),
        ("1,", "9" * 5_000 + ","),
        ('"USD"', '"\\ud800"'),
        ("12.5", "9" * 60),
    ):
        yield text.replace(old, new).encode()
    yield from (
        b"",
        b"\0",
        b"\xff",
        b"{}",
        b"[]",
        b"null",
        b"1" * 9_999,
        NESTED,
        b'{"a":' * 99_999,
        text.encode("utf-16"),
    )


@shares
def test_verifying_with_a_hostile_meta(browser: FlaskClient, watch: Watch, step: int) -> None:
    file = (HEADER.encode(), "charges.csv")
    for content in dict.fromkeys(metas(step)):
        sent = {"file": file, "totals": (content, "charges.csv.meta.json")}
        response = watch(f"{content[:160]!r}", partial(bring, browser, "/verify-file", sent))
        watch.check(
            response is None or response.status_code in {HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY},
            f"{content[:160]!r}",
        )


@samples(8)
def test_importing_a_hostile_file(browser: FlaskClient, watch: Watch, step: int) -> None:
    """A file that is stored is shown with its columns."""
    turn = count()
    for number, kind in enumerate(IMPORT_KINDS):
        for content in list(contents())[number % step :: step]:
            sent = {"file": (content, "a\0\u202e\\..\\b.csv")}
            response = watch(f"{kind} {content[:30]!r}", partial(bring, browser, f"/imports/{kind}/new", sent))
            if response is None or response.status_code != HTTPStatus.SEE_OTHER:
                continue
            for encoding, delimiter in share(ENCODINGS, next(turn), step):
                at = f"{response.location}?encoding={encoding}&delimiter={delimiter}"
                watch(f"{kind} {content[:30]!r} {encoding}", partial(browser.get, at))
