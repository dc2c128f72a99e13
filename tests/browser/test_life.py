"""The life of a bill after its draft, as a person leads it: every page tells the same balance, to the cent."""

from datetime import timedelta
from decimal import Decimal

import pytest
from flask import Flask

from billing_admin import clock
from tests.browser.conftest import Visit
from tests.browser.test_walk import ask, make_token
from tests.browser.visitor import Visitor
from tests.making import make_customer, make_service, make_spec, post

pytestmark = pytest.mark.browser

CUSTOMER, REFERENCE = "Life & Söhne GmbH", "LIFE"
# 7 × 19.99 and 19 % on it; 100 are paid; a tenth is credited.
NET, TAX, TOTAL = "139.93 EUR", "26.59 EUR", "166.52 EUR"
PAID, CREDITED, OWED = "100.00 EUR", "16.65 EUR", "49.87 EUR"
AFTER_PAYMENT = "66.52 EUR"


@pytest.mark.parametrize(
    ("backend", "width", "javascript", "axe"),
    [
        pytest.param("sqlite", 1280, True, False, id="sqlite-wide", marks=pytest.mark.deep),
        pytest.param("sqlite", 320, True, True, id="sqlite-narrow", marks=pytest.mark.deep),
        pytest.param("postgresql", 1280, False, False, id="postgresql-without-javascript", marks=pytest.mark.deep),
    ],
    indirect=["backend"],
)
def test_from_draft_to_ageing(app: Flask, walked: str, visit: Visit, width: int, javascript: bool, axe: bool) -> None:
    with app.app_context():
        _use_seven_hours()
    visitor = visit(walked, width, javascript=javascript, axe=axe)
    visitor.sign_in()
    _make_a_draft(visitor)
    _edit(visitor)
    number = _issue(visitor)
    _pay_a_part(visitor, number)
    note = _credit_a_part(visitor, number)
    _see_the_statement(visitor, number, note)
    _see_the_ageing(visitor)
    _see_the_dashboard(visitor)
    _ask_the_api(visitor, number, note)


def _use_seven_hours() -> None:
    make_service(code="OnsiteHours", tax_rate="VAT19", unit="hour", prices={"EUR": Decimal("19.99")})
    customer = make_customer(reference=REFERENCE, name=CUSTOMER, currency="EUR")
    now = clock.now()
    day = now.date() - timedelta(days=1)
    post(make_spec(customer, service="OnsiteHours", quantity="7", incurred_on=day), now=now)


def _told_once(visitor: Visitor, words: str) -> None:
    """One banner tells what was done, and is gone when the page is loaded again."""
    assert visitor.flash().count() == 1
    assert words in visitor.flash().inner_text()
    visitor.check()
    visitor.page.reload()
    assert visitor.flash().count() == 0


def _told(visitor: Visitor, name: str) -> str:
    return " ".join(visitor.fact(name).inner_text().split())


def _make_a_draft(visitor: Visitor) -> None:
    visitor.go("/")
    visitor.follow("Run billing")
    visitor.page.get_by_role("main").get_by_role("radio", name="drafts").check()
    visitor.fill(through=clock.now().date().isoformat())
    visitor.press("Preview invoices")
    assert {NET, TAX, TOTAL} <= set(visitor.amounts())
    visitor.check()
    visitor.press("Create 1 draft")
    _told_once(visitor, TOTAL)
    visitor.go("/invoices?status=draft")
    visitor.follow("Draft")
    visitor.check()


def _edit(visitor: Visitor) -> None:
    """What a person says on the draft is shown on it; it asks for no money yet."""
    visitor.follow("Edit")
    visitor.check()
    visitor.fill(purchase_order="PO-7", note="Thank you for the quiet week.")
    visitor.press("Save draft")
    _told_once(visitor, "saved")
    assert _told(visitor, "Your order") == "PO-7"
    assert visitor.page.get_by_text("Thank you for the quiet week.").is_visible()
    assert {NET, TAX, TOTAL} <= set(visitor.amounts())


def _issue(visitor: Visitor) -> str:
    visitor.follow("Issue invoice")
    assert (_told(visitor, "Net"), _told(visitor, "Tax"), _told(visitor, "Total")) == (NET, TAX, TOTAL)
    visitor.check()
    visitor.press(f"Issue invoice, {TOTAL}")
    _told_once(visitor, "issued")
    assert _told(visitor, "Balance due") == TOTAL
    return _told(visitor, "Invoice")


