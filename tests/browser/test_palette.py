"""The search palette, by keyboard, at 320 pixels and without JavaScript."""

import pytest

from tests.browser.conftest import Seeded, Visit

pytestmark = pytest.mark.browser


def test_a_customer_and_an_act_are_found_by_keyboard(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 320)
    visitor.sign_in()
    page = visitor.page
    page.locator("main").focus()
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Search")
    field.press_sequentially("many 123")
    option = page.locator("#search-options [role=option]")
    option.first.wait_for()
    assert field.get_attribute("aria-expanded") == "true"
    visitor.check()
    field.press("Escape")
    assert (option.first.is_visible(), field.input_value()) == (False, "many 123")
    field.press("Escape")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("/")
    field.fill("new charge many 123")
    page.get_by_role("option", name="New charge: Many 123").wait_for()
    field.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == option.first.get_attribute("id")
    field.press("Enter")
    page.wait_for_url("**/charges/new?customer=M123")
    assert page.locator("#customer").input_value() == "M123"
