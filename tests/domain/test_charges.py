"""What may be asked of a charge, what it costs, when two are the same, and what makes two look alike."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.charges import (
    ChargeSpec,
    CustomerTerms,
    PricedCharge,
    ServiceTerms,
    corrected_spec,
    differing_fields,
    duplicate_window_start,
    price_charge,
)
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import exact_decimal, multiply, plain_decimal
from billing_admin.domain.prices import PRICES_START, ListPrice

DAY, TODAY = date(2026, 3, 1), date(2026, 3, 31)
ID = UUID(int=1)
CUSTOMER = CustomerTerms(UUID(int=2), "ACME", "EUR")
COMPUTE = ServiceTerms(
    UUID(int=3),
    "compute",
    "Computing",
    {
        currency: [ListPrice(PRICES_START, exact_decimal(price))]
        for currency, price in {"EUR": "0.000012", "USD": "0.000013", "JPY": "0"}.items()
    },
)


def spec(**given: Any) -> ChargeSpec:
    """A charge by its service unless told otherwise; numbers as text."""
    fields: dict[str, Any] = {"customer": "ACME", "service": "compute"} | given
    for name in ("quantity", "unit_price", "amount"):
        if isinstance(fields.get(name), str):
            fields[name] = Decimal(fields[name])
    return ChargeSpec(**fields)


def priced(asked: ChargeSpec, service: ServiceTerms | None = COMPUTE) -> PricedCharge:
    return price_charge(asked, ID, CUSTOMER, service, TODAY)


RETAIL = replace(
    COMPUTE, prices={**COMPUTE.prices, "EUR": [ListPrice(PRICES_START, exact_decimal("0.000012"), includes_tax=True)]}
)


def test_a_list_price_knows_whether_it_includes_tax() -> None:
    assert not priced(spec()).tax_included
    assert priced(spec(), RETAIL).tax_included
    assert not priced(spec(currency="USD"), RETAIL).tax_included


def test_the_day_of_a_charge_decides_its_price() -> None:
    changes = [ListPrice(date(2026, 3, 10), Decimal(3)), ListPrice(PRICES_START, Decimal(2)), ListPrice(TODAY, None)]
    service = replace(COMPUTE, prices={"EUR": changes})
    for day, price in {"2026-03-09": 2, "2026-03-10": 3, "2026-03-30": 3, "1970-01-01": 2}.items():
        assert priced(spec(incurred_on=date.fromisoformat(day)), service).unit_price == price
    with pytest.raises(Invalid, match=r"compute has no price in EUR on 31 Mar 2026\.") as refused:
        priced(spec(), service)
    assert (refused.value.code, refused.value.field) == ("no_price", ("unit_price",))


@pytest.mark.parametrize("price_of_ones_own", [{"unit_price": "2"}, {"amount": "2"}])
def test_a_price_of_ones_own_is_net_unless_said_otherwise(price_of_ones_own: dict[str, str]) -> None:
    assert not priced(spec(**price_of_ones_own), RETAIL).tax_included
    assert priced(spec(**price_of_ones_own, tax_included=True)).tax_included


def test_a_list_price_cannot_be_said_to_be_another() -> None:
    assert priced(spec(tax_included=True), RETAIL).tax_included
    for service, said in ((RETAIL, False), (COMPUTE, True)):
        with pytest.raises(Invalid) as refused:
            priced(spec(tax_included=said), service)
        assert (refused.value.code, refused.value.field) == ("other_price", ("tax_included",))


def test_net_and_inclusive_charges_do_not_look_alike_nor_are_they_the_same() -> None:
    net, inclusive = priced(spec(amount="2")), priced(spec(amount="2", tax_included=True))
    assert net.fingerprint != inclusive.fingerprint
    assert differing_fields(spec(amount="2", tax_included=True), CUSTOMER.id, COMPUTE.id, net) == ["tax_included"]
    assert differing_fields(spec(amount="2"), CUSTOMER.id, COMPUTE.id, inclusive) == []


@pytest.mark.parametrize(
    ("fields", "code", "place"),
    [
        ({"unit_price": "1", "amount": "1"}, "two_prices", ("amount",)),
        ({"service": None}, "nothing_named", ("service",)),
        ({"quantity": "NaN"}, "not_a_number", ("quantity",)),
        ({"unit_price": "Infinity"}, "not_a_number", ("unit_price",)),
        ({"amount": "-0"}, "negative_zero", ("amount",)),
        ({"quantity": "1E18"}, "out_of_range", ("quantity",)),
        ({"amount": "0.0000000000001"}, "out_of_range", ("amount",)),
        ({"description": ""}, "blank", ("description",)),
        ({"description": " \t"}, "blank", ("description",)),
        ({"description": "a\0b"}, "unprintable", ("description",)),
        ({"description": "a\nb"}, "unprintable", ("description",)),
        ({"description": "\ud800"}, "unprintable", ("description",)),
        ({"description": "x" * 1001}, "too_long", ("description",)),
        ({"currency": "EURO"}, "unknown_currency", ("currency",)),
        ({"incurred_on": date(1969, 12, 31)}, "out_of_range", ("incurred_on",)),
        ({"incurred_on": date(2200, 1, 1)}, "out_of_range", ("incurred_on",)),
        ({"metadata": {str(n): "" for n in range(51)}}, "too_long", ("metadata",)),
        ({"metadata": {"": "x"}}, "blank", ("metadata", "")),
        ({"metadata": {"k" * 41: "x"}}, "too_long", ("metadata", "k" * 40)),
        ({"metadata": {"key": "x" * 501}}, "too_long", ("metadata", "key")),
        ({"metadata": {"key": "\x07"}}, "unprintable", ("metadata", "key")),
    ],
)
def test_a_contradiction_or_nonsense_is_refused_at_its_place(
    fields: dict[str, Any], code: str, place: tuple[str, ...]
) -> None:
    with pytest.raises(Invalid) as refused:
        spec(**fields)
    assert (refused.value.code, refused.value.field) == (code, place)


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "x" * 1000},
        {"incurred_on": date(1970, 1, 1)},
        {"incurred_on": date(2199, 12, 31)},
        {"quantity": "0"},
        {"quantity": "-3"},
        {"amount": "-0.000000000001"},
        {"service": None, "description": "Consulting", "amount": "5"},
        {"metadata": {str(n): "line\nline" for n in range(50)}},
    ],
)
def test_the_edges_of_what_may_be_asked_are_allowed(fields: dict[str, Any]) -> None:
    assert spec(**fields).customer == "ACME"


@pytest.mark.parametrize(
    ("fields", "unit_price", "amount"),
    [
        ({}, "0.000012", "0.000012"),
        ({"quantity": "1000000"}, "0.000012", "12"),
        ({"quantity": "2", "unit_price": "3.5"}, "3.5", "7"),
        ({"quantity": "2", "amount": "3.5"}, None, "3.5"),
        ({"amount": "0"}, None, "0"),
        ({"quantity": "2", "currency": "USD"}, "0.000013", "0.000026"),
        ({"currency": "JPY"}, "0", "0"),
        ({"currency": "CHF", "unit_price": "4"}, "4", "4"),
        ({"quantity": "-2", "unit_price": "3"}, "3", "-6"),
        ({"quantity": "0.333333333333", "unit_price": "0.333333333333"}, "0.333333333333", "0.111111111111"),
    ],
)
def test_the_price_is_the_one_given_else_the_amount_given_else_the_list_price(
    fields: dict[str, Any], unit_price: str | None, amount: str
) -> None:
    charge = priced(spec(**fields))
    assert charge.unit_price == (None if unit_price is None else Decimal(unit_price))
    assert charge.amount == Decimal(amount)


def test_a_negative_quantity_with_a_positive_amount_is_refused_at_the_quantity() -> None:
    with pytest.raises(Invalid, match="The quantity is negative, but the amount is positive") as refused:
        priced(spec(quantity="-1", amount="5"))
    assert (refused.value.code, refused.value.field) == ("out_of_range", ("quantity",))


@pytest.mark.parametrize(("quantity", "amount"), [("-1", "-5"), ("-1", "0"), ("0", "5"), ("2", "-5")])
def test_a_plain_amount_keeps_the_quantity_that_does_not_contradict_it(quantity: str, amount: str) -> None:
    charge = priced(spec(quantity=quantity, amount=amount))
    assert (charge.quantity, charge.amount) == (Decimal(quantity), Decimal(amount))


def test_what_is_left_out_is_filled_in() -> None:
    charge = priced(spec())
    assert (charge.currency, charge.quantity, charge.incurred_on) == ("EUR", Decimal(1), TODAY)
    assert (charge.description, charge.service_id, charge.details) == ("Computing", COMPUTE.id, None)


def test_what_is_given_is_kept() -> None:
    charge = priced(spec(description="Night run", incurred_on=DAY, currency="USD", metadata={"host": "a1"}))
    assert (charge.description, charge.incurred_on, charge.currency) == ("Night run", DAY, "USD")
    assert charge.details == {"host": "a1"}
    assert (charge.id, charge.customer_id) == (ID, CUSTOMER.id)


def test_a_charge_without_any_price_is_refused() -> None:
    with pytest.raises(Invalid, match="compute has no price in CHF") as unpriced:
        priced(spec(currency="CHF"))
    assert unpriced.value.code == "no_price"
    with pytest.raises(Invalid, match="without a service") as alone:
        priced(spec(service=None, description="Consulting"), None)
    assert alone.value.code == "no_price"


def test_an_amount_too_large_to_keep_is_refused_at_the_quantity() -> None:
    with pytest.raises(Invalid) as refused:
        priced(spec(quantity="999999999", unit_price="9999999999"))
    assert (refused.value.code, refused.value.field) == ("out_of_range", ("quantity",))


@given(st.decimals(-1000, 1000, places=6), st.decimals(-1000, 1000, places=6))
def test_the_amount_is_quantity_times_unit_price(quantity: Decimal, unit_price: Decimal) -> None:
    charge = priced(spec(quantity=quantity or Decimal(0), unit_price=unit_price or Decimal(0)))
    assert charge.amount == multiply(quantity, unit_price)
    assert exact_decimal(charge.amount) == charge.amount


GIVEN = spec(
    description="Night run",
    quantity="2.50",
    unit_price="3",
    currency="USD",
    incurred_on=DAY,
    metadata={"host": "a1"},
)
STORED = priced(GIVEN)


def differing(asked: ChargeSpec, customer: UUID = CUSTOMER.id, service: UUID | None = COMPUTE.id) -> list[str]:
    return differing_fields(asked, customer, service, STORED)


def test_an_identical_repeat_differs_in_nothing() -> None:
    assert differing(GIVEN) == []


def test_what_a_repeat_leaves_out_is_not_compared() -> None:
    assert differing(spec()) == []
    assert differing(spec(service=None, description="Night run"), service=None) == []


@pytest.mark.parametrize("quantity", ["2.5", "2.50", "2.500000000000", "25E-1"])
def test_equal_numbers_are_the_same_however_they_are_written(quantity: str) -> None:
    assert differing(replace(GIVEN, quantity=Decimal(quantity))) == []


def test_the_amount_may_be_repeated_as_it_came_out() -> None:
    assert differing(replace(GIVEN, unit_price=None, amount=exact_decimal("7.5"))) == []


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"description": "Day run"}, ["description"]),
        ({"quantity": "2.500000000001"}, ["quantity"]),
        ({"unit_price": "3.01"}, ["unit_price"]),
        ({"unit_price": None, "amount": "7.51"}, ["amount"]),
        ({"currency": "EUR"}, ["currency"]),
        ({"incurred_on": TODAY}, ["incurred_on"]),
        ({"metadata": {"host": "a2"}}, ["metadata"]),
        ({"metadata": {}}, ["metadata"]),
        ({"quantity": "0", "currency": "JPY"}, ["quantity", "currency"]),
    ],
)
def test_a_repeat_with_another_value_names_what_differs(change: dict[str, Any], differs: list[str]) -> None:
    numbers = {name: Decimal(v) for name, v in change.items() if name in {"quantity", "unit_price", "amount"} and v}
    assert differing(replace(GIVEN, **(change | numbers))) == differs


def test_another_customer_or_service_differs() -> None:
    assert differing(GIVEN, customer=UUID(int=99)) == ["customer"]
    assert differing(GIVEN, service=UUID(int=99)) == ["service"]


def test_no_metadata_and_empty_metadata_are_the_same() -> None:
    bare = priced(spec())
    assert differing_fields(spec(metadata={}), CUSTOMER.id, COMPUTE.id, bare) == []


def test_the_fingerprint_is_stable() -> None:
    """It is stored: a change would no longer find yesterday's duplicates."""
    assert STORED.fingerprint == -5033204985415479591


