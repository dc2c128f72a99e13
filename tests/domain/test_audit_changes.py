"""The details of audit events as lines: what differs is marked, and nothing is lost, whatever their shape."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.audit_changes import Line, Piece, key_type, lines, named_objects, named_type

A, B = "7a3e6f40-68f5-5c47-8008-ac0ecda5c6cd", "e2107105-eca3-5e92-a185-75160898db34"


def _marked(line: Line) -> tuple[str, str]:
    """Return the values before and after, with what differs in brackets."""
    separator = ", " if line.is_list else ""
    sides = [
        separator.join(f"[{piece.value}]" if piece.is_different else str(piece.value) for piece in side)
        for side in (line.before or (), line.after)
    ]
    return sides[0], sides[1]


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"name": ["ACME Inc", "ACME & Co"]}, [(("name",), "ACME [Inc]", "ACME [& Co]")]),
        ({"name": ["Old", "New"]}, [(("name",), "[Old]", "[New]")]),
        (
            {"footer": ["Pay within 14 days of receipt.", "Pay within 30 days of receipt."]},
            [(("footer",), "Pay within [14] days of receipt.", "Pay within [30] days of receipt.")],
        ),
        ({"terms": [None, 30]}, [(("terms",), "[None]", "[30]")]),
        (
            {"prices": [{"EUR": "3.1", "USD": "2"}, {"EUR": "2.85", "USD": "2", "JPY": "9"}]},
            [(("prices", "EUR"), "[3.1]", "[2.85]"), (("prices", "JPY"), "[None]", "[9]")],
        ),
        ({"scopes": [["read"], ["read", "charges:write"]]}, [(("scopes",), "read", "read, [charges:write]")]),
        ({"tags": [["a", "a", "b"], ["a", "c"]]}, [(("tags",), "a, [a], [b]", "a, [c]")]),
        (
            {"levels": [[{"days": 7}, {"days": 14}], [{"days": 7}, {"days": 21}]]},
            [(("levels", "2", "days"), "[14]", "[21]")],
        ),
        ({"scopes": ["read", "charges:write"]}, [(("scopes",), "", "read, charges:write")]),
        ({"currencies": ["JPY", "USD"]}, [(("currencies",), "", "JPY, USD")]),
        ({"allocated": {"INV-1": "5.00 EUR"}}, [(("allocated", "INV-1"), "", "5.00 EUR")]),
        ({"reason": "Sent twice"}, [(("reason",), "", "Sent twice")]),
        ({"unknown": {"deep": {"er": [1, 2, 3]}}}, [(("unknown", "deep", "er"), "", "1, 2, 3")]),
        ({"nothing": [{}, {}]}, [(("nothing",), "[{}]", "[{}]")]),
    ],
)  # fmt: skip
def test_lines_mark_the_difference(details: dict[str, Any], expected: list[tuple[tuple[str, ...], str, str]]) -> None:
    assert [(line.path, *_marked(line)) for line in lines(details)] == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab ", max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["charges", "prices", "x"]), JSON))
def test_details_of_any_shape_have_lines(details: dict[str, Any]) -> None:
    assert {line.path[0] for line in lines(details)} >= {
        name for name, value in details.items() if not _is_no_change(value)
    }


def _is_no_change(value: Any) -> bool:
    """Return whether a value can be a change in which nothing differs."""
    return isinstance(value, list) and len(value) == 2 and value[0] == value[1]


@given(st.text("ab \n", max_size=40), st.text("ab \n", max_size=40))
def test_the_pieces_of_a_text_are_the_whole_text(before: str, after: str) -> None:
    (line,) = lines({"note": [before, after]})
    assert line.before is not None
    assert "".join(piece.value for piece in line.before) == before
    assert "".join(piece.value for piece in line.after) == after
    equal = ["".join(piece.value for piece in side if not piece.is_different) for side in (line.before, line.after)]
    assert equal[0] == equal[1]


@given(st.lists(st.sampled_from("abc"), max_size=5), st.lists(st.sampled_from("abc"), max_size=5))
def test_the_unmarked_items_are_those_of_both_lists(before: list[str], after: list[str]) -> None:
    if not before and not after:
        return
    (line,) = lines({"scopes": [before, after]})
    unmarked = [
        sorted(piece.value for piece in side if not piece.is_different) for side in (line.before or (), line.after)
    ]
    assert unmarked[0] == unmarked[1]


def test_a_place_names_the_type_of_its_object() -> None:
    assert named_type(("charges", "3"), "charge") == "charge"
    assert named_type(("replaced_by",), "invoice") == "invoice"
    assert named_type(("replaced_by",), "charge") == "charge"
    assert named_type(("number",), "invoice") == "invoice"
    assert named_type(("number",), "organisation") == ""
    assert named_type(("reason",), "invoice") == ""
    assert key_type(("allocated", "INV-1")) == "invoice"
    assert key_type(("prices", "EUR")) == ""


def test_the_named_objects_of_an_event() -> None:
    details = {
        "customer": [A, B],
        "charges": [A, B, A],
        "allocated": {"INV-1": "5.00 EUR"},
        "reason": A,
        "service": None,
    }
    assert list(named_objects("charge", details, 2)) == [
        ("customer", A),
        ("customer", B),
        ("charge", A),
        ("charge", B),
        ("invoice", "INV-1"),
    ]


def test_a_piece_is_equal_by_default() -> None:
    assert not Piece("x").is_different
