"""What people may rely on whatever they do: input kept, one banner, places found again, nothing made twice, rights."""

import re
import urllib.error
import urllib.request
from decimal import Decimal
from http import HTTPStatus

import pytest
from playwright.sync_api import Locator, expect
from sqlalchemy import Select, func, select

from billing_admin import clock
from billing_admin.db.engine import db
from billing_admin.models import BillingRun, Invoice
from tests.browser.conftest import Seeded, Visit
from tests.browser.visitor import Visitor
from tests.making import bill, make_customer, make_service, make_spec, post

pytestmark = pytest.mark.browser

WAYS = [
    pytest.param(1280, True, id="wide", marks=pytest.mark.deep),
    pytest.param(320, True, id="narrow"),
    pytest.param(1280, False, id="without-javascript"),
]


def _window(seeded: Seeded, visit: Visit, width: int = 1280, *, javascript: bool = True) -> Visitor:
    """A window; axe looks on where it is narrow, as the walk has it look at wide ones."""
    return visit(seeded.home, width, javascript=javascript, axe=width == 320)


@pytest.fixture
def admin(seeded: Seeded, visit: Visit) -> Visitor:
    """An admin who is signed in."""
    visitor = _window(seeded, visit)
    visitor.sign_in()
    return visitor


@pytest.mark.parametrize(("width", "javascript"), WAYS)
def test_signing_in_leads_back_and_keeps_the_address(
    seeded: Seeded, visit: Visit, width: int, javascript: bool
) -> None:
    visitor = _window(seeded, visit, width, javascript=javascript)
    visitor.go("/invoices?currency=EUR")
    assert "/sign-in" in visitor.page.url
    visitor.sign_in(password="not it")
    assert visitor.page.title().startswith("Error: ")
    summary = visitor.page.get_by_role("alert")
    assert "There is a problem" in summary.inner_text()
    assert summary.evaluate("element => element === document.activeElement")
    assert visitor.field("E-mail address").input_value() == "admin@example.com"
    assert visitor.field("Password").input_value() == ""
    visitor.check()
    visitor.sign_in()
    assert visitor.page.url == f"{seeded.home}/invoices?currency=EUR"


@pytest.mark.parametrize("tile", ["Overdue", "Open"])
def test_a_figure_leads_to_a_list_of_the_same_total(admin: Visitor, tile: str) -> None:
    figure = admin.page.locator("article").filter(has=admin.page.get_by_role("heading", name=tile))
    shown = admin.amounts(figure)
    assert len(shown) == 2
    assert tile == "Open" or shown == ["170.20 EUR", "170.20 USD"]
    admin.click(figure.get_by_role("link"))
    assert [admin.amounts(row)[-1] for row in admin.page.locator("tfoot tr").all()] == shown


@pytest.mark.deep
def test_slash_and_a_number_lead_to_the_invoice(admin: Visitor) -> None:
    admin.go("/invoices")
    number = admin.page.locator("tbody").get_by_role("link", name="INV-").first.inner_text()
    admin.go("/")
    admin.page.keyboard.press("/")
    admin.page.keyboard.type(number)
    admin.enter()
    assert number in admin.page.locator("h1").inner_text()
    admin.page.emulate_media(media="print")
    assert not admin.page.get_by_role("navigation").first.is_visible()
    assert not admin.page.get_by_role("search").is_visible()
    assert admin.page.get_by_role("main").get_by_text(number).last.is_visible()


@pytest.mark.parametrize(("width", "javascript"), WAYS)
def test_a_refused_form_keeps_its_input_and_a_banner_shows_once(
    seeded: Seeded, visit: Visit, width: int, javascript: bool
) -> None:
    visitor = _window(seeded, visit, width, javascript=javascript)
    visitor.sign_in()
    visitor.go("/customers/new")
    visitor.fill(email="books@example.com", notes="Two\nlines", currency="USD")
    visitor.press("Save customer")
    assert visitor.page.title().startswith("Error: ")
    visitor.check()
    visitor.page.get_by_role("alert").get_by_role("link").click()
    assert visitor.field("Name").evaluate("element => element === document.activeElement")
    assert visitor.field("E-mail address").input_value() == "books@example.com"
    assert visitor.field("Notes").input_value().splitlines() == ["Two", "lines"]
    assert visitor.field("Currency").input_value() == "USD"

    name = f"Banner {width} {javascript}"
    visitor.fill(name=name)
    visitor.press("Save customer")
    assert name in visitor.flash().inner_text()
    assert visitor.flash().count() == 1
    visitor.page.reload()
    assert visitor.flash().count() == 0

    visitor.go("/customers/new")
    visitor.fill(name=name)
    visitor.press("Save customer")
    assert visitor.page.get_by_role("main").get_by_role("link", name=name).is_visible()
    visitor.check()
    visitor.press("Save anyway")
    assert name in visitor.flash().inner_text()


