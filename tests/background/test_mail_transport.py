"""A message is handed over once, and each answer of a mail server has one outcome."""

import re
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from billing_admin.background import mail_transport
from billing_admin.background.mail_transport import RecipientResult, SendOutcome, SendResult, send_mail
from billing_admin.config import Settings
from tests.client.test_tls import certificate
from tests.mailing import PASSWORD, MailHandler, Wire, mail_server, played_server

# aiosmtpd does not see TLS that begins with the first byte.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

CONTENT = b"From: billing@example.com\r\nSubject: Invoice\r\n\r\nHello\r\n.\r\n..\r\nend\r\n"
SENDER = "bounces+7@example.com"
ID = UUID(int=7)


@dataclass(frozen=True)
class Recipient:
    address: str
    kind: str = "to"


ANNA, BERT, CC = Recipient("anna@example.com"), Recipient("bert@example.com"), Recipient("cc@example.com", "cc")


def to_url(port: int, url: str = "smtp://127.0.0.1:{}?tls=off", **changes: Any) -> Settings:
    values: dict[str, Any] = {"mail_url": url.format(port), "mail_from": "Example <billing@example.com>"}
    return Settings(secret_key="x" * 40, **values | changes)


def attempt(
    settings: Settings,
    recipients: Sequence[Recipient] = (ANNA,),
    before_data: Callable[[], None] = lambda: None,
    content: bytes = CONTENT,
    seconds: float = 10,
) -> SendResult:
    return send_mail(settings, SENDER, recipients, content, before_data, seconds)


def test_a_message_arrives_byte_for_byte() -> None:
    handler, began = MailHandler(), []
    with mail_server(handler) as port:
        result = attempt(to_url(port), (ANNA, CC), lambda: began.append(len(handler.taken)))
    accepted = (RecipientResult(ANNA.address, True, 250, "OK"), RecipientResult(CC.address, True, 250, "OK"))
    assert result == SendResult(SendOutcome.SENT, accepted, "250 2.0.0 Queued as 4711")
    assert [(mail.mail_from, mail.rcpt_tos, mail.content) for mail in handler.taken] == [
        (SENDER, [ANNA.address, CC.address], CONTENT)
    ]
    assert began == [0]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("451 4.3.0 Try later", SendOutcome.RETRY),
        ("554 5.6.0 Message not accepted", SendOutcome.REFUSED),
        ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", SendOutcome.RETRY),
        ("421 Closing", SendOutcome.RETRY),
    ],
)
def test_the_answer_to_the_message_decides(answer: str, outcome: SendOutcome) -> None:
    with mail_server(MailHandler(data=answer)) as port:
        assert attempt(to_url(port)) == SendResult(outcome, (RecipientResult(ANNA.address, False),), answer)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("452 Full", SendOutcome.RETRY),
        ("550 5.1.0 Sender unknown", SendOutcome.RETRY),
        ("553 Sender address rejected: not owned by user", SendOutcome.RETRY),
        ("501 Bad address", SendOutcome.RETRY),
        ("552 Too large", SendOutcome.REFUSED),
        ("523 5.3.4 Message too big for system", SendOutcome.REFUSED),
        ("530 5.7.0 Sign in", SendOutcome.RETRY),
    ],
)
def test_the_answer_to_the_sender_decides(answer: str, outcome: SendOutcome) -> None:
    with mail_server(MailHandler(mail=answer)) as port:
        assert attempt(to_url(port), before_data=_never) == SendResult(outcome, (), answer)


def _never() -> None:
    raise AssertionError("the message was begun")


UNKNOWN, GREYLISTED = "550 5.1.1 No such user", "450 4.2.0 Greylisted"
NO_RELAY = "554 5.7.1 Relay access denied"


@pytest.mark.parametrize(
    ("answers", "outcome", "accepted"),
    [
        ({ANNA.address: UNKNOWN}, SendOutcome.SENT, [False, True, True]),
        ({ANNA.address: UNKNOWN, CC.address: GREYLISTED}, SendOutcome.SENT, [False, True, False]),
        ({ANNA.address: UNKNOWN, BERT.address: UNKNOWN}, SendOutcome.REFUSED, [False, False, False]),
        ({ANNA.address: UNKNOWN, BERT.address: GREYLISTED}, SendOutcome.RETRY, [False, False, False]),
        ({ANNA.address: NO_RELAY, BERT.address: NO_RELAY}, SendOutcome.RETRY, [False, False, False]),
        ({ANNA.address: "421 Closing"}, SendOutcome.RETRY, [False]),
    ],
)
def test_each_recipient_has_a_result(answers: dict[str, str], outcome: SendOutcome, accepted: list[bool]) -> None:
    handler, began = MailHandler(rcpt=answers), []
    with mail_server(handler) as port:
        result = attempt(to_url(port), (ANNA, BERT, CC), lambda: began.append(True))
    assert (result.outcome, [recipient.accepted for recipient in result.recipients]) == (outcome, accepted)
    for recipient in result.recipients:
        if recipient.address in answers:
            assert f"{recipient.code} {recipient.response}" == answers[recipient.address]
    assert [bool(handler.taken), bool(began)] == [outcome is SendOutcome.SENT] * 2


