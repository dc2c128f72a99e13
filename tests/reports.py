"""Delivery reports as mail servers write them, and a small IMAP server."""

import re
import socket
import ssl
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Protocol
from uuid import UUID

POSTFIX = """\
Return-Path: <>
Delivered-To: {envelope}
From: MAILER-DAEMON@mail.example.com (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {envelope}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4711/mail.example.com"

--4711/mail.example.com
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--4711/mail.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
Arrival-Date: Sun, 29 Nov 2026 12:00:00 +0000 (UTC)

{recipients}
--4711/mail.example.com
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

From: billing@example.com
Message-ID: {message_id}
Subject: Invoice

--4711/mail.example.com--
"""
RECIPIENT = """\
Final-Recipient: rfc822; {address}
Original-Recipient: rfc822;{address}
Action: {action}
Status: 5.1.1
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; 550 5.1.1 <{address}>: Recipient address rejected:
    User unknown
"""


def make_report(
    id: UUID, *addresses: str, action: str = "failed", envelope: str | None = None, message_id: str | None = None
) -> bytes:
    """Return a delivery report of Postfix about a message and its recipients."""
    return POSTFIX.format(
        envelope=envelope or f"bounces+{id.hex}@example.com",
        message_id=message_id or f"<{id}@example.com>",
        recipients="\n".join(RECIPIENT.format(address=address, action=action) for address in addresses),
    ).encode()


class Stream(Protocol):
    """Both directions of a connection."""

    def readline(self) -> bytes: ...
    def write(self, data: bytes, /) -> int: ...
    def flush(self) -> None: ...


@dataclass
class ImapFolder:
    """The messages of a folder by their UIDs, and what clients did."""

    messages: dict[int, bytes]
    user: str = "bounces@example.com"
    password: str = "Geheim·7"
    seen: set[int] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)


@contextmanager
def imap_server(
    folder: ImapFolder, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Run an IMAP server for one connection at a time, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with suppress(OSError), connection:
                        connection.settimeout(10)
                        _serve(folder, connection, tls, starttls)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(20)
            assert not thread.is_alive()


def _serve(
    folder: ImapFolder, connection: socket.socket, tls: ssl.SSLContext | None, starttls: ssl.SSLContext | None
) -> None:
    if tls is not None:
        with tls.wrap_socket(connection, server_side=True) as secure:
            _serve(folder, secure, None, None)
        return
    with connection.makefile("rwb") as stream:
        _say(stream, "* OK IMAP4rev1 ready")
        if not _converse(folder, stream, offers_tls=starttls is not None):
            return
    assert starttls is not None
    with starttls.wrap_socket(connection, server_side=True) as secure, secure.makefile("rwb") as stream:
        _converse(folder, stream, offers_tls=False)


def _converse(folder: ImapFolder, stream: Stream, *, offers_tls: bool) -> bool:
    """Answer commands to the end, and return whether TLS begins there."""
    while line := stream.readline().decode().strip():
        tag, _, command = line.partition(" ")
        folder.commands.append(command)
        if command == "STARTTLS":
            _say(stream, f"{tag} OK Begin TLS")
            return True
        _answer(folder, stream, tag, command, offers_tls)
    return False


def _answer(folder: ImapFolder, stream: Stream, tag: str, command: str, offers_tls: bool) -> None:
    status = "OK Done"
    if command == "CAPABILITY":
        _say(stream, f"* CAPABILITY IMAP4rev1 AUTH=PLAIN{' STARTTLS' if offers_tls else ''}")
    elif command == "AUTHENTICATE PLAIN":
        _say(stream, "+ ")
        _, user, password = b64decode(stream.readline()).decode().split("\0")
        status = "OK Done" if (user, password) == (folder.user, folder.password) else "NO Wrong user or password"
    elif command.startswith("SELECT"):
        status = "OK [READ-WRITE] Done" if command == 'SELECT "INBOX"' else "NO There is no such folder"
    elif command == "UID SEARCH UNSEEN":
        _say(stream, f"* SEARCH {' '.join(str(uid) for uid in folder.messages if uid not in folder.seen)}".strip())
    elif match := re.fullmatch(r"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", command):
        content = folder.messages[int(match[1])][: int(match[2])]
        _say(stream, f"* 1 FETCH (UID {match[1]} BODY[]<0> {{{len(content)}}}")
        stream.write(content)
        _say(stream, ")")
    elif match := re.fullmatch(r"UID STORE (\d+) \+FLAGS\.SILENT \(\\Seen\)", command):
        folder.seen.add(int(match[1]))
    elif command == "LOGOUT":
        _say(stream, "* BYE")
    else:
        status = f"BAD {command}"
    _say(stream, f"{tag} {status}")


def _say(stream: Stream, line: str) -> None:
    stream.write(f"{line}\r\n".encode())
    stream.flush()