@pytest.mark.parametrize("wrong", ["abc", "1.234,50"])
def test_an_amount_is_read_exactly_or_explained(seeded: Seeded, visit: Visit, wrong: str) -> None:
    visitor = _window(seeded, visit, 320)
    visitor.sign_in()
    visitor.go("/charges/new?customer=EMPTY")
    visitor.page.get_by_text("Description, amount").first.click()
    visitor.fill(description=f"Amount {wrong}", amount=wrong)
    visitor.press("Save charge")
    assert visitor.page.title().startswith("Error: ")
    explained = visitor.page.get_by_role("alert").inner_text()
    assert "1234.50" in explained or "1,234.50" in explained
    assert visitor.field("Amount").input_value() == wrong
    visitor.check()
    visitor.fill(amount="1,234.50")
    visitor.press("Save charge")
    assert visitor.amounts()[0] == "1,234.50 EUR"


def _account(seeded: Seeded, reference: str) -> str:
    """The preview of a run over the one charge of a new customer."""
    today = clock.now().date()
    with seeded.app.app_context():
        post(make_spec(make_customer(reference=reference, currency="EUR"), "10.00", incurred_on=today), now=clock.now())
    return f"/billing-runs/preview?through={today}&customers={reference}&make=issue&issue_date={today}"


def test_a_charge_added_meanwhile_shows_the_preview_again(seeded: Seeded, admin: Visitor) -> None:
    admin.go(_account(seeded, "MEANWHILE"))
    first = admin.page
    admin.page = admin.context.new_page()
    admin.go("/charges/new?customer=MEANWHILE")
    admin.page.get_by_text("Description, amount").first.click()
    admin.fill(description="Meanwhile", amount="5")
    admin.press("Save charge")
    admin.page = first
    admin.press("Issue 1 invoice, 10.00 EUR")
    assert admin.page.title().startswith("Error: ")
    admin.check()
    assert _count(seeded, _invoices_of("MEANWHILE")) == 0
    admin.press("Issue 1 invoice, 15.00 EUR")
    assert "15.00 EUR" in admin.flash().inner_text()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_double_click_makes_one_run(seeded: Seeded, visit: Visit, javascript: bool) -> None:
    """Chromium may drop the second click by itself, so the form is also sent once more behind its back."""
    visitor = _window(seeded, visit, javascript=javascript)
    visitor.sign_in()
    reference = f"DOUBLE-{javascript}"
    visitor.go(_account(seeded, reference))
    preview = visitor.page.url
    form = visitor.page.locator("form").filter(has=visitor.page.get_by_role("button", name="Issue 1 invoice"))
    hidden = form.locator("input[type=hidden]").all()
    fields: dict[str, str | float | bool] = {field.get_attribute("name") or "": field.input_value() for field in hidden}
    before = _count(seeded, select(func.count()).select_from(BillingRun))

    form.get_by_role("button").dblclick()
    # The second click leads to the same page once more: what was there at the first may be gone again.
    expect(visitor.page).to_have_url(re.compile(r"/billing-runs/[0-9a-f-]{36}$"))
    expect(visitor.page.get_by_role("main").locator("data.money", has_text="10.00 EUR").first).to_be_visible()
    visitor.page.wait_for_load_state()
    again = visitor.context.request.post(preview, form=fields)
    assert again.url == visitor.page.url
    assert _count(seeded, select(func.count()).select_from(BillingRun)) == before + 1
    assert _count(seeded, _invoices_of(reference)) == 1


def _invoices_of(reference: str) -> Select[int]:
    return select(func.count()).select_from(Invoice).where(Invoice.customer_reference == reference)


def _count(seeded: Seeded, query: Select[int]) -> int:
    with seeded.app.app_context():
        return db.session.scalar(query) or 0


@pytest.mark.parametrize(("width", "javascript"), WAYS)
@pytest.mark.deep
def test_back_leads_to_the_same_rows(seeded: Seeded, visit: Visit, width: int, javascript: bool) -> None:
    visitor = _window(seeded, visit, width, javascript=javascript)
    visitor.sign_in()
    visitor.go("/invoices?status=open")
    visitor.open_filters()
    visitor.page.get_by_label("Currency").select_option("EUR")
    if javascript:  # the filter applies as it changes
        visitor.page.wait_for_url("**currency=EUR**")
    else:
        visitor.press("Filter")
    visitor.check()
    visitor.follow("Next page")
    visitor.check()
    url, rows = visitor.page.url, visitor.page.locator("tbody tr").all_inner_texts()
    assert "currency=EUR" in url
    assert "status=open" in url
    assert rows
    visitor.click(visitor.page.locator("tbody").get_by_role("link", name="INV-").first)
    visitor.page.go_back()
    assert visitor.page.url == url
    assert visitor.page.locator("tbody tr").all_inner_texts() == rows


