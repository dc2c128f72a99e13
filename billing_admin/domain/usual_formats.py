"""The usual time zone and formats of countries, which the set-up proposes.

The formats are those of CLDR for the country's main language. People check and change them before they are saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import available_timezones

from billing_admin.domain.days import DateOrder
from billing_admin.domain.number_format import NumberFormat

_REGIONS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
_COMMA_POINT, _POINT_COMMA = NumberFormat.COMMA_POINT, NumberFormat.POINT_COMMA
_SPACE_COMMA, _APOSTROPHE_POINT = NumberFormat.SPACE_COMMA, NumberFormat.APOSTROPHE_POINT
# Country → time zone and number format.
_FORMATS: Final[Mapping[str, tuple[str, NumberFormat]]] = {
    "AT": ("Europe/Vienna", _POINT_COMMA),
    "AU": ("Australia/Sydney", _COMMA_POINT),
    "BE": ("Europe/Brussels", _POINT_COMMA),
    "BG": ("Europe/Sofia", _SPACE_COMMA),
    "CH": ("Europe/Zurich", _APOSTROPHE_POINT),
    "CY": ("Asia/Nicosia", _POINT_COMMA),
    "CZ": ("Europe/Prague", _SPACE_COMMA),
    "DE": ("Europe/Berlin", _POINT_COMMA),
    "DK": ("Europe/Copenhagen", _POINT_COMMA),
    "EE": ("Europe/Tallinn", _SPACE_COMMA),
    "ES": ("Europe/Madrid", _POINT_COMMA),
    "FI": ("Europe/Helsinki", _SPACE_COMMA),
    "FR": ("Europe/Paris", _SPACE_COMMA),
    "GB": ("Europe/London", _COMMA_POINT),
    "GR": ("Europe/Athens", _POINT_COMMA),
    "HR": ("Europe/Zagreb", _POINT_COMMA),
    "HU": ("Europe/Budapest", _SPACE_COMMA),
    "IE": ("Europe/Dublin", _COMMA_POINT),
    "IS": ("Atlantic/Reykjavik", _POINT_COMMA),
    "IT": ("Europe/Rome", _POINT_COMMA),
    "LI": ("Europe/Vaduz", _APOSTROPHE_POINT),
    "LT": ("Europe/Vilnius", _SPACE_COMMA),
    "LU": ("Europe/Luxembourg", _POINT_COMMA),
    "LV": ("Europe/Riga", _SPACE_COMMA),
    "MT": ("Europe/Malta", _COMMA_POINT),
    "NL": ("Europe/Amsterdam", _POINT_COMMA),
    "NO": ("Europe/Oslo", _SPACE_COMMA),
    "NZ": ("Pacific/Auckland", _COMMA_POINT),
    "PL": ("Europe/Warsaw", _SPACE_COMMA),
    "PT": ("Europe/Lisbon", _SPACE_COMMA),
    "RO": ("Europe/Bucharest", _POINT_COMMA),
    "SE": ("Europe/Stockholm", _SPACE_COMMA),
    "SG": ("Asia/Singapore", _COMMA_POINT),
    "SI": ("Europe/Ljubljana", _POINT_COMMA),
    "SK": ("Europe/Bratislava", _SPACE_COMMA),
    "ZA": ("Africa/Johannesburg", _SPACE_COMMA),
}
_YEAR_FIRST: Final = frozenset({"HU", "LT", "SE", "ZA"})


@dataclass(frozen=True, slots=True)
class UsualFormats:
    """How people of a country write numbers and days, and their time zone."""

    time_zone: str
    number_format: NumberFormat
    date_order: DateOrder


def usual_formats(country: str) -> UsualFormats | None:
    """Return the usual formats of a country, or None if they are not known."""
    if country not in _FORMATS:
        return None
    order = DateOrder.YEAR_FIRST if country in _YEAR_FIRST else DateOrder.DAY_FIRST
    return UsualFormats(*_FORMATS[country], order)


def usual_time_zones() -> dict[str, str]:
    """Return the usual time zone of each country."""
    return {country: time_zone for country, (time_zone, _) in _FORMATS.items()}


def time_zone_choices(stored: str) -> dict[str, str]:
    """Return the time zones of places, UTC and the stored one, with their names.

    Abbreviations, offsets and former names of countries are other names of these, or have no summer time.
    """
    zones = {zone for zone in available_timezones() if zone.partition("/")[0] in _REGIONS}
    return {zone: zone.replace("_", " ") for zone in sorted(zones | {"UTC", stored})}
