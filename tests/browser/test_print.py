"""Printed pages: nothing is cut off, and no sheet is empty."""

import pytest

from tests.browser.conftest import Seeded, Visit

pytestmark = pytest.mark.browser
PAPER = 700  # the width of A4 between its margins, in CSS pixels
SHEET = 1_000  # the height of A4 between its margins, in CSS pixels
LISTS = ("/unbilled", "/charges", "/invoices", "/payments", "/customers", "/ageing", "/audit")
CUT_OFF = """() => [...document.querySelectorAll("main :is(th, td, dd, p)")]
    .filter(cell => cell.getClientRects().length && cell.getBoundingClientRect().right > innerWidth + 1)
    .map(cell => cell.innerText)"""


def test_no_column_is_lost_and_no_sheet_is_empty(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, PAPER)
    visitor.sign_in()
    visitor.page.emulate_media(media="print")
    for path in LISTS:
        visitor.go(path)
        assert visitor.page.evaluate(CUT_OFF) == [], path
    visitor.go("/invoices")
    visitor.follow(visitor.page.locator("tbody").get_by_role("link", name="INV-").first.inner_text())
    visitor.page.set_viewport_size({"width": PAPER, "height": SHEET})
    assert visitor.page.evaluate("document.documentElement.scrollHeight") <= SHEET
    assert visitor.page.locator(".page-head .state").inner_text() == "Unpaid"
