"""Many charges at once, as finance has them in a spreadsheet."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect
from sqlalchemy import func, select

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.prices import PriceSpec
from billing_admin.models import Charge, Customer
from billing_admin.operations.master_data import services
from tests.browser.conftest import Seeded, Visit
from tests.browser.visitor import Visitor, paste
from tests.clipboard import COPIED
from tests.making import NOW, make_customer, make_service

pytestmark = pytest.mark.browser

TYPED_VALUES = Path(__file__).resolve().parents[2] / "docs" / "typed-values.md"
COMMA_FOR_POINT = str.maketrans(",.", ".,")
SUM_OF_EACH = """(texts) => texts.map((text) => {
    const field = document.querySelector("#rows-0-quantity");
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    return document.querySelector("[data-grid-sum]").textContent;
})"""
TWENTY = [f"\t\t{n}\t1.50\t2026-03-{n:02d}\tPasted {n}" for n in range(1, 21)]


def _charges(seeded: Seeded, reference: str) -> int:
    with seeded.app.app_context():
        query = select(func.count(Charge.id)).join(Customer, Customer.id == Charge.customer_id)
        return db.session.scalar(query.where(Customer.reference == reference)) or 0


def _window(seeded: Seeded, visit: Visit, width: int, *, javascript: bool, reference: str) -> Visitor:
    with seeded.app.app_context():
        make_customer(reference=reference, name=f"Grid {reference}", currency="EUR")
    visitor = visit(seeded.home, width, javascript=javascript, axe=True)
    visitor.sign_in()
    visitor.go("/charges")
    visitor.follow("Add many charges")
    visitor.page.locator("#customer").fill(reference)
    return visitor


@pytest.mark.parametrize("width", [1280, 320])
def test_twenty_rows_are_pasted_one_is_wrong_and_mended(seeded: Seeded, visit: Visit, width: int) -> None:
    visitor = _window(seeded, visit, width, javascript=True, reference=f"GRID{width}")
    total = visitor.page.locator("[data-grid-sum]")
    paste(
        visitor.page.locator("#rows-0-customer"),
        "\n".join([*TWENTY[:6], TWENTY[6].replace("7", "seven", 1), *TWENTY[7:]]),
    )
    expect(visitor.page.locator("#rows-19-description")).to_have_value("Pasted 20")
    expect(total).to_have_text("20 rows: 304.50 EUR, 1 not counted yet.")
    visitor.press("Save charges")
    assert "Row 7: “seven” is not a number" in visitor.page.get_by_role("alert").inner_text()
    assert _charges(seeded, f"GRID{width}") == 0
    visitor.check()
    visitor.page.get_by_role("alert").get_by_role("link").click()
    visitor.page.keyboard.press("Control+a")
    visitor.page.keyboard.type("7")
    expect(total).to_have_text("20 rows: 315.00 EUR.")
    visitor.press("Save charges")
    assert "20 charges of 315.00 EUR saved." in visitor.flash().inner_text()
    assert _charges(seeded, f"GRID{width}") == 20


@pytest.mark.parametrize(
    ("quantity", "price", "said"),
    [
        ("1,5", "1", "1 not counted yet"),
        ("1.234,50", "1", "1 not counted yet"),
        ("1 2 EUR 3", "1", "1 not counted yet"),
        ("1’000", "€2", "2,000.00 EUR"),
        ("", "1,234,567.891 EUR", "1,234,567.891 EUR"),
        ("−2", "0.0000008", "-0.0000016 EUR"),
        ("1,125", "80", "1 not counted yet"),
        ("80", "1,125", "1 not counted yet"),
        ("80", "1,125.00", "90,000.00 EUR"),
        ("1 125", "1", "1,125.00 EUR"),
        ("1 234,567", "1", "1 not counted yet"),
        ("1", "$5", "1 not counted yet"),
        ("1", "5 kr.", "1 not counted yet"),
        ("1", "5 CHF", "1 not counted yet"),
        ("1", "constructor 5", "1 not counted yet"),
        ("5 EUR", "1", "1 not counted yet"),
        ("1", "5 eur", "5.00 EUR"),
        ("1", "−€007.5", "-7.50 EUR"),
    ],
)
def test_the_sum_reads_amounts_as_the_server_does(
    seeded: Seeded, visit: Visit, quantity: str, price: str, said: str
) -> None:
    visitor = visit(seeded.home)
    visitor.sign_in()
    visitor.go("/charges/many?customer=EMPTY")
    for name, text in (("quantity", quantity), ("unit_price", price), ("service", "constructor")):
        visitor.page.locator(f"#rows-0-{name}").fill(text)
    expect(visitor.page.locator("[data-grid-sum]")).to_contain_text(said)


def test_the_sum_is_read_and_shown_in_the_number_format(seeded: Seeded, visit: Visit) -> None:
    """Every row of the table in docs/typed-values.md that the server reads, in a format with a decimal comma."""
    visitor = visit(seeded.home)
    visitor.sign_in()

    def choose_format(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace('"1,234.56"', '"1.234,56"', 1))

    visitor.page.route("**/charges/many*", choose_format)
    visitor.go("/charges/many?customer=EMPTY")
    lines = [line.strip("| ").split(" | ") for line in TYPED_VALUES.read_text().splitlines() if line.startswith("| `")]
    rows = [(typed.strip("`"), comma) for typed, _, comma in (cells for cells in lines if len(cells) == 3)]
    visitor.page.locator("#rows-0-unit_price").fill("1")
    sums = visitor.page.evaluate(SUM_OF_EACH, [typed for typed, _ in rows])
    assert dict(zip(rows, sums, strict=True)) == {row: _sum_line(row[1]) for row in rows}
    assert len(rows) > 35


def _sum_line(value: str) -> str:
    if value.startswith("refused"):
        return "1 row, 1 not counted yet."
    decimals = len(value.partition(".")[2])
    return f"1 row: {Decimal(value):,.{max(2, decimals)}f} EUR.".translate(COMMA_FOR_POINT).replace(" EUR,", " EUR.")


def test_cells_in_quotes_are_pasted_whole(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home)
    visitor.sign_in()
    visitor.go("/charges/many")
    paste(visitor.page.locator("#rows-1-unit_price"), '2\t\t"Two\nlines, ""so"""\textra\r\n3\t2026-03-01')
    for field, text in (
        ("1-unit_price", "2"),
        ("1-description", 'Two lines, "so" extra'),
        ("2-unit_price", "3"),
        ("2-day", "2026-03-01"),
        ("3-unit_price", ""),
    ):
        expect(visitor.page.locator(f"#rows-{field}")).to_have_value(text)


