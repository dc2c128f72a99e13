"""A passkey in Chromium, on a virtual device: added, and used in place of the password."""

import pytest
from playwright.sync_api import CDPSession

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def plug_in(visitor: Visitor, *, verifies: bool = True) -> CDPSession:
    """Give the window a device that keeps passkeys, and checks who uses it if `verifies`."""
    device = visitor.context.new_cdp_session(visitor.page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return device


def test_a_passkey_is_added_and_signs_in_alone(walked: str, visit: Visit) -> None:
    visitor = visit(walked.replace("127.0.0.1", "localhost"), 320, axe=True)
    plug_in(visitor)
    visitor.sign_in()
    visitor.go("/account/security/passkeys/new")
    visitor.fill(name="Laptop")
    visitor.press("Add passkey")
    assert visitor.page.get_by_role("heading", name="Your recovery codes").is_visible()
    visitor.follow("Continue")
    assert visitor.page.get_by_text("Laptop", exact=True).is_visible()
    visitor.go("/account/settings")
    visitor.page.context.clear_cookies()
    visitor.go("/sign-in?next=/customers")
    visitor.press("Sign in with a passkey")
    assert visitor.page.url.endswith("/customers")


@pytest.mark.deep
def test_without_script_or_a_passkey_the_page_says_so(walked: str, visit: Visit) -> None:
    visitor = visit(walked, javascript=False)
    visitor.sign_in()
    visitor.go("/account/security/passkeys/new")
    assert visitor.page.get_by_text("Passkeys need a current browser with JavaScript").is_visible()
    assert visitor.page.get_by_role("button", name="Add passkey").count() == 0
    failing = visit(walked.replace("127.0.0.1", "localhost"))
    plug_in(failing, verifies=False)
    failing.sign_in()
    failing.go("/account/security/passkeys/new")
    failing.fill(name="Laptop")
    failing.page.get_by_role("button", name="Add passkey").click()
    assert failing.page.get_by_text("The device did not give a passkey. Try again.").is_visible()
