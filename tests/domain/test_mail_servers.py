"""URLs of mail servers, and addresses that can stand in a header."""

from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.mail_servers import (
    Encryption,
    Maildir,
    MailServer,
    MailTransport,
    bounce_address,
    bounced_message_id,
    check_mail_address,
    parse_imap_url,
    parse_mail_url,
    split_named_address,
)


@pytest.mark.parametrize(
    ("url", "transport"),
    [
        ("off", None),
        ("smtp://mail.example.com", MailServer("mail.example.com", 587, "", Encryption.STARTTLS)),
        ("smtp://me@mail.example.com:25", MailServer("mail.example.com", 25, "me", Encryption.STARTTLS)),
        ("smtp://me%40x.com@MAIL.example.com", MailServer("mail.example.com", 587, "me@x.com", Encryption.STARTTLS)),
        ("smtps://me@x.com@mail.example.com", MailServer("mail.example.com", 465, "me@x.com", Encryption.TLS)),
        ("smtp://127.0.0.1:25?tls=off", MailServer("127.0.0.1", 25, "", Encryption.OFF)),
        ("smtp://[::1]:25/?tls=off", MailServer("::1", 25, "", Encryption.OFF)),
        ("maildir:/var/mail/billing", Maildir(Path("/var/mail/billing"))),
        ("maildir:///var/mail/billing", Maildir(Path("/var/mail/billing"))),
        ("maildir:instance/mailbox", Maildir(Path("instance/mailbox"))),
    ],
)
def test_transports(url: str, transport: MailTransport) -> None:
    assert parse_mail_url(url) == transport


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mail.example.com", "use smtp://user@mail.example.com:587"),
        ("http://mail.example.com", "use smtp://"),
        ("smtp://", "use smtp://"),
        ("smtp://me:secret@mail.example.com", "it has a password; write the password into a file"),
        ("smtp://mail.example.com:99999", "it is no URL"),
        ("smtp://mail.example.com:0", "use a port from 1 to 65535"),
        ("smtp://mail example.com", "mail example.com is no host name"),
        ("smtp://mail.example.com?tls=on", "the only option is [?]tls=off, after smtp://"),
        ("smtp://mail.example.com?tls=off&tls=off", "the only option"),
        ("smtps://mail.example.com?tls=off", "the only option is [?]tls=off, after smtp://"),
        ("smtp://me%0d%0a@mail.example.com", "the user has a control character"),
        ("maildir:", "maildir: needs a folder"),
    ],
)
def test_urls_that_are_refused(url: str, reason: str) -> None:
    with pytest.raises(Invalid, match=f"cannot be used: {reason}") as caught:
        parse_mail_url(url)
    assert "secret" not in caught.value.message


def test_mailboxes() -> None:
    expected = MailServer("mail.example.com", 993, "bounces", Encryption.TLS, "INBOX/Reports")
    assert parse_imap_url("imaps://bounces@mail.example.com/INBOX/Reports") == expected
    assert parse_imap_url("imap://me@127.0.0.1?tls=off") == MailServer("127.0.0.1", 143, "me", Encryption.OFF)
    with pytest.raises(Invalid, match="it has no user"):
        parse_imap_url("imaps://mail.example.com")
    with pytest.raises(Invalid, match="only a server on this machine"):
        parse_imap_url("imap://me@mail.example.com?tls=off")
    with pytest.raises(Invalid, match="the folder has a control character"):
        parse_imap_url("imaps://me@mail.example.com/INBOX%0d%0aA1%20DELETE%20x")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.8.0.1", True), ("::1", True), ("10.0.0.1", False), ("localhost.example.com", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert MailServer(host, 25, "", Encryption.OFF).is_loopback is expected


@pytest.mark.parametrize(
    "address",
    [
        "",
        "billing",
        "@example.com",
        "billing@",
        "a@b@example.com",
        "a b@example.com",
        '"a b"@example.com',
        "a@example..com",
        "a@example.com.",
        "a@exa!mple.com",
        "a\r\nBcc:x@example.com",
        "a@example.com\n",
        "<a@example.com>",
        "a,b@example.com",
        "a\u2028@example.com",
        "a\x00@example.com",
        "a" * 250 + "@example.com",
        "a@" + "b" * 70 + ".com",
        "a@" + "ü" * 70 + ".com",
    ],
)
def test_addresses_that_cannot_be_used(address: str) -> None:
    with pytest.raises(Invalid, match=r"Enter an e-mail address such as billing@example\.com\."):
        check_mail_address(address, "to")


@pytest.mark.parametrize("address", ["a@b", "a+b.c'd@example.com", "jürgen@münchen.example", "a@xn--mnchen-3ya.de"])
def test_addresses_that_can_be_used(address: str) -> None:
    assert check_mail_address(address) == address


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("billing@example.com", ("", "billing@example.com")),
        ("<billing@example.com>", ("", "billing@example.com")),
        ("Example Ltd <billing@example.com>", ("Example Ltd", "billing@example.com")),
        ('"Example, Ltd" <billing@example.com>', ("Example, Ltd", "billing@example.com")),
    ],
)
def test_senders(text: str, parts: tuple[str, str]) -> None:
    assert split_named_address(text) == parts


@pytest.mark.parametrize("text", ["Example", "Example <x>", "A\x00 <a@example.com>", "a@example.com, b@example.com"])
def test_senders_that_cannot_be_used(text: str) -> None:
    with pytest.raises(Invalid):
        split_named_address(text)


@given(st.uuids())
def test_a_bounce_address_names_its_message(id: UUID) -> None:
    address = bounce_address("bounces@example.com", id)
    assert check_mail_address(address) == address
    assert bounced_message_id(address) == id
    assert bounced_message_id(address.upper()) == id


@pytest.mark.parametrize(
    "text", ["", "bounces@example.com", "b+7@example.com", f"b+{'0' * 33}@x.y", f"b+{'g' * 32}@x.y"]
)
def test_other_addresses_name_no_message(text: str) -> None:
    assert bounced_message_id(text) is None
