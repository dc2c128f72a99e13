"""The settings of mail, the test message, and the mailbox of development."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing_admin import create_app
from billing_admin.background.mail_transport import send_now
from billing_admin.config import Settings
from billing_admin.formats.mail import Mail, MailAddress, MailAttachment
from billing_admin.formats.maildir import deliver_to_maildir, maildir_messages
from tests.mailing import MailHandler, mail_server
from tests.people import send, signed_in
from tests.web.pages import words

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
MAIL = Mail(
    id=UUID(int=7),
    made_at=datetime(2026, 11, 29, 12, tzinfo=UTC),
    sender=MailAddress("Example Ltd", "billing@example.com"),
    reply_to=None,
    to=[MailAddress("Anna Müller, CFO", "anna@example.net")],
    cc=[MailAddress("", "cc@example.net")],
    subject="Invoice INV-2026-00042 für <Anna>",
    text="Hello Anna,\n\nhere is <b>your</b> invoice.\n",
    language="en",
    attachments=[MailAttachment('Ä "1".pdf', "application/pdf", b"%PDF-1.7")],
)


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
def mailbox(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    configure(app, monkeypatch, mail_url=f"maildir:{tmp_path / 'mailbox'}")
    return tmp_path / "mailbox"


def configure(app: Flask, monkeypatch: pytest.MonkeyPatch, **changes: str) -> Settings:
    settings: Settings = app.extensions["billing_settings"].model_copy(update=changes)
    monkeypatch.setitem(app.extensions, "billing_settings", settings)
    return settings


pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def test_a_test_message_goes_into_the_mailbox(admin: FlaskClient, mailbox: Path) -> None:
    assert "No messages yet" in words(admin.get("/mailbox").text)
    page = words(admin.get("/settings/mail").text)
    assert "Messages are not sent They are stored in the mailbox." in page
    assert send(admin, "/settings/mail/test").location == "/settings/mail"
    address = "admin@example.com"
    assert f"The message to {address} was accepted: Stored in mailbox." in words(admin.get("/settings/mail").text)
    assert address in words(admin.get("/mailbox").text)
    assert len(maildir_messages(mailbox)) == 1


def test_a_message_is_shown_with_its_parts(admin: FlaskClient, app: Flask, mailbox: Path) -> None:
    settings: Settings = app.extensions["billing_settings"]
    send_now(settings, MAIL)
    send_now(settings, replace(MAIL, id=UUID(int=8), subject="The second one", attachments=[], cc=[]))
    rows = words(admin.get("/mailbox").text)
    assert rows.index("The second one") < rows.index("Invoice INV-2026-00042 für <Anna>")
    name = maildir_messages(mailbox)[1].name
    page = admin.get(f"/mailbox/{name}")
    text = words(page.text)
    assert "Anna Müller, CFO" in text
    assert "here is <b>your</b> invoice." in text
    assert "<b>your</b>" not in page.text
    assert "Return-Path <billing@localhost>" in text
    html = admin.get(f"/mailbox/{name}/html")
    assert html.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "here is &lt;b&gt;your&lt;/b&gt; invoice." in html.text
    file = admin.get(f"/mailbox/{name}/attachments/1")
    assert (file.data, file.mimetype) == (b"%PDF-1.7", "application/pdf")
    assert file.headers["Content-Disposition"].startswith("attachment; filename=")
    assert admin.get(f"/mailbox/{name}/attachments/2").status_code == 404


@pytest.mark.parametrize("name", ["x", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "*", "new"])
def test_only_messages_of_the_mailbox_are_shown(admin: FlaskClient, mailbox: Path, name: str) -> None:
    deliver_to_maildir(mailbox, b"Subject: x\r\n\r\n")
    for path in (f"/mailbox/{name}", f"/mailbox/{name}/html"):
        assert admin.get(path).status_code == 404


def test_a_message_that_is_no_message(admin: FlaskClient, mailbox: Path) -> None:
    deliver_to_maildir(mailbox, b"\xff\x00<script>")
    assert "No subject" in words(admin.get("/mailbox").text)
    assert admin.get(f"/mailbox/{maildir_messages(mailbox)[0].name}").status_code == 200


def test_long_mailboxes_are_cut(admin: FlaskClient, mailbox: Path) -> None:
    for number in range(101):
        deliver_to_maildir(mailbox, f"Subject: Number {number}\r\n\r\n".encode())
    page = words(admin.get("/mailbox").text)
    assert "The newest 100 of 101 messages." in page
    assert page.index("Number 100") < page.index("Number 99")
    assert "Number 0 " not in page


def test_the_answer_of_a_server_is_shown(app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = MailHandler()
    with mail_server(handler) as port:
        configure(
            app,
            monkeypatch,
            mail_url=f"smtp://127.0.0.1:{port}?tls=off",
            mail_from="Ex <billing@example.com>",
            mail_bounces="bounces@example.com",
        )
        page = words(admin.get("/settings/mail").text)
        assert f"Mail server 127.0.0.1, port {port} Encryption None" in page
        assert "Sender Ex <billing@example.com> Delivery reports to bounces@example.com" in page
        send(admin, "/settings/mail/test")
        assert "was accepted: 250 2.0.0 Queued as 4711" in words(admin.get("/settings/mail").text)
        handler.data = "554 5.7.1 Not with this sender"
        send(admin, "/settings/mail/test")
    assert "was not sent. 554 5.7.1 Not with this sender" in words(admin.get("/settings/mail").text)
    (taken,) = handler.taken
    assert taken.rcpt_tos == ["admin@example.com"]
    send(admin, "/settings/mail/test")
    assert "was not sent. Could not connect to the mail server 127.0.0.1" in words(admin.get("/settings/mail").text)


def test_mail_that_is_off_says_how_to_switch_it_on(
    app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(app, monkeypatch, mail_url="off")
    page = admin.get("/settings/mail").text
    assert "BILLING_MAIL_URL" in page
    assert "/settings/mail/test" not in page
    send(admin, "/settings/mail/test")
    assert "was not sent. E-mail is not set up." in words(admin.get("/settings/mail").text)
    assert "Mail server Off" in words(admin.get("/settings").text)


def test_a_viewer_sends_no_test(app: Flask) -> None:
    viewer = signed_in(app, "viewer")
    assert "/settings/mail/test" not in viewer.get("/settings/mail").text
    assert send(viewer, "/settings/mail/test").status_code == 403


def test_production_has_no_mailbox(app: Flask) -> None:
    settings: Settings = app.extensions["billing_settings"]
    production = create_app(
        Settings(
            env="production",
            secret_key=SECRET,
            trusted_hosts=("localhost",),
            database_url=settings.database_url,
            queue_url="immediate:",
        )
    )
    endpoints = {rule.endpoint for rule in production.url_map.iter_rules()}
    assert "mail.show" in endpoints
    assert not {endpoint for endpoint in endpoints if endpoint.startswith("mailbox.")}


def test_the_command_prints_the_answer(app: Flask, mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = app.test_cli_runner().invoke
    result = run(args=["mail-test", "ada@example.com"])
    assert (result.exit_code, result.stderr) == (0, "The message to ada@example.com was accepted: Stored in mailbox.\n")
    result = run(args=["mail-test", "ada"])
    assert (result.exit_code, result.stderr) == (5, "Enter an e-mail address such as billing@example.com.\n")
    configure(app, monkeypatch, mail_url="off")
    result = run(args=["mail-test", "ada@example.com"])
    assert result.exit_code == 5
    assert result.stderr.startswith("The message to ada@example.com was not sent. E-mail is not set up.")
