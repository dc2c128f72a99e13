"""The field that finds a customer while the person types, by keyboard and by mouse, on each page that has it."""

import pytest

from tests.browser.conftest import Seeded, Visit

pytestmark = pytest.mark.browser
LAST = "Many 123"  # far behind the first names that a page could list


@pytest.mark.parametrize(
    "path", ["/charges/new", "/charges/many", "/recurring-charges/new", "/payments/new", "/charges", "/open-items"]
)
def test_a_customer_is_found_while_typing(seeded: Seeded, visit: Visit, path: str) -> None:
    visitor = visit(seeded.home, 320)
    visitor.sign_in()
    visitor.go(path)
    field = visitor.page.get_by_role("combobox", name="Customer").first
    field.press_sequentially("any 123")
    option = visitor.page.locator("#customer-options [role=option]")
    option.wait_for()
    assert option.inner_text() == f"{LAST} M123 · EUR"
    assert field.get_attribute("aria-expanded") == "true"
    visitor.check()
    field.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == option.get_attribute("id")
    field.press("Enter")
    assert field.input_value() == "M123"
    assert field.get_attribute("aria-expanded") == "false"
    field.fill("many")
    option.nth(19).wait_for()
    for _ in range(20):
        field.press("ArrowDown")
    assert option.nth(19).get_attribute("aria-selected") == "true"
    field.fill("Dollar")
    option.nth(1).wait_for(state="detached")
    option.click()
    assert field.input_value() == "DOLLAR"
    field.fill("Euro")
    option.wait_for()
    field.press("Escape")
    assert (field.input_value(), option.is_visible()) == ("Euro", False)


def test_a_billing_run_finds_a_customer_on_each_line(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 320)
    visitor.sign_in()
    visitor.go("/billing-runs/new")
    field, option = visitor.page.locator("#customers"), visitor.page.locator("#customer-options [role=option]")
    field.press_sequentially("any 123")
    option.wait_for()
    visitor.check()
    field.press("ArrowDown")
    field.press("Enter")
    assert field.input_value() == "M123\n"
    field.press_sequentially("Dollar")
    option.wait_for()
    assert "DOLLAR" in option.inner_text()
    option.click()
    assert field.input_value() == "M123\nDOLLAR\n"
    field.press("ArrowUp")
    field.press("ArrowUp")
    field.press("Home")
    field.press("Shift+End")
    field.press_sequentially("Euro")
    option.wait_for()
    field.press("Escape")
    assert (field.input_value(), option.is_visible()) == ("Euro\nDOLLAR\n", False)
