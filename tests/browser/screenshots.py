"""`make screenshots`: a picture of each page of the demo data in five widths and both themes, into screenshots/.

`--readme` also writes docs/dashboard.png; `--only NAME` takes the pages whose name begins so, `--width 320` one width,
`--theme dark` one theme, and `--locale de-DE` the pages in German.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import flask_migrate
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy import URL, func, select

from tests.browser.pages import find_pages
from tests.browser.server import ROOT, SECRET, chromium, serving
from tests.browser.visitor import paste
from tests.people import PASSWORD

FOLDER = ROOT / "screenshots"
README_PICTURE = ROOT / "docs" / "dashboard.png"
WIDTHS = {320: 640, 768: 1024, 1280: 800, 1366: 768, 1920: 1080}
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
TALLEST = 2_400


@dataclass(frozen=True, slots=True)
class Shot:
    """A page, its address, and what is done on it before the picture is taken."""

    name: str
    path: str
    act: Callable[[Page], None] | None = None


def main() -> None:
    """Take the pictures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", action="store_true", help="also write docs/dashboard.png")
    parser.add_argument("--only", default="", metavar="NAME", help="only the pages whose name begins so")
    parser.add_argument("--width", type=int, choices=WIDTHS, help="only this width")
    parser.add_argument("--theme", choices=THEMES, help="only this theme")
    parser.add_argument("--locale", default="en-GB", help="the language of the browser")
    asked = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with demo() as (app, database_url), serving(database_url) as home, chromium() as browser:
        shots = [shot for shot in _all_shots(app) if shot.name.startswith(asked.only)]
        themes = [theme for theme in THEMES if asked.theme in {None, theme}]
        for width in WIDTHS:
            if asked.width in {None, width}:
                _take(browser, home, width, themes, shots, asked.locale)
        if asked.readme:
            _take_for_readme(browser, home)


@contextmanager
def demo() -> Iterator[tuple[Flask, str]]:
    """An application on a temporary database with the demo data, an admin and a viewer."""
    from billing_admin import clock, create_app, demo as demo_data  # noqa: PLC0415
    from billing_admin.config import Settings  # noqa: PLC0415
    from billing_admin.db.engine import db  # noqa: PLC0415
    from billing_admin.db.transactions import transaction  # noqa: PLC0415
    from tests.people import person  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="billing-") as folder:
        url = URL.create("sqlite", database=str(Path(folder) / "demo.sqlite3")).render_as_string()
        app = create_app(Settings(database_url=url, secret_key=SECRET, queue_url="immediate:"))
        with app.app_context():
            flask_migrate.upgrade(str(ROOT / "migrations"))
            transaction(demo_data.fill, clock.now())
            person(app, "admin")
            person(app, "viewer")
            yield app, url
            db.session.remove()
            db.engine.dispose()


def _all_shots(app: Flask) -> list[Shot]:
    """The pages and states below, and each page that links lead to besides."""
    from billing_admin import clock  # noqa: PLC0415

    pages = find_pages(app, clock.now().date().isoformat())  # first: later its requests would share a session
    shots = demo_shots(app)
    paths, names = {shot.path for shot in shots}, {shot.name for shot in shots}
    others = [Shot(endpoint.replace(".", "-"), path) for endpoint, path in pages.items() if path not in paths]
    return shots + [shot for shot in others if shot.name not in names]


