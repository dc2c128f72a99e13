"""Printed addresses, with the name of their country in the document's language."""

from typing import Any

from billing_admin.domain.parties import address_of, printed_address
from billing_admin.formats.code_lists import country_names


def print_address(row: Any, language: str) -> str:
    """Return the printed address of a customer or the organisation."""
    return printed_address(row.address, address_of(row), country_name(row.country, language))


def print_delivery_address(row: Any, language: str) -> str:
    """Return the printed delivery address of a customer; empty without a country."""
    return printed_address("", address_of(row, "delivery_"), country_name(row.delivery_country, language))


def country_name(code: str, language: str = "en") -> str:
    """Return the name of a country, or its code if the code lists do not know it."""
    return country_names(language).get(code, code) if code else ""