def test_a_header_row_arranges_pasted_columns(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home)
    visitor.sign_in()
    visitor.go("/charges/many")
    paste(visitor.page.locator("#rows-1-quantity"), "Quantité\tN° client\tJour\r\n3\tacme\t2026-03-01\r\n")
    for field, text in (("customer", "acme"), ("quantity", "3"), ("day", "2026-03-01"), ("service", "")):
        expect(visitor.page.locator(f"#rows-1-{field}")).to_have_value(text)
    paste(visitor.page.locator("#rows-2-quantity"), "Customer\tAmount\r\nacme\t5\r\n")
    expect(visitor.page.locator("#pasted")).to_have_value("Customer\tAmount\nacme\t5\n")
    expect(visitor.page.locator("#rows-2-quantity")).to_have_value("")


@pytest.mark.deep
def test_quotes_are_read_as_spreadsheets_write_them(seeded: Seeded, visit: Visit) -> None:
    """The script reads what the server reads: a cell that begins with a quote swallowed the next row."""
    visitor = visit(seeded.home)
    visitor.sign_in()
    for copied, rows in COPIED:
        visitor.go("/charges/many")
        paste(visitor.page.locator("#rows-0-customer"), copied)
        for number, row in enumerate([*rows, [""]]):
            for name, cell in zip(("customer", "service", "quantity"), row, strict=False):
                expect(visitor.page.locator(f"#rows-{number}-{name}")).to_have_value(" ".join(cell.split()))


