"""The API's pages: read by whoever is signed in, tried with a token; nothing of another host, nothing that the CSP forbids."""

import pytest

from tests.browser.conftest import Seeded, Visit

pytestmark = [pytest.mark.browser, pytest.mark.deep]


@pytest.mark.parametrize("width", [1280, 320])
def test_a_person_makes_a_token_and_tries_a_call(seeded: Seeded, visit: Visit, width: int) -> None:
    """A visitor whose console says anything of an error, as for a breach of the CSP, fails."""
    visitor = visit(seeded.home, width)
    visitor.sign_in()
    visitor.go("/tokens/new")
    visitor.fill(name=f"Trying it, {width} wide")
    visitor.page.locator("main [name=scopes][value=read]").check()
    visitor.press("Create token")
    token = visitor.page.locator("main").get_by_text("bil_").first.inner_text().strip()
    visitor.follow("Done")
    visitor.follow("Try the API")
    page = visitor.page
    page.get_by_label("Find a call").fill("list customers")
    assert 0 < page.locator("[data-call]:visible").count() < 20 < page.locator("[data-call]").count()
    page.locator("[data-call]:visible a[href$='#list_customers']").click()
    call = page.locator("#list_customers")
    call.get_by_text("Try this call").click()
    call.get_by_label("Token").fill(token)
    call.get_by_label("limit").fill("3")
    call.get_by_role("button", name="Send request").click()
    answer = call.locator("[data-answer]")
    answer.get_by_text("200").wait_for()
    assert "Many 123" in answer.inner_text()
    visitor.check()


def test_a_viewer_reads_it_and_a_session_is_no_token(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 1280)
    visitor.sign_in("viewer")
    visitor.go("/api/docs/customers")
    call = visitor.page.locator("#list_customers")
    call.get_by_text("Try this call").click()
    call.get_by_role("button", name="Send request").click()
    call.locator("[data-answer]").get_by_text("401").first.wait_for()
    (refused,) = visitor.faults
    assert refused.startswith(f"401: {seeded.home}/api/v1/customers")
    visitor.faults.clear()


def test_without_script_every_call_is_shown(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 320, javascript=False)
    visitor.sign_in()
    visitor.go("/api/docs/customers")
    visitor.check()
    assert "curl " in visitor.page.locator("#list_customers").inner_text()
    assert not visitor.page.get_by_text("Try this call").first.is_visible()