def test_the_fingerprint_looks_at_values_not_at_spelling_id_or_metadata() -> None:
    alike = replace(GIVEN, quantity=Decimal("2.5"), unit_price=Decimal("3.000"), metadata=None)
    assert price_charge(alike, UUID(int=77), CUSTOMER, COMPUTE, DAY).fingerprint == STORED.fingerprint
    assert -(2**63) <= STORED.fingerprint < 2**63


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Day run"},
        {"quantity": "2.51"},
        {"unit_price": "3.01"},
        {"unit_price": None, "amount": "7.5"},
        {"currency": "EUR"},
        {"incurred_on": TODAY},
    ],
)
def test_the_fingerprint_feels_each_field(change: Mapping[str, Any]) -> None:
    numbers = {name: Decimal(v) for name, v in change.items() if name in {"quantity", "unit_price", "amount"} and v}
    assert priced(replace(GIVEN, **(dict(change) | numbers))).fingerprint != STORED.fingerprint


def test_the_fingerprint_feels_customer_and_service() -> None:
    other = CustomerTerms(UUID(int=99), "OTHER", "EUR")
    assert price_charge(GIVEN, ID, other, COMPUTE, TODAY).fingerprint != STORED.fingerprint
    assert price_charge(GIVEN, ID, CUSTOMER, replace(COMPUTE, id=UUID(int=99)), TODAY).fingerprint != STORED.fingerprint
    assert price_charge(GIVEN, ID, CUSTOMER, None, TODAY).fingerprint != STORED.fingerprint


