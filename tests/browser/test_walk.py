"""The main job from signing in to the file for the books, as a person does it."""

import csv
import io
import json
import urllib.request
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from billing_admin import clock
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.people import PASSWORD

pytestmark = pytest.mark.browser

CUSTOMER, SERVICE = "Walk & Söhne GmbH", "OnsiteHours"
# 3 × 19.99 + 12,345,678 × 0.0000008 + 1,234.50; each line rounded once; 19 % on the first two.
EXACT, NET, TAX, TOTAL = Decimal("1304.3465424"), "1,304.35 EUR", "13.27 EUR", "1,317.62 EUR"


@pytest.mark.parametrize(
    ("backend", "width", "javascript", "axe"),
    [
        pytest.param("sqlite", 1280, True, True, id="sqlite-wide"),
        pytest.param("postgresql", 1280, True, False, id="postgresql-wide", marks=pytest.mark.deep),
        pytest.param("sqlite", 320, True, True, id="sqlite-narrow", marks=pytest.mark.deep),
        pytest.param("sqlite", 1280, False, False, id="sqlite-without-javascript", marks=pytest.mark.deep),
    ],
    indirect=["backend"],
)
def test_from_signing_in_to_the_csv(walked: str, visit: Visit, width: int, javascript: bool, axe: bool) -> None:
    visitor = visit(walked, width, javascript=javascript, axe=axe)
    _sign_in_by_keyboard(visitor)
    _add_customer(visitor)
    _add_service(visitor)
    _add_charges(visitor)
    _see_what_is_unbilled(visitor)
    _preview(visitor)
    number = _issue(visitor)
    _compare(visitor, number)


def _sign_in_by_keyboard(visitor: Visitor) -> None:
    visitor.go("/")
    visitor.check()
    visitor.tab_to(visitor.field("E-mail address"))
    visitor.type("admin@example.com")
    visitor.tab_to(visitor.field("Password"))
    visitor.type(PASSWORD)
    visitor.enter()
    assert visitor.page.url == f"{visitor.home}/"
    assert "Set up in six steps" in visitor.page.content()
    visitor.check()


def _add_customer(visitor: Visitor) -> None:
    visitor.go("/customers")
    visitor.check()
    visitor.follow("New customer")
    visitor.check()
    visitor.fill(name=CUSTOMER, currency="EUR")
    visitor.press("Save customer")
    assert CUSTOMER in visitor.flash().inner_text()
    visitor.check()
    visitor.page.reload()
    assert visitor.flash().count() == 0


def _add_service(visitor: Visitor) -> None:
    visitor.go("/services")
    visitor.check()
    visitor.follow("New service")
    visitor.check()
    visitor.fill(code=SERVICE, unit="hour", tax_rate="VAT19")
    visitor.page.locator("main [name='prices-0-currency']").select_option("EUR")
    visitor.page.locator("main [name='prices-0-unit_price']").fill("€ 19.99")
    visitor.press("Save service")
    assert SERVICE in visitor.flash().inner_text()
    assert visitor.amounts() == ["19.99 EUR"]
    visitor.check()


def _add_charges(visitor: Visitor) -> None:
    """The first by keyboard alone, the others with “Save and add another”."""
    visitor.go("/charges/new")
    visitor.check()
    visitor.tab_to(visitor.field("Customer"))
    visitor.page.keyboard.type(CUSTOMER[:4])
    visitor.tab_to(visitor.field("Service"))
    visitor.page.keyboard.type(SERVICE[:4])
    visitor.tab_to(visitor.field("Quantity"))
    visitor.type("3")
    if visitor.javascript:
        expect(visitor.field("Unit price")).to_have_value("19.99")
    visitor.enter()
    assert "Charge saved" in visitor.flash().inner_text()
    assert visitor.amounts()[1] == "59.97 EUR"
    visitor.check()

    visitor.follow("Add charge")
    visitor.fill(service=SERVICE, quantity="12,345,678", unit_price="0.0000008")
    visitor.press("Save and add another")
    assert "9.8765424 EUR" in visitor.amounts()
    visitor.check()
    visitor.page.get_by_text("Description, amount").first.click()
    visitor.fill(description="Setup, agreed on the phone", amount="1,234.50")
    visitor.press("Save charge")
    assert "1,234.50 EUR" in visitor.amounts()


