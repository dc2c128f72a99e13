"""The 25 steps of a newcomer; five of them by keyboard alone, on a narrow screen and without JavaScript.

The steps stand in these tests, by their numbers in the design of the pages:

- 1, 2 `test_conventions.py`: signing in leads back and keeps the address
- 3 a figure leads to a list of the same total; 4 slash and a number lead to the invoice
- 5, 6, 7 a refused form keeps its input, and a banner shows once; a second customer of the name is asked about
- 10 an amount is read exactly or explained; 11 `test_grid.py`: twenty rows are pasted, one is wrong
- 12, 13, 16 `test_walk.py`: unbilled, preview, result
- 14 a charge added meanwhile shows the preview again; 15 a double click makes one run
- 22 back leads to the same rows
- 8, 9, 17 to 21, 23, 24, 25 below, in one session, with all of it in the audit log
"""

import csv
import io
import re
import urllib.error
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from pypdf import PdfReader
from sqlalchemy import Select, func, select

from billing_admin import clock
from billing_admin.db.engine import db
from billing_admin.models import AuditEvent, BillingRun, Customer, Invoice, Payment
from tests.browser.conftest import Seeded, Visit
from tests.browser.test_walk import ask, make_token
from tests.browser.visitor import Visitor
from tests.making import make_customer, make_invoice, make_service
from tests.people import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.deep]

MOST_TABS = 120
# 3 × 19.99 and 19 % on it
NET, TAX, TOTAL = "59.97 EUR", "11.39 EUR", "71.36 EUR"
ACTIONS = {
    "customer.created",
    "service.created",
    "service.price_changed",
    "charge.posted",
    "billing_run.started",
    "billing_run.finished",
    "invoice.issued",
    "invoice.voided",
    "payment.recorded",
    "credit_note.issued",
    "token.created",
    "token.revoked",
}


def test_a_newcomer_bills_corrects_collects_and_exports(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home)
    visitor.sign_in()
    visitor.go("/customers/new")
    visitor.fill(name="=cmd|calc", reference="NEWCOMER", currency="EUR")
    visitor.press("Save customer")
    charge = _keep_the_old_price(visitor)
    token = make_token(visitor)
    _compare_with_the_api(visitor, charge, token)
    invoice = _bill(visitor)
    _compare_the_documents(visitor, invoice, token)
    _refuse_to_edit(visitor, invoice)
    _void(visitor, seeded, invoice)
    _overpay(visitor, seeded)
    _credit_too_much(visitor)
    _export(visitor)
    _import(visitor, seeded)
    _revoke(visitor, token)
    _find_it_all_in_the_audit_log(visitor, seeded)


def _keep_the_old_price(visitor: Visitor) -> str:
    """Step 8 and the page's part of step 9; return the path of the charge."""
    visitor.go("/services/new")
    visitor.fill(code="Newcomer", tax_rate="VAT19")
    visitor.page.locator("main [name='prices-0-currency']").select_option("EUR")
    visitor.page.locator("main [name='prices-0-unit_price']").fill("19.99")
    visitor.press("Save service")
    service = visitor.page.url
    visitor.go("/charges/new?customer=NEWCOMER")
    visitor.fill(service="Newcomer", quantity="3")
    visitor.press("Save charge")
    charge = visitor.page.url.removeprefix(visitor.home)
    if not re.search(r"/charges/[0-9a-f-]{36}$", charge):
        visitor.go("/charges?customer=NEWCOMER")
        visitor.click(visitor.page.locator("tbody").get_by_role("link").first)
        charge = visitor.page.url.removeprefix(visitor.home)
    visitor.page.goto(service)
    visitor.follow("Set price")
    visitor.fill(currency="EUR", unit_price="25")
    visitor.press("Save price")
    assert "25.00 EUR" in visitor.amounts()
    visitor.go(charge)
    assert NET in visitor.amounts()
    assert "75.00 EUR" not in visitor.amounts()
    return charge


def _compare_with_the_api(visitor: Visitor, charge: str, token: str) -> None:
    """Step 9: the amount on the page and in the API, and the total with tax that would be billed."""
    answer = ask(f"{visitor.home}/api/v1{charge}", token)
    assert (answer["quantity"], answer["unit_price"], answer["amount"]) == ("3", "19.99", "59.97")
    visitor.go("/customers?q=NEWCOMER")
    visitor.click(visitor.page.locator("tbody").get_by_role("link").first)
    assert {NET, TAX, TOTAL} <= set(visitor.amounts())


def _bill(visitor: Visitor) -> str:
    today = clock.now().date()
    visitor.go(f"/billing-runs/preview?through={today}&customer=NEWCOMER&make=issue&issue_date={today}")
    visitor.press(f"Issue 1 invoice, {TOTAL}")
    visitor.go("/invoices?customer=NEWCOMER")
    visitor.click(visitor.page.locator("tbody").get_by_role("link", name="INV-").first)
    return visitor.page.url.removeprefix(visitor.home)


