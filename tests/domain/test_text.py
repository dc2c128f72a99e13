"""Text is kept exactly, or refused with a reason."""

import unicodedata
from collections.abc import Callable
from unittest.mock import patch

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.text import (
    LONGEST_FOLDED,
    check_not_blank,
    check_number_format,
    check_reference,
    check_text,
    fold_for_search,
    never_collide,
    refuse_unprintable,
    sort_key,
)


@pytest.mark.parametrize(
    "value",
    ["", " ", "Zoë", "株式会社", "مرحبا", "👩‍👩‍👧", "a\tb", "'; DROP TABLE charges; --", "=1+1", "<b>", "\u202e"],
)
def test_any_printable_text_is_kept_exactly(value: str) -> None:
    assert check_text(value) == value


@pytest.mark.parametrize("value", ["\0", "a\x07", "\x1b[31m", "\x7f", "\ud800", "a\udfff", "\x0b"])
def test_control_characters_and_lone_surrogates_are_refused(value: str) -> None:
    for lines in (False, True):
        with pytest.raises(Invalid) as refused:
            check_text(value, "name", lines=lines)
        assert (refused.value.code, refused.value.field) == ("unprintable", ("name",))


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\r\nb"])
def test_line_ends_are_for_long_texts_only(value: str) -> None:
    assert check_text(value, lines=True) == value
    with pytest.raises(Invalid):
        check_text(value)


def test_text_has_a_longest() -> None:
    assert check_text("x" * 200) == "x" * 200
    with pytest.raises(Invalid, match="at most 200 characters") as refused:
        check_text("x" * 201, "name")
    assert refused.value.code == "too_long"


@pytest.mark.parametrize("value", ["", " ", "\t", "\u00a0", "\u3000"])
def test_a_name_says_something(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_not_blank(value, "name")
    assert refused.value.code == "blank"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "blank"),
        (" C-1", "space_at_end"),
        ("C-1 ", "space_at_end"),
        ("0192d3f0-0000-7000-8000-000000000001", "looks_like_an_id"),
        ("0192D3F0-0000-7000-8000-00000000000A", "looks_like_an_id"),
        ("C\n1", "unprintable"),
    ],
)
def test_a_reference_is_one_line_and_not_an_id(value: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_reference(value, "reference")
    assert refused.value.code == code


@pytest.mark.parametrize("value", ["C-1", "ACME Inc", "ü/1", "0192d3f0-0000-7000-8000-00000000000"])
def test_a_reference_may_be_anything_else(value: str) -> None:
    assert check_reference(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *("", "INV-", "{number}", "INV-{year}", "{year}{number}", "{year}-{number}-{number}", "Ü{year}-{number}"),
        *("{year}-{number:0}", "{year}-{number} ", "{year}-{number}\n", "{year}-{number}-{day}"),
        "x" * 31 + "{year}-{number}",
    ],
)
def test_a_format_of_numbers_has_year_and_number_apart(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_number_format(value)
    assert refused.value.code == "not_a_format"


@pytest.mark.parametrize("value", ["INV-{year}-{number:5}", "{year}/{month}/{number}", "{number:9}.{year}"])
def test_a_format_of_numbers_may_have_the_month_and_any_order(value: str) -> None:
    assert check_number_format(value) == value


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("INV-{year}-{number:5}", "CN-{year}-{number:5}", True),
        ("{year}-{number}-I", "{year}-{number}-C", True),
        ("INV-{year}-{number:5}", "INV-{year}-{number:4}", False),
        ("INV-{year}-{number}", "INV-{number}-{year}", False),
        ("A{number}-{year}", "A1{number}-{year}", False),
        ("A-{year}-{number}", "A-{year}-{number}C", False),
    ],
)
def test_formats_that_begin_or_end_differently_make_no_number_twice(one: str, other: str, apart: bool) -> None:
    assert never_collide(one, other) == never_collide(other, one) == apart


@pytest.mark.parametrize(
    ("written", "searched"), [("Café Ångström", "cafe angstrom"), ("STRASSE", "straße"), ("ＡＢＣ", "abc"), ("İ", "i")]
)
def test_case_and_accents_do_not_matter_in_search(written: str, searched: str) -> None:
    assert fold_for_search(written) == fold_for_search(searched)


@given(st.text())
def test_folding_twice_changes_nothing(value: str) -> None:
    assert fold_for_search(fold_for_search(value)) == fold_for_search(value)


@given(st.text(min_size=201))
@pytest.mark.parametrize("check", [check_text, check_not_blank, check_reference])
def test_a_text_that_is_too_long_is_refused_for_its_length_first(check: Callable[..., str], value: str) -> None:
    """Whatever else is wrong with it: nothing else is done with it."""
    with pytest.raises(Invalid) as refused:
        check(value, "name")
    assert (refused.value.code, refused.value.field) == ("too_long", ("name",))


