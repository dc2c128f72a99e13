"""From the set-up link of an empty installation to its first issued invoice, with the clicks counted; and the frame around it."""

from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.access.set_up import create_link
from tests.browser.conftest import Seeded, Visit
from tests.browser.server import serving
from tests.browser.visitor import Visitor
from tests.people import PASSWORD

pytestmark = pytest.mark.browser

MOST_CLICKS = 12
AS_MIGRATED = "UPDATE organisation SET legal_name = 'Your company', address = ''"
# Each page of the way: what is filled in, and the button or link that leads on.
PAGES: tuple[tuple[dict[str, str], str], ...] = (
    ({"email": "ada@example.com", "password": PASSWORD, "again": PASSWORD}, "Create account"),
    ({}, "Continue the set-up"),
    (
        {
            "legal_name": "Adler Beratung GmbH",
            "country": "DE",
            "street": "Hauptstr. 5",
            "postcode": "10115",
            "city": "Berlin",
            "tax_id": "DE136695976",
            "time_zone": "Europe/Berlin",
        },
        "Save and continue",
    ),
    ({}, "Save and continue"),  # the tax rates of Germany
    ({"iban": "DE89 3704 0044 0532 0130 00"}, "Save and continue"),
    ({}, "Save and continue"),  # no logo
    ({"code": "CONSULTING", "name": "Consulting", "unit": "hour", "unit_price": "95"}, "Save and continue"),
    (
        {"name": "Muster AG", "email": "ap@muster.example", "street": "Weg 1", "postcode": "80331", "city": "München"},
        "Save and continue",
    ),
    ({"service": "CONSULTING", "quantity": "3"}, "Save charge"),
    ({}, "Bill this customer"),
    ({}, "Issue 1 invoice, 339,15 EUR"),
)


@pytest.mark.parametrize(
    ("width", "javascript", "axe"),
    [
        pytest.param(1280, True, True, id="wide"),
        pytest.param(320, True, True, id="narrow", marks=pytest.mark.deep),
        pytest.param(1280, False, False, id="without-javascript", marks=pytest.mark.deep),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_from_the_set_up_link_to_the_first_invoice(
    app: Flask, visit: Visit, width: int, javascript: bool, axe: bool
) -> None:
    with app.app_context():
        transaction(lambda session: session.execute(text(AS_MIGRATED)))
        token = transaction(create_link, SYSTEM, clock.now())
    with serving(app.extensions["billing_settings"].database_url) as home:
        visitor = visit(home, width, javascript=javascript, axe=axe)
        visitor.go(f"/set-up?token={token}")
        for fields, label in PAGES:
            visitor.check()
            visitor.fill(**fields)
            _press_or_follow(visitor, label)
        assert len(PAGES) <= MOST_CLICKS
        visitor.follow("Show 1 invoice")
        visitor.check()
        invoice = visitor.page.locator("tbody").get_by_role("link", name="INV-")
        visitor.click(invoice)
        visitor.check()
        assert "339,15 EUR" in visitor.amounts()


def _press_or_follow(visitor: Visitor, label: str) -> None:
    button = visitor.page.get_by_role("main").get_by_role("button", name=label, exact=True)
    if button.count():
        visitor.click(button)
    else:
        visitor.follow(label)


SHELL = """() => {
    const inner = document.querySelector(".sidebar-inner");
    const menu = [...document.querySelectorAll(".menu a")].map((link) => link.getBoundingClientRect());
    const cut = [...document.querySelectorAll(".brand-name, .brand-name span")]
        .filter((part) => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline");
    return {
        scrolls: inner.scrollHeight > inner.clientHeight,
        hidden: menu.filter((box) => box.bottom > innerHeight || box.height < 24).length,
        entries: menu.length,
        cut: cut.length,
    };
}"""


def test_the_whole_menu_and_brand_are_seen_at_1366_by_768(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 1366)
    visitor.page.set_viewport_size({"width": 1366, "height": 768})
    visitor.sign_in()
    shell: Any = visitor.page.evaluate(SHELL)
    assert shell.pop("entries") > 20
    assert shell == {"scrolls": False, "hidden": 0, "cut": 0}
    for width in (320, 768, 1920):
        visitor.page.set_viewport_size({"width": width, "height": 800})
        assert visitor.page.evaluate(SHELL)["cut"] == 0


def test_signing_out_without_javascript(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 320, javascript=False)
    visitor.sign_in()
    visitor.page.get_by_text("Your account").locator("..").click()
    visitor.click(visitor.page.get_by_role("button", name="Sign out"))
    assert visitor.page.url.endswith("/sign-in")


def test_the_time_zone_of_the_browser_is_proposed(seeded: Seeded, browser: Browser) -> None:
    context = browser.new_context(timezone_id="Europe/Berlin")
    visitor = Visitor(context, seeded.home, javascript=True, axe=False)
    visitor.sign_in()
    visitor.go("/set-up/organisation")
    expect(visitor.field("Time zone")).to_have_value("Europe/Berlin")
    visitor.close()