def demo_shots(app: Flask) -> list[Shot]:
    """Pages in all states that matter, with the ids that this demo has."""
    from billing_admin import clock  # noqa: PLC0415
    from billing_admin.db.engine import db  # noqa: PLC0415
    from billing_admin.models import (  # noqa: PLC0415
        BillingRun,
        Charge,
        Customer,
        Invoice,
        InvoiceLine,
        InvoiceTax,
        Payment,
        RecurringCharge,
        Service,
        TaxRate,
        VoidedCharge,
    )

    def one(column: Any, *where: Any, order: Any = None) -> Any:
        return db.session.scalar(select(column).where(*where).order_by(order).limit(1))

    charge = one(Charge.id, Charge.status == "pending", order=Charge.amount.desc())
    held = one(Charge.id, Charge.status == "held")
    billed = one(Charge.id, Charge.status == "billed")
    duplicate = one(Charge.id, Charge.duplicate_of_id.is_not(None), Charge.status == "pending")
    once_void = one(VoidedCharge.charge_id)
    customer = one(Charge.customer_id, Charge.id == charge)
    currency = one(Charge.currency, Charge.id == charge)
    archived = one(Customer.id, Customer.archived_at.is_not(None))
    draft = one(Invoice.id, Invoice.status == "draft")
    lines = select(func.count()).where(InvoiceLine.invoice_id == Invoice.id).scalar_subquery()
    invoice = one(Invoice.id, Invoice.status == "issued", order=lines.desc())
    line = one(InvoiceLine.id, InvoiceLine.invoice_id == invoice, order=InvoiceLine.charges.desc())
    inclusive = one(InvoiceTax.invoice_id, InvoiceTax.included, order=InvoiceTax.invoice_id)
    rate, untaxed = one(TaxRate.id, TaxRate.code == "standard"), one(TaxRate.id, TaxRate.category == "AE")
    void = one(Invoice.id, Invoice.status == "void")
    note = one(Invoice.id, Invoice.kind == "credit_note")
    credited = one(Invoice.id, Invoice.credited > 0)
    open_one = one(
        Invoice.id, Invoice.status == "issued", Invoice.kind == "invoice", Invoice.paid + Invoice.credited == 0
    )
    run = one(BillingRun.id, order=BillingRun.created_at.desc())
    service = one(Service.id, order=Service.code)
    recurring = one(RecurringCharge.id, order=RecurringCharge.created_at)
    agreed_with = one(RecurringCharge.customer_id, RecurringCharge.id == recurring)
    owing = one(Invoice.id, Invoice.status == "issued", Invoice.total > Invoice.paid, order=Invoice.due_date)
    debtor = one(Invoice.customer_id, Invoice.id == owing)
    paid = one(
        Payment.id, Payment.status == "recorded", Payment.allocated == Payment.amount, order=Payment.amount.desc()
    )
    kept = one(Payment.id, Payment.status == "recorded", Payment.allocated < Payment.amount)
    reversed_ = one(Payment.id, Payment.status == "reversed")
    return [
        Shot("dashboard", "/"),
        Shot("set-up", "/set-up/organisation"),
        Shot("set-up-look", "/set-up/look"),
        Shot("search", "/search?q=cloud"),
        Shot("search-nothing", "/search?q=nothing-like-it"),
        Shot("customers", "/customers"),
        Shot("imports", "/imports"),
        Shot("import-charges", "/imports/charges/new"),
        Shot("customers-none-match", "/customers?q=nothing-like-it"),
        Shot("customer", f"/customers/{customer}"),
        Shot("customer-charges", f"/customers/{customer}/charges"),
        Shot("customer-invoices", f"/customers/{customer}/invoices"),
        Shot("customer-current", f"/customers/{customer}/current/{currency}"),
        Shot("customer-archived", f"/customers/{archived}"),
        Shot("customer-new", "/customers/new"),
        Shot("customer-new-refused", "/customers/new", lambda page: _press(page, "Save customer")),
        Shot("customer-edit", f"/customers/{customer}/edit"),
        Shot("customer-archive", f"/customers/{customer}/archive"),
        Shot("services", "/services"),
        Shot("service", f"/services/{service}"),
        Shot("service-new", "/services/new"),
        Shot("service-edit", f"/services/{service}/edit"),
        Shot("charges", "/charges"),
        Shot("duplicates", "/charges/duplicates"),
        Shot("duplicate", f"/charges/duplicates/{duplicate}"),
        Shot("duplicates-keep", "/charges/duplicates", _keep_one),
        Shot("charge-pending", f"/charges/{charge}"),
        Shot("charge-held", f"/charges/{held}"),
        Shot("charge-billed", f"/charges/{billed}"),
        Shot("charge-once-void", f"/charges/{once_void}"),
        Shot("charge-duplicate", f"/charges/{duplicate}"),
        Shot("charge-correct", f"/charges/{charge}/correct"),
        Shot("charge-cancel", f"/charges/{charge}/cancel"),
        Shot("charge-new", "/charges/new"),
        Shot("charge-new-refused", "/charges/new", _refused_charge),
        Shot("charges-many", "/charges/many", _paste_charges),
        Shot("charges-many-refused", "/charges/many", _refused_charges),
        Shot("recurring", "/recurring-charges"),
        Shot("recurring-new", "/recurring-charges/new"),
        Shot("recurring-charge", f"/recurring-charges/{recurring}"),
        Shot("recurring-change", f"/recurring-charges/{recurring}/change"),
        Shot("recurring-end", f"/recurring-charges/{recurring}/end"),
        Shot("recurring-pause", f"/recurring-charges/{recurring}/pause"),
        Shot("customer-recurring", f"/customers/{agreed_with}/recurring"),
        Shot("unbilled", "/unbilled"),
        Shot("unbilled-account", f"/unbilled/{customer}/{currency}"),
        Shot("unbilled-hold", f"/unbilled/{customer}/{currency}", _hold_two),
        Shot("billing-runs", "/billing-runs"),
        Shot("billing-run-choose", "/billing-runs/new"),
        Shot("billing-run-preview", "/billing-runs/new", lambda page: _press(page, "Preview invoices")),
        Shot("billing-run-result", f"/billing-runs/{run}"),
        Shot("invoices", "/invoices"),
        Shot("invoices-overdue", "/invoices?status=overdue"),
        Shot("invoice", f"/invoices/{invoice}"),
        Shot("invoice-explain", f"/invoices/{invoice}/explain"),
        Shot("invoice-tax-included", f"/invoices/{inclusive}"),
        Shot("invoice-tax-included-explain", f"/invoices/{inclusive}/explain"),
        Shot("invoice-line", f"/invoices/{invoice}/lines/{line}"),
        Shot("invoice-draft", f"/invoices/{draft}"),
        Shot("invoice-issue", f"/invoices/{draft}/issue"),
        Shot("invoice-discard", f"/invoices/{draft}/discard"),
        Shot("invoice-edit", f"/invoices/{draft}/edit"),
        Shot("invoice-charges", f"/invoices/{draft}/charges"),
        Shot("invoices-issue", "/invoices/issue"),
        Shot("invoice-void-ask", f"/invoices/{open_one}/void"),
        Shot("invoice-void", f"/invoices/{void}"),
        Shot("invoice-credit", f"/invoices/{open_one}/credit"),
        Shot("invoice-credit-confirm", f"/invoices/{open_one}/credit", _show_credit),
        Shot("invoice-credited", f"/invoices/{credited}"),
        Shot("credit-note", f"/invoices/{note}"),
        Shot("numbers", "/numbers"),
        Shot("numbers-invoices", f"/numbers/invoice/{clock.now().year}"),
        Shot("period-lock", "/settings/period-lock"),
        Shot("period-lock-warned", "/settings/period-lock", lambda page: _press(page, "Save period lock")),
        Shot("invoice-owing", f"/invoices/{owing}"),
        Shot("payments", "/payments"),
        Shot("payment", f"/payments/{paid}"),
        Shot("payment-unallocated", f"/payments/{kept}"),
        Shot("payment-reversed", f"/payments/{reversed_}"),
        Shot("payment-allocate", f"/payments/{kept}/allocate"),
        Shot("payment-reverse", f"/payments/{paid}/reverse"),
        Shot("payment-choose", "/payments/new"),
        Shot("payment-new", f"/payments/new?customer={debtor}&invoice={owing}"),
        Shot("payment-suggested", f"/payments/new?customer={debtor}", _suggest),
        Shot("payment-refused", f"/payments/new?customer={debtor}&invoice={owing}", _overpay),
        Shot("payment-write-off", f"/payments/write-off/{owing}"),
        Shot("ageing", "/ageing"),
        Shot("reminders", "/reminders"),
        Shot("reminders-preview", "/reminders/preview"),
        Shot("reminder-settings", "/settings/reminders"),
        Shot("reminder-pause", f"/invoices/{owing}/reminder-pause"),
        Shot("customer-payments", f"/customers/{debtor}/payments"),
        Shot("customer-statement", f"/customers/{debtor}/statement"),
        Shot("customer-owing", f"/customers/{debtor}"),
        Shot("export-payments", "/exports/payments"),
        Shot("export-invoices", "/exports/invoices?status=open"),
        Shot("export-charges", "/exports/charges?status=pending"),
        Shot("export-customers", "/exports/customers"),
        Shot("verify-file", "/verify-file"),
        Shot("verify-file-refused", "/verify-file", lambda page: _press(page, "Verify file")),
        Shot("verify-file-same", "/verify-file", _bring_back),
        Shot("verify-file-changed", "/verify-file", _bring_back_changed),
        Shot("journal-choose", "/journal"),
        Shot("journal", f"/journal?from={clock.now().year}-01-01&opening=1"),
        Shot("journal-accounts", "/journal/accounts"),
        Shot("token-new", "/tokens/new"),
        Shot("token-made", "/tokens/new", _make_token),
        Shot("tokens", "/tokens"),
        Shot("token-revoke", "/tokens/new", _revoke_token),
        Shot("people", "/users"),
        Shot("person-new", "/users/new"),
        Shot("person-role", "/users", lambda page: page.get_by_role("link", name="Change role").first.click()),
        Shot("person-close", "/users", lambda page: page.get_by_role("link", name="Deactivate").last.click()),
        Shot("password", "/account/password"),
        Shot("settings", "/settings"),
        Shot("audit", "/audit"),
        Shot("settings-edit", "/settings/organisation"),
        Shot("settings-tax", "/settings/tax"),
        Shot("settings-documents", "/settings/documents"),
        Shot("settings-numbers", "/settings/numbers"),
        Shot("settings-logo", "/settings/logo"),
        Shot("mail", "/settings/mail"),
        Shot("mail-tested", "/settings/mail", lambda page: _press(page, "Send a test to me")),
        Shot("mailbox", "/mailbox"),
        Shot("message-texts", "/settings/texts"),
        Shot("message-text", "/settings/texts/invoice/de"),
        Shot("message-text-edit", "/settings/texts/reminder-2/en/edit", lambda page: _press(page, "Preview")),
        Shot("bank-accounts", "/settings/bank-accounts"),
        Shot("bank-account-new", "/settings/bank-accounts/new"),
        Shot("tax-rate-new", "/settings/tax-rates/new"),
        Shot("tax-rate", f"/settings/tax-rates/{rate}"),
        Shot("tax-rate-edit", f"/settings/tax-rates/{untaxed}/edit"),
        Shot("tax-rate-change", f"/settings/tax-rates/{rate}/change"),
        Shot("tax-rate-changed", f"/settings/tax-rates/{rate}/change", _change_tax),
        Shot("error-404", "/invoices/00000000-0000-0000-0000-000000000000"),
        Shot("help", "/", lambda page: page.get_by_role("link", name="Keyboard shortcuts").click()),
    ]


