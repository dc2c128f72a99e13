"""Details of a party are checked when they change, and each problem is at its field."""

from typing import Any

import pytest

from billing_admin.domain.parties import ADDRESS_PARTS
from billing_admin.operations.master_data.party_checks import (
    compact_identifiers,
    find_address_problems,
    find_party_problems,
)

BLANK: dict[str, Any] = dict.fromkeys(
    (
        *(*ADDRESS_PARTS, *(f"delivery_{part}" for part in ADDRESS_PARTS)),
        *("tax_id", "registration_id", "registration_scheme", "electronic_address", "electronic_scheme"),
    ),
    "",
)


def problems(changes: dict[str, str], stored: dict[str, str] | None = None) -> list[tuple[str, str]]:
    before = BLANK | (stored or {})
    found = [
        *find_party_problems(before | changes, before),
        *find_address_problems(before | changes, before, "delivery_"),
    ]
    return [(str(problem.field[0]), problem.code) for problem in found]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"city": "Berlin", "country": "DE"},
        {"country": "XI"},
        {"country": "1A"},
        {"tax_id": "DE136695976"},
        {"tax_id": "12/345/67890"},
        {"registration_id": "4000001000005", "registration_scheme": "0088"},
        {"electronic_address": "pay@acme.example", "electronic_scheme": "EM"},
        {"delivery_street": "Gate 3", "delivery_country": "FR"},
    ],
)
def test_right_details_are_accepted(changes: dict[str, str]) -> None:
    assert problems(changes) == []


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"city": "Berlin"}, "country", "missing"),
        ({"country": "QQ"}, "country", "unknown_country"),
        ({"delivery_city": "Berlin"}, "delivery_country", "missing"),
        ({"delivery_country": "QQ"}, "delivery_country", "unknown_country"),
        ({"tax_id": "DE136695975"}, "tax_id", "not_a_vat_number"),
        ({"registration_id": "1"}, "registration_scheme", "missing"),
        ({"registration_scheme": "0088"}, "registration_id", "missing"),
        ({"registration_id": "1", "registration_scheme": "9999"}, "registration_scheme", "unknown_scheme"),
        ({"registration_id": "1", "registration_scheme": "EM"}, "registration_scheme", "unknown_scheme"),
        ({"electronic_address": "1", "electronic_scheme": "0088"}, "electronic_address", "not_an_identifier"),
        ({"electronic_address": "1", "electronic_scheme": "0001"}, "electronic_scheme", "unknown_scheme"),
    ],
)
def test_a_wrong_detail_is_refused_at_its_field(changes: dict[str, str], field: str, code: str) -> None:
    assert problems(changes) == [(field, code)]


def test_a_number_that_was_stored_before_stays_until_it_changes() -> None:
    assert problems({"city": "Berlin", "country": "DE"}, {"tax_id": "DE1"}) == []
    assert problems({"tax_id": "DE2"}, {"tax_id": "DE1"}) == [("tax_id", "not_a_vat_number")]


def test_all_problems_are_named_together() -> None:
    assert problems({"city": "Berlin", "tax_id": "DE1", "electronic_scheme": "EM"}) == [
        ("country", "missing"),
        ("tax_id", "not_a_vat_number"),
        ("electronic_address", "missing"),
    ]


@pytest.mark.parametrize(
    ("scheme", "typed", "compact"),
    [
        ("0088", "40 12345 00000 9", "4012345000009"),
        ("9930", "DE 136 695 976", "DE136695976"),
        ("0204", "04011000-1234512345-06", "04011000-1234512345-06"),
        ("0060", "12 345", "12 345"),
    ],
)
def test_a_changed_identifier_is_compact(scheme: str, typed: str, compact: str) -> None:
    given = {"electronic_address": typed, "electronic_scheme": scheme}
    stored = {"electronic_address": compact, "electronic_scheme": scheme}
    assert compact_identifiers(given, BLANK) == stored
    assert compact_identifiers({"electronic_scheme": scheme}, BLANK | {"electronic_address": typed}) == stored
    assert compact_identifiers({"electronic_address": typed}, given) == {"electronic_address": typed}
    assert compact_identifiers({"city": "Berlin"}, given) == {"city": "Berlin"}
