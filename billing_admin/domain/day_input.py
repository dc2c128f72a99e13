"""Days that people type, read by the organisation's date order.

A day is read exactly or refused. `docs/typed-values.md` has a table of what is read; a test checks each row of it.
"""

import re
import unicodedata
from datetime import date, timedelta
from decimal import Decimal

from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid
from billing_admin.domain.formatting import format_day
from billing_admin.domain.text import check_length
from billing_admin.domain.translation import Phrase
from billing_admin.domain.words import either

LONGEST_DAY = 40
LONGEST_MOMENT = 80
SERIAL_ZERO = date(1899, 12, 30)  # of spreadsheets that count from 1900
# A day with a time, whose offset does not change the day.
_MOMENT = re.compile(
    r"(?P<day>.*[0-9])(?:T|,? +)[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?: ?[AaPp]\.?[Mm]\.?)?"
    r"(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?(?:[0-9]{2})?))?",
    re.ASCII,
)
# A spreadsheet's number of a day between 1970 and 2173, with its time.
_SERIAL = re.compile(r"(?:2[5-9]|[3-9][0-9])[0-9]{3}(?:\.[0-9]{1,20})?", re.ASCII)
_EXAMPLE = date(2026, 11, 22)
_NUMBERS = re.compile(r"([0-9]{1,4})([./-])\s?([0-9]{1,2})\2\s?([0-9]{1,4})")
_MONTH = r"(?P<month>[^\W\d_]+)"
_WITH_NAME = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<day>[0-9]{{1,2}})(?:\.|er|st|nd|rd|th)?[\s-]+(?:de )?{_MONTH}\.?,?[\s-]+(?:del? )?(?P<year>[0-9]+)",
        rf"{_MONTH}\.?[\s-]+(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?,?[\s-]+(?P<year>[0-9]+)",
        rf"(?P<year>[0-9]{{3,}})[\s-]+{_MONTH}\.?[\s-]+(?P<day>[0-9]{{1,2}})",
    )
)
# English, German, French and Spanish, without accents.
_MONTHS = (
    "jan january januar janner janv janvier ene enero",
    "feb february februar fev fevr fevrier febrero",
    "mar march marz mrz mars marzo",
    "apr april avr avril abr abril",
    "may mai mayo",
    "jun june juni juin junio",
    "jul july juli juil juillet julio",
    "aug august aout ago agosto",
    "sep sept september septembre septiembre setiembre",
    "oct october okt oktober octobre octubre",
    "nov november novembre noviembre",
    "dec december dez dezember decembre dic diciembre",
)
_MONTH_NUMBERS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}


def parse_day(value: str, order: DateOrder) -> date:
    """Return the day of `2025-12-31`, `31/12/2025` or `31 Dec 2025`.

    A day that begins with the year or names its month is the same in every order. Other days are read by
    the order. `YEAR_FIRST` does not say whether the day or the month comes first, so with it only days with
    one reading are accepted.

    Raises:
        Invalid: The text is no day, contradicts the order, or has two readings; the message gives them.
    """
    check_length(value, LONGEST_DAY)
    text = " ".join(value.split())
    if parts := _NUMBERS.fullmatch(text):
        first, _, second, third = parts.groups()
        day = _date(first, second, third) if len(first) == 4 else _by_order(text, first, second, third, order)
    else:
        day = _by_name(text)
    if day is None:
        raise Invalid("not_a_day", Phrase("Enter a date such as {number}.", number=order.type(_EXAMPLE)))
    return day


def parse_copied_day(value: str, order: DateOrder) -> date:
    """Return the day of a cell as spreadsheets and programs write it.

    It is a date (see `parse_day`), the serial number of one, or a moment such as `2026-05-01T22:00:00Z`, of which the
    day is taken as it is written.

    Raises:
        Invalid: The text is none of these, or has two readings.
    """
    text = value.strip()
    if _SERIAL.fullmatch(text):
        return day_of_serial(text, SERIAL_ZERO)
    moment = _MOMENT.fullmatch(text) if len(text) <= LONGEST_MOMENT else None
    return parse_day(moment["day"] if moment else text, order)


def day_of_serial(serial: str, first_day: date) -> date:
    """Return the day of a spreadsheet's serial number, such as `46143.5`.

    Raises:
        Invalid: There is no such day.
    """
    try:
        return first_day + timedelta(days=int(Decimal(serial)))
    except OverflowError as error:
        raise Invalid("not_a_day", Phrase("Enter a date such as 2026-11-22.")) from error


def _by_order(text: str, first: str, second: str, third: str, order: DateOrder) -> date | None:
    """Return the day of two numbers and the year, None if there is no such day.

    Raises:
        Invalid: The day contradicts the order, or has two readings.
    """
    year = _full_year(third)
    readings = {
        DateOrder.DAY_FIRST: _date(year, second, first),
        DateOrder.MONTH_FIRST: _date(year, first, second),
    }
    if (day := readings.get(order)) is not None:
        return day
    days = list(dict.fromkeys(day for day in readings.values() if day is not None))
    if len(days) > 1:
        named = either(*map(format_day, days))
        raise Invalid(
            "two_readings",
            Phrase("“{text}” can mean {named}: enter {days}.", text=text, named=named, days=either(*map(str, days))),
        )
    if days and order is not DateOrder.YEAR_FIRST:
        message = Phrase("“{text}” does not fit the date order {order}.", text=text, order=order.label)
        raise Invalid(
            "other_order",
            Phrase(
                "{message} If you mean {days}, enter {number}.",
                message=message,
                days=format_day(days[0]),
                number=order.type(days[0]),
            ),
        )
    return days[0] if days else None


def _by_name(text: str) -> date | None:
    folded = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    for pattern in _WITH_NAME:
        if (parts := pattern.fullmatch(folded)) and parts["month"] in _MONTH_NUMBERS:
            return _date(_full_year(parts["year"]), _MONTH_NUMBERS[parts["month"]], parts["day"])
    return None


def _full_year(year: str) -> str:
    if len(year) != 4:
        raise Invalid("not_a_day", Phrase("Enter the year with four digits, such as 2026."))
    return year


def _date(year: str, month: str | int, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
