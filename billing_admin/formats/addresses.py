"""Printed addresses, with the name of their country in the document's language."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from billing_admin.domain.parties import LANGUAGES, address_of, printed_address
from billing_admin.domain.text import sort_key
from billing_admin.formats.code_lists import CodeList, codes, country_names

# Names and codes that other programs write, besides the names in the languages of documents.
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "usa": "US",
    "united states of america": "US",
    "america": "US",
    "uk": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "gbr": "GB",
    "holland": "NL",
    "the netherlands": "NL",
    "czech republic": "CZ",
    "republic of ireland": "IE",
    "eire": "IE",
    "brd": "DE",
    "deu": "DE",
    "ger": "DE",
    "aut": "AT",
    "che": "CH",
    "fra": "FR",
    "esp": "ES",
    "ita": "IT",
    "nld": "NL",
    "bel": "BE",
    "lux": "LU",
    "dnk": "DK",
    "swe": "SE",
    "nor": "NO",
    "fin": "FI",
    "pol": "PL",
    "cze": "CZ",
    "svk": "SK",
    "hun": "HU",
    "prt": "PT",
    "irl": "IE",
    "grc": "GR",
    "can": "CA",
    "mex": "MX",
    "jpn": "JP",
    "chn": "CN",
    "aus": "AU",
    "nzl": "NZ",
    "ind": "IN",
    "bra": "BR",
    "tur": "TR",
    "russia": "RU",
    "korea": "KR",
    "south korea": "KR",
    "turkey": "TR",
    "el": "GR",
}


def print_address(row: Any, language: str) -> str:
    """Return the printed address of a customer or the organisation."""
    if not row.country:
        text: str = row.address
        return text
    return printed_address(row.address, address_of(row), country_name(row.country, language))


def print_delivery_address(row: Any, language: str) -> str:
    """Return the printed delivery address of a customer; empty without a country."""
    return printed_address("", address_of(row, "delivery_"), country_name(row.delivery_country, language))


def country_name(code: str, language: str = "en") -> str:
    """Return the name of a country, or its code if the code lists do not know it."""
    return country_names(language).get(code, code) if code else ""


def country_code(name: str) -> str:
    """Return the code of a country by its code or name.

    Names are read in each language of documents. Another text is returned as it is.
    """
    code = name.strip().upper()
    return code if code in codes(CodeList.COUNTRIES) else _codes_by_name().get(sort_key(name), name)


@cache
def _codes_by_name() -> Mapping[str, str]:
    names = {sort_key(name): code for language in LANGUAGES for code, name in country_names(language).items()}
    return {**names, **_OTHER_NAMES}
