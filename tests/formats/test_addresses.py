"""Printed addresses of rows, with the country's name in the language of the document."""

from types import SimpleNamespace

import pytest

from billing_admin.domain.parties import ADDRESS_PARTS
from billing_admin.formats.addresses import country_code, country_name, print_address, print_delivery_address
from billing_admin.formats.code_lists import country_names

BLANK = {"address": "As typed\nLeeds"} | dict.fromkeys(
    (*ADDRESS_PARTS, *(f"delivery_{part}" for part in ADDRESS_PARTS)), ""
)


def row(**fields: str) -> SimpleNamespace:
    return SimpleNamespace(**BLANK | fields)


@pytest.mark.parametrize(
    ("language", "country"), [("en", "Germany"), ("de", "Deutschland"), ("fr", "Allemagne"), ("es", "Alemania")]
)
def test_the_country_is_named_in_the_language_of_the_document(language: str, country: str) -> None:
    assert print_address(row(city="Berlin", country="DE"), language) == f"Berlin\n{country}"
    assert print_delivery_address(row(delivery_city="Berlin", delivery_country="DE"), language) == f"Berlin\n{country}"


def test_an_address_without_a_country_is_printed_as_typed() -> None:
    assert print_address(row(), "de") == "As typed\nLeeds"
    assert print_delivery_address(row(), "de") == ""


def test_an_unknown_code_is_its_own_name() -> None:
    assert country_name("QQ", "fr") == "QQ"
    assert country_name("") == ""


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("DE", "DE"),
        (" de ", "DE"),
        ("Germany", "DE"),
        ("Deutschland", "DE"),
        ("allemagne", "DE"),
        ("Alemania", "DE"),
        ("DEU", "DE"),
        ("U.K.", "U.K."),
        ("United Kingdom", "GB"),
        ("USA", "US"),
        ("Österreich", "AT"),
        ("Osterreich", "AT"),
        ("Türkiye", "TR"),
        ("Atlantis", "Atlantis"),
    ],
)
def test_a_country_is_read_by_its_name(name: str, code: str) -> None:
    assert country_code(name) == code


def test_no_name_means_another_country_than_the_code_lists_say() -> None:
    for language in ("en", "de", "fr", "es"):
        for code, name in country_names(language).items():
            assert country_code(name) == code, name
