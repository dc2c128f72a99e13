"""The accent colour of documents."""

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.colours import MIN_CONTRAST, check_accent, contrast_on_white
from billing_admin.domain.errors import Invalid

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("entered", "stored"),
    [("", ""), ("  ", ""), ("#0B57D0", "#0b57d0"), (" #000000 ", "#000000"), ("#767676", "#767676")],
)
def test_a_readable_colour_is_stored_in_lower_case(entered: str, stored: str) -> None:
    assert check_accent(entered, "accent") == stored


@pytest.mark.parametrize("entered", ["blue", "#fff", "0b57d0", "#0b57dg", "#0b57d00", "#٠b57d0", "rgb(0,0,0)"])
def test_a_text_that_is_no_colour_is_refused(entered: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_accent(entered, "accent")
    assert (refused.value.code, refused.value.field) == ("not_a_colour", ("accent",))


def test_a_light_colour_is_refused_with_its_contrast() -> None:
    """The grey #767676 is the lightest that passes, by WCAG's own examples."""
    with pytest.raises(
        Invalid, match=r"Use a darker colour: #777777 on white has a contrast of 4\.4, but text needs 4\.5\."
    ):
        check_accent("#777777", "accent")


@pytest.mark.parametrize(
    ("colour", "contrast"), [("#000000", 21), ("#ffffff", 1), ("#ff0000", 3.998), ("#0000ff", 8.592)]
)
def test_contrast_is_that_of_wcag(colour: str, contrast: float) -> None:
    assert contrast_on_white(colour) == pytest.approx(contrast, abs=0.001)


@given(COLOURS)
def test_each_colour_is_accepted_or_refused_by_its_contrast(colour: str) -> None:
    if contrast_on_white(colour) >= MIN_CONTRAST:
        assert check_accent(colour, "accent") == colour
    else:
        with pytest.raises(Invalid) as refused:
            check_accent(colour, "accent")
        assert refused.value.code == "too_light"