def _compare_the_documents(visitor: Visitor, invoice: str, token: str) -> None:
    """Step 17: the page, the PDF and the API agree; navigation is not printed."""
    visitor.go(invoice)
    assert _text(visitor.fact("Total")) == TOTAL
    number = _text(visitor.fact("Invoice"))
    pdf = visitor.context.request.get(f"{visitor.home}{invoice}/pdf").body()
    words = " ".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())
    answer = ask(f"{visitor.home}/api/v1/invoices/{number}", token)
    for amount in (answer["net"], answer["tax"], answer["total"]):
        assert f"{amount}" in words
    assert number in words
    assert (answer["net"], answer["tax"], answer["total"]) == ("59.97", "11.39", "71.36")
    visitor.page.emulate_media(media="print")
    assert not visitor.page.get_by_role("navigation").first.is_visible()
    visitor.page.emulate_media(media="screen")


def _refuse_to_edit(visitor: Visitor, invoice: str) -> None:
    """Step 18: the refusal names what is possible, and the page offers it."""
    assert visitor.go(f"{invoice}/edit").status == HTTPStatus.CONFLICT
    said = _text(visitor.page.get_by_role("main"))
    assert "credit" in said.lower()
    assert "void" in said.lower()
    visitor.go(invoice)
    acts = visitor.page.locator("main .action-menu a").all_text_contents()
    assert {"Credit", "Void"} <= {text.split()[0] for text in acts}


def _void(visitor: Visitor, seeded: Seeded, invoice: str) -> None:
    """Step 19: without a reason nothing happens; with one, the number stays and the charges are pending again."""
    visitor.go(invoice)
    number = _text(visitor.fact("Invoice"))
    visitor.go(f"{invoice}/void")
    visitor.press(f"Void invoice {number}")
    assert visitor.page.title().startswith("Error: ")
    assert "reason" in visitor.page.get_by_role("alert").inner_text()
    visitor.check()
    visitor.fill(reason="Wrong hours")
    visitor.press(f"Void invoice {number}")
    assert _text(visitor.fact("Invoice")) == number
    assert "void" in _text(visitor.page.locator("h1, .page-header")).lower()
    with seeded.app.app_context():
        assert db.session.scalar(select(Invoice.status).where(Invoice.number == number)) == "void"
    visitor.go("/charges?customer=NEWCOMER&status=pending")
    assert visitor.page.locator("tbody tr").count() == 1


def _overpay(visitor: Visitor, seeded: Seeded) -> None:
    """Step 20: a payment of two invoices with 5.00 too much is kept on request, once."""
    with seeded.app.app_context():
        customer = make_customer(reference="TWICE", name="Twice", currency="EUR")
        for amount in ("100", "200"):
            make_invoice(customer, amount, now=clock.now())
    visitor.go("/payments/new?customer=TWICE")
    visitor.fill(amount="305", reference="Too much")
    for part, amount in zip(visitor.page.locator("main [name^=part_]").all(), ("100", "200"), strict=True):
        part.fill(amount)
    visitor.press("Record payment")
    assert visitor.page.title().startswith("Error: ")
    assert "5.00 EUR" in visitor.page.get_by_role("alert").inner_text()
    visitor.page.locator("main [name=keep]").check()
    form = visitor.page.locator("main form").filter(has=visitor.page.get_by_role("button", name="Record payment"))
    fields: Any = dict(form.evaluate("form => [...new FormData(form)]"))
    address = form.get_attribute("action") or visitor.page.url.removeprefix(visitor.home)
    visitor.press("Record payment")
    assert _text(visitor.fact("Unallocated")).startswith("5.00 EUR")
    again = visitor.context.request.post(f"{visitor.home}{address}", form=fields)
    assert again.url == visitor.page.url
    with seeded.app.app_context():
        query = select(func.count()).select_from(Payment).where(Payment.reference == "Too much")
        assert db.session.scalar(query) == 1


def _credit_too_much(visitor: Visitor) -> None:
    """Step 21: the error states the largest amount."""
    visitor.go("/invoices?customer=EURO&status=open")
    visitor.click(visitor.page.locator("tbody").get_by_role("link", name="INV-").first)
    total = _text(visitor.fact("Total"))
    visitor.follow("Credit")
    visitor.page.locator("main [name=way][value=amount]").check()
    visitor.fill(amount="99999", reason="Too much")
    visitor.press("Review credit note")
    assert total in visitor.page.get_by_role("alert").inner_text()
    visitor.fill(amount="0.10")
    visitor.press("Review credit note")
    visitor.press("Issue credit note, 0.10 EUR")
    assert "CN-" in visitor.flash().inner_text()


