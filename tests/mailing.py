"""A mail server for tests: aiosmtpd in a thread, which answers as it is told, and one that speaks line by line."""

import socket
import ssl
from asyncio import Server
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "billing@example.com", "Geheim·7"


@dataclass
class MailHandler:
    """What the server answers, and what it took over."""

    rcpt: dict[str, str] = field(default_factory=dict)  # answer by recipient
    mail: str = ""
    data: str = "250 2.0.0 Queued as 4711"
    taken: list[Envelope] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.mail:
            return self.mail
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _: Any) -> str:  # noqa: N802 - aiosmtpd's name
        answer = self.rcpt.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.sessions.append(session)
        if self.data.startswith("250"):
            self.taken.append(envelope)
        return self.data


def _check_password(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


class _Controller(Controller):
    """A server on a port that the system chooses."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail_server(
    handler: MailHandler,
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    sign_in: bool = False,
    **options: Any,
) -> Iterator[int]:
    """Run a mail server and yield its port."""
    options = {"enable_SMTPUTF8": False, "tls_context": starttls, "require_starttls": starttls is not None} | options
    if sign_in:
        options |= {"authenticator": _check_password, "auth_required": True, "auth_require_tls": tls is None}
    controller = _Controller(handler, hostname="127.0.0.1", port=0, ssl_context=tls, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


class Wire:
    """The connection of a server that a test plays line by line."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.reader = connection.makefile("rb")
        self.received = b""

    def say(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        line = self.reader.readline()
        self.received += line
        return line.decode().strip()

    def converse(self, *answers: str) -> None:
        """Greet, and answer each command with the next answer."""
        self.say("220 mail.test ESMTP")
        for answer in answers:
            if not self.hear():
                return
            self.say(answer)

    def read_data(self) -> None:
        """Read a message to its last line."""
        while (line := self.reader.readline()) not in {b".\r\n", b""}:
            self.received += line


@contextmanager
def played_server(play: Callable[[Wire], None]) -> Iterator[int]:
    """Run a server whose only connection a function plays, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(10)
                    wire = Wire(connection)
                    with wire.reader:
                        play(wire)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            assert not thread.is_alive()
