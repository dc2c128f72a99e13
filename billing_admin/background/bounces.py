"""Import delivery reports from a maildir or a folder of an IMAP server.

A message that was imported is marked as seen, and the others stay unseen for a person to look at.
"""

import imaplib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from ssl import SSLCertVerificationError, SSLError
from typing import Any, Final, Protocol

from billing_admin.background.mail_transport import trusted_tls
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import Actor
from billing_admin.domain.bounces import BounceOutcome
from billing_admin.domain.errors import Invalid
from billing_admin.domain.mail_servers import Encryption, MailServer
from billing_admin.formats.delivery_reports import MAX_REPORT_BYTES, read_report
from billing_admin.formats.maildir import MaildirMessage, maildir_messages
from billing_admin.operations.messages.bounces import record_bounce

IMAP_SECONDS: Final = 30.0  # for each answer
_UID = re.compile(rb"[0-9]{1,10}")


class UnseenMessage(Protocol):
    """An unseen message of a mailbox."""

    def read(self, longest: int) -> bytes:
        """Return the beginning of the message."""

    def mark_seen(self) -> None:
        """Mark the message as seen."""


def import_bounces(messages: Iterator[UnseenMessage], actor: Actor, now: datetime) -> Mapping[BounceOutcome, int]:
    """Record the delivery reports among messages, and count them by outcome."""
    counts = Counter[BounceOutcome]()
    for message in messages:
        report = read_report(message.read(MAX_REPORT_BYTES))
        outcome = transaction(record_bounce, report, actor, now) if report else BounceOutcome.UNKNOWN
        if outcome is not BounceOutcome.UNKNOWN:
            message.mark_seen()
        counts[outcome] += 1
    return counts


def maildir_source(folder: Path) -> Iterator[MaildirMessage]:
    """Yield the unseen messages of a maildir, oldest first.

    Raises:
        Invalid: The folder is no maildir.
    """
    if not (folder / "new").is_dir():
        raise Invalid("no_maildir", f"{folder} is no maildir: it has no folder “new”.", "maildir")
    yield from (message for message in reversed(maildir_messages(folder)) if not message.is_seen)


class _ImapMessage:
    """A message of a folder of an IMAP server."""

    def __init__(self, client: imaplib.IMAP4, uid: str) -> None:
        self._client = client
        self._uid = uid

    def read(self, longest: int) -> bytes:
        """Return the beginning of the message, which stays unseen."""
        parts = _checked(self._client.uid("FETCH", self._uid, f"(BODY.PEEK[]<0.{longest}>)"))
        return next((part[1] for part in parts if isinstance(part, tuple)), b"")

    def mark_seen(self) -> None:
        """Mark the message as seen."""
        _checked(self._client.uid("STORE", self._uid, "+FLAGS.SILENT", "(\\Seen)"))


@contextmanager
def imap_source(server: MailServer, password: str) -> Iterator[Iterator[UnseenMessage]]:
    """Connect to an IMAP server and yield the unseen messages of its folder.

    Raises:
        Invalid: The server cannot be reached, is not trusted, or refuses something.
    """
    client: imaplib.IMAP4 | None = None
    try:
        client = _connect(server)
        _sign_in(client, server.user, password)
        folder = (server.path or "INBOX").replace("\\", "\\\\").replace('"', '\\"')
        _checked(client.select(f'"{folder}"'))
        uids = _UID.findall(b" ".join(filter(None, _checked(client.uid("SEARCH", "UNSEEN")))))
        yield (_ImapMessage(client, uid.decode()) for uid in uids)
    except SSLCertVerificationError as error:
        raise _failed(f"its certificate is not trusted: {error.verify_message}") from None
    except SSLError as error:
        raise _failed(f"the TLS handshake failed: {error.reason}") from None
    except UnicodeError:
        raise _failed("the folder has characters that are not ASCII; write its name as the server lists it") from None
    except (OSError, imaplib.IMAP4.error) as error:
        raise _failed(str(error).strip("b'\"") or "the connection was closed") from None
    finally:
        if client is not None:
            with suppress(OSError, imaplib.IMAP4.error):
                client.logout()


def _connect(server: MailServer) -> imaplib.IMAP4:
    if server.encryption is Encryption.TLS:
        return imaplib.IMAP4_SSL(server.host, server.port, ssl_context=trusted_tls(), timeout=IMAP_SECONDS)
    client = imaplib.IMAP4(server.host, server.port, timeout=IMAP_SECONDS)
    if server.encryption is Encryption.STARTTLS:
        try:
            client.starttls(trusted_tls())
        except BaseException:
            client.shutdown()
            raise
    return client


def _sign_in(client: imaplib.IMAP4, user: str, password: str) -> None:
    if "AUTH=PLAIN" in client.capabilities:
        _checked(client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode()))
    else:
        _checked(client.login(user, password))


def _checked(answer: tuple[str, Any]) -> list[Any]:
    """Return the data of an answer, or raise the error that it is."""
    status, data = answer
    if status != "OK":
        text = b" ".join(part for part in data if isinstance(part, bytes)).decode(errors="replace")
        raise imaplib.IMAP4.error(text or status)
    return list(data)


def _failed(reason: str) -> Invalid:
    return Invalid("imap_failed", f"The mailbox could not be read: {reason.rstrip('.')}.", "imap")