def _export(visitor: Visitor) -> None:
    """Step 23: the file has the rows and the sum of the filter; a name that begins with `=` is text."""
    visitor.go("/invoices?currency=EUR&status=open")
    total = visitor.amounts(visitor.page.locator("tfoot"))[-1]
    rows = _csv(visitor, "/exports/invoices.csv?currency=EUR&status=open")
    shown = re.search(r"([0-9,]+) invoices", _text(visitor.page.get_by_role("main")))
    assert shown
    assert len(rows) == int(shown[1].replace(",", "")) > 100
    assert f"{sum(Decimal(row['balance']) for row in rows):,.2f} EUR" == total
    [customer] = [row for row in _csv(visitor, "/exports/customers.csv") if row["reference"] == "NEWCOMER"]
    assert customer["name"] == "'=cmd|calc"


def _csv(visitor: Visitor, path: str) -> list[dict[str, str]]:
    content = visitor.context.request.get(f"{visitor.home}{path}").body().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content, newline="")))


def _import(visitor: Visitor, seeded: Seeded) -> None:
    """Step 24: line 7 is wrong, so nothing is written; the same file again is pointed out."""
    lines = ["reference,name,currency", *(f"IMP{n},Imported {n},EUR" for n in range(1, 9))]
    wrong = [*lines[:6], lines[6].replace("EUR", "EURO"), *lines[7:]]
    _upload(visitor, wrong)
    said = _text(visitor.page.get_by_role("main"))
    assert "7" in _text(visitor.page.get_by_role("row").filter(has_text="EURO").first)
    assert "currency" in said.lower()
    assert _imported(seeded) == 0
    _upload(visitor, lines)
    visitor.press("Import 8 new customers")
    assert _imported(seeded) == 8
    _upload(visitor, lines)
    assert "This file was already imported" in visitor.page.content()


def _upload(visitor: Visitor, lines: list[str]) -> None:
    visitor.go("/imports/customers/new")
    file: Any = {"name": "customers.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    visitor.page.set_input_files("main input[type=file]", file)
    visitor.press("Upload file")
    visitor.press("Check file")


def _imported(seeded: Seeded) -> int:
    return _count(seeded, select(func.count()).select_from(Customer).where(Customer.reference.startswith("IMP")))


def _revoke(visitor: Visitor, token: str) -> None:
    """Step 25: the token was shown once, in `make_token`; once revoked it is refused."""
    visitor.go("/tokens")
    visitor.click(visitor.page.get_by_role("link", name="Revoke The walk").first)
    visitor.press("Revoke token")
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(f"{visitor.home}/api/v1/customers", token)
    assert refused.value.code == HTTPStatus.UNAUTHORIZED
    refused.value.close()


def _find_it_all_in_the_audit_log(visitor: Visitor, seeded: Seeded) -> None:
    """Step 25: the log has every act of this person; its page names the actor."""
    with seeded.app.app_context():
        query = select(AuditEvent.action).where(AuditEvent.actor_name == "admin@example.com").distinct()
        actions = set(db.session.scalars(query))
    assert actions >= ACTIONS, ACTIONS - actions
    visitor.go("/audit?actor=admin%40example.com&type=payment")
    assert "admin@example.com" in _text(visitor.page.locator("tbody tr").first)
    visitor.check()


def _text(place: Locator) -> str:
    return " ".join(place.first.inner_text().split())


def _count(seeded: Seeded, query: Select[int]) -> int:
    with seeded.app.app_context():
        return db.session.scalar(query) or 0


# --- by keyboard alone ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "javascript"),
    [
        pytest.param(1280, True, id="wide"),
        pytest.param(320, True, id="narrow"),
        pytest.param(1280, False, id="without-javascript"),
        pytest.param(320, False, id="narrow-without-javascript"),
    ],
)
def test_five_steps_by_keyboard_alone(seeded: Seeded, visit: Visit, width: int, javascript: bool) -> None:
    keyboard = Keyboard(visit(seeded.home, width, javascript=javascript, axe=javascript))
    name = f"Keys {width} {javascript}"
    _sign_in(keyboard)
    _add_a_customer(keyboard, name)
    _add_a_charge(keyboard, seeded, f"KEYS-{width}-{javascript}")
    _run_billing_twice(keyboard, seeded, f"KEYS-{width}-{javascript}")
    _come_back(keyboard)


