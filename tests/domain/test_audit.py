"""The audit log: the bytes that a seal covers, and amounts in details as people read them."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.audit import (
    AMOUNTS_BY_CURRENCY,
    AMOUNTS_WITH_CURRENCY,
    EXACT_AMOUNTS,
    FIRST_PREVIOUS_HASH,
    MINOR_UNITS,
    canonical_content,
    chained_hash,
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
        ("service.created", {"prices": {"EUR": "0.05", "JPY": "8"}}, None, {"prices": {"EUR": "0.05 EUR", "JPY": "8 JPY"}}),
        ("service.changed", {"prices": [{"EUR": "2"}, {}]}, None, {"prices": [{"EUR": "2.00 EUR"}, {}]}),
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


def test_the_content_is_the_same_on_both_databases() -> None:
    """Frozen: the anchor of a seal is checked years later."""
    event = {"id": "0", "at": "2026-04-03 09:30:00.500000", "object_id": None, "details": '{"b": 1,  "a": "é"}'}
    postgresql_event = event | {"at": "2026-04-03 11:30:00.5+02", "details": '{"a": "é", "b": 1}'}
    assert canonical_content(event) == canonical_content(postgresql_event)
    assert canonical_content(event) == (
        b'{"at":"2026-04-03T09:30:00.500000+00:00","details":{"a":"\\u00e9","b":1},"id":"0","object_id":null}'
    )
    assert (
        chained_hash(FIRST_PREVIOUS_HASH, canonical_content(event))
        == "2b67bddcb97c7ef346bc13a42b3e580acbb9cc81a9c20dc370df69bac001ca20"
    )


def test_a_text_that_cannot_be_parsed_is_used_unchanged() -> None:
    assert canonical_content({"at": "never", "details": "{"}) == b'{"at":"never","details":"{"}'
    assert canonical_content({"at": None, "details": None}) == b'{"at":null,"details":null}'
