"""Lists: pages by cursor, stable under inserts; parameters read strictly."""

from typing import Any

import pytest

from billing_admin.api.frame.fields import Paging, encode_cursor
from billing_admin.api.frame.routing import ROUTES
from tests.api.conftest import BASE, Script, code, pointers

pytestmark = pytest.mark.both_databases

LISTS = [route.path for route in ROUTES if issubclass(route.query, Paging)]


def _post(script: Script, count: int) -> list[str]:
    rows = [{"customer": "ACME", "service": "hosting"}] * count
    answer = script.post("/charges/batch", {"charges": rows}).json
    assert answer
    return list(answer["ids"])


def test_pages_are_stable_under_inserts(script: Script) -> None:
    ids = set(_post(script, 23))
    listed: list[str] = []
    address = f"{BASE}/charges?limit=5&customer=ACME"
    while address:
        response = script.get(address.removeprefix(BASE))
        content: Any = response.json
        listed += [row["id"] for row in content["data"]]
        assert content["has_more"] == (content["next"] is not None) == ("Link" in response.headers)
        address = response.headers.get("Link", "").removeprefix("<").partition(">")[0]
        _post(script, 2)
    assert len(listed) == 23
    assert set(listed) == ids


def test_the_newest_stands_first_and_the_link_is_relative(script: Script) -> None:
    _post(script, 1)
    (newest,) = _post(script, 1)
    response = script.get("/charges?limit=1", headers={"Host": "localhost"})
    content: Any = response.json
    assert content["data"][0]["id"] == newest
    assert response.headers["Link"].startswith("</api/v1/charges?limit=1&after=")
    assert response.headers["Link"].endswith('>; rel="next"')


BAD_CURSORS = (
    "x",
    ">",
    "<",
    ">i:1",
    ">s:1~s:2",
    ">dt:2026-01-01~uuid:1",
    "~~~~",
    ">x~x",
    ">n~n",
    ">dt:2026-99-99 00:00:00~uuid:" + "0" * 36,
    "",
    "é",
)


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_of_somebody_else_is_refused(script: Script, path: str) -> None:
    for place in BAD_CURSORS:
        for after in (place, encode_cursor(place), encode_cursor(place)[1:], encode_cursor(place) + "="):
            response = script.get(path, query_string={"after": after})
            assert (response.status_code, code(response), pointers(response)) == (422, "bad_cursor", ["/after"]), after


@pytest.mark.parametrize(
    ("query", "place", "refused"),
    [
        ("limit=0", "/limit", "out_of_range"),
        ("limit=101", "/limit", "out_of_range"),
        ("limit=-1", "/limit", "out_of_range"),
        ("limit=1.0", "/limit", "out_of_range"),
        ("limit=+5", "/limit", "out_of_range"),
        ("limit=", "/limit", "out_of_range"),
        ("limit=5&limit=6", "/limit", "duplicate_parameter"),
        ("colour=red", "/colour", "unknown_field"),
        ("from=2026-11-22T00:00", "/from", "not_a_date"),
        ("to=yesterday", "/to", "not_a_date"),
        ("from_=2026-11-22", "/from_", "unknown_field"),
        ("status=gone", "/status", "not_a_choice"),
        ("currency=euro", "/currency", "unknown_currency"),
        ("customer=%00", "/customer", "unprintable"),
    ],
)
def test_a_wrong_parameter_is_named(script: Script, query: str, place: str, refused: str) -> None:
    response = script.get(f"/charges?{query}")
    assert (response.status_code, code(response), pointers(response)) == (422, refused, [place])


def test_routes_without_parameters_take_none(script: Script) -> None:
    assert script.get("/tax-rates?limit=5").status_code == 422
    assert script.get("/health?x=1").status_code == 422
