"""A body is read exactly or refused. `test_bodies.py` tests the same over HTTP on each route with a body."""

import json
from decimal import Decimal

import pytest

from billing_admin.api.frame import strict_json
from billing_admin.domain.errors import Invalid

# As in JSONTestSuite's n_*.json: none of these is JSON.
NOT_JSON = [
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b'["a":1]',
    b"{",
    b"}",
    b"[",
    b"{]",
    b'{"a"}',
    b'{"a":}',
    b'{"a":1,}',
    b'{"a" "b"}',
    b"{a:1}",
    b"{'a':1}",
    b'{1:"a"}',
    b'{"a":1}{}',
    b'{"a":1} x',
    b'{"a":/*c*/1}',
    b'{"a":1}//c',
    b"[01]",
    b"[-01]",
    b"[+1]",
    b"[.5]",
    b"[1.]",
    b"[-]",
    b"[1e]",
    b"[1e+]",
    b"[0x1]",
    b"[1_000]",
    b"[NaN]",
    b"[-Infinity]",
    b"[Infinity]",
    b"[Inf]",
    b"[nan]",
    b"[True]",
    b"[nul]",
    b"['a']",
    b'["a]',
    b'["\t"]',
    b'["\n"]',
    b'["\0"]',
    b'["\\x00"]',
    b'["\\u00g0"]',
    b'["\\u12"]',
    b'["\\"]',
    b'["\xff"]',
    b'["\xed\xa0\x80"]',
    b'["\xe0\x80\x80"]',
    b"\xef\xbb\xbf{}",
    '{"a":1}'.encode("utf-16"),
    '{"a":1}'.encode("utf-16-le"),
    '{"a":1}'.encode("utf-32"),
    "[１]".encode(),
    "[\u2060]".encode(),
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b"",
    b" ",
    b"\0",
    b"*",
]


@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: f"{len(body)} bytes {body[:20]!r}")
def test_a_body_that_is_not_json_is_named_as_such(body: bytes) -> None:
    with pytest.raises(strict_json.NotJson):
        strict_json.read_json(body)


def test_the_place_of_a_number_that_is_none() -> None:
    with pytest.raises(strict_json.NotJson) as caught:
        strict_json.read_json(b'{"charges": [{}, {"quantity": -Infinity}]}')
    assert caught.value.field == ("charges", 1, "quantity")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", Decimal("0.1")),
        ("1.10", Decimal("1.10")),
        ("1e2", Decimal("1e2")),
        ("0.30000000000000000000000000000004", Decimal("0.30000000000000000000000000000004")),
        ("-0.0", Decimal("-0.0")),
        ("58", 58),
        ("9" * 5000, Decimal("9" * 5000)),
        ("1e999999", Decimal("1e999999")),
    ],
)
def test_numbers_come_as_they_are_written(text: str, value: Decimal | int) -> None:
    content = strict_json.read_json(text.encode())
    assert content == value
    assert str(content) == str(value)


def test_minus_zero_stays_minus_zero() -> None:
    assert str(strict_json.read_json(b"-0")) == "-0"


def test_text_comes_as_it_is_written() -> None:
    text = 'Ünïcödé \U0001f600 \u202e \x7f \\ " /'
    assert strict_json.read_json(json.dumps(text).encode()) == text
    assert strict_json.read_json(json.dumps(text, ensure_ascii=False).encode()) == text


def test_many_problems_are_cut_at_a_thousand() -> None:
    with pytest.raises(Invalid) as caught:
        strict_json.read_json(json.dumps(["\0"] * 5000).encode())
    assert len(caught.value.problems) == 1000
