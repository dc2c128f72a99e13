"""Somebody at a browser: what they do on many pages, and what no page may do to them."""

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Request, Response

from tests.people import PASSWORD

# Chromium calls every answer from 400 up an error; which ones are meant, each test says by what it looks at.
REFUSALS = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
AXE = Axe()
MOST_TABS = 60


class Visitor:
    """One browser window of one person. `close` fails if any page did what none may do."""

    def __init__(self, context: BrowserContext, home: str, *, javascript: bool, axe: bool) -> None:
        self.context, self.home, self.javascript, self.axe = context, home, javascript, axe
        self.faults: list[str] = []
        self.others: tuple[str, ...] = ()  # other services to which pages may lead
        self.page = context.new_page()
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))
        context.on("request", self._see_request)
        context.on("response", self._see_response)

    def close(self) -> None:
        """Close the window; raise on an error in the console, a CSP violation, a request elsewhere, a missing file."""
        self.context.close()
        assert self.faults == []

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not REFUSALS.match(message.text):
            self.faults.append(f"console: {message.text}")

    def _see_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.home}/", "data:", "blob:", *self.others)):
            self.faults.append(f"request elsewhere: {request.url}")

    def _see_response(self, response: Response) -> None:
        page = response.request.is_navigation_request()
        if response.status >= (500 if page else 400):
            self.faults.append(f"{response.status}: {response.url}")

    # --- what people do ---

    def go(self, path: str) -> Response:
        """Type an address."""
        response = self.page.goto(f"{self.home}{path}")
        assert response is not None
        return response

    def press(self, name: str) -> None:
        """Click the button in the page's main part with this name."""
        self.click(self.page.get_by_role("main").get_by_role("button", name=name, exact=True))

    def follow(self, name: str) -> None:
        """Click the first link in the page's main part with this name, in the menu of acts if it is there."""
        main = self.page.get_by_role("main")
        link, menu = main.get_by_role("link", name=name, exact=True).first, main.locator(".action-menu > summary")
        if not link.count() and menu.count():
            menu.click()
        self.click(link)

    def click(self, place: Locator) -> None:
        """Click what leads to another page, and wait for it."""
        with self.page.expect_navigation():
            place.click()

    def enter(self) -> None:
        """Press Enter where it sends a form."""
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def field(self, label: str) -> Locator:
        """A field of the form on the page, by its label without “(optional)”."""
        named = re.compile(rf"^{re.escape(label)}(\s+\(optional\))?$")
        return self.page.get_by_role("main").get_by_label(named)

    def fill(self, **fields: str) -> None:
        """Fill in fields by their names."""
        for name, value in fields.items():
            place = self.page.locator(f"main [name={name}]")
            if place.evaluate("element => element.tagName") == "SELECT":
                place.select_option(value)
            else:
                place.fill(value)

    def sign_in(self, role: str = "admin", password: str = PASSWORD) -> None:
        """Fill in the sign-in page that is shown, or that leads to the dashboard."""
        if "/sign-in" not in self.page.url:
            self.go("/sign-in")
        self.fill(email=f"{role}@example.com", password=password)
        self.press("Sign in")

    def open_filters(self) -> None:
        """Show all fields of a list's filter, which are folded on a narrow screen."""
        more = self.page.locator(".filter-more > summary")
        if more.is_visible():
            more.click()

    def tab_to(self, place: Locator) -> None:
        """Press Tab until this has the focus."""
        for _ in range(MOST_TABS):
            if place.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {place}")

    def type(self, text: str) -> None:
        """Type where the focus is, in place of what stands there."""
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    # --- what the page says ---

    def amounts(self, within: Locator | None = None) -> list[str]:
        """The amounts as written, such as 1,234.50 EUR."""
        place = (within or self.page.get_by_role("main")).locator("data.money")
        return [" ".join(text.split()) for text in place.all_inner_texts()]

    def fact(self, label: str) -> Locator:
        """The value beside a label of a description list."""
        terms = self.page.locator("main dl > div").filter(has=self.page.locator("dt", has_text=label))
        return terms.first.locator("dd")

    def flash(self) -> Locator:
        """The banner about the previous page's outcome."""
        return self.page.locator(".flash")

    def check(self) -> None:
        """What holds for every page: a title, one h1, nothing that scrolls sideways, and (where asked) nothing that axe finds."""
        page = self.page
        assert page.title().strip()
        assert page.locator("h1").count() == 1, page.url
        wide: Any = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1], f"{page.url} scrolls sideways: {wide}"
        if self.axe:
            results = AXE.run(page)
            assert results.violations_count == 0, f"{page.url}\n{results.generate_report()}"


def paste(cell: Locator, text: str) -> None:
    """Paste into a field, as from a spreadsheet."""
    cell.evaluate(
        """(cell, text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            cell.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        text,
    )
