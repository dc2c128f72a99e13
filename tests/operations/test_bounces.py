"""Bounces mark the recipient of a message, once, from a maildir or an IMAP server."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.background import bounces, mail_transport
from billing_admin.domain.messages import Recipient
from billing_admin.formats.maildir import deliver_to_maildir, maildir_messages
from billing_admin.models import AuditEvent, Message, MessageRecipient
from tests.client.test_tls import certificate
from tests.making import make_customer
from tests.messages import make_message
from tests.prepared import prepared
from tests.reports import ImapFolder, imap_server, make_report
from tests.web.reading import fresh

ANNA, BERT = Recipient("Anna", "anna@example.net"), Recipient("Bert", "bert@example.net", "cc")
UNKNOWN_USER = "550 5.1.1 <{0}>: Recipient address rejected: User unknown"


@pytest.fixture
@prepared
def message(session: Session) -> Message:
    return make_message(customer=make_customer(), state="sent", recipients=(ANNA, BERT))


def results(session: Session, id: UUID) -> list[tuple[str, int | None, str]]:
    query = select(MessageRecipient).where(MessageRecipient.message_id == id).order_by(MessageRecipient.position)
    return [(row.result, row.code, row.response) for row in fresh(session, query)]


def events(session: Session) -> list[AuditEvent]:
    return list(fresh(session, select(AuditEvent).where(AuditEvent.action == "message.bounced")))


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["import-bounces", *arguments])


ACCEPTED = ("accepted", 250, "OK")
BOUNCED = ("bounced", 550, UNKNOWN_USER.format("anna@example.net"))


@pytest.mark.both_databases
def test_a_bounce_marks_its_recipient_once(app: Flask, session: Session, message: Message, tmp_path: Path) -> None:
    deliver_to_maildir(tmp_path, make_report(message.id, "Anna@example.net"))
    result = run(app, "--maildir", str(tmp_path))
    assert (result.exit_code, result.stderr) == (
        0,
        "1 bounces recorded, 0 already recorded, 0 reports without a failure.\n",
    )
    bounced = ("bounced", 550, UNKNOWN_USER.format("Anna@example.net"))
    assert results(session, message.id) == [bounced, ACCEPTED]
    (event,) = events(session)
    assert (event.object_type, event.object_id, event.details) == (
        "message",
        message.id,
        {"address": "anna@example.net", "response": bounced[2]},
    )
    assert [stored.is_seen for stored in maildir_messages(tmp_path)] == [True]
    deliver_to_maildir(tmp_path, make_report(message.id, "anna@example.net"))
    assert "0 bounces recorded, 1 already recorded" in run(app, "--maildir", str(tmp_path)).stderr
    assert "0 bounces recorded, 0 already recorded" in run(app, "--maildir", str(tmp_path)).stderr
    assert (results(session, message.id), len(events(session))) == ([bounced, ACCEPTED], 1)


def test_other_messages_are_counted_and_kept(app: Flask, session: Session, message: Message, tmp_path: Path) -> None:
    deliver_to_maildir(tmp_path, b"Subject: Question about my invoice\r\n\r\nHello")
    deliver_to_maildir(tmp_path, make_report(uuid4(), "anna@example.net"))
    deliver_to_maildir(tmp_path, make_report(message.id, "carl@example.net"))
    deliver_to_maildir(tmp_path, make_report(message.id, "anna@example.net", action="delayed"))
    for delays in (1, 0):
        assert run(app, "--maildir", str(tmp_path)).stderr == (
            f"0 bounces recorded, 0 already recorded, {delays} reports without a failure.\n"
            "3 other messages stay unseen in the mailbox.\n"
        )
    assert sorted(stored.is_seen for stored in maildir_messages(tmp_path)) == [False, False, False, True]
    assert (results(session, message.id), events(session)) == ([ACCEPTED, ACCEPTED], [])


def test_a_report_of_a_message_that_is_being_sent_waits(app: Flask, session: Session, tmp_path: Path) -> None:
    """The worker has not stored its results yet."""
    sending = make_message(customer=make_customer(), state="sending")
    deliver_to_maildir(tmp_path, make_report(sending.id, "anna@example.com"))
    assert "1 other messages stay unseen" in run(app, "--maildir", str(tmp_path)).stderr
    assert results(session, sending.id) == [("", None, "")]


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    file, context = certificate(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    mail_transport.trusted_tls.cache_clear()
    yield context
    mail_transport.trusted_tls.cache_clear()


@pytest.fixture
def password(tmp_path: Path) -> list[str]:
    (tmp_path / "password").write_text("Geheim·7\n", encoding="utf-8")
    return ["--password-file", str(tmp_path / "password")]


def imap(port: int, scheme: str = "imaps", path: str = "") -> list[str]:
    return ["--imap", f"{scheme}://bounces@example.com@127.0.0.1:{port}{path}"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_a_folder_of_an_imap_server(
    app: Flask, session: Session, message: Message, trusted: ssl.SSLContext, password: list[str], scheme: str
) -> None:
    folder = ImapFolder({3: b"Subject: Hello\r\n\r\n", 8: make_report(message.id, "anna@example.net"), 9: b""})
    secure = {"tls" if scheme == "imaps" else "starttls": trusted}
    with imap_server(folder, **secure) as port:
        result = run(app, *imap(port, scheme), *password)
        assert result.stderr == (
            "1 bounces recorded, 0 already recorded, 0 reports without a failure.\n"
            "2 other messages stay unseen in the mailbox.\n"
        )
        assert folder.seen == {8}
        folder.seen.clear()  # as if the program had been killed before it marked the report
        assert "0 bounces recorded, 1 already recorded" in run(app, *imap(port, scheme), *password).stderr
    assert results(session, message.id) == [BOUNCED, ACCEPTED]
    assert (len(events(session)), folder.seen) == (1, {8})


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_failures_of_an_imap_server(
    app: Flask, trusted: ssl.SSLContext, password: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ImapFolder({})
    with imap_server(folder, tls=trusted) as port:
        result = run(app, *imap(port, path="/Reports"), *password)
        assert (result.exit_code, result.stderr) == (
            5,
            "The mailbox could not be read: There is no such folder.\n",
        )
        (tmp_path / "wrong").write_text("x")
        result = run(app, *imap(port), "--password-file", str(tmp_path / "wrong"))
        assert result.stderr == "The mailbox could not be read: Wrong user or password.\n"
        monkeypatch.setattr(bounces, "trusted_tls", ssl.create_default_context)
        monkeypatch.delenv("SSL_CERT_FILE")
        result = run(app, *imap(port), *password)
        assert result.stderr.startswith("The mailbox could not be read: its certificate is not trusted: ")
    with imap_server(folder) as port:
        result = run(app, *imap(port, "imap"), *password)
        assert (result.exit_code, result.stderr) == (
            5,
            "The mailbox could not be read: TLS not supported by server.\n",
        )
    assert not any("AUTHENTICATE" in command for command in folder.commands[-2:])
    result = run(app, *imap(port), *password)
    assert (result.exit_code, "Connection refused" in result.stderr) == (5, True)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_wrong_usage(app: Flask, tmp_path: Path) -> None:
    for arguments, code, message in (
        ([], 2, "Give either --imap or --maildir."),
        (["--imap", "imaps://a@b.example", "--maildir", str(tmp_path)], 2, "Give either --imap or --maildir."),
        (["--imap", "imaps://a@b.example"], 2, "Give --password-file, or set BILLING_MAIL_PASSWORD_FILE."),
        (["--imap", "imaps://a:b@c.example"], 5, "it has a password; write the password into a file"),
        (["--imap", "imaps://a@b.example", "--password-file", "/dev/null"], 5, "The password cannot be read."),
        (["--maildir", str(tmp_path)], 5, "is no maildir: it has no folder “new”."),
    ):
        result = run(app, *arguments)
        assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
