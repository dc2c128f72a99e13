"""A body is read as it is written, or refused; on each route that takes one, and never with a 500."""

import json
from decimal import Decimal
from uuid import uuid4

import pytest

from billing_admin.api import strict_json
from billing_admin.api.routing import ROUTES
from billing_admin.domain.errors import Invalid
from tests.api.conftest import Script, code, pointers

TAKING_A_BODY = [route for route in ROUTES if route.body is not None]

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
def test_what_is_not_json_is_told_so(body: bytes) -> None:
    with pytest.raises(strict_json.NotJson):
        strict_json.read(body)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_every_route_refuses_what_is_not_json(script: Script) -> None:
    for route in TAKING_A_BODY:
        for body in (*NOT_JSON, b'{"a":NaN}'):
            if not body and route.body_optional:
                continue
            response = script.call(route.method, _address(route.path), body)
            assert (response.status_code, response.content_type) == (400, "application/problem+json"), (route, body)


@pytest.mark.parametrize(
    ("body", "kind", "pointer"),
    [
        ('{"x": {"a": 1, "b": 2, "a": 3}}', "duplicate_key", "/x/a"),
        ('{"x": ["\\u0000"]}', "unprintable", "/x/0"),
        ('{"x": {"y": "a\\uD800b"}}', "unprintable", "/x/y"),
        ('{"x": "\\udc00\\ud800"}', "unprintable", "/x"),
        ('{"x": {"\\u0000": 1}}', "unprintable", "/x"),
        ('{"a~b/c": "\\ud800"}', "unprintable", "/a~0b~1c"),
        (json.dumps({"x": dict.fromkeys(map(str, range(1001)), 0)}), "too_many_keys", "/x"),
        ('{"unheard_of": 1}', "unknown_field", "/unheard_of"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_every_route_names_the_place(script: Script, body: str, kind: str, pointer: str) -> None:
    for route in TAKING_A_BODY:
        response = script.call(route.method, _address(route.path), body)
        assert response.status_code == 422, route
        assert response.json
        assert {"pointer": pointer, "code": kind} in [
            {name: error[name] for name in ("pointer", "code")} for error in response.json["errors"]
        ]


@pytest.mark.parametrize("body", ["[]", "null", "1", '"{}"', "true"])
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_body_is_an_object(script: Script, body: str) -> None:
    for route in TAKING_A_BODY:
        response = script.call(route.method, _address(route.path), body)
        assert (response.status_code, code(response)) == (422, "wrong_type")


def test_the_place_of_a_number_that_is_none() -> None:
    with pytest.raises(strict_json.NotJson) as caught:
        strict_json.read(b'{"charges": [{}, {"quantity": -Infinity}]}')
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
    found = strict_json.read(text.encode())
    assert found == value
    assert str(found) == str(value)


def test_minus_zero_stays_minus_zero() -> None:
    assert str(strict_json.read(b"-0")) == "-0"


def test_text_comes_as_it_is_written() -> None:
    text = 'Ünïcödé \U0001f600 \u202e \x7f \\ " /'
    assert strict_json.read(json.dumps(text).encode()) == text
    assert strict_json.read(json.dumps(text, ensure_ascii=False).encode()) == text


def test_many_problems_are_cut_at_a_thousand() -> None:
    with pytest.raises(Invalid) as caught:
        strict_json.read(json.dumps(["\0"] * 5000).encode())
    assert len(caught.value.problems) == 1000


@pytest.mark.parametrize(
    ("number", "refused"),
    [
        ("9" * 5000, "out_of_range"),
        ("1e999999", "out_of_range"),
        ("1e" + "9" * 30, "out_of_range"),
        ("-1e-" + "9" * 30, "out_of_range"),
        ("9223372036854775808123", "out_of_range"),
        ("0." + "1" * 31, "out_of_range"),
        ("-0", "negative_zero"),
        ("-0.0", "negative_zero"),
        ('"-0"', "negative_zero"),
        ('"1e3"', "not_a_number"),
        ('"١٢"', "not_a_number"),
        ('"1_000"', "not_a_number"),
        ('" 12 "', "not_a_number"),
        ('"12\\n"', "not_a_number"),
        ('"NaN"', "not_a_number"),
        ('"sNaN"', "not_a_number"),
        ('"Infinity"', "not_a_number"),
        ('"+1"', "not_a_number"),
        ('"1,50"', "not_a_number"),
        ('""', "not_a_number"),
        ('"0.' + "1" * 13 + '"', "not_a_number"),
        ("true", "wrong_type"),
        ("null", "wrong_type"),
        ("[1]", "wrong_type"),
        ('{"a": 1}', "wrong_type"),
    ],
)
def test_a_number_of_nonsense_is_refused(script: Script, number: str, refused: str) -> None:
    for body, place in (
        (f'{{"customer": "ACME", "service": "hosting", "quantity": {number}}}', "/quantity"),
        (
            f'{{"charges": [{{"customer": "ACME", "service": "hosting", "unit_price": {number}}}]}}',
            "/charges/0/unit_price",
        ),
    ):
        response = script.post("/charges/batch" if "charges" in body else "/charges", body)
        assert response.status_code == 422
        assert (code(response), pointers(response)) == (refused, [place])


def _address(path: str) -> str:
    for name in ("id", "ref", "code", "number"):
        path = path.replace(f"{{{name}}}", str(uuid4()))
    return path
