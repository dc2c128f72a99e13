"""Hand a message over to the mail server, or to a folder in development.

The outcome depends on the moment of a failure. Before the last byte of the message the server has not accepted it, so
that it can be sent again. After it, without an answer, the outcome is uncertain, and the message is never sent again
automatically.
"""

import re
import smtplib
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from threading import Event
from typing import Final, Protocol
from uuid import UUID

from billing_admin.background.deadlines import shut_down_after
from billing_admin.config import Settings
from billing_admin.domain.mail_servers import Encryption, Maildir, MailServer, bounce_address
from billing_admin.domain.translation import Phrase
from billing_admin.formats.mail import Mail, MailAddress, mail_bytes, wire_address
from billing_admin.formats.maildir import deliver_to_maildir

TOTAL_SECONDS: Final = 300.0
PERSON_WAITS_SECONDS: Final = 20.0
CONNECT_SECONDS: Final = 30.0
STORED_CHARACTERS: Final = 500  # of a server's answer
# Answers that ask for another configuration, not for another message: the message waits until it is corrected. They ask to
# sign in, or give a reason of security and policy (RFC 3463, X.7), such as a sender that the user may not use.
_AUTHENTICATION_CODES: Final = frozenset({530, 534, 535, 538})
_OF_POLICY = re.compile(r"5\.7\.\d")
# The code of a refusal for good, in a server's answer or in the sentence that quotes it.
_PERMANENT = re.compile(r"(?:^|: )5\d\d ")
# Answers to the sender that are about the message: it is too large.
_TOO_LARGE = re.compile(r"552 |\d{3} 5\.(?:2\.3|3\.4)\b")
_END_OF_DATA: Final = b".\r\n"
_FIRST_DOT = re.compile(rb"^\.", re.MULTILINE)
_HOST_NAME = re.compile(r"[a-z0-9.-]+", re.ASCII | re.IGNORECASE)
NO_STARTTLS: Final = Phrase(
    "The mail server does not offer STARTTLS. Nothing was sent, because the connection would not be encrypted. Use smtps:// if"
    " the server has TLS on another port."
)
NO_SIGN_IN: Final = Phrase(
    "The mail server does not offer to sign in with PLAIN or LOGIN. Remove the user from BILLING_MAIL_URL, or use another port"
    " of the server."
)
NO_SMTPUTF8: Final = Phrase(
    "The mail server does not accept addresses with characters that are not ASCII, such as {address}. Correct the address, or"
    " use a server with SMTPUTF8."
)
OWN_ADDRESSES: Final = Phrase("those of BILLING_MAIL_FROM or the organisation")
CONNECTION_CLOSED: Final = Phrase("the connection was closed")
NOT_SMTP: Final = Phrase("The mail server did not answer with SMTP.")


class MailRecipient(Protocol):
    """A recipient of a message: `kind` is `to` or `cc`."""

    @property
    def address(self) -> str:
        """The e-mail address."""

    @property
    def kind(self) -> str:
        """The header that names the recipient."""


@dataclass(frozen=True, slots=True)
class NamedRecipient:
    """A recipient by its address and its kind."""

    address: str
    kind: str


