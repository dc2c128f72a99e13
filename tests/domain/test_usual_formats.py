"""The usual formats of countries: for each country with usual tax rates, and as CLDR has them."""

from zoneinfo import available_timezones

import pytest
from babel import Locale, numbers

from billing_admin.domain.days import DateOrder
from billing_admin.domain.usual_formats import time_zone_choices, usual_formats, usual_time_zones
from billing_admin.domain.usual_tax_rates import COUNTRIES


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_each_country_with_usual_rates_has_formats(country: str) -> None:
    formats = usual_formats(country)
    assert formats is not None
    assert formats.time_zone in available_timezones()
    assert usual_time_zones()[country] == formats.time_zone


@pytest.mark.parametrize(
    ("country", "locale", "order"),
    [
        ("DE", "de_DE", DateOrder.DAY_FIRST),
        ("FR", "fr_FR", DateOrder.DAY_FIRST),
        ("GB", "en_GB", DateOrder.DAY_FIRST),
        ("SE", "sv_SE", DateOrder.YEAR_FIRST),
        ("HU", "hu_HU", DateOrder.YEAR_FIRST),
        ("IT", "it_IT", DateOrder.DAY_FIRST),
        ("NL", "nl_NL", DateOrder.DAY_FIRST),
    ],
)
def test_formats_agree_with_cldr(country: str, locale: str, order: DateOrder) -> None:
    formats = usual_formats(country)
    assert formats is not None
    assert formats.number_format.decimal_sign == numbers.get_decimal_symbol(locale)
    pattern = Locale.parse(locale).date_formats["short"].pattern
    assert formats.date_order is order
    assert (pattern[0] == "y") is (order is DateOrder.YEAR_FIRST)


def test_other_countries_have_none() -> None:
    assert usual_formats("US") is None
    assert usual_formats("") is None


def test_time_zones_are_those_of_places_and_the_stored_one() -> None:
    choices = time_zone_choices("Etc/GMT-2")
    assert (choices["America/New_York"], choices["UTC"], choices["Etc/GMT-2"]) == (
        "America/New York",
        "UTC",
        "Etc/GMT-2",
    )
    assert not choices.keys() & {"Etc/GMT-1", "CET", "Factory", "US/Eastern", "GB"}
