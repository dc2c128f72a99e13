"""VATEX codes: those of categories, those that an exempt rate may have, and their meanings."""

import pytest

from billing_admin.domain.errors import Invalid
from billing_admin.domain.tax import DEFAULT_TAX_NOTES
from billing_admin.domain.vatex import VATEX_BY_CATEGORY, check_exempt_code, exempt_codes, vatex_label, vatex_of
from billing_admin.formats.code_lists import CodeList, codes

CODES = codes(CodeList.VATEX)


def test_each_category_without_tax_has_a_code_or_lets_one_be_chosen() -> None:
    assert VATEX_BY_CATEGORY.keys() | {"E"} == DEFAULT_TAX_NOTES.keys()
    assert set(VATEX_BY_CATEGORY.values()) <= CODES
    assert CODES - set(exempt_codes(CODES)) == {*VATEX_BY_CATEGORY.values(), "VATEX-FR-AE"}


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("VATEX-EU-132", "VAT directive, article 132"),
        ("VATEX-EU-132-1I", "VAT directive, article 132(1)(i)"),
        ("VATEX-EU-143-1FA", "VAT directive, article 143(1)(fa)"),
        ("VATEX-EU-79-C", "VAT directive, article 79(c)"),
        ("VATEX-EU-135-1", "VAT directive, article 135(1)"),
        ("VATEX-EU-F", "Used goods"),
        ("VATEX-FR-CGI261C-1", "France: tax code, article 261C-1"),
        ("VATEX-FR-298SEXDECIESA", "France: tax code, article 298SEXDECIESA"),
        ("", ""),
    ],
)
def test_meaning(code: str, label: str) -> None:
    assert vatex_label(code) == label


def test_each_code_has_a_meaning() -> None:
    assert [code for code in CODES if vatex_label(code) == code] == []


@pytest.mark.parametrize(
    ("category", "chosen", "code"),
    [
        ("AE", "", "VATEX-EU-AE"),
        ("AE", "VATEX-EU-AE", "VATEX-EU-AE"),
        ("E", "", ""),
        ("E", "VATEX-EU-132-1C", "VATEX-EU-132-1C"),
        ("E", "VATEX-FR-FRANCHISE", "VATEX-FR-FRANCHISE"),
        ("S", "", ""),
    ],
)
def test_code_of_a_category(category: str, chosen: str, code: str) -> None:
    assert vatex_of(category, chosen, CODES, "vatex") == code


@pytest.mark.parametrize(
    ("category", "chosen", "message"),
    [
        ("AE", "VATEX-EU-G", "Leave this blank: a tax rate of category AE has the code VATEX-EU-AE."),
        ("Z", "VATEX-EU-132", "Leave this blank: a tax rate of category Z has no VATEX code."),
        ("E", "VATEX-EU-AE", "VATEX-EU-AE is not for exempt supplies. Use another code, or leave this blank."),
        ("E", "VATEX-EU-132-1i", "“VATEX-EU-132-1i” is not a VATEX code. Use VATEX-EU-132-1I or "),
        ("E", "§ 4", "“§ 4” is not a VATEX code. Use a code such as VATEX-EU-132-1C, or leave this blank."),
    ],
)
def test_other_codes_are_refused(category: str, chosen: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        vatex_of(category, chosen, CODES, "vatex")
    assert refused.value.message.startswith(message)
    assert refused.value.field == ("vatex",)


def test_a_long_text_is_not_quoted_whole() -> None:
    with pytest.raises(Invalid) as refused:
        check_exempt_code("x" * 200, CODES, "vatex")
    assert len(refused.value.message) < 150