class SendOutcome(StrEnum):
    """The result of an attempt to send a message."""

    SENT = "sent"
    REFUSED = "refused"
    RETRY = "retry"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """The answer of the server for one recipient.

    `accepted` means that it took the message over.
    """

    address: str
    accepted: bool
    code: int = 0
    response: str = ""


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of an attempt.

    The recipients have the order of the message; there are none if the server was not asked for them.
    """

    outcome: SendOutcome
    recipients: tuple[RecipientResult, ...]
    response: str

    @property
    def is_of_configuration(self) -> bool:
        """Whether another configuration would avoid the refusal, such as another sender."""
        is_refusal = self.response in {NO_STARTTLS, NO_SIGN_IN} or _PERMANENT.search(self.response)
        return self.outcome is SendOutcome.RETRY and bool(is_refusal)


class _Ended(Exception):
    """The attempt ended before the message was handed over."""

    def __init__(self, outcome: SendOutcome, response: str, recipients: Sequence[RecipientResult] = ()) -> None:
        super().__init__(response)
        self.result = SendResult(outcome, tuple(recipients), response)


def mail_sender(settings: Settings, name: str = "") -> MailAddress:
    """Return the sender of messages.

    `name` is used if the configuration has none.
    """
    configured_name, address = settings.mail_sender
    return MailAddress(configured_name or name, address)


def envelope_sender(settings: Settings, message_id: UUID) -> str:
    """Return the address that gets the delivery reports of a message."""
    return bounce_address(settings.mail_bounces, message_id) if settings.mail_bounces else settings.mail_sender[1]


def send_now(settings: Settings, mail: Mail, seconds: float = PERSON_WAITS_SECONDS) -> SendResult:
    """Send a message that is in no outbox, such as a test, while a person waits."""
    recipients = [
        NamedRecipient(address.address, kind)
        for kind, addresses in (("to", mail.to), ("cc", mail.cc))
        for address in addresses
    ]
    content = mail_bytes(mail, settings.mail_domain)
    return send_mail(settings, envelope_sender(settings, mail.id), recipients, content, lambda: None, seconds)


def send_mail(
    settings: Settings,
    envelope_sender: str,
    recipients: Sequence[MailRecipient],
    content: bytes,
    before_data: Callable[[], None],
    seconds: float = TOTAL_SECONDS,
) -> SendResult:
    """Make one attempt to send a message.

    `before_data` is called directly before the first byte of the message is written. If it raises, nothing of the
    message has been written. Otherwise a server cannot make this function raise an exception.
    """
    match settings.mail_transport:
        case MailServer() as server:
            try:
                password = settings.read_mail_password()
            except ValueError as error:
                message = Phrase("The password for the mail server is missing: {error}", error=error)
                return SendResult(SendOutcome.RETRY, (), message)
            return _Attempt(server, password, seconds).send(envelope_sender, recipients, content, before_data)
        case Maildir(folder):
            before_data()
            return _deliver(folder, envelope_sender, recipients, content)
        case None:
            return SendResult(
                SendOutcome.RETRY, (), Phrase("E-mail is not set up. Set BILLING_MAIL_URL to a mail server.")
            )


def _deliver(folder: Path, sender: str, recipients: Sequence[MailRecipient], content: bytes) -> SendResult:
    try:
        deliver_to_maildir(folder, f"Return-Path: <{sender}>\r\n".encode() + content)
    except OSError as error:
        message = Phrase("{folder} cannot be written: {error}.", folder=folder, error=error.strerror)
        return SendResult(SendOutcome.RETRY, (), message)
    results = tuple(RecipientResult(recipient.address, True, 250, "Stored") for recipient in recipients)
    return SendResult(SendOutcome.SENT, results, f"Stored in {folder.name}.")


class _Attempt:
    """One attempt with a mail server, with a deadline for all of it."""

    def __init__(self, server: MailServer, password: str, seconds: float) -> None:
        self._server = server
        self._password = password
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._client = smtplib.SMTP(local_hostname=_own_name(), timeout=seconds)

    def send(
        self, sender: str, recipients: Sequence[MailRecipient], content: bytes, before_data: Callable[[], None]
    ) -> SendResult:
        """Connect, hand the message over and return the outcome."""
        try:
            with closing(self._connect()) as connection, shut_down_after(connection, self._remaining) as timed_out:
                return self._converse(connection, sender, recipients, content, before_data, timed_out)
        except _Ended as end:
            return end.result
        finally:
            self._client.close()

    def _converse(
        self,
        connection: socket.socket,
        sender: str,
        recipients: Sequence[MailRecipient],
        content: bytes,
        before_data: Callable[[], None],
        timed_out: Event,
    ) -> SendResult:
        with self._errors_end(timed_out):
            self._begin(connection)
            self._sign_in()
            self._name_sender(sender, recipients, content)
            results = self._name_recipients(recipients)
            reply = self._client.docmd("DATA")
            if reply[0] != 354:
                raise _Ended(_outcome(*reply), _answer(*reply), _not_sent(results))
        before_data()
        with self._errors_end(timed_out, results):
            self._socket.sendall(_FIRST_DOT.sub(b"..", content))
        result = self._finish(results, timed_out)
        with suppress(OSError, smtplib.SMTPException):
            self._client.putcmd("QUIT")
        return result

    @property
    def _remaining(self) -> float:
        return max(0.001, self._deadline - time.monotonic())

    @property
    def _socket(self) -> socket.socket:
        if self._client.sock is None:
            raise ConnectionError
        return self._client.sock

    def _connect(self) -> socket.socket:
        server = self._server
        try:
            connection = socket.create_connection((server.host, server.port), min(CONNECT_SECONDS, self._remaining))
        except socket.gaierror:
            message = Phrase("The host name {host} could not be resolved.", host=server.host)
            raise _Ended(SendOutcome.RETRY, message) from None
        except OSError as error:
            reason = Phrase("it did not answer") if isinstance(error, TimeoutError) else error.strerror or error
            server_name = f"{server.host}:{server.port}"
            message = Phrase(
                "Could not connect to the mail server {server}: {reason}.", server=server_name, reason=reason
            )
            raise _Ended(SendOutcome.RETRY, message) from None
        connection.settimeout(2 * self._seconds)  # the deadline comes first
        return connection

    @contextmanager
    def _errors_end(self, timed_out: Event, results: Sequence[RecipientResult] = ()) -> Iterator[None]:
        """End the attempt on an error of the connection.

        The message has not been handed over then, so that it can be sent again.
        """
        try:
            yield
        except (OSError, ValueError) as error:  # smtplib's errors are OSErrors
            raise _Ended(SendOutcome.RETRY, self._explain(error, timed_out), _not_sent(results)) from error

    def _begin(self, connection: socket.socket) -> None:
        """Read the greeting, and encrypt the connection as the configuration requires."""
        client, encryption = self._client, self._server.encryption
        client.sock = self._encrypt(connection) if encryption is Encryption.TLS else connection
        self._expect(client.getreply(), 220)
        self._expect(client.ehlo(), 250)
        if encryption is Encryption.STARTTLS:
            if not client.has_extn("starttls"):
                raise _Ended(SendOutcome.RETRY, NO_STARTTLS)
            self._expect(client.docmd("STARTTLS"), 220)
            client.sock = self._encrypt(connection)
            # An attacker may have written everything that was read without encryption.
            client.file, client.esmtp_features = None, {}
            self._expect(client.ehlo(), 250)

    def _encrypt(self, connection: socket.socket) -> ssl.SSLSocket:
        return trusted_tls().wrap_socket(connection, server_hostname=self._server.host)

    def _sign_in(self) -> None:
        client, user = self._client, self._server.user
        methods = client.esmtp_features.get("auth", "").upper().split()
        if not user:
            return
        if "PLAIN" in methods:
            reply = client.docmd("AUTH", "PLAIN " + _base64(f"\0{user}\0{self._password}"))
        elif "LOGIN" in methods:
            reply = client.docmd("AUTH", f"LOGIN {_base64(user)}")
            reply = client.docmd(_base64(self._password)) if reply[0] == 334 else reply
        else:
            raise _Ended(SendOutcome.RETRY, NO_SIGN_IN)
        if reply[0] != 235:
            message = Phrase(
                "The mail server did not accept the user and the password: {answer}", answer=_answer(*reply)
            )
            raise _Ended(SendOutcome.RETRY, message)

    def _name_sender(self, sender: str, recipients: Sequence[MailRecipient], content: bytes) -> None:
        """Name the sender of the message, or end the attempt.

        Sender and reply address are the same for all messages: they wait until these are corrected.
        """
        options = [f"SIZE={len(content)}"] if self._client.has_extn("size") else []
        address = wire_address(sender)
        wide = next((r.address for r in recipients if not wire_address(r.address).isascii()), None)
        if wide is not None or not (address.isascii() and content.isascii()):
            if not self._client.has_extn("smtputf8"):
                if wide is not None:
                    raise _Ended(SendOutcome.REFUSED, NO_SMTPUTF8.format(address=wide))
                raise _Ended(SendOutcome.RETRY, NO_SMTPUTF8.format(address=OWN_ADDRESSES))
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        reply = self._client.mail(address, options)
        if reply[0] != 250:
            answer = _answer(*reply)
            raise _Ended(SendOutcome.REFUSED if _TOO_LARGE.match(answer) else SendOutcome.RETRY, answer)

    def _name_recipients(self, recipients: Sequence[MailRecipient]) -> tuple[RecipientResult, ...]:
        """Return the answer for each recipient.

        Raises:
            _Ended: No recipient of the kind To was accepted.
        """
        results: list[RecipientResult] = []
        for recipient in recipients:
            code, text = self._client.rcpt(wire_address(recipient.address))
            results.append(RecipientResult(recipient.address, 200 <= code < 300, code, _printable(text)))
            if code == 421:
                raise _Ended(SendOutcome.RETRY, _answer(code, text), _not_sent(results))
        to = [result for result, recipient in zip(results, recipients, strict=True) if recipient.kind == "to"]
        if not any(result.accepted for result in to):
            decisive = min(to, key=lambda result: _outcome(result.code, result.response) is not SendOutcome.RETRY)
            answer = f"{decisive.code} {decisive.response}"
            raise _Ended(_outcome(decisive.code, decisive.response), answer, _not_sent(results))
        return tuple(results)

    def _finish(self, results: tuple[RecipientResult, ...], timed_out: Event) -> SendResult:
        """Write the message's last byte and return the outcome."""
        try:
            self._socket.sendall(_END_OF_DATA)
            code, text = self._client.getreply()
        except (OSError, ValueError) as error:
            return SendResult(SendOutcome.UNCERTAIN, _not_sent(results), self._explain(error, timed_out))
        answer = _answer(code, text)
        if 200 <= code < 300:
            return SendResult(SendOutcome.SENT, results, answer)
        if not 400 <= code < 600:
            return SendResult(SendOutcome.UNCERTAIN, _not_sent(results), answer)
        return SendResult(_outcome(code, text), _not_sent(results), answer)

    def _expect(self, reply: tuple[int, bytes], code: int) -> None:
        """End the attempt if a reply has another code.

        No message was named yet: a refusal concerns the configuration, and the message waits until it is corrected.
        """
        if reply[0] != code:
            raise _Ended(SendOutcome.RETRY, _answer(*reply))

    def _explain(self, error: Exception, timed_out: Event) -> str:
        """Return the sentence for an error of the connection."""
        if timed_out.is_set() or isinstance(error, TimeoutError):
            seconds = f"{self._seconds:g}"
            return Phrase("The mail server did not answer within {seconds} seconds.", seconds=seconds)
        match error:
            case ssl.SSLCertVerificationError():
                return Phrase("The mail server’s certificate is not trusted: {reason}.", reason=error.verify_message)
            case ssl.SSLError():
                reason = error.reason or CONNECTION_CLOSED
                return Phrase("The TLS handshake with the mail server failed: {reason}.", reason=reason)
            case smtplib.SMTPResponseException():
                return _answer(error.smtp_code, error.smtp_error)
            case OSError():
                return Phrase("The mail server closed the connection.")
            case _:
                return NOT_SMTP


