"""Amounts in the audit log's details, as people read them."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.audit import (
    AMOUNTS_BY_CURRENCY,
    AMOUNTS_WITH_CURRENCY,
    EXACT_AMOUNTS,
    MINOR_UNITS,
    readable_details,
)

ACTIONS = (*MINOR_UNITS, *EXACT_AMOUNTS, *AMOUNTS_BY_CURRENCY, *AMOUNTS_WITH_CURRENCY)
NAMES = ("total", "became_credit", "unit_price", "amount", "sums", "prices", "allocated", "currency", "reason")


@pytest.mark.parametrize(
    ("action", "details", "currency", "shown"),
    [
        ("invoice.voided", {"total": 1311380}, "EUR", {"total": "13,113.80 EUR"}),
        ("invoice.voided", {"total": -500}, "JPY", {"total": "−500 JPY"}),
        ("credit_note.issued", {"total": 12345}, "BHD", {"total": "12.345 BHD"}),
        ("credit_note.issued", {"became_credit": 1}, "EUR", {"became_credit": "0.01 EUR"}),
        ("invoice.charges_moved", {"total": [100, 250]}, "USD", {"total": ["1.00 USD", "2.50 USD"]}),
        ("invoice.discarded", {"total": 5, "currency": "CLF"}, None, {"total": "0.0005 CLF", "currency": "CLF"}),
        ("invoice.voided", {"total": 1311380}, None, {"total": "1311380 minor units"}),
        ("charge.corrected", {"amount": ["5", "1234.5"]}, "EUR", {"amount": ["5.00 EUR", "1,234.50 EUR"]}),
        (
            "charge.corrected",
            {"amount": ["5", "6"], "currency": ["EUR", "JPY"]},
            "EUR",
            {"amount": ["5.00 EUR", "6 JPY"], "currency": ["EUR", "JPY"]},
        ),
        ("charge.corrected", {"unit_price": ["0.0000008", None]}, "USD", {"unit_price": ["0.0000008 USD", None]}),
        ("recurring_charge.created", {"unit_price": None}, "USD", {"unit_price": None}),
        ("service.created", {"prices": {"EUR": "0.05", "JPY": "8"}}, None, {"prices": "0.05 EUR, 8 JPY"}),
        ("service.changed", {"prices": [{"EUR": "2"}, {}]}, None, {"prices": ["2.00 EUR", ""]}),
        (
            "payment.recorded",
            {"amount": "13113.80 EUR", "allocated": {"INV-1": "119.00 EUR"}},
            None,
            {"amount": "13,113.80 EUR", "allocated": {"INV-1": "119.00 EUR"}},
        ),
        ("customer.changed", {"total": 1311380, "amount": "5"}, "EUR", {"total": 1311380, "amount": "5"}),
    ],
)  # fmt: skip
def test_amounts_are_shown_with_their_currency(
    action: str, details: dict[str, Any], currency: str | None, shown: dict[str, Any]
) -> None:
    before = repr(details)
    assert readable_details(action, details, currency) == shown
    assert repr(details) == before


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["1.5", "2.00 EUR", "EUR", "NaN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(ACTIONS), st.dictionaries(st.sampled_from(NAMES), ANYTHING), st.sampled_from([None, "EUR", "XXX"])
)
def test_details_of_any_shape_can_be_shown(action: str, details: dict[str, Any], currency: str | None) -> None:
    shown = readable_details(action, details, currency)
    assert shown.keys() == details.keys()