def test_a_free_unit_price_and_no_unit_price_have_two_fingerprints() -> None:
    free, plain_amount = priced(spec(unit_price="0")), priced(spec(amount="0"))
    assert plain_decimal(free.amount) == plain_decimal(plain_amount.amount) == "0"
    assert free.fingerprint != plain_amount.fingerprint


def test_a_correction_keeps_the_other_facts() -> None:
    correction = corrected_spec(STORED, {"quantity": Decimal(4)}, UUID(int=9))
    assert (correction.id, correction.quantity) == (UUID(int=9), Decimal(4))
    assert (correction.unit_price, correction.amount) == (Decimal(3), None)
    assert (correction.currency, correction.incurred_on, correction.metadata) == ("USD", DAY, {"host": "a1"})
    assert correction.stored_texts == ["description", "metadata", "purchase_order"]


def test_a_corrected_price_replaces_the_other_kind_of_price() -> None:
    by_amount = corrected_spec(STORED, {"amount": Decimal(5)}, None)
    assert (by_amount.unit_price, by_amount.amount) == (None, Decimal(5))
    by_price = corrected_spec(priced(spec(amount="2")), {"unit_price": Decimal(7)}, None)
    assert (by_price.unit_price, by_price.amount) == (Decimal(7), None)


def test_a_corrected_text_is_checked_as_a_new_one() -> None:
    correction = corrected_spec(STORED, {"description": "Day run"}, None)
    assert correction.stored_texts == ["metadata", "purchase_order"]


