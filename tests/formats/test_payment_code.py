"""The QR code of a transfer says what the document says, as EPC069-12 has it."""

import re
from decimal import Decimal

import pytest
from hypothesis import example, given, settings, strategies as st

from billing_admin.domain.money import Money
from billing_admin.formats.payment_code import MAX_AMOUNT, QUIET_ZONE, payment_code
from tests.formats.pictures import draw_modules, read_codes
from tests.formats.printing import IBAN

NO_SURROGATES = st.characters(exclude_categories=["Cs"])


def read(svg: str | None) -> list[str]:
    """Return the lines of a code, as a scanner reads them in its picture."""
    assert svg is not None
    size = int(re.findall(r'viewBox="0 0 (\d+) ', svg)[0])
    bars = [tuple(map(int, bar)) for bar in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", svg)]
    dark = {(x + step, y) for x, y, length in bars for step in range(length)}
    assert min(map(min, dark)) == QUIET_ZONE
    assert max(map(max, dark)) == size - QUIET_ZONE - 1
    (text,) = read_codes(draw_modules([[(x, y) in dark for x in range(size)] for y in range(size)], margin=0))
    return text.split("\n")


def transfer(name: str, amount: str, text: str) -> list[str]:
    """Return the lines of EPC069-12 for a transfer without BIC, purpose and structured reference."""
    return ["BCD", "002", "1", "SCT", "", name, IBAN, f"EUR{amount}", "", "", text]


def test_a_code_names_payee_account_amount_and_document() -> None:
    svg = payment_code("Cloud Example GmbH", "DE89 3704 0044 0532 0130 00", 119_00, "EUR", "INV-2026-00042")
    assert read(svg) == transfer("Cloud Example GmbH", "119.00", "INV-2026-00042")
    assert read(payment_code("Café Zoë", IBAN, 1, "EUR", "INV-7")) == transfer("Café Zoë", "0.01", "INV-7")


@pytest.mark.parametrize(
    ("name", "iban", "amount", "currency"),
    [
        ("ACME", IBAN, 100, "USD"),
        ("ACME", "", 100, "EUR"),
        ("", IBAN, 100, "EUR"),
        ("ACME", IBAN, 0, "EUR"),
        ("ACME", IBAN, -100, "EUR"),
        ("ACME", IBAN, MAX_AMOUNT + 1, "EUR"),
    ],
)
def test_there_is_no_code_outside_the_limits_of_the_standard(name: str, iban: str, amount: int, currency: str) -> None:
    assert payment_code(name, iban, amount, currency, "INV-2026-00042") is None


def test_a_line_break_in_a_name_is_not_one_in_the_code() -> None:
    assert read(payment_code("ACME\r\nDE00", IBAN, 100, "EUR", "INV-1\t2")) == transfer("ACME DE00", "1.00", "INV-1 2")


@given(st.text(NO_SURROGATES, max_size=300), st.integers(1, MAX_AMOUNT), st.text(NO_SURROGATES, max_size=200))
@example("🚀" * 200, MAX_AMOUNT, "€" * 200)
@settings(max_examples=30)
def test_any_name_and_text_makes_a_code_that_a_scanner_reads(name: str, amount: int, text: str) -> None:
    is_printed = all(any(c.isprintable() and not c.isspace() for c in part) for part in (name[:70], text[:140]))
    if is_printed:
        lines = read(payment_code(name, IBAN, amount, "EUR", text))
        assert lines == transfer(lines[5], f"{Decimal(amount) / 100:.2f}", lines[10])
        for printed, entered in ((lines[5], name), (lines[10], text)):
            assert printed
            assert " ".join("".join(c if c.isprintable() else " " for c in entered).split()).startswith(printed)


def test_the_largest_amount_is_that_of_the_standard() -> None:
    assert Money(MAX_AMOUNT, "EUR").decimal == Decimal("999999999.99")
    assert payment_code("ACME", IBAN, MAX_AMOUNT, "EUR", "INV-1")
