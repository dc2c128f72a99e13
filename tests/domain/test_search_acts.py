"""Acts and short numbers in the search."""

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.search_acts import find_acts, has_short_number, parse_short_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("new charge", [("new_charge", "")]),
        ("  New   CHARGE  acme inc ", [("new_charge", "acme inc")]),
        ("pay INV-2026-00042", [("record_payment", "INV-2026-00042")]),
        ("bill", [("run_billing", "")]),
        ("bill acme", [("run_billing", "acme")]),
        ("run bil", [("run_billing", "")]),
        ("new", [("new_charge", ""), ("record_payment", ""), ("new_customer", ""), ("new_service", "")]),
        ("new customer ACME", []),
        ("payroll", []),
        ("n", []),
        ("acme", []),
        ("", []),
    ],
)
def test_a_text_names_acts(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(act.name, name) for act, name in find_acts(text)] == expected


@given(st.text(max_size=50))
def test_any_text_is_read(text: str) -> None:
    assert all(name == "" or act.objects for act, name in find_acts(text))
    short = parse_short_number(text)
    assert short is None or short[1] > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INV 42", ("INV", 42)),
        ("inv-00042", ("INV", 42)),
        ("cn#3", ("CN", 3)),
        ("INV-2026-00042", None),
        ("42", None),
        ("INV 0", None),
        ("INV 1234567890", None),
    ],
)
def test_a_short_number_is_read(text: str, expected: tuple[str, int] | None) -> None:
    assert parse_short_number(text) == expected


def test_a_short_number_means_the_end_of_a_number() -> None:
    assert has_short_number("INV-2026-00042", "INV", 42)
    assert not has_short_number("INV-2026-00142", "INV", 42)
    assert not has_short_number("CN-2026-00042", "INV", 42)
    assert not has_short_number("INV-X", "INV", 42)