@given(st.text(min_size=61))
def test_a_long_format_is_none(value: str) -> None:
    for long in (value, "{year}-{number}" + value):
        with pytest.raises(Invalid) as refused:
            check_number_format(long)
        assert refused.value.code == "not_a_format"


def test_the_longest_format_is_one() -> None:
    longest = "{year}-{month}-{number:5}" + "x" * 28
    assert check_number_format(longest) == longest
    with pytest.raises(Invalid):
        check_number_format(longest + "x")


def test_no_long_text_is_normalised() -> None:
    """The time of a normalisation grows with the square of the combining marks."""
    marks = "a\u0301\u0327"
    assert fold_for_search(marks * (LONGEST_FOLDED // 3)) == "a" * (LONGEST_FOLDED // 3)
    with patch.object(unicodedata, "normalize") as normalize, pytest.raises(Invalid) as refused:
        fold_for_search(marks * LONGEST_FOLDED, "q")
    assert (refused.value.code, refused.value.field) == ("too_long", ("q",))
    normalize.assert_not_called()


@pytest.mark.parametrize(
    ("value", "named_as"),
    [
        ("ab\x80", "control character U+0080 at position 3"),
        ("\x9f", "control character U+009F at position 1"),
        ("\x85", "control character U+0085 at position 1"),
        ("x\ue000", "private-use character U+E000 at position 2"),
        ("\uf8ff", "private-use character U+F8FF at position 1"),
        ("\uf0b7", "private-use character U+F0B7 at position 1"),
        ("\U000f0000", "private-use character U+F0000 at position 1"),
        ("\U0010fffd", "private-use character U+10FFFD at position 1"),
        ("\ufdd0", "noncharacter U+FDD0 at position 1"),
        ("\ufdef", "noncharacter U+FDEF at position 1"),
        ("\ufffe", "noncharacter U+FFFE at position 1"),
        ("\U0001ffff", "noncharacter U+1FFFF at position 1"),
        ("\U0003fffe", "noncharacter U+3FFFE at position 1"),
        ("a\n", "line break U+000A at position 2"),
        ("\ud800", "lone surrogate U+D800 at position 1"),
    ],
)
def test_what_no_text_may_have_is_refused_by_its_code_point_and_place(value: str, named_as: str) -> None:
    with pytest.raises(Invalid, match=f"Remove the {named_as}".replace("+", r"\+")):
        check_text(value)


@pytest.mark.parametrize("value", ["\x96", "\uf0b7", "\ufffe", "\U000f0000"])
def test_stored_text_may_have_what_new_text_may_not(value: str) -> None:
    assert check_text(value, stored=True) == check_not_blank(value, stored=True) == value
    with pytest.raises(Invalid):
        refuse_unprintable(value, "name")


@given(st.characters())
def test_exactly_controls_private_use_and_noncharacters_are_refused(character: str) -> None:
    category, point = unicodedata.category(character), ord(character)
    nonsense = 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE
    wrong = (category in {"Cc", "Cs", "Co"} and character not in "\t\n\r") or nonsense
    if wrong:
        with pytest.raises(Invalid, match="Remove the"):
            check_text(character, lines=True)
    else:
        assert check_text(character, lines=True) == character


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (("reason",), "Enter a reason."),
        (("charges", 3, "description"), "Enter a description."),
        (("metadata", ""), "Enter a name for each value of the metadata."),
        ((), "Enter a value."),
    ],
)
@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0"])
def test_a_blank_text_is_refused_with_what_to_enter(field: tuple[str | int, ...], message: str, blank: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_not_blank(blank, *field)
    assert (refused.value.code, refused.value.message) == ("blank", message)


def test_names_are_sorted_by_their_base_letters() -> None:
    names = [
        "Zebra",
        "Łódź",
        "apple",
        "Çelik",
        "Österreich",
        "O'Neill",
        "Öl",
        "Cable",
        "Straße",
        "Strasse 2",
        "Ångström",
    ]
    assert sorted(names, key=sort_key) == [
        *("Ångström", "apple", "Cable", "Çelik", "Łódź", "Öl", "O'Neill", "Österreich", "Straße", "Strasse 2", "Zebra"),
    ]


@pytest.mark.parametrize(
    ("name", "key"),
    [("Łódź", "lodz"), ("Ærø & Œuvre", "aero oeuvre"), ("  “A-1”  ", "a 1"), ("İstanbul", "istanbul"), ("!!!", "!!!")],
)
def test_case_accents_and_punctuation_do_not_count_in_a_sort_key(name: str, key: str) -> None:
    assert sort_key(name) == key


@given(st.text(max_size=40))
def test_a_sort_key_is_the_key_of_itself(name: str) -> None:
    assert sort_key(sort_key(name)) == sort_key(name)