def _show_credit(page: Page) -> None:
    page.get_by_label("Reason").fill("The last week was not delivered")
    _press(page, "Review credit note")


def _press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def _refused_charge(page: Page) -> None:
    page.get_by_label("Quantity").fill("many")
    page.get_by_label("Unit price").fill("1.234,50")
    _press(page, "Save charge")


def _bring_back(page: Page, change: Callable[[bytes], bytes] = bytes) -> None:
    file, meta = (page.request.get(page.url.replace("/verify-file", url)).body() for url in _EXPORTED)
    page.set_input_files("#file", {"name": "payments.csv", "mimeType": "text/csv", "buffer": change(file)})
    page.set_input_files("#totals", {"name": "payments.csv.meta.json", "mimeType": "application/json", "buffer": meta})
    _press(page, "Verify file")


def _bring_back_changed(page: Page) -> None:
    _bring_back(page, lambda file: file.replace(b",", b";").replace(b";10", b";20"))


_EXPORTED = ("/exports/payments.csv", "/exports/payments.csv.meta.json")


def _suggest(page: Page) -> None:
    page.get_by_label("Amount received").fill("50,000.00")
    _press(page, "Allocate to oldest first")


def _overpay(page: Page) -> None:
    page.get_by_label("Amount received").fill("999,999.00")
    _press(page, "Record payment")