class Keyboard:
    """A person who only has a keyboard."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.page = visitor, visitor.page

    def reach(self, place: Locator, key: str = "Tab") -> None:
        """Press Tab, or Shift+Tab to come from the end of the page, until this has the focus."""
        for _ in range(MOST_TABS):
            if place.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"Tab does not lead to {place}")

    def enter(self, label: str, text: str) -> None:
        """Type a text into the field with this label."""
        self.reach(self.visitor.field(label))
        self.visitor.type(text)

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a list by typing its beginning."""
        self.reach(self.visitor.field(label))
        self.page.keyboard.type(option)

    def press(self, place: Locator, key: str = "Tab") -> None:
        """Press Enter on a button or link that leads to a page."""
        self.reach(place, key)
        self.visitor.enter()

    def press_button(self, name: str) -> None:
        """Press Enter on the button with this name."""
        self.press(self.page.get_by_role("main").get_by_role("button", name=name, exact=True))


def _sign_in(keyboard: Keyboard) -> None:
    """Step 2."""
    visitor = keyboard.visitor
    visitor.go("/invoices")
    keyboard.enter("E-mail address", "admin@example.com")
    keyboard.enter("Password", "not it")
    visitor.enter()
    assert keyboard.page.title().startswith("Error: ")
    assert keyboard.page.get_by_role("alert").evaluate("element => element === document.activeElement")
    assert visitor.field("E-mail address").input_value() == "admin@example.com"
    visitor.check()
    keyboard.enter("Password", PASSWORD)
    visitor.enter()
    assert keyboard.page.url == f"{visitor.home}/invoices"


def _add_a_customer(keyboard: Keyboard, name: str) -> None:
    """Step 5."""
    visitor, page = keyboard.visitor, keyboard.page
    visitor.go("/customers/new")
    keyboard.enter("E-mail address", "keys@example.com")
    keyboard.press_button("Save customer")
    assert page.title().startswith("Error: ")
    visitor.check()
    keyboard.reach(page.get_by_role("alert").get_by_role("link").first)
    page.keyboard.press("Enter")
    assert visitor.field("Name").evaluate("element => element === document.activeElement")
    visitor.type(name)
    assert visitor.field("E-mail address").input_value() == "keys@example.com"
    visitor.enter()
    assert name in visitor.flash().inner_text()


def _add_a_charge(keyboard: Keyboard, seeded: Seeded, reference: str) -> None:
    """Step 9."""
    with seeded.app.app_context():
        make_customer(reference=reference, name=f"Charged {reference}", currency="EUR")
        make_service(code=f"S-{reference}", tax_rate="VAT19", unit="hour", prices={"EUR": Decimal("19.99")})
    visitor = keyboard.visitor
    visitor.go(f"/charges/new?customer={reference}")
    keyboard.enter("Service", f"S-{reference}")
    keyboard.enter("Quantity", "3")
    visitor.enter()
    assert NET in visitor.amounts()
    visitor.check()


def _run_billing_twice(keyboard: Keyboard, seeded: Seeded, reference: str) -> None:
    """Step 15: Enter twice on the confirmation makes one run."""
    visitor, page, today = keyboard.visitor, keyboard.page, clock.now().date()
    visitor.go(f"/billing-runs/preview?through={today}&customer={reference}&make=issue&issue_date={today}")
    before = _count(seeded, select(func.count()).select_from(BillingRun))
    keyboard.reach(page.get_by_role("main").get_by_role("button", name=f"Issue 1 invoice, {TOTAL}", exact=True))
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/billing-runs/[0-9a-f-]{36}$"))
    # The page of a run that is not done refreshes itself by script, and without script by its link.
    refresh = page.get_by_role("link", name="Refresh", exact=True)
    for _ in range(20 if not visitor.javascript else 0):
        if not refresh.is_visible():
            break
        page.wait_for_timeout(500)
        keyboard.press(refresh)
    expect(page.get_by_role("main").locator("data.money", has_text=TOTAL).first).to_be_visible()
    assert _count(seeded, select(func.count()).select_from(BillingRun)) == before + 1
    visitor.check()


def _come_back(keyboard: Keyboard) -> None:
    """Step 22: filter, sort, page 2, open and back."""
    visitor, page = keyboard.visitor, keyboard.page
    visitor.go("/invoices?status=open")
    more = page.locator(".filter-more > summary")
    if more.is_visible():
        visitor.tab_to(more)
        page.keyboard.press("Enter")
    keyboard.choose("Currency", "EUR")
    if visitor.javascript:
        page.wait_for_url("**currency=EUR**")
    else:
        keyboard.press_button("Filter")
    sort = page.locator("thead").get_by_role("link", name="Total").first
    if sort.is_visible():
        keyboard.press(sort)
        assert page.locator("th[aria-sort]").count() == 1
    keyboard.press(page.get_by_role("main").get_by_role("link", name="Next page", exact=True), "Shift+Tab")
    url, rows = page.url, page.locator("tbody tr").all_inner_texts()
    assert "currency=EUR" in url
    visitor.check()
    keyboard.press(page.locator("tbody").get_by_role("link", name="INV-").first)
    page.go_back()
    assert page.url == url
    assert page.locator("tbody tr").all_inner_texts() == rows