@pytest.mark.deep
def test_one_cell_of_two_lines_is_pasted_without_its_quotes(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home)
    visitor.sign_in()
    visitor.go("/charges/many")
    description = visitor.page.locator("#rows-0-description")
    description.fill("Old")
    description.press("Control+a")
    paste(description, '"Two\nlines, ""so"""\r\n')
    expect(description).to_have_value('Two lines, "so"')


@pytest.mark.deep
def test_enter_leads_to_the_next_row_and_makes_one_at_the_end(seeded: Seeded, visit: Visit) -> None:
    visitor = _window(seeded, visit, 1280, javascript=True, reference="GRIDKEYS")
    visitor.page.locator("#rows-8-quantity").focus()
    for expected in ("rows-9-quantity", "rows-10-quantity", "rows-11-quantity"):
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.locator(f"#{expected}")).to_be_focused()
    keys = visitor.page.locator("tbody input[type=hidden]").evaluate_all("fields => fields.map(field => field.value)")
    assert len(keys) == len(set(keys)) == 12
    for name, text in (("unit_price", "$1,234.50"), ("description", "By hand")):
        visitor.page.locator(f"#rows-11-{name}").fill(text)
    expect(visitor.page.locator("[data-grid-sum]")).to_have_text("1 row, 1 not counted yet.")
    visitor.page.locator("#rows-11-unit_price").fill("€1,234.50")
    expect(visitor.page.locator("[data-grid-sum]")).to_have_text("1 row: 1,234.50 EUR.")
    visitor.page.locator("#rows-11-unit_price").fill("1,234.50")
    visitor.press("Save charges")
    assert "1 charge of 1,234.50 EUR saved." in visitor.flash().inner_text()


@pytest.mark.deep
def test_without_a_script_lines_are_pasted_into_a_field(seeded: Seeded, visit: Visit) -> None:
    visitor = _window(seeded, visit, 1280, javascript=False, reference="GRIDPLAIN")
    visitor.page.get_by_text("Paste lines as text").click()
    visitor.page.locator("#pasted").fill("\n".join(TWENTY))
    visitor.press("Add 10 rows")
    assert visitor.page.locator("#rows-19-description").input_value() == "Pasted 20"
    visitor.press("Check")
    assert "20 charges of 315.00 EUR can be saved" in visitor.page.get_by_role("main").inner_text()
    assert _charges(seeded, "GRIDPLAIN") == 0
    visitor.press("Save charges")
    assert _charges(seeded, "GRIDPLAIN") == 20


@pytest.mark.deep
def test_the_list_price_follows_the_day_of_the_charge(seeded: Seeded, visit: Visit) -> None:
    with seeded.app.app_context():
        make_customer(reference="DATED", name="Dated", currency="EUR")
        service = make_service(code="Dated", prices={"EUR": Decimal(2)})
        price = PriceSpec("EUR", Decimal(3), date(2026, 3, 15))
        transaction(services.set_price, service.id, price, None, SYSTEM, NOW)
    visitor = visit(seeded.home)
    visitor.sign_in()
    visitor.go("/charges/new?customer=DATED&service=Dated&day=2026-03-15")
    field = visitor.page.locator("#unit_price")
    expect(field).to_have_value("3")
    visitor.page.locator("#day").fill("2026-03-14")
    visitor.page.locator("#day").dispatch_event("change")
    expect(field).to_have_value("2")
    visitor.go("/charges/many?customer=DATED&day=2026-03-14")
    visitor.page.locator("#rows-0-service").fill("Dated")
    expect(visitor.page.locator("[data-grid-sum]")).to_have_text("1 row: 2.00 EUR.")
    visitor.page.locator("#rows-0-day").fill("2026-03-15")
    expect(visitor.page.locator("[data-grid-sum]")).to_have_text("1 row: 3.00 EUR.")
    visitor.page.locator("#rows-0-day").fill("14. March 2026")
    expect(visitor.page.locator("[data-grid-sum]")).to_have_text("1 row, 1 not counted yet.")
