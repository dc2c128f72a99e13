"""Unit codes: the names of common units, and the matches that an unknown code gets."""

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.units import COMMON_UNITS, check_unit_code, other_unit_code, unit_code_of, unit_label
from billing_admin.formats.code_lists import CodeList, codes

UNITS = codes(CodeList.UNITS)


def test_common_units_are_in_the_list_and_their_names_lead_to_them() -> None:
    assert COMMON_UNITS.keys() <= UNITS
    assert list(COMMON_UNITS)[:6] == ["C62", "H87", "HUR", "DAY", "MON", "ANN"]
    assert {unit_code_of(name): name for name in COMMON_UNITS.values()} == COMMON_UNITS


@pytest.mark.parametrize(
    ("text", "code"),
    [("hour", "HUR"), (" Stück ", "H87"), ("Std.", "HUR"), ("GB", "E34"), ("working  days", "E49"), ("HUR", None)],
)
def test_words_for_a_unit_name_its_code(text: str, code: str | None) -> None:
    assert unit_code_of(text) == code


@pytest.mark.parametrize(
    ("code", "label"),
    [("HUR", "HUR (hour)"), ("E34", "E34 (gigabyte)"), ("GB", "GB (gallon (US) per day)"), ("HDW", "HDW")],
)
def test_label(code: str, label: str) -> None:
    assert unit_label(code) == label


@pytest.mark.parametrize(
    ("unit", "code", "other"),
    [("hour", "", "HUR"), ("hour", "HUR", None), ("GB", "GB", "E34"), ("unit", "", None), ("page", "", None)],
)
def test_a_printed_unit_names_the_code_that_is_not_set(unit: str, code: str, other: str | None) -> None:
    assert other_unit_code(unit, code) == other


@pytest.mark.parametrize("code", ["", "C62", "HUR", "10", "XPK", "GB"])
def test_codes_of_the_list_are_accepted(code: str) -> None:
    assert check_unit_code(code, UNITS, "unit_code") == code


@pytest.mark.parametrize(
    ("code", "offered"),
    [
        ("HD", "Use HDW or HAD, or"),
        ("QT", "Use QTR or QTL or QTI, or"),
        ("hour", "Use HUR (hour), or"),
        ("hur", "Use HUR (hour), or"),
        ("monht", "Use MON (month), or"),
        ("GiB", "Use E62 (gibibyte), or"),
        ("§", "Use a code such as HUR (hour), or"),
        ("ZZZZ", "Use a code such as HUR (hour), or"),
    ],
)
def test_an_unknown_code_is_refused_with_close_matches(code: str, offered: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_unit_code(code, UNITS, "unit_code")
    assert (refused.value.code, refused.value.field) == ("unknown_unit_code", ("unit_code",))
    assert f"“{code}” is not a unit code" in refused.value.message
    assert offered in refused.value.message


@given(st.text(min_size=1, max_size=300).filter(lambda text: text not in UNITS))
def test_the_message_of_any_other_text_stays_short(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_unit_code(text, UNITS, "unit_code")
    assert len(refused.value.message) < 250
