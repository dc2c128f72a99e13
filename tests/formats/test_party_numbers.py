"""Numbers of companies and bank accounts: right ones are accepted, wrong ones named with the way to correct them."""

import re

import pytest
from hypothesis import given, strategies as st
from stdnum.mx import rfc

from billing_admin.formats.party_numbers import (
    VAT_SHAPES,
    NumberCheck,
    check_bic,
    check_iban,
    check_leitweg_id,
    check_scheme_identifier,
    check_vat_number,
)

VAT_NUMBERS = {
    "AT": "ATU13585627",
    "BE": "BE0428759497",
    "BG": "BG175074752",
    "CH": "CHE107787577IVA",
    "CY": "CY10259033P",
    "CZ": "CZ25123891",
    "DE": "DE136695976",
    "DK": "DK13585628",
    "EE": "EE100931558",
    "EL": "EL094259216",
    "ES": "ESB58378431",
    "FI": "FI20774740",
    "FR": "FR40303265045",
    "GB": "GB980780684",
    "HR": "HR33392005961",
    "HU": "HU12892312",
    "IE": "IE6433435F",
    "IT": "IT00743110157",
    "LT": "LT119511515",
    "LU": "LU15027442",
    "LV": "LV40003521600",
    "MT": "MT11679112",
    "NL": "NL004495445B01",
    "NO": "NO995525828MVA",
    "PL": "PL8567346215",
    "PT": "PT501964843",
    "RO": "RO18547290",
    "SE": "SE123456789701",
    "SI": "SI50223054",
    "SK": "SK2022749619",
    "XI": "XI980780684",
}


def test_each_country_with_a_shape_has_an_example() -> None:
    assert VAT_NUMBERS.keys() == VAT_SHAPES.keys()


@pytest.mark.parametrize("number", VAT_NUMBERS.values())
def test_a_right_vat_number_is_accepted(number: str) -> None:
    assert check_vat_number(number) == NumberCheck(number, prefix=number[:2])


@pytest.mark.parametrize("prefix", VAT_NUMBERS)
@pytest.mark.parametrize("digits", ["1", "13"])
def test_a_country_with_a_few_digits_is_an_incomplete_vat_number(prefix: str, digits: str) -> None:
    result = check_vat_number(prefix + digits)
    assert result.number == ""
    assert f"leave out {prefix}" in result.problem


@pytest.mark.parametrize("prefix", VAT_NUMBERS)
def test_an_incomplete_vat_number_is_refused(prefix: str) -> None:
    result = check_vat_number(VAT_NUMBERS[prefix][:6])
    assert result.number == ""
    assert f"leave out {prefix}" in result.problem


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("de 136 695 976", "DE136695976"),
        ("CHE-107.787.577 MWST", "CHE107787577MWST"),
        ("CHE-107.787.577", "CHE107787577"),
        ("NO 995 525 828 MVA", "NO995525828MVA"),
        ("NO995525828", "NO995525828"),
        ("FR\u00a040\u00a0303\u00a0265\u00a0045", "FR40303265045"),
        ("AU 51 824 753 556", "AU51824753556"),
    ],
)
def test_separators_do_not_matter(written: str, number: str) -> None:
    assert check_vat_number(written).number == number


@pytest.mark.parametrize(
    "tax_id",
    [
        "",
        "-",
        "12/345/67890",
        "HRB 12345",
        "SIREN 303 265 045",
        "EIN 12-3456789",
        "US12-3456789",
        "T9999999999301",
        "999999204RT0001",
        "B58378431",
        "ESA010101AB9",
        "ＤＥ136695976",
        "한국 123",
    ],
)
def test_a_tax_id_without_a_country_code_is_no_vat_number(tax_id: str) -> None:
    if tax_id == "ESA010101AB9":  # a Mexican number that begins with the code of Spain
        tax_id = _mexican_number("ESA010101AB")
    assert check_vat_number(tax_id) == NumberCheck()


def _mexican_number(beginning: str) -> str:
    return beginning + rfc.calc_check_digit(beginning)


def test_a_vat_number_with_wrong_check_digits_is_named() -> None:
    assert check_vat_number("DE136695975").problem == (
        "The check digits of this VAT number are wrong: look for a typing mistake."
        " If this is not a VAT number, leave out DE at its beginning."
    )


def test_the_shape_of_a_vat_number_is_named() -> None:
    assert check_vat_number("DE13669597").problem == (
        "This VAT number is incomplete or has wrong characters. Use DE and 9 digits."
        " If this is not a VAT number, leave out DE at its beginning."
    )
    assert "VAT numbers that begin with AU have another form." in check_vat_number("AU123").problem


