"""Customer fields: their definitions, and the values that customers may have."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.customer_fields import (
    CUSTOMER_FIELD_RULES,
    MAX_CHOICES,
    MAX_KEY_LENGTH,
    FieldTerms,
    check_choices,
    merge_values,
    read_filter,
    read_value,
    values_as_filter,
)
from billing_admin.domain.errors import Invalid
from billing_admin.domain.master_data import check_fields


def terms(key: str = "region", type: str = "text", **changes: Any) -> FieldTerms:
    values: dict[str, Any] = {"is_required": False, "choices": (), "is_archived": False}
    return FieldTerms(key=key, label=key.capitalize(), type=type, **values | changes)


TIER = terms("tier", "choice", choices=("Gold", "Silver"))


@pytest.mark.parametrize(
    ("field", "typed", "stored"),
    [
        (terms(), "  South ", "South"),
        (terms(type="number"), "1250.50", "1250.5"),
        (terms(type="number"), "-3", "-3"),
        (terms(type="date"), "2026-11-30", "2026-11-30"),
        (TIER, "gold", "Gold"),
    ],
)
def test_values_are_stored_in_one_form(field: FieldTerms, typed: str, stored: str) -> None:
    assert read_value(field, typed) == stored


@pytest.mark.parametrize(
    ("field", "typed", "code"),
    [
        (terms(), "x" * 201, "too_long"),
        (terms(), "a\nb", "unprintable"),
        (terms(), "a\u2028b", "unprintable"),
        (terms(), "\ue000", "unprintable"),
        (terms(type="number"), "1,250", "not_a_number"),
        (terms(type="number"), "NaN", "not_a_number"),
        (terms(type="number"), "1e400", "not_a_number"),
        (terms(type="date"), "30 Nov 2026", "not_a_day"),
        (terms(type="date"), "2026-02-30", "not_a_day"),
        (terms(type="date"), "20261130", "not_a_day"),
        (terms(type="date"), "0001-01-01", "out_of_range"),
        (TIER, "Bronze", "not_a_choice"),
    ],
)
def test_other_values_are_refused_at_their_field(field: FieldTerms, typed: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_value(field, typed)
    assert refusal.value.code == code
    assert refusal.value.field == ("metadata", field.key)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**17), max_value=10**17))
def test_equal_numbers_have_one_text(number: Decimal) -> None:
    field = terms(type="number")
    if number.is_signed() and not number:
        return
    text = read_value(field, format(number, "f"))
    assert Decimal(text) == number
    assert read_value(field, text) == text


def merged(
    stored: Mapping[str, str], changes: Mapping[str, str], *fields: FieldTerms, is_new: bool = False
) -> dict[str, str]:
    return merge_values(fields, stored, changes, is_new=is_new)


def test_only_given_values_change_and_an_empty_one_is_removed() -> None:
    stored = {"region": "South", "tier": "Gold"}
    assert merged(stored, {"region": "North"}, terms(), TIER) == {"region": "North", "tier": "Gold"}
    assert merged(stored, {"region": " "}, terms(), TIER) == {"tier": "Gold"}
    assert merged(stored, {}, terms(), TIER) == stored


def test_a_stored_value_stays_though_it_could_not_be_set_now() -> None:
    stored = {"tier": "Bronze", "region": "South"}
    archived = terms(is_archived=True)
    assert merged(stored, {"tier": "Bronze", "region": "South"}, archived, TIER) == stored
    assert merged(stored, {"region": ""}, archived, TIER) == {"tier": "Bronze"}
    with pytest.raises(Invalid) as refusal:
        merged(stored, {"tier": "Iron", "region": "North"}, archived, TIER)
    assert [(problem.code, problem.field) for problem in refusal.value.problems] == [
        ("not_a_choice", ("metadata", "tier")),
        ("archived_field", ("metadata", "region")),
    ]


def test_a_required_field_needs_a_value_in_a_new_customer_and_where_it_is_given() -> None:
    field = terms(is_required=True)
    assert merged({}, {}, field) == {}
    assert merged({}, {}, terms(is_required=True, is_archived=True), is_new=True) == {}
    for stored, changes, is_new in (({}, {}, True), ({"region": "South"}, {"region": ""}, False)):
        with pytest.raises(Invalid) as refusal:
            merged(stored, changes, field, is_new=is_new)
        assert refusal.value.message == "Enter a value for “Region”."


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        merged({}, {"regoin": "South"}, terms())
    assert (refusal.value.code, refusal.value.field) == ("unknown_field", ("metadata", "regoin"))


keys = st.sampled_from(["region", "tier", "since", "other"])
texts = st.sampled_from(["", "South", "Gold", "Bronze", "2026-11-30", "5"])


@given(st.dictionaries(keys, texts), st.dictionaries(keys, texts))
def test_merging_is_idempotent(first: dict[str, str], second: dict[str, str]) -> None:
    fields = (terms(), TIER, terms("since", "date"))
    try:
        stored = merged({}, first, *fields)
        changed = merged(stored, second, *fields)
    except Invalid:
        return
    assert merged(changed, second, *fields) == changed
    assert all(changed.values())
    assert changed.keys() <= {field.key for field in fields}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("key", "Region", "bad_key"),
        ("key", "1st", "bad_key"),
        ("key", "a" * (MAX_KEY_LENGTH + 1), "too_long"),
        ("key", "a.b", "bad_key"),
        ("label", " ", "blank"),
        ("type", "money", "not_a_choice"),
        ("choices", ["Gold", "gold"], "choice_twice"),
        ("choices", [str(number) for number in range(MAX_CHOICES + 1)], "too_many"),
        ("choices", [""], "blank"),
    ],
)
def test_definitions_have_rules(field: str, value: Any, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_fields(CUSTOMER_FIELD_RULES, {field: value})
    assert refusal.value.problems[0].code == code
    assert refusal.value.problems[0].field[0] == field


def test_only_a_choice_has_choices() -> None:
    check_choices("choice", ["Gold"])
    check_choices("text", [])
    for type, choices in (("choice", []), ("text", ["Gold"])):
        with pytest.raises(Invalid):
            check_choices(type, choices)


@given(st.dictionaries(st.sampled_from(["region", "tier"]), st.text(min_size=1), min_size=1))
def test_a_filter_is_read_as_it_was_written(values: dict[str, str]) -> None:
    assert read_filter(values_as_filter(values)) == values


@pytest.mark.parametrize("text", ["region", "region=", "=South", "&", "region=South&"])
def test_an_incomplete_filter_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_filter(text)
