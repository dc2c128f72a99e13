"""Rows selected by mouse and keyboard: counts, exact sums, ranges, and keys that can be switched off."""

from datetime import date

import pytest
from flask import Flask

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.making import make_customer, make_spec, post

pytestmark = pytest.mark.browser


@pytest.fixture
def reviewer(app: Flask, walked: str, visit: Visit) -> Visitor:
    """A person at the list of the unbilled charges of two customers."""
    with app.app_context():
        acme, foo = make_customer(reference="acme", name="ACME Inc"), make_customer(reference="foo", currency="JPY")
        days = [date(2026, 3, day) for day in range(1, 4)]
        post(
            *(make_spec(acme, amount, incurred_on=day) for amount, day in zip(("0.1", "0.2", "0.3"), days, strict=True))
        )
        post(
            make_spec(acme, "0.000000000001", description="Tiny", incurred_on=date(2026, 3, 5)), make_spec(foo, "1200")
        )
    visitor = visit(walked)
    visitor.sign_in()
    visitor.go("/unbilled/charges")
    return visitor


def selected(visitor: Visitor) -> str:
    """Return the text of the selection bar."""
    return visitor.page.locator("output[data-selection]").inner_text()


def focused(visitor: Visitor) -> str:
    """Return the text of the row that has the focus."""
    text: str = visitor.page.evaluate("document.activeElement.closest('tr')?.innerText ?? ''")
    return " ".join(text.split())


def test_counts_and_exact_sums_follow_the_ticks(reviewer: Visitor) -> None:
    page = reviewer.page
    boxes = page.locator("tbody input[name=id]")
    assert selected(reviewer) == "No charges selected"
    boxes.nth(0).check()
    assert selected(reviewer) == "1 charge selected: 0.10 USD"
    boxes.nth(2).click(modifiers=["Shift"])
    assert selected(reviewer) == "3 charges selected: 0.60 USD"
    boxes.nth(3).check()
    assert selected(reviewer) == "4 charges selected: 0.600000000001 USD"
    assert page.get_by_role("button", name="Hold 4 charges").is_visible()
    page.get_by_label("Select all rows shown").check()
    assert selected(reviewer) == "5 charges selected: 1,200 JPY, 0.600000000001 USD"
    page.get_by_label("Select all rows shown").uncheck()
    page.get_by_label("Select all 4 charges of ACME Inc").check()
    assert [box.is_checked() for box in boxes.all()] == [True] * 4 + [False]
    assert selected(reviewer) == "4 charges selected: 0.600000000001 USD"
    boxes.nth(0).uncheck()
    assert selected(reviewer) == "3 charges selected: 0.500000000001 USD"
    page.get_by_label("All 5 charges of this filter").check()
    assert selected(reviewer) == "5 charges selected: 1,200 JPY, 0.600000000001 USD"
    boxes.nth(4).uncheck()
    assert not page.get_by_label("All 5 charges of this filter").is_checked()
    reviewer.press("Hold 4 charges")
    assert page.locator("h1").inner_text() == "Hold 4 charges?"


@pytest.mark.deep
def test_on_a_narrow_screen_the_acts_appear_with_the_first_selected_row(reviewer: Visitor) -> None:
    """The bar covered a quarter of the screen."""
    page = reviewer.page
    page.set_viewport_size({"width": 320, "height": 900})
    bar, hold = page.locator(".selection-bar"), page.get_by_role("button", name="Hold")
    assert (bar.evaluate("bar => getComputedStyle(bar).position"), hold.is_visible()) == ("static", False)
    page.locator("tbody input[name=id]").nth(0).check()
    assert (bar.evaluate("bar => getComputedStyle(bar).position"), hold.is_visible()) == ("sticky", True)


def test_keys_move_select_and_open(reviewer: Visitor) -> None:
    page = reviewer.page
    for _ in range(3):
        page.keyboard.press("j")
    assert focused(reviewer).startswith("2 Mar 2026")
    page.keyboard.press("k")
    page.keyboard.press("x")
    assert focused(reviewer).startswith("1 Mar 2026")
    assert selected(reviewer) == "1 charge selected: 0.10 USD"
    page.locator("tbody input[name=id]").nth(2).focus()
    page.keyboard.press("j")
    assert "Tiny" in focused(reviewer)
    reviewer.enter()
    assert page.locator("h1").inner_text().startswith("Tiny")
    page.go_back()
    page.locator("tbody input[name=id]").nth(3).focus()
    reviewer.enter()  # opens the row: no act is sent
    assert page.locator("h1").inner_text().startswith("Tiny")
    page.keyboard.press("g")
    with page.expect_navigation():
        page.keyboard.press("u")
    assert page.url.endswith("/unbilled")


@pytest.mark.deep
def test_keys_leave_fields_and_other_shortcuts_alone(reviewer: Visitor) -> None:
    page = reviewer.page
    field = page.get_by_label("Customer name or reference")
    field.focus()
    page.keyboard.type("jkx?/gu")
    assert field.input_value() == "jkx?/gu"
    field.clear()  # a changed filter would be applied, and no row would match it
    page.locator("h1").click()
    page.keyboard.press("Control+j")
    page.keyboard.press("Alt+x")
    assert focused(reviewer) == ""
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    assert "Next row" in dialog.inner_text()
    page.keyboard.press("j")
    assert focused(reviewer) == ""
    dialog.get_by_label("Use single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    for key in ("j", "x", "/", "g", "u"):
        page.keyboard.press(key)
    assert focused(reviewer) == ""
    assert "/unbilled/charges" in page.url


@pytest.mark.deep
def test_without_script_the_next_page_counts_and_a_page_lists_the_keys(
    app: Flask, reviewer: Visitor, walked: str, visit: Visit
) -> None:
    visitor = visit(walked, 320, javascript=False)
    visitor.sign_in()
    visitor.go("/unbilled/charges")
    assert selected(visitor) == "Select charges, then choose what to do with them."
    visitor.page.get_by_label("Select all 4 charges of ACME Inc").check()
    visitor.press("Cancel charges")
    assert visitor.page.locator("h1").inner_text() == "Cancel 4 charges?"
    assert "0.600000000001 USD" in visitor.page.get_by_role("main").inner_text()
    visitor.page.get_by_role("link", name="Keyboard shortcuts").click()
    assert "Next row" in visitor.page.get_by_role("main").inner_text()
