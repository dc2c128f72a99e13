"""The pages of `make screenshots` at 320 pixels: each act can be done there, and no table scrolls sideways."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Visit
from tests.browser.screenshots import demo, demo_shots
from tests.browser.server import serving
from tests.levels import FULL, sample

pytestmark = [pytest.mark.browser, pytest.mark.deep]

STEP = 1 if FULL else 6  # all take a minute of CPU time
SCROLLED = """() => [...document.querySelectorAll(".table-region")]
    .filter((region) => region.checkVisibility() && region.scrollWidth > region.clientWidth + 1)
    .map((region) => region.ariaLabel)"""


def test_each_act_can_be_done_at_320_pixels(visit: Visit) -> None:
    with demo() as (app, database_url), serving(database_url) as home:
        visitor = visit(home, 320)
        visitor.sign_in()
        wide = {}
        for shot in sample(demo_shots(app), STEP):
            visitor.page.goto(home + shot.path)
            if shot.act:
                shot.act(visitor.page)
            if names := _scrolled(visitor.page):
                wide[shot.name] = names
        assert wide == {}


def _scrolled(page: Page) -> list[str]:
    """Return the labels of the tables that are wider than the page, with all figures of charts open."""
    page.wait_for_load_state()
    page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = true; })")
    names: list[str] = page.evaluate(SCROLLED)
    return names
