"""Files of exchange rates: a row for each rate, or a column for each currency.

The European Central Bank publishes files with a column per currency, whose rates are for the euro.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import BinaryIO, Final

from billing_admin.domain.day_input import parse_day
from billing_admin.domain.days import DateOrder
from billing_admin.domain.errors import Invalid, Problem
from billing_admin.domain.exchange_rates import RateSpec, check_foreign
from billing_admin.domain.formatting import format_day
from billing_admin.domain.imports.layouts import DELIMITERS
from billing_admin.domain.money import MINOR_DIGITS, exact_decimal
from billing_admin.domain.translation import Phrase
from billing_admin.formats.csv_reader import CsvRows, guess_encoding

MAX_RATES: Final = 50_000
MAX_PROBLEMS: Final = 20
ECB, ECB_BASE_CURRENCY = "ECB", "EUR"
_DAY_NAMES: Final = ("day", "date")
_NO_RATE: Final = frozenset({"", "N/A", "-"})
# Reads the rates of one row.
_RowReader = Callable[[Sequence[str]], Iterator[RateSpec]]


def read_rates(file: BinaryIO, base_currency: str) -> list[RateSpec]:
    """Return the rates of a CSV file, in its order.

    Raises:
        Invalid: The file has no such columns or rows that cannot be read; the messages name their lines.
    """
    encoding = guess_encoding(file)
    file.seek(0)
    rows = CsvRows(file, encoding, _guess_delimiter(file))
    _, header = next(rows, (0, []))
    read_row = _row_reader([name.strip() for name in header], base_currency)
    rates: list[RateSpec] = []
    problems: list[Problem] = []
    lines: dict[tuple[str, date], tuple[int, Decimal]] = {}
    for line, cells in rows:
        try:
            for spec in read_row(cells):
                check_foreign(spec.currency, base_currency)
                _refuse_other_rate(spec, line, lines)
                rates.append(spec)
        except Invalid as error:
            field = next((part for part in reversed(error.field) if isinstance(part, str)), "")
            problems.append(
                Problem(
                    error.code,
                    Phrase("Line {line}: {message}", line=line, message=error.message),
                    (field,) if field else (),
                )
            )
        if len(rates) > MAX_RATES:
            message = Phrase("The file has more than {limit:,} rates. Import the last months only.", limit=MAX_RATES)
            raise Invalid("too_long", message)
    if problems:
        raise Invalid.of(problems[:MAX_PROBLEMS], len(problems))
    if not rates:
        raise Invalid("no_rows", Phrase("The file has no rates."))
    return rates


def _refuse_other_rate(spec: RateSpec, line: int, lines: dict[tuple[str, date], tuple[int, Decimal]]) -> None:
    """Raise Invalid if an earlier line has another rate of the currency and the day."""
    earlier_line, rate = lines.setdefault((spec.currency, spec.day), (line, spec.rate))
    if rate != spec.rate:
        day = format_day(spec.day)
        message = Phrase(
            "Line {line} has another rate of {currency} on {day}. Remove one of them.",
            line=earlier_line,
            currency=spec.currency,
            day=day,
        )
        raise Invalid("two_rates", message, "rate")


def _guess_delimiter(file: BinaryIO) -> str:
    """Return the name of the delimiter that the first line has most often."""
    first_line = file.readline(10_000).decode("latin-1")
    file.seek(0)
    return max(DELIMITERS, key=lambda name: first_line.count(DELIMITERS[name]))


def _row_reader(header: Sequence[str], base_currency: str) -> _RowReader:
    names = [name.casefold() for name in header]
    day = next((names.index(name) for name in _DAY_NAMES if name in names), None)
    if day is not None and {"currency", "rate"} <= set(names):
        source = names.index("source") if "source" in names else None
        return _reader_of_rows(names.index("currency"), day, names.index("rate"), source)
    columns = {name: index for index, name in enumerate(header) if name in MINOR_DIGITS}
    if day is not None and columns:
        if base_currency != ECB_BASE_CURRENCY:
            message = Phrase(
                "This file has the rates of the euro, but your base currency is {currency}. Import a file with the"
                " columns currency, day and rate.",
                currency=base_currency,
            )
            raise Invalid("other_base_currency", message)
        return _reader_of_columns(columns, day)
    message = Phrase(
        "Use a CSV file with the columns currency, day and rate, or the file of the European Central Bank."
    )
    raise Invalid("other_columns", message)


def _reader_of_rows(currency: int, day: int, rate: int, source: int | None) -> _RowReader:
    def read(cells: Sequence[str]) -> Iterator[RateSpec]:
        yield RateSpec(
            currency=_cell(cells, currency).upper(),
            day=_day(_cell(cells, day)),
            rate=_rate(_cell(cells, rate)),
            source="" if source is None else _cell(cells, source),
        )

    return read


def _reader_of_columns(columns: dict[str, int], day: int) -> _RowReader:
    def read(cells: Sequence[str]) -> Iterator[RateSpec]:
        of_day = _day(_cell(cells, day))
        for currency, index in columns.items():
            text = _cell(cells, index)
            if currency != ECB_BASE_CURRENCY and text not in _NO_RATE:
                yield RateSpec(currency, of_day, _rate(text), ECB)

    return read


def _cell(cells: Sequence[str], index: int) -> str:
    return cells[index].strip() if index < len(cells) else ""


def _day(text: str) -> date:
    with suppress(Invalid):
        return parse_day(text, DateOrder.YEAR_FIRST)
    message = Phrase("“{text}” is not a date. Use a date such as 2026-11-28.", text=text[:40])
    raise Invalid("not_a_day", message, "day")


def _rate(text: str) -> Decimal:
    if not text:
        raise Invalid("missing", Phrase("Enter the rate."), "rate")
    return exact_decimal(text, "rate")