def _outcome(code: int, text: bytes | str) -> SendOutcome:
    """Return the outcome for an answer that is not positive."""
    is_of_configuration = code in _AUTHENTICATION_CODES or _OF_POLICY.match(_printable(text))
    permanent = 500 <= code < 600 and not is_of_configuration
    return SendOutcome.REFUSED if permanent else SendOutcome.RETRY


def _not_sent(results: Sequence[RecipientResult]) -> tuple[RecipientResult, ...]:
    """Return the results of a message that was not handed over.

    Only refusals are kept.
    """
    return tuple(RecipientResult(result.address, False) if result.accepted else result for result in results)


def _answer(code: int, text: bytes | str) -> str:
    return f"{code} {_printable(text)}" if code > 0 else NOT_SMTP


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _printable(text: bytes | str) -> str:
    """Return the beginning of a server's answer, without unprintable characters."""
    decoded = text.decode(errors="replace") if isinstance(text, bytes) else text
    line = " ".join(decoded[:STORED_CHARACTERS].split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _own_name() -> str:
    """Return the name with which this machine greets the server."""
    name = socket.gethostname()
    return name if _HOST_NAME.fullmatch(name) else "localhost"


@cache
def trusted_tls() -> ssl.SSLContext:
    """Return a TLS context that checks host names and certificates.

    It trusts the certificates of this machine, or of the file that `SSL_CERT_FILE` names.
    """
    return ssl.create_default_context()
