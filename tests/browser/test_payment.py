"""The form of a payment: its totals follow what is typed."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Seeded, Visit
from tests.making import make_customer, make_invoice, make_payment_spec, pay

pytestmark = pytest.mark.browser


def test_the_totals_of_a_payment_follow_the_amounts(seeded: Seeded, visit: Visit) -> None:
    with seeded.app.app_context():
        customer = make_customer(reference="TOTALS", name="Totals", currency="EUR")
        make_invoice(customer, "1200.5", now=datetime.now(UTC))
    visitor = visit(seeded.home, 1280, axe=True)
    visitor.sign_in()
    visitor.go("/payments/new?customer=TOTALS")
    page = visitor.page

    def expect_totals(received: str, allocated: str, left: str) -> None:
        for name, text in (("received", received), ("allocated", allocated), ("left", left)):
            expect(page.locator(f"[data-total={name}]")).to_have_text(text)

    expect_totals("0.00 EUR", "0.00 EUR", "0.00 EUR")
    page.locator("#amount").fill("EUR 1,300.25")
    expect_totals("1,300.25 EUR", "0.00 EUR", "1,300.25 EUR")
    part = page.locator("input[name^=part_]").first
    part.fill("1200.5")
    expect_totals("1,300.25 EUR", "1,200.50 EUR", "99.75 EUR")
    part.fill("1400")
    expect_totals("1,300.25 EUR", "1,400.00 EUR", "\u221299.75 EUR")
    part.fill("abc")
    expect_totals("1,300.25 EUR", "\u2013", "\u2013")
    part.fill("")
    tick = page.locator("input[name^=pay_]").first
    tick.check()
    expect(part).to_have_value("1,200.50")
    expect_totals("1,300.25 EUR", "1,200.50 EUR", "99.75 EUR")
    tick.uncheck()
    expect(part).to_have_value("")
    part.fill("3")
    expect(tick).to_be_checked()
    visitor.check()
    with seeded.app.app_context():
        payment = pay(make_payment_spec(customer, "500", {}), datetime.now(UTC))
    visitor.go(f"/payments/{payment}/allocate")
    expect_totals("500.00 EUR", "500.00 EUR", "0.00 EUR")
    page.locator("input[name^=part_]").first.fill("123.45")
    expect_totals("500.00 EUR", "123.45 EUR", "376.55 EUR")
    visitor.check()
