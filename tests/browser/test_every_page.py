"""Every page in both themes: no finding of axe, no error in the console, no request to another host."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from billing_admin import clock
from tests.browser.conftest import Visit
from tests.browser.pages import find_pages
from tests.browser.screenshots import demo
from tests.browser.server import serving
from tests.levels import FULL, sample

pytestmark = [pytest.mark.browser, pytest.mark.deep]

AXE = Axe()
MIN_PAGES = 150
STEP = 1 if FULL else 10  # all take ten minutes
ALL_RULES = {"resultTypes": ["violations"]}  # the report of what passes takes longer than the rules
ONLY_COLOURS = {"runOnly": ["color-contrast"], **ALL_RULES}  # the themes differ in nothing else


def test_every_page_of_the_demo_in_both_themes(visit: Visit) -> None:
    with demo() as (app, database_url), serving(database_url) as home:
        pages = find_pages(app, clock.now().date().isoformat())
        assert len(pages) > MIN_PAGES
        visitor = visit(home)
        visitor.sign_in()
        findings = []
        for path in sample(pages.values(), STEP):
            response = visitor.go(path)
            assert response.ok, path
            findings += [f"{path} light: {text}" for text in _violations(visitor.page, ALL_RULES)]
            visitor.page.emulate_media(color_scheme="dark")
            findings += [f"{path} dark: {text}" for text in _violations(visitor.page, ONLY_COLOURS)]
            visitor.page.emulate_media(color_scheme="light")
        assert findings == []


def _violations(page: Page, options: dict[str, list[str]]) -> list[str]:
    violations = AXE.run(page, options=options).response["violations"]
    return [f"{row['id']}: {row['nodes'][0]['html'][:200]}" for row in violations]
