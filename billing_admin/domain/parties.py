"""The seller and the buyer: shapes of their details, and printed addresses.

The organisation and the customers have the same fields for an address and for their identifiers.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from billing_admin.domain.document_details import Address
from billing_admin.domain.errors import Invalid
from billing_admin.domain.text import check_text
from billing_admin.domain.translation import Phrase

ADDRESS_PARTS: Final = ("street", "street2", "postcode", "city", "region", "country")

# The choices of customers, with their labels. Documents have texts in each language.
LANGUAGES: Final[Mapping[str, str]] = {
    "en": Phrase("English"),
    "de": Phrase("German"),
    "fr": Phrase("French"),
    "es": Phrase("Spanish"),
}
PAPERS: Final[Mapping[str, str]] = {"a4": "A4", "letter": Phrase("US Letter")}
E_INVOICE_FORMATS: Final[Mapping[str, str]] = {
    "none": Phrase("None"),
    "factur-x": Phrase("Factur-X / ZUGFeRD (in the PDF)"),
    "ubl": Phrase("EN 16931 (UBL)"),
    "peppol": Phrase("Peppol BIS Billing 3 (UBL)"),
    "xrechnung-ubl": Phrase("XRechnung (UBL)"),
    "xrechnung-cii": Phrase("XRechnung (CII)"),
}
# The usual schemes of identifiers (ICD and EAS); the code lists have all codes, without names.
SCHEME_NAMES: Final[Mapping[str, str]] = {
    "EM": Phrase("E-mail"),
    "0088": "GLN",
    "0060": Phrase("D-U-N-S number"),
    "0199": "LEI",
    "0204": Phrase("Leitweg-ID (Germany)"),
    "9930": Phrase("VAT number (Germany)"),
    "9914": Phrase("VAT number (Austria)"),
    "9927": Phrase("VAT number (Switzerland)"),
    "0183": Phrase("UIDB (Switzerland)"),
    "0002": Phrase("SIREN (France)"),
    "0009": Phrase("SIRET (France)"),
    "0225": Phrase("Electronic address (France)"),
    "9957": Phrase("VAT number (France)"),
    "9920": Phrase("VAT number (Spain)"),
    "0208": Phrase("Enterprise number (Belgium)"),
    "9925": Phrase("VAT number (Belgium)"),
    "0106": Phrase("KvK number (Netherlands)"),
    "0190": Phrase("OIN (Netherlands)"),
    "9944": Phrase("VAT number (Netherlands)"),
    "0211": Phrase("VAT number (Italy)"),
    "0184": Phrase("CVR number (Denmark)"),
    "0007": Phrase("Organisation number (Sweden)"),
    "0192": Phrase("Organisation number (Norway)"),
    "0216": Phrase("OVT code (Finland)"),
    "9932": Phrase("VAT number (United Kingdom)"),
    "0151": Phrase("ABN (Australia)"),
    "0195": Phrase("UEN (Singapore)"),
}
RECIPIENT_ROLES: Final[Mapping[str, str]] = {"to": Phrase("To"), "cc": Phrase("Cc"), "none": Phrase("Not sent")}

# Characters. Other parts of an address have `text.MAX_LINE_LENGTH`.
MAX_POSTCODE_LENGTH = 20
MAX_CITY_LENGTH = 100  # of a region as well
MAX_IDENTIFIER_LENGTH = 100  # of a registration number, and of an electronic address

_COUNTRY = re.compile(r"[A-Z0-9]{2}", re.ASCII)
_SCHEME = re.compile(r"[0-9A-Z]{2,4}", re.ASCII)


def check_country_shape(value: str, *field: str | int) -> str:
    """Return the code of a country, or an empty text.

    Whether there is such a country is checked by `formats.code_lists`.

    Raises:
        Invalid: The text is not two capital letters or digits.
    """
    if value and not _COUNTRY.fullmatch(value):
        raise Invalid("not_a_country", Phrase("Use the country's code of two capital letters, such as DE."), *field)
    return value


def check_scheme_shape(value: str, *field: str | int) -> str:
    """Return the code of an identifier scheme, or an empty text.

    Whether there is such a scheme is checked by `formats.code_lists`.

    Raises:
        Invalid: The text is not two to four capital letters or digits.
    """
    if value and not _SCHEME.fullmatch(value):
        raise Invalid("not_a_scheme", Phrase("Use the scheme's code, such as 0088 or EM."), *field)
    return value


def check_postcode(value: str, field: str) -> str:
    """Return a postcode; each country has its own form."""
    return check_text(value, field, longest=MAX_POSTCODE_LENGTH, stored=True)


def check_city(value: str, field: str) -> str:
    """Return the name of a city or region."""
    return check_text(value, field, longest=MAX_CITY_LENGTH, stored=True)


def check_identifier(value: str, field: str) -> str:
    """Return a registration number or an electronic address."""
    return check_text(value, field, longest=MAX_IDENTIFIER_LENGTH, stored=True)


def check_completeness(values: Mapping[str, Any], prefix: str = "") -> list[Invalid]:
    """Return an error for each part of an address that stands without a country.

    Addresses are printed in the order of their country, so parts without one would not be printed.
    `prefix` is that of the fields, such as `delivery_`.
    """
    if values[f"{prefix}country"] or not any(values[prefix + part].strip() for part in ADDRESS_PARTS):
        return []
    message = Phrase("Choose the country: it decides how the address is printed.")
    return [Invalid("missing", message, f"{prefix}country")]


def check_scheme_pair(values: Mapping[str, Any], identifier: str, scheme: str) -> list[Invalid]:
    """Return an error if an identifier has no scheme, or a scheme no identifier."""
    if values[scheme] and not values[identifier].strip():
        return [Invalid("missing", Phrase("Enter the number or address, or remove its scheme."), identifier)]
    if values[identifier].strip() and not values[scheme]:
        return [
            Invalid("missing", Phrase("Choose the scheme: it says what kind of number or address this is."), scheme)
        ]
    return []


def address_of(row: object, prefix: str = "") -> Address:
    """Return the address in the fields of a customer or the organisation.

    `prefix` is that of the fields, such as `delivery_`.
    """
    return Address(*_ADDRESS_FIELDS[prefix](row))


# Many fields at once: a billing run reads those of every customer.
_ADDRESS_FIELDS = {prefix: attrgetter(*(prefix + part for part in ADDRESS_PARTS)) for prefix in ("", "delivery_")}


# Each line names parts, and what stands between two of them.
_STREET = ("street", "street2")
_POSTCODE_FIRST = (*_STREET, "postcode city", "region")
_ONE_LINE = (*_STREET, "city, region postcode")
_SEPARATE_LINES = (*_STREET, "city", "region", "postcode")
_CITY_FIRST = (*_STREET, "city postcode", "region")

# How the countries write an address in Latin letters; all others have the postcode before the city.
_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("US", "CA", "AS", "GU", "MP", "PR", "VI", "IN", "CN", "JP", "KR", "TW", "TH", "ID"), _ONE_LINE),
    **dict.fromkeys(
        ("GB", "GG", "IM", "JE", "GI", "FK", "IE", "XI", "RU", "UA", "KZ", "ZA", "KE", "NG"), _SEPARATE_LINES
    ),
    **dict.fromkeys(("NZ", "SG", "SA", "EG", "IL", "PK", "BD"), _CITY_FIRST),
    "AU": (*_STREET, "city region postcode"),
    "BR": (*_STREET, "city - region", "postcode"),
    "CO": (*_STREET, "city, region, postcode"),
    "HU": ("city", *_STREET, "postcode", "region"),
    "IT": (*_STREET, "postcode city region"),
    "LV": (*_STREET, "city, postcode", "region"),
    "MX": (*_STREET, "postcode city, region"),
    "VN": (*_STREET, "city, region postcode"),
}
_PART = re.compile(r"(\w+)(\W*)")


@lru_cache(maxsize=1024)  # the seller's is the same on all documents of a run
def address_lines(address: Address, country_name: str) -> tuple[str, ...]:
    """Return the printed lines of an address, in the order of its country.

    The country's name, which the caller has in the document's language, is always the last line: a document is read
    abroad and years later. Blank parts are left out. Without a country there are no lines.
    """
    if not address.country:
        return ()
    template = _FORMATS.get(address.country, _POSTCODE_FIRST)
    lines = [_fill_line(address, line) for line in template]
    return tuple(line for line in (*lines, country_name or address.country) if line)


def _fill_line(address: Address, template: str) -> str:
    line, separator = "", ""
    for part, following in _PART.findall(template):
        if text := getattr(address, part).strip():
            line = f"{line}{separator}{text}" if line else text
        separator = following
    return line


def printed_address(text: str, address: Address, country_name: str) -> str:
    """Return an address as documents print it.

    It is made of the parts once they have a country. Until then it is the text as entered, and also while the country is
    the only part.
    """
    if not address.country or (text.strip() and address == Address(country=address.country)):
        return text
    return "\n".join(address_lines(address, country_name))


LETTER_COUNTRIES: Final = frozenset(
    {"US", "CA", "MX", "PR", "GU", "VI", "AS", "MP", "CL", "CO", "VE", "PH", "GT", "CR", "SV", "NI", "PA", "DO"}
)


def paper_of(paper: str, country: str, default: str = "a4") -> str:
    """Return the chosen paper size, else that of the country, else the default."""
    if paper or not country:
        return paper or default
    return "letter" if country in LETTER_COUNTRIES else "a4"
