"""The audit log on a phone."""

import pytest

from tests.browser.conftest import Seeded, Visit

pytestmark = pytest.mark.browser


@pytest.mark.deep
def test_the_page_does_not_scroll_sideways(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 320, javascript=True, axe=True)
    visitor.sign_in()
    visitor.go("/audit")
    shown, room = visitor.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert shown <= room
