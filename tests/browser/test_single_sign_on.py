"""Single sign-on in Chromium, with a provider of its own: sign in, confirm in a second window, go on in the first."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from billing_admin import clock
from billing_admin.db.transactions import transaction
from billing_admin.models import UserSession
from tests.browser.conftest import Visit
from tests.browser.server import serving
from tests.identity_provider import CLIENT, SECRET, serving_provider

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
CONTINUE = "Continue as ada@example.com"


@pytest.mark.deep
def test_a_person_signs_in_and_confirms_without_a_password(app: Flask, visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with serving_provider() as provider:
        provider.claims["groups"] = ["admins"]
        with serving(
            app.extensions["billing_settings"].database_url,
            public_url="{address}",
            oidc_issuer=provider.issuer,
            oidc_client_id=CLIENT,
            oidc_client_secret_file=str(file),
            oidc_name="Example ID",
            oidc_role_claim="groups",
            oidc_roles=json.dumps({"admins": "admin"}),
            oidc_create_people="true",
        ) as home:
            visitor = visit(home, 320, axe=True)
            visitor.others = (provider.issuer,)
            visitor.go("/users/new")
            visitor.check()
            visitor.press("Sign in with Example ID")
            visitor.page.get_by_role("link", name=CONTINUE).click()
            visitor.page.wait_for_url(f"{home}/users/new")
            with app.app_context():
                earlier = clock.now() - timedelta(minutes=11)
                transaction(lambda session: session.execute(update(UserSession).values(confirmed_at=earlier)))
            visitor.fill(email="eve@example.com")
            visitor.page.get_by_label("Viewer").check()
            visitor.page.get_by_role("button", name="Show link").click()
            visitor.check()
            with visitor.context.expect_page() as opened:
                visitor.page.get_by_role("link", name="Confirm with Example ID").click()
            window = opened.value
            window.get_by_role("link", name=CONTINUE).click()
            assert window.get_by_role("heading", name="Your identity is confirmed").is_visible()
            window.close()
            visitor.press("Continue")
            assert visitor.page.get_by_text("/choose-password?token=").is_visible()
