"""Settings of mail: every wrong value is refused at the start, with the variable and the fix."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from billing_admin import create_app
from billing_admin.config import Settings
from billing_admin.domain.mail_servers import Encryption, Maildir, MailServer

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
PRODUCTION: dict[str, Any] = {"env": "production", "secret_key": SECRET, "trusted_hosts": ("billing.example.com",)}


def make(**changes: Any) -> Settings:
    values: dict[str, Any] = {"secret_key": SECRET, "mail_from": "billing@example.com"}
    return Settings(**values | changes)


def test_development_keeps_messages_and_production_is_off(tmp_path: Path) -> None:
    settings = Settings(secret_key=SECRET, database_url=f"sqlite:///{tmp_path / 'x.sqlite3'}")
    assert settings.mail_transport == Maildir(tmp_path / "mailbox")
    assert (settings.mail_sender, settings.mail_domain) == (("", "billing@localhost"), "localhost")
    assert settings.mail_per_minute == 60
    assert Settings(**PRODUCTION).mail_transport is None


def test_a_mail_server(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss wörd\n", encoding="utf-8")
    settings = make(
        mail_url="smtp://me@mail.example.com",
        mail_password_file=file,
        mail_from='"Example, Ltd" <billing@München.example>',
        mail_bounces="bounces@example.com",
    )
    assert settings.mail_transport == MailServer("mail.example.com", 587, "me", Encryption.STARTTLS)
    assert settings.mail_sender == ("Example, Ltd", "billing@München.example")
    assert settings.mail_domain == "xn--mnchen-3ya.example"
    assert settings.read_mail_password() == "p@ss wörd"
    assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"public_url": "https://billing.example.com/books/"}, "https://billing.example.com/books"),
        ({"public_url": "http://[::1]:8010"}, "http://[::1]:8010"),
        (PRODUCTION, "https://billing.example.com"),
        ({**PRODUCTION, "public_url": "https://money.example.com"}, "https://money.example.com"),
    ],
)
def test_links_begin_with_the_configured_address(changes: dict[str, Any], url: str) -> None:
    assert make(**changes).base_url == url


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"mail_url": "mail.example.com"},
            "Correct BILLING_MAIL_URL. This address of a mail server cannot be used: use smtp:",
        ),
        ({"mail_url": "smtp://a:secret@b.example"}, "BILLING_MAIL_PASSWORD_FILE names"),
        ({"mail_url": "smtp://a@b.example"}, "Set BILLING_MAIL_PASSWORD_FILE to a file with the password of a."),
        ({"mail_url": "smtp://b.example", "mail_from": ""}, "Set BILLING_MAIL_FROM to the sender of messages"),
        (
            {"mail_password_file": "/nowhere/password"},
            "Correct BILLING_MAIL_PASSWORD_FILE: /nowhere/password cannot be read",
        ),
        ({"mail_password_file": "/dev/null"}, "Correct BILLING_MAIL_PASSWORD_FILE: /dev/null is empty."),
        ({"mail_password_file": __file__}, "Add the user to BILLING_MAIL_URL, or unset BILLING_MAIL_PASSWORD_FILE"),
        ({"mail_from": "Example"}, "Correct BILLING_MAIL_FROM. Enter an e-mail address such as billing@example.com."),
        ({"mail_bounces": "B <b@example.com>"}, "Correct BILLING_MAIL_BOUNCES. Enter an e-mail address"),
        ({"public_url": "billing.example.com"}, "Set BILLING_PUBLIC_URL to the address of this service"),
        ({"public_url": "https://billing.example.com/?a=b"}, "Set BILLING_PUBLIC_URL to the address of this service"),
        ({**PRODUCTION, "public_url": "http://billing.example.com"}, "begins with https://"),
        ({"mail_per_minute": 0}, "greater than or equal to 1"),
        ({**PRODUCTION, "mail_url": "maildir:/tmp/x"}, "production does not allow maildir:."),
        ({**PRODUCTION, "mail_url": "smtp://b.example?tls=off"}, "Remove ?tls=off from BILLING_MAIL_URL"),
    ],
)
def test_wrong_values(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(**changes)
    assert message in str(caught.value)
    assert "secret@" not in str(caught.value)


def test_production_sends_without_tls_to_this_machine_only() -> None:
    settings = Settings(**PRODUCTION, mail_url="smtp://localhost:25?tls=off", mail_from="billing@example.com")
    assert settings.mail_transport == MailServer("localhost", 25, "", Encryption.OFF)


def test_a_wrong_value_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_MAIL_URL", "smtp://me:secret@mail.example.com")
    with pytest.raises(SystemExit) as caught:
        create_app()
    assert "Correct BILLING_MAIL_URL. " in str(caught.value)
    assert "secret" not in str(caught.value)