def test_duplicates_are_searched_in_the_last_24_hours() -> None:
    now = datetime(2026, 3, 29, 12, tzinfo=timezone(timedelta(hours=2)))
    assert duplicate_window_start(now) == datetime(2026, 3, 28, 10, tzinfo=UTC)


NOVEMBER = {"period_from": date(2026, 11, 1), "period_to": date(2026, 11, 30)}
TEN_DAYS = {"period_from": date(2026, 11, 10), "period_to": date(2026, 11, 19)}


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"period_from": DAY}, "missing", "period_to"),
        ({"period_to": DAY}, "missing", "period_from"),
        ({"period_of_days": 30}, "missing", "period_from"),
        ({"period_from": DAY, "period_to": DAY - timedelta(1)}, "out_of_order", "period_to"),
        ({"period_from": date(1969, 12, 31), "period_to": DAY}, "out_of_range", "period_from"),
        ({"period_from": DAY, "period_to": date(2200, 1, 1)}, "out_of_range", "period_to"),
        ({"period_from": date(2026, 1, 1), "period_to": date(2036, 1, 2)}, "out_of_range", "period_to"),
        (TEN_DAYS | {"period_of_days": 10}, "out_of_range", "period_of_days"),
        (TEN_DAYS | {"period_of_days": -1}, "out_of_range", "period_of_days"),
        (TEN_DAYS | {"period_of_days": 3654}, "out_of_range", "period_of_days"),
    ],
)
def test_a_period_has_both_days_in_order_and_a_sensible_length(given: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        spec(**given)
    assert (refusal.value.code, refusal.value.problems[0].field) == (code, (field,))


@pytest.mark.parametrize(
    "given",
    [{}, NOVEMBER, TEN_DAYS | {"period_of_days": 11}, {"period_from": date(2026, 1, 1), "period_to": date(2036, 1, 1)}],
)
def test_a_period_is_kept_as_it_is_given(given: dict[str, Any]) -> None:
    charge = priced(spec(**given))
    names = ("period_from", "period_to", "period_of_days")
    assert {name: getattr(charge, name) for name in names} == dict.fromkeys(names) | given


def test_charges_of_different_periods_are_not_alike() -> None:
    periods: list[dict[str, Any]] = [{}, NOVEMBER, TEN_DAYS, TEN_DAYS | {"period_of_days": 30}]
    assert len({priced(spec(**period)).fingerprint for period in periods}) == len(periods)


def test_a_charge_without_a_period_keeps_the_earlier_fingerprint() -> None:
    """Stored charges of the last 24 hours must still be found as likely duplicates."""
    assert priced(spec(quantity="2")).fingerprint == -4382662372528715492


@pytest.mark.parametrize("name", ["period_from", "period_to", "period_of_days"])
def test_a_repeat_with_another_period_differs(name: str) -> None:
    stored = priced(spec(**TEN_DAYS, period_of_days=30))
    others: dict[str, Any] = {"period_from": date(2026, 11, 9), "period_to": date(2026, 11, 20), "period_of_days": 31}
    same: dict[str, Any] = TEN_DAYS | {"period_of_days": 30}
    assert differing_fields(spec(**same), CUSTOMER.id, COMPUTE.id, stored) == []
    assert differing_fields(spec(), CUSTOMER.id, COMPUTE.id, stored) == []
    assert differing_fields(spec(**same | {name: others[name]}), CUSTOMER.id, COMPUTE.id, stored) == [name]


def test_a_correction_keeps_the_period_and_its_share_until_the_days_change() -> None:
    stored = priced(spec(**TEN_DAYS, period_of_days=30))
    kept = corrected_spec(stored, {"quantity": Decimal(2), "period_from": date(2026, 11, 10)}, None)
    assert (kept.period_from, kept.period_to, kept.period_of_days) == (*TEN_DAYS.values(), 30)
    moved = corrected_spec(stored, {"period_to": date(2026, 12, 31)}, None)
    assert (moved.period_to, moved.period_of_days) == (date(2026, 12, 31), None)
    cleared = corrected_spec(stored, {"period_from": None, "period_to": None}, None)
    assert (cleared.period_from, cleared.period_to, cleared.period_of_days) == (None, None, None)
