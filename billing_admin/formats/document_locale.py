"""Labels, days, periods and units in the language of a printed document.

Numbers are in the number format in use (`domain.number_format`), which is that of the document, with Latin digits.
"""

from datetime import date
from decimal import Decimal
from functools import cache
from typing import Final

from billing_admin.domain.days import count_days
from billing_admin.domain.formatting import format_day, format_number, format_period
from billing_admin.domain.parties import LANGUAGES
from billing_admin.formats.document_labels import LABELS

# UN/ECE Recommendation 20 code → unit of the Unicode CLDR.
_UNITS: Final = {
    "SEC": "duration-second",
    "MIN": "duration-minute",
    "HUR": "duration-hour",
    "DAY": "duration-day",
    "WEE": "duration-week",
    "MON": "duration-month",
    "ANN": "duration-year",
    "AD": "digital-byte",
    "2P": "digital-kilobyte",
    "4L": "digital-megabyte",
    "E34": "digital-gigabyte",
    "E35": "digital-terabyte",
    "GRM": "mass-gram",
    "KGM": "mass-kilogram",
    "TNE": "mass-tonne",
    "MMT": "length-millimeter",
    "CMT": "length-centimeter",
    "MTR": "length-meter",
    "KMT": "length-kilometer",
    "MTK": "area-square-meter",
    "MTQ": "volume-cubic-meter",
    "MLT": "volume-milliliter",
    "LTR": "volume-liter",
    "WTT": "power-watt",
    "KWT": "power-kilowatt",
    "KWH": "energy-kilowatt-hour",
}
_LENGTHS: Final = ("long", "short", "narrow")
_SAMPLES: Final = (1, 2)  # singular and plural


class DocumentLocale:
    """The wording of one language."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LABELS else "en"
        self._labels = LABELS[self.language]

    def label(self, key: str, **values: object) -> str:
        """Return a label, with its values filled in."""
        text = self._labels[key]
        return text.format(**values) if values else text

    def day(self, value: date) -> str:
        """Format a day with the name of its month, as in `3. März 2026`."""
        if self.language == "en":
            return format_day(value)
        from babel.dates import format_skeleton  # noqa: PLC0415 - loaded on demand

        return format_skeleton("yMMMd", value, locale=self.language)

    def long_day(self, value: date) -> str:
        """Format a day for running text, as in `16 de marzo de 2026`."""
        if self.language == "en":
            return f"{value.day} {value:%B} {value.year}"
        from babel.dates import format_skeleton  # noqa: PLC0415 - loaded on demand

        return format_skeleton("yMMMMd", value, locale=self.language)

    def period(self, first: date, last: date, of_days: int | None = None) -> str:
        """Format a period, with its share of the whole period if `of_days` is given."""
        if first == last:
            days = self.day(first)
        elif self.language == "en":
            days = format_period(first, last)
        else:
            from babel.dates import format_interval  # noqa: PLC0415 - loaded on demand

            days = format_interval(first, last, "yMMMd", locale=self.language)
        if of_days is None:
            return days
        return f"{days} ({self.label('days_of', days=count_days(first, last), of=of_days)})"

    def quantity(self, quantity: Decimal, unit: str | None, unit_code: str | None = None) -> str:
        """Format a quantity with its unit.

        The unit is translated if its text is empty or a common name of its code in one of the languages. Another text,
        such as `vCPU hour`, is printed as entered.
        """
        number = format_number(quantity)
        known = _UNITS.get(unit_code or "")
        if known is not None and (not unit or unit.strip().casefold() in _names(known)):
            return _with_unit(number, abs(quantity), known, self.language)
        return f"{number} {unit}" if unit else number


def _with_unit(number: str, amount: Decimal, unit: str, language: str) -> str:
    """Return a formatted number with its unit, in the plural of the amount."""
    from babel import Locale  # noqa: PLC0415 - loaded on demand
    from babel.units import format_unit  # noqa: PLC0415 - loaded on demand

    locale = Locale.parse(language)
    plural = locale.plural_form(amount.normalize())
    sample = next((sample for sample in _SAMPLES if locale.plural_form(sample) == plural), _SAMPLES[-1])
    return format_unit(sample, unit, "long", locale=locale).replace(str(sample), number, 1)


@cache
def _names(unit: str) -> frozenset[str]:
    """Return the names and signs of a unit in all languages, in lower case."""
    from babel.units import format_unit  # noqa: PLC0415 - loaded on demand

    return frozenset(
        format_unit(sample, unit, length, locale=language).replace(str(sample), "", 1).strip().casefold()
        for language in LANGUAGES
        for length in _LENGTHS
        for sample in _SAMPLES
    )