def test_a_greek_vat_number_begins_with_el() -> None:
    assert check_vat_number("GR094259216").problem == "Greek VAT numbers begin with EL: enter EL094259216."


DIGITS = st.text("0123456789", min_size=8, max_size=11)


@given(st.sampled_from(sorted(VAT_NUMBERS)), st.integers(2, 14), st.sampled_from("0123456789"))
def test_a_changed_digit_is_refused_or_gives_another_number(prefix: str, position: int, digit: str) -> None:
    number = VAT_NUMBERS[prefix]
    changed = number[:position] + digit + number[position + 1 :]
    result = check_vat_number(changed)
    assert result.number in {"", changed}
    assert bool(result.number) + bool(result.problem) <= 1


@given(st.text(max_size=40))
def test_any_text_is_a_vat_number_or_refused_or_ignored(text: str) -> None:
    result = check_vat_number(text)
    assert not (result.number and result.problem)
    assert bool(result.number) == bool(result.prefix)
    assert re.fullmatch("[A-Z0-9]*", result.number)


@pytest.mark.parametrize(
    "iban", ["DE89370400440532013000", "de89 3704 0044 0532 0130 00", "NL91ABNA0417164300", "CH9300762011623852957"]
)
def test_a_right_iban_is_accepted(iban: str) -> None:
    assert check_iban(iban) == NumberCheck(iban.replace(" ", "").upper())


@pytest.mark.parametrize(
    "iban", ["DE88370400440532013000", "DE893704004405320130", "DE٨٩370400440532013000", "12345678", ""]
)
def test_a_wrong_iban_is_refused(iban: str) -> None:
    message = "This IBAN is incomplete or has a wrong character: copy it from a bank statement."
    assert check_iban(iban) == NumberCheck(problem=message)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(4, 20))
def test_each_changed_digit_of_an_iban_is_found(digit: int, check_digit: int, position: int) -> None:
    iban = "DE89370400440532013000"
    changed = iban[:position] + str(digit) + iban[position + 1 :]
    assert bool(check_iban(changed).number) == (changed == iban)
    with_check_digits = iban[:2] + f"{digit}{check_digit}" + iban[4:]
    assert bool(check_iban(with_check_digits).number) == (with_check_digits == iban)


def test_a_bic_has_8_or_11_characters() -> None:
    assert check_bic("cobadeff xxx") == NumberCheck("COBADEFFXXX")
    assert check_bic("COBADEFF") == NumberCheck("COBADEFF")
    for wrong in ("COBADEF", "COBADEFFXX", "C0BADEFF", ""):
        assert check_bic(wrong) == NumberCheck(problem="Use a BIC of 8 or 11 characters, such as COBADEFFXXX.")


def test_a_leitweg_id_has_check_digits() -> None:
    assert check_leitweg_id(" 04011000-1234512345-06 ") == NumberCheck("04011000-1234512345-06")
    assert "check digits" in check_leitweg_id("04011000-1234512345-07").problem
    for wrong in ("04011000", "PO-4711", "", "4011000123451234506"):
        assert "such as 04011000-1234512345-06" in check_leitweg_id(wrong).problem


@pytest.mark.parametrize(
    ("scheme", "identifier", "number"),
    [
        ("EM", "pay@acme.example", "pay@acme.example"),
        ("0088", "4000001000005", "4000001000005"),
        ("0002", "552 008 443", "552008443"),
        ("0009", "732 829 320 00074", "73282932000074"),
        ("0204", "04011000-1234512345-06", "04011000-1234512345-06"),
        ("0192", "995 525 828", "995525828"),
        ("0184", "13585628", "13585628"),
        ("0208", "0428759497", "0428759497"),
        ("9930", "DE136695976", "DE136695976"),
        ("0060", "anything of 0060", "anything of 0060"),
    ],
)
def test_an_identifier_follows_the_rules_of_its_scheme(scheme: str, identifier: str, number: str) -> None:
    assert check_scheme_identifier(scheme, identifier) == NumberCheck(number)


@pytest.mark.parametrize(
    ("scheme", "identifier"),
    [
        ("EM", "ACME"),
        ("0088", "4000001000006"),
        ("0088", "40170725"),  # a right EAN of 8 digits, but no GLN
        ("0002", "552008444"),
        ("0204", "04011000-1234512345-07"),
        ("9930", "DE136695975"),
        ("0208", "BE0428759497"),
        ("0192", ""),
    ],
)
def test_a_wrong_identifier_is_named_with_its_scheme(scheme: str, identifier: str) -> None:
    result = check_scheme_identifier(scheme, identifier)
    assert result.number == ""
    assert "choose another scheme" in result.problem
