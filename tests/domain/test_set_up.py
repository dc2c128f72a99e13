"""The order of the steps of the set-up, and the tax rates that it proposes."""

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.set_up import SetUpProgress, SetUpStep
from billing_admin.domain.usual_tax_rates import COUNTRIES, rate_code, usual_rates
from billing_admin.formats.code_lists import country_names

ANY_STEPS = st.sets(st.sampled_from(SetUpStep))


@given(ANY_STEPS, ANY_STEPS, st.sampled_from(SetUpStep))
def test_the_next_step_is_the_first_one_to_do_after_a_step(
    completed: set[SetUpStep], closed: set[SetUpStep], step: SetUpStep
) -> None:
    progress, order = SetUpProgress(completed, closed), list(SetUpStep)
    open_steps = [each for each in order if each not in completed | closed]
    later = [each for each in open_steps if order.index(each) > order.index(step)]
    earlier = [each for each in open_steps if order.index(each) < order.index(step)]
    assert progress.next_step(step) == next(iter(later + earlier), step if open_steps else None)
    assert progress.next_step() == next(iter(open_steps), None)
    assert progress.is_finished == (open_steps == [])


def test_each_country_has_rates_that_can_be_stored() -> None:
    """The standard rate comes first, and no two rates have the same code."""
    assert set(dict(country_names())) >= COUNTRIES
    for country in COUNTRIES:
        rates = usual_rates(country)
        percents = [rate.percent for rate in rates]
        assert percents == sorted(set(percents), reverse=True)
        assert all(0 <= percent <= 27 for percent in percents)
        assert len({rate_code(percent) for percent in percents}) == len(percents)


@pytest.mark.parametrize(
    ("country", "names"),
    [
        ("DE", ["VAT 19%", "VAT 7%"]),
        ("CH", ["VAT 8.1%", "VAT 3.8%", "VAT 2.6%"]),
        ("AU", ["GST 10%"]),
        ("US", []),
        ("", []),
    ],
)
def test_usual_rates_of_some_countries(country: str, names: list[str]) -> None:
    assert [rate.name for rate in usual_rates(country)] == names
    assert rate_code(Decimal("8.10")) == "vat-8.1"
