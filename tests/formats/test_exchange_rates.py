"""Files of exchange rates: rows, the layout of the European Central Bank, and what is refused."""

from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.exchange_rates import RateSpec
from billing_admin.formats import exchange_rates
from billing_admin.formats.exchange_rates import read_rates

FRIDAY, THURSDAY = date(2026, 11, 27), date(2026, 11, 26)
USD, JPY = RateSpec("USD", FRIDAY, Decimal("1.0832")), RateSpec("JPY", FRIDAY, Decimal("163.05"))


def read(text: str, base_currency: str = "EUR", encoding: str = "utf-8") -> list[RateSpec]:
    return read_rates(BytesIO(text.encode(encoding)), base_currency)


@pytest.mark.parametrize(
    "text",
    [
        "currency,day,rate\nUSD,2026-11-27,1.0832\nJPY,2026-11-27,163.05\n",
        "Currency;Date;Rate\nusd;27 Nov 2026;1.0832\n\nJPY;2026-11-27;163.05\n",
        "rate\tcurrency\tday\n1.0832\tUSD\t2026-11-27\n163.05\tJPY\t2026-11-27\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_row_for_each_rate(text: str, encoding: str) -> None:
    assert read(text, encoding=encoding) == [USD, JPY]


def test_an_exported_file_is_read_with_its_sources() -> None:
    text = "currency,day,rate,source,base_currency\nUSD,2026-11-27,1.0832,ECB,EUR\n"
    assert read(text) == [RateSpec("USD", FRIDAY, Decimal("1.0832"), "ECB")]


@pytest.mark.parametrize(
    "text",
    [
        "Date, USD, JPY, \n27 November 2026, 1.0832, 163.05, \n",
        "Date,USD,CYP,JPY,\n2026-11-27,1.0832,0.58,163.05,\n",
    ],
)
def test_the_files_of_the_european_central_bank(text: str) -> None:
    assert read(text) == [RateSpec("USD", FRIDAY, USD.rate, "ECB"), RateSpec("JPY", FRIDAY, JPY.rate, "ECB")]


def test_days_without_a_rate_are_left_out() -> None:
    text = "Date,USD,JPY\n2026-11-27,1.0832,N/A\n2026-11-26,,162.9\n"
    assert [(rate.currency, rate.day) for rate in read(text)] == [("USD", FRIDAY), ("JPY", THURSDAY)]


@pytest.mark.parametrize(
    ("text", "base_currency", "message"),
    [
        ("", "EUR", "Use a CSV file with the columns currency, day and rate"),
        ("a,b\n1,2\n", "EUR", "Use a CSV file with the columns currency, day and rate"),
        ("currency,day,rate\n", "EUR", "The file has no rates."),
        ("Date,USD\n2026-11-27,1.08\n", "CHF", "your base currency is CHF. Import a file with the columns"),
        (
            "currency,day,rate\nUSD,2026-11-27,1,5\nUSD,x,1\n",
            "EUR",
            "Line 3: “x” is not a date. Use a date such as 2026-11-28.",
        ),
        ("currency,day,rate\nUSD,2026-11-27,0\n", "EUR", "Line 2: Enter a rate above 0, such as 1.0832."),
        ("currency,day,rate\nUSD,2026-11-27\n", "EUR", "Line 2: Enter the rate."),
        (
            "currency;day;rate\nUSD;2026-11-27;1,0832\n",
            "EUR",
            "Line 2: “1,0832” is not a plain decimal such as 1234.50.",
        ),
        (
            "currency,day,rate\nDEM,2026-11-27,1.9\n",
            "EUR",
            "Line 2: “DEM” is not an ISO 4217 currency code such as EUR.",
        ),
        (
            "currency,day,rate\nUSD,2026-11-27,1.9\nEUR,2026-11-27,1\n",
            "EUR",
            "Line 3: EUR is your base currency. Enter the rate of another currency.",
        ),
        (
            "currency,day,rate\nUSD,2026-11-27,1.9\nUSD,2026-11-27,1.90\nUSD,2026-11-27,1.8\n",
            "EUR",
            "Line 4: Line 2 has another rate of USD on 27 Nov 2026. Remove one of them.",
        ),
        ("currency,day,rate\nUSD,05/06/2026,1.9\n", "EUR", "Line 2: “05/06/2026” is not a date."),
    ],
)
def test_a_wrong_file_is_refused_with_the_line(text: str, base_currency: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text, base_currency)
    assert message in refused.value.problems[-1].message


def test_every_wrong_line_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        read("currency,day,rate\nUSD,2026-11-27,0\nUSD,2026-11-26,1\nUSD,2026-11-25,x\n")
    assert [problem.message.split(":")[0] for problem in refused.value.problems] == ["Line 2", "Line 4"]


def test_too_many_rates_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_rates, "MAX_RATES", 1)
    with pytest.raises(Invalid, match="more than 1 rates"):
        read("currency,day,rate\nUSD,2026-11-27,1\nUSD,2026-11-26,1\n")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    file = BytesIO(content)
    try:
        rates = read_rates(file, "EUR")
    except Invalid:
        return
    assert rates
