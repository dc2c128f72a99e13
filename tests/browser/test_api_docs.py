"""The API's page: read by whoever is signed in, tried with a token; nothing of another host, nothing that the CSP forbids."""

import pytest

from tests.browser.conftest import Seeded, Visit

pytestmark = [pytest.mark.browser, pytest.mark.deep]


@pytest.mark.parametrize("width", [1280, 320])
def test_a_person_makes_a_token_and_tries_a_route(seeded: Seeded, visit: Visit, width: int) -> None:
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
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".dialog-ux input").fill(token)
    page.locator(".dialog-ux button.authorize").click()
    page.locator(".dialog-ux button.btn-done").click()
    operation = page.locator("#operations-customers-list_customers")
    operation.locator("button.opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    assert answer.locator(".response-col_status").last.inner_text().startswith("200")
    assert "Many 123" in answer.inner_text()
    visitor.check()


def test_a_viewer_reads_it_and_a_session_is_no_token(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 1280)
    visitor.sign_in("viewer")
    visitor.go("/api/docs")
    operation = visitor.page.locator("#operations-customers-list_customers")
    operation.locator("button.opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response-col_status").last
    assert answer.inner_text().startswith("401")
    (refused,) = visitor.faults
    assert refused.startswith(f"401: {seeded.home}/api/v1/customers")
    visitor.faults.clear()


def test_without_script_it_leads_to_the_document(seeded: Seeded, visit: Visit) -> None:
    visitor = visit(seeded.home, 320, javascript=False)
    visitor.sign_in()
    visitor.go("/api/docs")
    visitor.check()
    assert "JavaScript" in visitor.page.locator("main").inner_text()
    assert visitor.page.get_by_role("link", name="OpenAPI document").is_visible()