def _close(wire: Wire) -> None:
    assert wire.received == b""


def _listen(wire: Wire) -> None:
    wire.hear()


def _until_data(wire: Wire) -> None:
    wire.converse("250 mail.test", "250 OK", "250 OK", "354 Go on")


def _cut_in_the_middle(wire: Wire) -> None:
    _until_data(wire)
    wire.hear()


def _cut_after_the_end(wire: Wire) -> None:
    _until_data(wire)
    wire.read_data()


def _speak_nonsense_after_the_end(wire: Wire) -> None:
    _cut_after_the_end(wire)
    wire.say("Thank you")


def _hang_after_the_end(wire: Wire) -> None:
    _cut_after_the_end(wire)
    wire.hear()


def _greet_slowly(wire: Wire) -> None:
    for byte in b"220-mail.test is very slow\r\n" * 100:
        wire.connection.sendall(bytes([byte]))
        time.sleep(0.05)


CLOSED, LATE = "The mail server closed the connection.", "The mail server did not answer within 0.5 seconds."


FAILURES: dict[str, tuple[Callable[[Wire], None], SendOutcome, str]] = {
    "closed at once": (_close, SendOutcome.RETRY, CLOSED),
    "no service": (lambda wire: wire.say("554 No service"), SendOutcome.RETRY, "554 No service"),
    "another protocol": (
        lambda wire: wire.say("HTTP/1.1 400"),
        SendOutcome.RETRY,
        "The mail server did not answer with SMTP.",
    ),
    "silence": (_listen, SendOutcome.RETRY, LATE),
    "slow bytes": (_greet_slowly, SendOutcome.RETRY, LATE),
    "closed before the sender": (lambda wire: wire.converse("250 mail.test"), SendOutcome.RETRY, CLOSED),
    "closed before the recipient": (lambda wire: wire.converse("250 OK", "250 OK"), SendOutcome.RETRY, CLOSED),
    "later": (lambda wire: wire.converse(*["250 OK"] * 3, "451 Later"), SendOutcome.RETRY, "451 Later"),
    "never": (lambda wire: wire.converse(*["250 OK"] * 3, "554 Never"), SendOutcome.REFUSED, "554 Never"),
    "closed before the message": (_until_data, SendOutcome.RETRY, CLOSED),
    "closed in the message": (_cut_in_the_middle, SendOutcome.RETRY, CLOSED),
    "closed after the message": (_cut_after_the_end, SendOutcome.UNCERTAIN, CLOSED),
    "silence after the message": (_hang_after_the_end, SendOutcome.UNCERTAIN, LATE),
    "nonsense after the message": (
        _speak_nonsense_after_the_end,
        SendOutcome.UNCERTAIN,
        "The mail server did not answer with SMTP.",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_the_moment_of_a_failure_decides(failure: str) -> None:
    play, outcome, response = FAILURES[failure]
    big = CONTENT + b"x" * 70 + b"\r\n"
    content = big + b"0123456789\r\n" * 1_000_000 if play in {_until_data, _cut_in_the_middle} else big
    started = time.monotonic()
    with played_server(play) as port:
        result = attempt(to_url(port), content=content, seconds=0.5 if response == LATE else 10)
    assert (result.outcome, result.response) == (outcome, response)
    assert time.monotonic() - started < 5


def _fail() -> None:
    raise ZeroDivisionError


def test_a_worker_that_may_not_send_leaves_the_message_open() -> None:
    """The server gets no byte of a message whose hand-over could not be recorded."""
    wires: list[Wire] = []

    def play(wire: Wire) -> None:
        wires.append(wire)
        _until_data(wire)
        wire.read_data()

    with played_server(play) as port, pytest.raises(ZeroDivisionError):
        attempt(to_url(port), before_data=_fail)
    assert wires[0].received.endswith(b"DATA\r\n")


def test_no_server_and_no_such_host(unused_port: int) -> None:
    result = attempt(to_url(unused_port), before_data=_never)
    message = f"Could not connect to the mail server 127.0.0.1:{unused_port}: Connection refused."
    assert result == SendResult(SendOutcome.RETRY, (), message)
    result = attempt(to_url(1, "smtp://mail.invalid?tls=off"), before_data=_never)
    assert result == SendResult(SendOutcome.RETRY, (), "The host name mail.invalid could not be resolved.")


@pytest.fixture
def unused_port() -> int:
    with played_server(_close) as port:
        return port


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.fixture
def trusted(authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """The TLS of a server that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    mail_transport.trusted_tls.cache_clear()
    yield authority[1]
    mail_transport.trusted_tls.cache_clear()


def with_password(port: int, url: str, folder: Path, password: str = PASSWORD) -> Settings:
    (folder / "password").write_text(f"{password}\n", encoding="utf-8")
    return to_url(port, url, mail_password_file=folder / "password")


STARTTLS, TLS = "smtp://billing%40example.com@127.0.0.1:{}", "smtps://billing@example.com@127.0.0.1:{}"


def test_starttls_and_a_password(trusted: ssl.SSLContext, tmp_path: Path) -> None:
    handler = MailHandler()
    with mail_server(handler, starttls=trusted, sign_in=True) as port:
        assert attempt(with_password(port, STARTTLS, tmp_path)).outcome is SendOutcome.SENT
    assert handler.sessions[0].ssl is not None
    assert handler.sessions[0].authenticated


@pytest.mark.parametrize("excluded", [["LOGIN"], ["PLAIN"]])
def test_tls_from_the_first_byte(trusted: ssl.SSLContext, tmp_path: Path, excluded: list[str]) -> None:
    handler = MailHandler()
    with mail_server(handler, tls=trusted, sign_in=True, auth_exclude_mechanism=excluded) as port:
        assert attempt(with_password(port, TLS, tmp_path)).outcome is SendOutcome.SENT
    assert handler.sessions[0].authenticated


def test_a_wrong_password_keeps_the_message_waiting(trusted: ssl.SSLContext, tmp_path: Path) -> None:
    with mail_server(MailHandler(), tls=trusted, sign_in=True) as port:
        result = attempt(with_password(port, TLS, tmp_path, "wrong"), before_data=_never)
    assert result.outcome is SendOutcome.RETRY
    assert result.response.startswith("The mail server did not accept the user and the password: 535 ")


def test_a_password_file_that_was_removed(trusted: ssl.SSLContext, tmp_path: Path) -> None:
    settings = with_password(1, TLS, tmp_path)
    (tmp_path / "password").unlink()
    result = attempt(settings, before_data=_never)
    assert result.outcome is SendOutcome.RETRY
    assert re.fullmatch(
        r"The password for the mail server is missing: .* cannot be read: No such file.*", result.response
    )


def test_a_server_without_sign_in(trusted: ssl.SSLContext, tmp_path: Path) -> None:
    with mail_server(MailHandler(), tls=trusted) as port:
        result = attempt(with_password(port, TLS, tmp_path), before_data=_never)
    assert (result.outcome, result.response) == (SendOutcome.RETRY, mail_transport.NO_SIGN_IN)


def test_without_starttls_nothing_is_sent(tmp_path: Path) -> None:
    """Also when an attacker takes the offer out of the server's answer."""
    handler, settings = MailHandler(), with_password(1, STARTTLS, tmp_path)
    with mail_server(handler) as port:
        result = attempt(settings.model_copy(update={"mail_url": STARTTLS.format(port)}), before_data=_never)
    assert (result.outcome, result.response) == (SendOutcome.RETRY, mail_transport.NO_STARTTLS)


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:{}", "smtps://127.0.0.1:{}"])
def test_a_certificate_that_is_not_trusted(authority: tuple[Path, ssl.SSLContext], url: str) -> None:
    mail_transport.trusted_tls.cache_clear()
    options: dict[str, Any] = {"starttls": authority[1]} if url.startswith("smtp:") else {"tls": authority[1]}
    with mail_server(MailHandler(), **options) as port:
        result = attempt(to_url(port, url), before_data=_never)
    assert result.outcome is SendOutcome.RETRY
    assert result.response.startswith("The mail server’s certificate is not trusted: ")


def test_a_certificate_for_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, context = certificate(tmp_path, "DNS:other.example.com")
    monkeypatch.setattr(mail_transport, "trusted_tls", lambda: ssl.create_default_context(cafile=file))
    with mail_server(MailHandler(), tls=context) as port:
        result = attempt(to_url(port, "smtps://127.0.0.1:{}"), before_data=_never)
    assert result.response.startswith("The mail server’s certificate is not trusted: IP address mismatch")


def test_answers_before_tls_do_not_count(trusted: ssl.SSLContext) -> None:
    """An attacker could write them into the connection before it is encrypted."""

    def play(wire: Wire) -> None:
        wire.converse("250-mail.test\r\n250-SMTPUTF8\r\n250 STARTTLS")
        assert wire.hear() == "STARTTLS"
        wire.say("220 Go on", "250 AUTH PLAIN", "250 OK", "250 OK", "354 Go on")
        wire.connection.settimeout(2)
        with trusted.wrap_socket(wire.connection, server_side=True) as secure:
            encrypted = Wire(secure)
            encrypted.hear()
            encrypted.say("250 mail.test")
            encrypted.hear()
            encrypted.say("550 The encrypted answer")

    with played_server(play) as port:
        result = attempt(to_url(port, "smtp://127.0.0.1:{}"), before_data=_never)
    assert result.outcome is not SendOutcome.SENT
    assert "250" not in result.response


def test_addresses_that_are_not_ascii_need_a_server_for_them() -> None:
    wide, handler = Recipient("jürgen@example.com"), MailHandler()
    with mail_server(handler) as port:
        result = attempt(to_url(port), (wide,), before_data=_never)
        reply_to = attempt(to_url(port), content="Reply-To: jürgen@example.com\r\n\r\n".encode(), before_data=_never)
    assert result.outcome is SendOutcome.REFUSED
    assert result.response == mail_transport.NO_SMTPUTF8.format(address="jürgen@example.com")
    assert reply_to.outcome is SendOutcome.RETRY  # all messages have this address: they wait until it is corrected
    with mail_server(handler, enable_SMTPUTF8=True) as port:
        assert attempt(to_url(port), (wide,)).outcome is SendOutcome.SENT
    assert handler.taken[0].rcpt_tos == ["jürgen@example.com"]


def test_a_domain_that_is_not_ascii_is_encoded() -> None:
    handler = MailHandler()
    with mail_server(handler) as port:
        result = attempt(to_url(port), (Recipient("info@münchen.example"),))
    assert [recipient.address for recipient in result.recipients] == ["info@münchen.example"]
    assert handler.taken[0].rcpt_tos == ["info@xn--mnchen-3ya.example"]


def test_a_message_that_is_too_large_is_refused_before_it_is_sent() -> None:
    with mail_server(MailHandler(), data_size_limit=1000) as port:
        result = attempt(to_url(port), content=CONTENT + b"x\r\n" * 1000, before_data=_never)
    assert (result.outcome, result.response[:4]) == (SendOutcome.REFUSED, "552 ")


def test_mail_is_off() -> None:
    result = attempt(to_url(1, "off"), before_data=_never)
    assert result == SendResult(SendOutcome.RETRY, (), "E-mail is not set up. Set BILLING_MAIL_URL to a mail server.")


def test_a_folder_takes_the_place_of_a_server(tmp_path: Path) -> None:
    folder, began = tmp_path / "mailbox", []
    result = attempt(to_url(1, f"maildir:{folder}"), (ANNA, CC), lambda: began.append(True))
    assert (result.outcome, [recipient.accepted for recipient in result.recipients]) == (SendOutcome.SENT, [True, True])
    assert began == [True]
    (file,) = (folder / "new").iterdir()
    assert file.read_bytes() == f"Return-Path: <{SENDER}>\r\n".encode() + CONTENT
    assert list((folder / "tmp").iterdir()) == []
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir(), file)} == {0}


def test_a_folder_that_cannot_be_written_keeps_the_message_waiting(tmp_path: Path) -> None:
    (tmp_path / "mailbox").write_text("a file")
    result = attempt(to_url(1, f"maildir:{tmp_path / 'mailbox'}"))
    assert (result.outcome, result.response) == (
        SendOutcome.RETRY,
        f"{tmp_path / 'mailbox'} cannot be written: File exists.",
    )


def test_the_envelope_names_the_message() -> None:
    assert mail_transport.envelope_sender(to_url(1), ID) == "billing@example.com"
    settings = to_url(1, mail_bounces="bounces@example.com")
    assert mail_transport.envelope_sender(settings, ID) == f"bounces+{ID.hex}@example.com"
    assert mail_transport.mail_sender(settings, "ACME").name == "Example"
    assert mail_transport.mail_sender(to_url(1, mail_from="a@example.com"), "ACME").name == "ACME"
