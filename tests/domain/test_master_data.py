"""The rules of master data: each field's limits, every problem at once, and texts of earlier versions."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing_admin.domain.errors import Invalid
from billing_admin.domain.master_data import (
    CUSTOMER_RULES,
    DRAFT_RULES,
    ORGANISATION_RULES,
    SERVICE_RULES,
    TAX_RATE_RULES,
    CustomerFields,
    DraftFields,
    OrganisationFields,
    Rule,
    ServiceFields,
    TaxRateFields,
    check_fields,
    check_new_texts,
    differing_fields,
)

TABLES: list[tuple[Mapping[str, Rule], type]] = [
    (CUSTOMER_RULES, CustomerFields),
    (SERVICE_RULES, ServiceFields),
    (ORGANISATION_RULES, OrganisationFields),
    (DRAFT_RULES, DraftFields),
    (TAX_RATE_RULES, TaxRateFields),
]


@pytest.mark.parametrize(("rules", "fields"), TABLES)
def test_every_field_of_an_object_has_a_rule(rules: Mapping[str, Rule], fields: type) -> None:
    assert sorted(rules) == sorted(fields.__annotations__)


def check(field: str, value: Any) -> None:
    """Check a value by the rule of every object that has the field."""
    tables = [rules for rules, _ in TABLES if field in rules]
    assert tables
    for rules in tables:
        assert check_fields(rules, {field: value}) == {field: value}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("reference", ["A", "a" * 200]),
        ("email", ["", "a@b", "x" * 198 + "@y"]),
        ("address", ["", "1 Main St\nSpringfield", "x" * 500]),
        ("note", ["", "x" * 1000]),
        ("payment_terms_days", [None, 0, 365]),
        ("due_date", [None, date(1970, 1, 1), date(2199, 12, 31)]),
        ("percent", [Decimal(0), Decimal("7.5"), Decimal(100)]),
        ("category", ["S", "AE", "K"]),
        ("tax_treatment", ["standard", "export"]),
        ("time_zone", ["UTC", "Europe/Berlin"]),
        ("base_currency", ["EUR", "JPY"]),
        ("prices", [{}, {"EUR": Decimal(0), "BHD": Decimal("0.000000000001")}]),
        ("revenue_account", ["", "Income:Sales"]),
        ("invoice_format", ["INV-{year}-{number:5}", "{number}/{month}.{year}"]),
        ("line_per_charge", [True, False]),
    ],
)
def test_values_within_the_limits_are_returned_unchanged(field: str, values: list[Any]) -> None:
    for value in values:
        check(field, value)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("reference", "", "blank"),
        ("reference", " A", "space_at_end"),
        ("reference", "00000000-0000-0000-0000-000000000001", "looks_like_an_id"),
        ("code", "A\tB", "space_at_end"),
        ("name", " ", "blank"),
        ("name", "A\nB", "unprintable"),
        ("email", "nobody", "not_an_email"),
        ("email", "a b@c", "not_an_email"),
        ("address", "x" * 501, "too_long"),
        ("note", "x" * 1001, "too_long"),
        ("tax_id", "x" * 201, "too_long"),
        ("payment_terms_days", -1, "out_of_range"),
        ("payment_terms_days", 366, "out_of_range"),
        ("due_date", date(2200, 1, 1), "out_of_range"),
        ("percent", Decimal("100.01"), "out_of_range"),
        ("percent", Decimal(-1), "out_of_range"),
        ("category", "X", "unknown_category"),
        ("tax_treatment", "none", "unknown_treatment"),
        ("time_zone", "Mars/Base", "unknown_time_zone"),
        ("currency", "eur", "unknown_currency"),
        ("revenue_account", "Income::Sales", "not_an_account"),
        ("invoice_format", "INV-{number}", "not_a_format"),
    ],
)
def test_values_beyond_them_are_refused_at_their_field(field: str, value: Any, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(field, value)
    assert (refused.value.code, refused.value.field) == (code, (field,))


def test_prices_are_refused_at_their_currency() -> None:
    with pytest.raises(Invalid) as refused:
        check_fields(SERVICE_RULES, {"prices": {"EUR": Decimal(1), "USD": Decimal(-1)}})
    assert (refused.value.code, refused.value.field) == ("out_of_range", ("prices", "USD"))


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        check_fields(CUSTOMER_RULES, {"name": "", "currency": "XXX", "notes": "", "payment_terms_days": 400})
    assert [problem.field for problem in refused.value.problems] == [("name",), ("currency",), ("payment_terms_days",)]
    assert refused.value.code == "several_problems"


def test_unprintable_texts_are_accepted_only_if_they_are_stored() -> None:
    fields = {"name": "A\ue000", "notes": "\x85", "payment_terms_days": 3}
    assert check_fields(CUSTOMER_RULES, fields) == fields
    check_new_texts(fields, {"name": "A\ue000", "notes": "\x85"})
    with pytest.raises(Invalid) as refused:
        check_new_texts(fields, {"name": "A\ue000", "notes": ""})
    assert [problem.field for problem in refused.value.problems] == [("notes",)]


def test_differing_fields_are_those_with_another_value() -> None:
    assert differing_fields({"name": "A", "notes": "", "days": None}, {"name": "B", "notes": "", "days": 0}) == [
        "name",
        "days",
    ]
