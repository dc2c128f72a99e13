"""Printed addresses of rows, with the country's name in the language of the document."""

from types import SimpleNamespace

import pytest

from billing_admin.domain.parties import ADDRESS_PARTS
from billing_admin.formats.addresses import country_name, print_address, print_delivery_address

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
