"""The worked table of `docs/money.md`: every row, through the domain."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from billing_admin.domain.charges import ChargeSpec, CustomerTerms, PricedCharge, ServiceTerms, price_charge
from billing_admin.domain.invoices import ChargeGroup, TaxRate, make_document
from billing_admin.domain.money import Money, exact_decimal, exact_sum, plain_decimal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "money.md"
COLUMNS = [
    *("What it shows", "Currency", "Charges", "Exact amounts", "Exact sum"),
    *("Line net", "Tax rate", "Tax", "Total"),
]
DAY = date(2026, 3, 1)
CUSTOMER = UUID(int=1)


@dataclass(frozen=True)
class Row:
    """One document of the table; what has a value per line is a tuple."""

    shows: str
    currency: str
    charges: tuple[str, ...]
    amounts: tuple[str, ...]
    sums: tuple[str, ...]
    nets: tuple[str, ...]
    rates: tuple[str, ...]
    taxes: tuple[str, ...]
    total: str


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _read() -> list[Row]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    header = next(place for place, line in enumerate(lines) if _cells(line) == COLUMNS)
    rows = []
    for line in lines[header + 2 :]:
        shows, currency, *parts, total = _cells(line)
        charges, amounts, sums, nets, rates, taxes = (tuple(part.split("<br>")) for part in parts)
        rows.append(Row(shows, currency, charges, amounts, sums, nets, rates, taxes, total))
    return rows


ROWS = _read()


def _price(charge: str, currency: str, service: ServiceTerms) -> PricedCharge:
    quantity, times, number = charge.rpartition(" × ")
    spec = ChargeSpec(
        customer="C",
        service=service.code,
        quantity=exact_decimal(quantity) if times else None,
        unit_price=exact_decimal(number) if times else None,
        amount=None if times else exact_decimal(number),
    )
    return price_charge(spec, UUID(int=9), CustomerTerms(CUSTOMER, "ACME", currency), service, DAY)


def _tax(words: str) -> tuple[TaxRate, Decimal | None]:
    """`19 %`, `19 % incl.`, or `0 %, 19 % incl.`: what is charged, and what the price includes."""
    charged, _, included = words.rpartition(", ")
    percent = Decimal((charged or included).partition(" ")[0])
    return TaxRate("S" if percent else "E", percent), (
        Decimal(included.removesuffix(" % incl.")) if "incl." in words else None
    )


def _group(charges: Iterable[PricedCharge], service: ServiceTerms, rate: str) -> ChargeGroup:
    gathered = list(charges)
    unit_prices = {charge.unit_price for charge in gathered}
    assert len(unit_prices) == 1, "a line has one unit price, or none"
    tax, included_percent = _tax(rate)
    return ChargeGroup(
        service_id=service.id,
        service_code=service.code,
        unit_price=unit_prices.pop(),
        charge_id=None,
        description=service.name,
        quantity=exact_sum(charge.quantity for charge in gathered),
        amount=exact_sum(charge.amount for charge in gathered),
        charges=len(gathered),
        period_from=DAY,
        period_to=DAY,
        tax=tax,
        included_percent=included_percent,
    )


def test_the_table_is_there() -> None:
    assert len(ROWS) >= 20
    assert {row.currency for row in ROWS} >= {"JPY", "EUR", "BHD", "CLF"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.shows)
def test_a_row_of_the_table_holds(row: Row) -> None:
    groups = []
    for number, (charges, amounts, rate) in enumerate(zip(row.charges, row.amounts, row.rates, strict=True)):
        service = ServiceTerms(UUID(int=100 + number), f"service-{number}", f"Service {number}", {})
        priced = [_price(charge, row.currency, service) for charge in charges.split("; ")]
        assert [plain_decimal(charge.amount) for charge in priced] == amounts.split("; ")
        groups.append(_group(priced, service, rate))

    document = make_document(row.currency, groups)

    assert [plain_decimal(line.group.amount) for line in document.lines] == list(row.sums)
    assert [str(Money(line.net, row.currency)) for line in document.lines] == list(row.nets)
    assert [str(Money(total.tax, row.currency)) for total in document.taxes] == list(row.taxes)
    assert all(line.gross in {None, Money.rounded(line.group.amount, row.currency).minor} for line in document.lines)
    assert str(Money(document.total, row.currency)) == row.total
