"""Settings of single sign-on: every wrong or missing one is named at the start, with the fix."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from billing_admin.config import OIDC_FIELDS, Settings
from billing_admin.domain.single_sign_on import ProviderSettings

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
PRODUCTION: dict[str, Any] = {"env": "production", "secret_key": SECRET, "trusted_hosts": ("billing.example.com",)}


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """The settings that are needed."""
    file = tmp_path / "secret"
    file.write_text("provider secret\n")
    return {"oidc_issuer": "https://login.example.com/", "oidc_client_id": "billing", "oidc_client_secret_file": file}


def problems(**changes: Any) -> str:
    with pytest.raises(ValidationError) as error:
        Settings(**PRODUCTION | changes)
    return str(error.value)


def test_nothing_is_configured_by_default() -> None:
    assert Settings(secret_key=SECRET).identity_provider is None
    blank = {"oidc_issuer": "", "oidc_client_secret_file": ""}
    assert Settings(**PRODUCTION | blank).identity_provider is None
    assert {name for name in Settings.model_fields if name.startswith("oidc_")} == OIDC_FIELDS


def test_three_settings_are_enough(given: dict[str, Any]) -> None:
    assert Settings(**PRODUCTION, **given).identity_provider == ProviderSettings(
        "https://login.example.com/",
        "billing",
        "provider secret",
        "single sign-on",
        "https://billing.example.com/sign-in/single-sign-on/callback",
    )


def test_all_settings_from_the_environment(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        **{name: str(value) for name, value in given.items()},
        "oidc_name": "Example ID",
        "oidc_scopes": "openid email groups",
        "oidc_role_claim": "groups",
        "oidc_roles": json.dumps({"cn=admins,ou=groups": "admin", "finance": "Branch office"}),
        "oidc_create_people": "true",
        "oidc_email_domains": "example.com, @example.org",
        "oidc_second_factor": "true",
    }
    assert variables.keys() == OIDC_FIELDS
    for name, value in variables.items():
        monkeypatch.setenv(f"BILLING_{name.upper()}", value)
    provider = Settings(secret_key=SECRET, public_url="https://billing.example.com/app").identity_provider
    assert provider is not None
    assert provider.redirect_uri == "https://billing.example.com/app/sign-in/single-sign-on/callback"
    assert provider.roles == {"cn=admins,ou=groups": "admin", "finance": "Branch office"}
    assert (provider.scopes, provider.role_claim) == (("openid", "email", "groups"), "groups")
    assert (provider.email_domains, provider.name) == (("example.com", "example.org"), "Example ID")
    assert (provider.creates_people, provider.checks_second_factor) == (True, True)


def test_all_missing_ones_are_named_at_once() -> None:
    named = problems(oidc_create_people=True)
    for variable in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET_FILE", "ROLES"):
        assert f"Set BILLING_OIDC_{variable}" in named


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"oidc_issuer": "http://login.example.com"},
            "Set BILLING_OIDC_ISSUER to an address that begins with https://",
        ),
        ({"oidc_issuer": "http://localhost:8080"}, "Set BILLING_OIDC_ISSUER to an address that begins with https://"),
        ({"oidc_issuer": "https://"}, "Set BILLING_OIDC_ISSUER"),
        ({"oidc_issuer": "https://me:password@login.example.com"}, "Set BILLING_OIDC_ISSUER"),
        ({"oidc_issuer": "https://login.example.com:x"}, "Set BILLING_OIDC_ISSUER"),
        ({"oidc_client_secret_file": "/nowhere"}, "Correct BILLING_OIDC_CLIENT_SECRET_FILE: /nowhere cannot be read"),
        ({"oidc_scopes": "email"}, "Set BILLING_OIDC_SCOPES to scopes with openid among them"),
        ({"oidc_role_claim": "groups"}, "Set BILLING_OIDC_ROLE_CLAIM and BILLING_OIDC_ROLES together"),
        ({"oidc_roles": {"finance": "biller"}}, "Set BILLING_OIDC_ROLE_CLAIM and BILLING_OIDC_ROLES together"),
        ({"oidc_create_people": True}, "a new person needs a role"),
    ],
)
def test_a_wrong_one_is_named(given: dict[str, Any], changes: dict[str, Any], sentence: str) -> None:
    named = problems(**given | changes)
    assert sentence in named
    assert "password@" not in named


@pytest.mark.parametrize("text", ["finance=biller", "[]", '{"finance": 1}', "[" * 100_000])
def test_roles_that_are_not_the_json_of_an_object_are_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("BILLING_OIDC_ROLES", text)
    assert "Set BILLING_OIDC_ROLES to the role of each group as JSON" in problems()


def test_blank_roles_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_OIDC_ROLES", "")
    assert Settings(**PRODUCTION).oidc_roles == {}


def test_a_provider_on_this_machine_needs_no_tls_in_development(given: dict[str, Any]) -> None:
    settings = Settings(secret_key=SECRET, **given | {"oidc_issuer": "http://127.0.0.1:8080"})
    assert settings.identity_provider is not None
    assert settings.identity_provider.issuer == "http://127.0.0.1:8080"