@pytest.mark.deep
def test_a_viewer_is_refused_every_write(seeded: Seeded, visit: Visit) -> None:
    visitor = _window(seeded, visit)
    visitor.sign_in("viewer")
    for path in ("/", "/customers", "/services", "/charges", "/unbilled", "/billing-runs", "/invoices"):
        visitor.go(path)
        links = visitor.page.get_by_role("main").get_by_role("link").all_inner_texts()
        assert not {"New customer", "New service", "Add charge", "Run billing"} & set(links), path
    assert visitor.go("/customers/new").status == HTTPStatus.FORBIDDEN
    assert "customers:write" in visitor.page.content()
    visitor.check()
    visitor.go("/")
    token = visitor.page.locator("input[name=csrf_token]").first.get_attribute("value") or ""
    answer = visitor.context.request.post(f"{seeded.home}/customers/new", form={"csrf_token": token, "name": "No"})
    assert answer.status == HTTPStatus.FORBIDDEN


@pytest.mark.deep
def test_a_revoked_token_is_refused(seeded: Seeded, admin: Visitor) -> None:
    admin.go("/tokens/new")
    admin.fill(name="To be revoked")
    admin.page.locator("main input[value=read]").check()
    admin.press("Create token")
    secret = admin.page.locator("main code").first.inner_text()
    asking = urllib.request.Request(f"{seeded.home}/api/v1/customers", headers={"Authorization": f"Bearer {secret}"})
    urllib.request.urlopen(asking, timeout=10).close()
    admin.go("/tokens")
    admin.click(admin.page.get_by_role("link", name="Revoke To be revoked"))
    admin.press("Revoke token")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asking, timeout=10)
    assert refused.value.code == HTTPStatus.UNAUTHORIZED
    refused.value.close()


def test_a_narrow_line_keeps_the_unit_beside_its_quantity(seeded: Seeded, visit: Visit) -> None:
    today = clock.now().date()
    with seeded.app.app_context():
        service = make_service(code="NARROW", unit="hour", prices={"EUR": Decimal("1.5")})
        customer = make_customer(reference="NARROW", currency="EUR")
        post(make_spec(customer, service=service, quantity="104", incurred_on=today), now=clock.now())
        bill(today, customers=[customer], now=clock.now())
        (id,) = db.session.scalars(select(Invoice.id).where(Invoice.customer_reference == "NARROW"))
        db.session.remove()
    visitor = _window(seeded, visit, 320)
    visitor.sign_in()
    visitor.go(f"/invoices/{id}")
    cell = visitor.page.locator("td[data-label=Quantity]").first
    quantity, unit, whole = (
        part.bounding_box() for part in (cell.locator(".quantity"), cell.locator(".currency"), cell)
    )
    assert quantity
    assert unit
    assert whole
    assert quantity["x"] + quantity["width"] <= unit["x"] <= quantity["x"] + quantity["width"] + 10
    assert quantity["y"] <= unit["y"] + unit["height"] / 2 <= quantity["y"] + quantity["height"]
    assert whole["x"] + whole["width"] - unit["x"] - unit["width"] < 5


@pytest.mark.deep
def test_the_amounts_of_a_tile_leave_room_for_its_name(admin: Visitor) -> None:
    admin.go("/")
    for width in (320, 412, 480, 600, 768):
        admin.page.set_viewport_size({"width": width, "height": 800})
        rooms = admin.page.locator(".tile h2").evaluate_all("names => names.map((name) => name.clientWidth)")
        assert min(rooms) >= 100, width


@pytest.mark.deep
def test_folded_filters_open_in_the_order_in_which_tab_leads(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 320, javascript=False)
    visitor.sign_in()
    visitor.go("/invoices")
    order = visitor.page.locator(".filter-bar").locator("input:not([type=hidden]), select, summary, button")
    assert _texts_by_place(order) == ["More filters", "q", "Filter"]
    visitor.open_filters()
    opened = ["More filters", "q", "kind", "sent", "currency", "issued_from", "issued_to", "Period", "Filter"]
    assert _texts_by_place(order) == opened
    visitor.go("/journal?from=2026-01-01")
    assert _texts_by_place(order) == ["from", "to", "Period", "opening", "Show"]


def _texts_by_place(controls: Locator) -> list[str]:
    """The names of the visible controls in the order of the page, which is the order that one sees."""
    shown = [control for control in controls.all() if control.is_visible()]
    boxes = [control.bounding_box() for control in shown]
    ends = [(round(box["y"] + box["height"]), box["x"]) for box in boxes if box]
    assert ends == sorted(ends)
    return [control.get_attribute("name") or control.inner_text().strip() for control in shown]
