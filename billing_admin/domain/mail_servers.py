"""Addresses of mail servers: URLs with the user and the encryption.

A URL never has a password: it would appear in lists of processes and in logs.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from uuid import UUID

from billing_admin.domain.errors import Invalid

LONGEST_ADDRESS: Final = 254  # RFC 5321, 4.5.3.1.3
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.ASCII)
# A quoted local part, which no mail server of today gives out, is refused: its rules are a way to inject headers.
_MAIL_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x20\x7f-\x9f]+@([^\s@<>()\[\]\\,;:\"\x00-\x2c\x7f-\x9f]+)")
_BOUNCE = re.compile(r"\+([0-9a-f]{32})@", re.ASCII | re.IGNORECASE)
_NAMED_ADDRESS = re.compile(r"\s*(?:\"(?P<quoted>[^\"\r\n]*)\"|(?P<name>[^\"<>\r\n]*?))\s*<(?P<address>[^<>]*)>\s*")


class Encryption(StrEnum):
    """How a connection to a mail server is encrypted."""

    STARTTLS = "starttls"  # begun by a command, and required
    TLS = "tls"  # from the first byte
    OFF = "off"


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server: where to connect, and as which user."""

    host: str
    port: int
    user: str
    encryption: Encryption
    path: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Maildir:
    """A folder in maildir form, to which messages are delivered instead of being sent."""

    folder: Path


MailTransport = MailServer | Maildir | None  # None: mail is off

_SMTP: Final = {"smtp": (587, Encryption.STARTTLS), "smtps": (465, Encryption.TLS)}
_IMAP: Final = {"imap": (143, Encryption.STARTTLS), "imaps": (993, Encryption.TLS)}


def parse_mail_url(url: str) -> MailTransport:
    """Return the transport that `BILLING_MAIL_URL` names.

    Raises:
        Invalid: The URL is malformed or has a password.
    """
    if url == "off":
        return None
    scheme, _, path = url.partition(":")
    if scheme == "maildir":
        if not path.strip("/"):
            raise _invalid_url("maildir: needs a folder, such as maildir:/var/lib/billing/mailbox")
        folder = Path("/" + path.lstrip("/") if path.startswith("//") else path)
        return Maildir(folder)
    return _parse_server(
        url, _SMTP, "smtp://user@mail.example.com:587, smtps://user@mail.example.com, maildir:/path or off"
    )


def parse_imap_url(url: str) -> MailServer:
    """Return the mailbox server of an IMAP URL; `path` is the folder.

    Raises:
        Invalid: The URL is malformed, has a password or no user.
    """
    server = _parse_server(url, _IMAP, "imaps://user@mail.example.com/INBOX")
    if not server.user:
        raise _invalid_url("it has no user; use a URL such as imaps://user@mail.example.com/INBOX")
    if server.encryption is Encryption.OFF and not server.is_loopback:
        raise _invalid_url("without TLS only a server on this machine is allowed; remove tls=off")
    return server


def _parse_server(url: str, schemes: dict[str, tuple[int, Encryption]], example: str) -> MailServer:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid_url(f"it is no URL; use {example}") from None
    if parts.scheme not in schemes or not parts.hostname:
        raise _invalid_url(f"use {example}")
    if parts.password is not None:
        raise _invalid_url("it has a password; write the password into a file that BILLING_MAIL_PASSWORD_FILE names")
    host = parts.hostname
    if not _HOST.fullmatch(host) and not _is_address(host):
        raise _invalid_url(f"{host} is no host name")
    if port == 0:
        raise _invalid_url("use a port from 1 to 65535")
    default_port, encryption = schemes[parts.scheme]
    user = unquote(parts.username or "")
    if not user.isprintable():
        raise _invalid_url("the user has a control character")
    path = unquote(parts.path.strip("/"))
    if not path.isprintable():
        raise _invalid_url("the folder has a control character")
    return MailServer(host, port or default_port, user, _encryption(parts, encryption), path)


def _encryption(parts: SplitResult, default: Encryption) -> Encryption:
    options = parse_qsl(parts.query, keep_blank_values=True)
    if not options and not parts.fragment:
        return default
    if options == [("tls", "off")] and default is Encryption.STARTTLS:
        return Encryption.OFF
    raise _invalid_url(
        f"the only option is ?tls=off, after {parts.scheme.removesuffix('s')}://, for a server without TLS"
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _invalid_url(reason: str) -> Invalid:
    return Invalid("invalid_mail_url", f"This address of a mail server cannot be used: {reason}.", "url")


def check_mail_address(address: str, *field: str | int) -> str:
    """Return an e-mail address that a header and a mail server can take.

    Raises:
        Invalid: The address has no domain, is too long, or has a space, a control character or quotes.
    """
    match = _MAIL_ADDRESS.fullmatch(address) if len(address) <= LONGEST_ADDRESS else None
    domain = ascii_domain(match[1]) if match else ""
    if not address.isprintable() or domain.endswith(".") or not _HOST.fullmatch(domain):
        raise Invalid("not_an_email", "Enter an e-mail address such as billing@example.com.", *field)
    return address


def ascii_domain(domain: str) -> str:
    """Return a domain in ASCII and lower case, or '' if it has no such form."""
    try:
        return domain.lower() if domain.isascii() else domain.encode("idna").decode().lower()
    except UnicodeError:
        return ""


def split_named_address(text: str) -> tuple[str, str]:
    """Return name and address of `Name <address>`, or an empty name and the address.

    Raises:
        Invalid: The address is malformed.
    """
    match = _NAMED_ADDRESS.fullmatch(text)
    name, address = (match["quoted"] or match["name"] or "", match["address"]) if match else ("", text.strip())
    if not name.isprintable():
        raise Invalid("unprintable", "Remove the control character from the name of the sender.")
    return name.strip(), check_mail_address(address.strip())


def bounce_address(bounces: str, message_id: UUID) -> str:
    """Return the address that gets the delivery reports of a message.

    It names the message, so that a report can be assigned: `bounces+<id>@example.com`.
    """
    local, _, domain = bounces.rpartition("@")
    return f"{local}+{message_id.hex}@{domain}"


def bounced_message_id(text: str) -> UUID | None:
    """Return the id in the first address of `bounce_address` in a text, if any."""
    match = _BOUNCE.search(text)
    return UUID(hex=match[1]) if match else None