def _see_what_is_unbilled(visitor: Visitor) -> None:
    """The same sum on the dashboard, in the list, on the account and on the customer's page."""
    visitor.go("/")
    visitor.check()
    tile = visitor.page.locator("article", has_text="Unbilled")
    assert _exact(tile) == [EXACT]
    visitor.click(tile.get_by_role("link"))
    visitor.check()
    assert _exact(visitor.page.locator("article")) == [EXACT]
    row = visitor.page.get_by_role("row").filter(has_text=CUSTOMER)
    assert _exact(row)[0] == EXACT
    visitor.click(row.get_by_role("link", name=CUSTOMER))
    visitor.check()
    assert _exact(visitor.page.locator("tfoot")) == [EXACT]
    visitor.follow("Customer")
    visitor.check()
    assert _exact(visitor.fact("Unbilled")) == [EXACT]
    assert {NET, TAX, TOTAL} <= set(visitor.amounts())


def _exact(place: Locator) -> list[Decimal]:
    return [Decimal(amount.get_attribute("value") or "") for amount in place.locator("data.money").all()]


def _preview(visitor: Visitor) -> None:
    """Nothing is made by looking."""
    before = _next_number(visitor)
    visitor.check()
    visitor.go("/")
    visitor.follow("Run billing")
    visitor.check()
    visitor.fill(through=clock.now().date().isoformat())
    visitor.press("Preview invoices")
    visitor.check()
    assert {NET, TAX, TOTAL} <= set(visitor.amounts())
    preview = visitor.page.url
    assert _next_number(visitor) == before
    visitor.go("/charges?status=pending")
    assert visitor.page.locator("tbody tr").count() == 3
    visitor.check()
    visitor.go("/invoices")
    assert "No invoices yet" in visitor.page.content()
    visitor.page.goto(preview)


def _next_number(visitor: Visitor) -> str:
    visitor.go("/settings")
    return visitor.fact("Next invoice number").inner_text()


def _issue(visitor: Visitor) -> str:
    """Confirm; the result's page can be loaded again."""
    visitor.press(f"Issue 1 invoice, {TOTAL}")
    assert TOTAL in visitor.flash().inner_text()
    assert {NET, TAX, TOTAL} <= set(visitor.amounts())
    visitor.check()
    visitor.page.reload()
    assert visitor.flash().count() == 0
    assert TOTAL in visitor.amounts()
    visitor.go("/billing-runs")
    visitor.check()
    assert visitor.page.locator("tbody tr").count() == 1
    visitor.go("/invoices")
    visitor.check()
    link = visitor.page.locator("tbody").get_by_role("link", name="INV-")
    number = link.inner_text()
    visitor.click(link)
    visitor.check()
    return number


def _compare(visitor: Visitor, number: str) -> None:
    """The invoice's page, the files and the API agree to the cent."""
    shown = {name: visitor.fact(name).inner_text() for name in ("Net", "Total", "Balance due")}
    assert {name: " ".join(text.split()) for name, text in shown.items()} == {
        "Net": NET,
        "Total": TOTAL,
        "Balance due": TOTAL,
    }
    lines = visitor.page.locator("tbody tr")
    nets = [" ".join(text.split()) for text in lines.locator("td:last-child").all_inner_texts()]
    assert sorted(nets) == ["1,234.50 EUR", "59.97 EUR", "9.88 EUR"]
    visitor.click(visitor.page.locator("tbody").get_by_role("link").first)
    visitor.check()

    token = make_token(visitor)
    answer = ask(f"{visitor.home}/api/v1/invoices/{number}", token)
    assert (answer["net"], answer["tax"], answer["total"]) == ("1304.35", "13.27", "1317.62")
    assert sorted(line["net"] for line in answer["lines"]) == ["1234.50", "59.97", "9.88"]

    [row] = _download(visitor, "Invoices")
    visitor.check()
    assert {name: row[name] for name in ("number", "net", "tax", "total")} == {
        name: answer[name] for name in ("number", "net", "tax", "total")
    }
    in_file = _download(visitor, "Invoice lines")
    assert sorted(row["net"] for row in in_file) == sorted(line["net"] for line in answer["lines"])
    assert sum(Decimal(row["net"]) for row in in_file) == Decimal(answer["net"])


def make_token(visitor: Visitor) -> str:
    visitor.go("/tokens")
    visitor.follow("New token")
    visitor.check()
    visitor.fill(name="The walk")
    visitor.page.locator("main input[value=read]").check()
    visitor.press("Create token")
    visitor.check()
    token = visitor.page.locator("main code").first.inner_text()
    visitor.go("/tokens")
    assert token not in visitor.page.content()
    return token


def ask(url: str, token: str) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _download(visitor: Visitor, title: str) -> list[Mapping[str, str]]:
    visitor.go("/invoices")
    visitor.follow("Export CSV")
    file = visitor.page.locator("section").filter(has=visitor.page.get_by_role("heading", name=title, exact=True))
    with visitor.page.expect_download() as download:
        file.get_by_role("link", name="Download CSV").click()
    content = download.value.path().read_bytes().decode()
    return list(csv.DictReader(io.StringIO(content, newline="")))