def _pay_a_part(visitor: Visitor, number: str) -> None:
    """The form knows what is open; less is received."""
    visitor.follow("Record payment")
    assert visitor.field("Amount received").input_value() == "166.52"
    visitor.check()
    visitor.fill(amount="100", reference="Part one")
    visitor.page.locator("main [name^=part_]").fill("100")
    visitor.press("Record payment")
    _told_once(visitor, "Payment recorded")
    assert _told(visitor, "Reference") == "Part one"
    visitor.follow(number)
    assert (_told(visitor, "Paid"), _told(visitor, "Balance due")) == (PAID, AFTER_PAYMENT)
    visitor.check()


def _credit_a_part(visitor: Visitor, number: str) -> str:
    """More than was billed is refused with what is left; a tenth is shown first, and then issued."""
    visitor.follow("Credit")
    assert visitor.field("Amount with tax").input_value() == ""
    visitor.check()
    visitor.page.locator("main [name=way][value=amount]").check()
    visitor.fill(amount="166.53", reason="One hour was a break")
    visitor.press("Review credit note")
    assert TOTAL in visitor.page.get_by_role("alert").inner_text()
    visitor.check()
    visitor.fill(amount="16.65")
    visitor.press("Review credit note")
    assert (_told(visitor, "Reduces the balance by"), _told(visitor, "New balance")) == (CREDITED, OWED)
    visitor.check()
    visitor.press(f"Issue credit note, {CREDITED}")
    _told_once(visitor, number)
    note = _told(visitor, "Credit note")
    assert _told(visitor, "Total credited") == CREDITED
    visitor.follow(number)
    assert [_told(visitor, name) for name in ("Total", "Paid", "Credited", "Balance due")] == [
        TOTAL,
        PAID,
        CREDITED,
        OWED,
    ]
    assert visitor.page.get_by_role("main").get_by_role("link", name=note, exact=True).is_visible()
    visitor.check()
    return note


def _see_the_statement(visitor: Visitor, number: str, note: str) -> None:
    """Invoice, payment and credit note in their order, with the balance after each."""
    visitor.follow(CUSTOMER)
    assert [_told(visitor, name) for name in ("Invoiced", "Paid", "Credited", "Balance")] == [
        TOTAL,
        PAID,
        CREDITED,
        OWED,
    ]
    visitor.check()
    visitor.follow("Statement")
    visitor.check()
    table = visitor.page.get_by_role("region", name="Statement in EUR")
    rows = table.locator("tbody tr").all()[1:]
    assert {row.get_by_role("link").inner_text() for row in rows} == {number, note, "Part one"}
    assert {visitor.amounts(row)[0] for row in rows} == {TOTAL, f"−{PAID}", f"−{CREDITED}"}
    assert visitor.amounts(rows[-1])[1] == visitor.amounts(table.locator("tfoot"))[-1] == OWED
    visitor.page.emulate_media(media="print")
    assert table.is_visible()
    assert visitor.page.get_by_role("heading", name="From", exact=True).is_visible()
    assert not visitor.page.get_by_role("navigation").first.is_visible()
    visitor.page.emulate_media(media="screen")
    assert not visitor.page.get_by_role("heading", name="From", exact=True).is_visible()


def _see_the_ageing(visitor: Visitor) -> None:
    visitor.go("/ageing")
    visitor.check()
    for name in ("Totals per currency", "Ageing"):
        row = visitor.page.get_by_role("region", name=name).locator("tbody tr")
        assert visitor.amounts(row) == [OWED, OWED]
    visitor.follow(OWED)
    assert visitor.amounts(visitor.page.locator("tfoot"))[-1] == OWED
    visitor.check()


def _see_the_dashboard(visitor: Visitor) -> None:
    visitor.go("/")
    visitor.check()
    tiles = {
        tile.get_by_role("heading").inner_text(): visitor.amounts(tile)
        for tile in visitor.page.locator("article").all()
    }
    assert {name: amounts for name, amounts in tiles.items() if amounts} == {"Open": [OWED]}


def _ask_the_api(visitor: Visitor, number: str, note: str) -> None:
    token = make_token(visitor)
    api = f"{visitor.home}/api/v1"
    invoice = ask(f"{api}/invoices/{number}", token)
    names = ("net", "tax", "total", "paid", "credited", "balance")
    assert [f"{invoice[name]} EUR" for name in names] == [NET, TAX, TOTAL, PAID, CREDITED, OWED]
    assert (invoice["purchase_order"], invoice["payment_status"]) == ("PO-7", "part_paid")
    assert f"{ask(f'{api}/invoices/{note}', token)['total']} EUR" == CREDITED
    [statement] = ask(f"{api}/customers/{REFERENCE}/statement", token)["statements"]
    [balance] = ask(f"{api}/customers/{REFERENCE}/balance", token)["balances"]
    assert f"{statement['closing']} EUR" == f"{balance['balance']} EUR" == OWED
