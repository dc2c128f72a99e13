"""The table of business terms in the documentation, compared with what e-invoices have."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lxml import etree

from billing_admin.formats.einvoice import render_xml
from billing_admin.formats.einvoice_terms import document_terms
from tests.einvoicing import DETAILS, group, issued, with_buyer
from tests.formats.test_einvoice import HARD, detailed

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "einvoice.md"
_ADDRESS = ("addr_l1", "addr_l2", "city", "postcode", "country_subdivision", "country_code")
# factur-x names the members of a party in words.
PARTIES: dict[str, dict[str, int]] = {
    "BG-4": {
        "name": 27,
        "legal_identifier": 30,
        "vat_identifier": 31,
        "tax_identifier": 32,
        "legal_info": 33,
        "einvoicing_addr": 34,
        **dict(zip(_ADDRESS, range(35, 41), strict=True)),
    },
    "BG-7": {
        "name": 44,
        "identifiers": 46,
        "legal_identifier": 47,
        "vat_identifier": 48,
        "einvoicing_addr": 49,
        **dict(zip(_ADDRESS, range(50, 56), strict=True)),
    },
    "BG-13": {"name": 70, **dict(zip(_ADDRESS, range(75, 81), strict=True))},
}
CONTACT = {"name": 41, "phone": 42, "email": 43}
# Schemes of identifiers; the documentation has them with their identifiers.
SCHEMES = {"legal_identifier_schemeid", "einvoicing_addr_schemeid"}


def _numbers(terms: Any, party: str = "") -> Iterator[str]:
    for key, value in terms.items():
        if party:
            if key not in SCHEMES | {"contacts"}:
                yield f"BT-{PARTIES[party][key]}"
            for contact in value if key == "contacts" else ():
                yield from (f"BT-{CONTACT[name]}" for name in contact)
        elif key in PARTIES:
            yield from _numbers(value, key)
        elif key.startswith("BG-"):
            for part in value:
                yield from _numbers(part)
        else:
            yield key


def test_documentation_names_each_term_that_is_used() -> None:
    rows = re.findall(r"^\| (BT-[0-9]+) \| ([^|]+) \| ([^|]+) \|$", DOCUMENTATION.read_text("utf-8"), re.MULTILINE)
    documented = [number for number, _, _ in rows]
    assert documented == sorted(set(documented), key=lambda number: int(number[3:]))
    used = {number for make in (*HARD.values(), detailed) for number in _numbers(document_terms(make()))}
    # These two depend on the format.
    assert used | {"BT-23", "BT-24"} == set(documented)


def test_identifiers_have_no_separators() -> None:
    typed: dict[str, Any] = {
        "registration_id": "40 12345 00000 9",
        "registration_scheme": "0088",
        "electronic_address": "DE 136 695 976",
        "electronic_scheme": "9930",
    }
    details = replace(with_buyer(DETAILS, **typed), seller=replace(DETAILS.seller, **typed))
    terms = document_terms(issued(group("1"), details=details))
    for party in ("BG-4", "BG-7"):
        assert terms[party]["legal_identifier"] == "4012345000009"
        assert terms[party]["einvoicing_addr"] == "DE136695976"


def test_formats_state_their_specification_and_process() -> None:
    parts = {
        "cii": ("urn:cen.eu:en16931:2017", None),
        "ubl": ("urn:cen.eu:en16931:2017", None),
        "factur-x": ("urn:cen.eu:en16931:2017", None),
        "xrechnung-cii": ("urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0", PROCESS),
        "xrechnung-ubl": ("urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0", PROCESS),
        "peppol": ("urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0", PROCESS),
    }
    for format, expected in parts.items():
        tree = etree.fromstring(render_xml(detailed(), format))
        specification = (
            tree.find("{*}CustomizationID"),
            tree.find(".//{*}GuidelineSpecifiedDocumentContextParameter/{*}ID"),
        )
        process = tree.find("{*}ProfileID"), tree.find(".//{*}BusinessProcessSpecifiedDocumentContextParameter/{*}ID")
        texts = [
            next((element.text for element in pair if element is not None), None) for pair in (specification, process)
        ]
        assert tuple(texts) == expected, format


PROCESS = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
