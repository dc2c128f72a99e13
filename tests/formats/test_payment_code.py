"""The QR code of a transfer says what the document says, as EPC069-12 has it."""

import re
from decimal import Decimal

import pytest
import segno
from hypothesis import example, given, settings, strategies as st

from billing_admin.domain.money import Money
from billing_admin.formats.payment_code import MAX_AMOUNT, QUIET_ZONE, payment_code
from tests.formats.printing import IBAN

NO_SURROGATES = st.characters(exclude_categories=["Cs"])


def modules(svg: str) -> list[list[bool]]:
    """Return the dark modules of a code without its quiet zone, row by row."""
    size = int(re.findall(r'viewBox="0 0 (\d+) ', svg)[0])
    bars = [tuple(map(int, bar)) for bar in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", svg)]
    dark = {(x + step, y) for x, y, length in bars for step in range(length)}
    inside = range(QUIET_ZONE, size - QUIET_ZONE)
    assert all(x in inside and y in inside for x, y in dark)
    return [[(x, y) in dark for x in inside] for y in inside]


def code_of(*lines: str) -> list[list[bool]]:
    """Return the modules of a code with these lines, made without the helper for transfers."""
    code = segno.make_qr("\n".join(lines), error="m", boost_error=False, encoding="utf-8")
    return [[bool(module) for module in row] for row in code.matrix]


def transfer(name: str, amount: str, text: str) -> list[list[bool]]:
    return code_of("BCD", "002", "1", "SCT", "", name, IBAN, f"EUR{amount}", "", "", text)


def test_a_code_names_payee_account_amount_and_document() -> None:
    svg = payment_code("Cloud Example GmbH", "DE89 3704 0044 0532 0130 00", 119_00, "EUR", "INV-2026-00042")
    assert svg is not None
    assert modules(svg) == transfer("Cloud Example GmbH", "119", "INV-2026-00042")
    svg = payment_code("Café Zoë", IBAN, 1, "EUR", "INV-2026-00042")
    assert svg is not None
    assert modules(svg) == transfer("Café Zoë", "0.01", "INV-2026-00042")


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
    svg = payment_code("ACME\r\nDE00", IBAN, 100, "EUR", "INV-1\t2")
    assert svg is not None
    assert modules(svg) == transfer("ACME DE00", "1", "INV-1 2")


@given(st.text(NO_SURROGATES, max_size=300), st.integers(1, MAX_AMOUNT), st.text(NO_SURROGATES, max_size=200))
@example("🚀" * 200, MAX_AMOUNT, "€" * 200)
@settings(max_examples=30)
def test_any_name_and_text_makes_a_code_that_fits(name: str, amount: int, text: str) -> None:
    is_printed = all(any(c.isprintable() and not c.isspace() for c in part) for part in (name[:70], text[:140]))
    if is_printed:
        assert payment_code(name, IBAN, amount, "EUR", text)


def test_the_largest_amount_is_that_of_the_standard() -> None:
    assert Money(MAX_AMOUNT, "EUR").decimal == Decimal("999999999.99")
    assert payment_code("ACME", IBAN, MAX_AMOUNT, "EUR", "INV-1")