PASTED = "acme\tGenericCompute\t3\t\t2026-11-02\tNightly\n\tIPAddress\t12\t0.39\nacme\t{}\t1"


def _paste_charges(page: Page) -> None:
    page.locator("#customer").fill("acme")
    paste(page.locator("#rows-0-customer"), PASTED.format("IPAddress"))


def _refused_charges(page: Page) -> None:
    page.locator("#customer").fill("acme")
    paste(page.locator("#rows-0-customer"), PASTED.format("Unheard of"))
    _press(page, "Save charges")


def _hold_two(page: Page) -> None:
    for box in page.locator("td.select input").all()[:2]:
        box.check()
    _press(page, "Hold 2 charges")


def _keep_one(page: Page) -> None:
    page.locator("td.select input").first.check()
    _press(page, "Keep 1 charge")


def _change_tax(page: Page) -> None:
    page.get_by_label("From").fill("2027-01-01")
    page.get_by_label("Percent").fill("20")
    _press(page, "Change percentage")


def _make_token(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("Nightly meter import")
    page.get_by_label("charges:write").check()
    page.locator("input[value=read]").check()
    _press(page, "Create token")


def _revoke_token(page: Page) -> None:
    _make_token(page)
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Revoke").first.click()


def _take(browser: Browser, home: str, width: int, themes: Sequence[Theme], shots: Sequence[Shot], locale: str) -> None:
    context = browser.new_context(
        base_url=home, viewport={"width": width, "height": WIDTHS[width]}, locale=locale, reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto("/invoices")
    _save(page, "sign-in", width, themes)
    _sign_in(page)
    for shot in shots:
        page.goto(shot.path)
        if shot.act and locale.startswith("en"):  # the acts press buttons by their names
            shot.act(page)
        _save(page, shot.name, width, themes)
    context.close()


def _sign_in(page: Page, role: str = "admin") -> None:
    page.locator("[name=email]").fill(f"{role}@example.com")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main button[type=submit]").first.click()


def _save(page: Page, name: str, width: int, themes: Sequence[Theme]) -> None:
    """The whole page, or its beginning where it is very long, in a window of that height: what sticks, sticks there."""
    page.wait_for_load_state()
    page.evaluate("() => document.fonts.ready.then(() => true)")
    height = min(int(page.evaluate("document.documentElement.scrollHeight")), TALLEST)
    page.set_viewport_size({"width": width, "height": height})
    for theme in themes:
        path = FOLDER / f"{name}-{width}{'-dark' if theme == 'dark' else ''}.png"
        page.emulate_media(color_scheme=theme)
        page.screenshot(path=path)
        print(path.relative_to(ROOT))
    page.set_viewport_size({"width": width, "height": WIDTHS[width]})


def _take_for_readme(browser: Browser, home: str) -> None:
    context = browser.new_context(base_url=home, viewport={"width": 1280, "height": 800}, locale="en-GB")
    page = context.new_page()
    page.goto("/")
    with page.expect_navigation():
        _sign_in(page)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=README_PICTURE)
    print(README_PICTURE.relative_to(ROOT))
    context.close()


if __name__ == "__main__":
    main()
