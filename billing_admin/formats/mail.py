"""Messages as RFC 5322: headers, a text with an HTML alternative, and attachments.

The same `Mail` always makes the same bytes, so that a repeated attempt sends the same message.

The headers are encoded here, because `email.headerregistry` loses spaces between encoded words, leaves long names
with commas without quotes, which makes several addresses of them, and encodes the ids in `References`.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Final
from uuid import UUID

from billing_admin.domain.errors import Invalid
from billing_admin.domain.mail_servers import check_mail_address
from billing_admin.domain.text import check_text

# The fields that come from the configuration and the settings, the same for all messages.
SENDER_FIELDS: Final = frozenset({("sender",), ("reply_to",), ("domain",)})
LONGEST_NAME: Final = 300
LONGEST_SUBJECT: Final = 500
LONGEST_TEXT: Final = 100_000
_LINE: Final = 76  # characters
_ENCODED_WORD: Final = 75  # characters, RFC 2047
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_WORDS = re.compile(r"[!-~]{1,60}(?: [!-~]{1,60})*")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII | re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.ASCII | re.IGNORECASE)
MEDIA_TYPE = re.compile(r"([a-z0-9][a-z0-9.+-]{0,60})/([a-z0-9][a-z0-9.+-]{0,60})", re.ASCII)
_WAYS_OUT: Final = {"reply_to": "Correct the contact e-mail address in Settings › Organisation."}
_HTML = """<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><title>{subject}</title></head>
<body dir="auto" style="font-family: sans-serif">
{paragraphs}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class MailAddress:
    """A sender or recipient; the name may be empty."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class MailAttachment:
    """A file of a message."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A message before it is encoded.

    `references` has the ids of the messages that it continues.
    """

    id: UUID
    made_at: datetime
    sender: MailAddress
    reply_to: MailAddress | None
    to: Sequence[MailAddress]
    cc: Sequence[MailAddress]
    subject: str
    text: str
    language: str
    attachments: Sequence[MailAttachment] = ()
    references: Sequence[UUID] = ()


def mail_bytes(mail: Mail, domain: str) -> bytes:
    """Return a message as bytes; its `Message-ID` is the id at the domain.

    Raises:
        Invalid: A header has a line break or a control character, or an address is malformed.
    """
    _check(mail, domain)
    body = _body(mail)
    headers = [
        _fold("From", _address_words(mail.sender)),
        *([_fold("Reply-To", _address_words(mail.reply_to))] if mail.reply_to else []),
        _fold("To", _address_list(mail.to)),
        *([_fold("Cc", _address_list(mail.cc))] if mail.cc else []),
        _fold("Subject", _text_words(mail.subject)),
        f"Date: {format_datetime(mail.made_at.astimezone(UTC))}",
        f"Message-ID: {message_id(mail.id, domain)}",
        *([_fold("References", [message_id(id, domain) for id in mail.references])] if mail.references else []),
        "Auto-Submitted: auto-generated",
        f"Content-Language: {mail.language}",
    ]
    return "".join(f"{header}\r\n" for header in headers).encode() + body.as_bytes(policy=SMTP)


def message_id(mail_id: UUID, domain: str) -> str:
    """Return the `Message-ID` of a message."""
    return f"<{mail_id}@{domain}>"


def wire_address(address: str) -> str:
    """Return an e-mail address with its domain in ASCII, if that is the same domain.

    Python knows the rules of 2003, by which `straße.example` would become the domain of somebody else. Such an
    address stays as it is, and only a server with SMTPUTF8 accepts it.
    """
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        encoded = domain.encode("idna")
        if encoded.decode("idna") == domain.lower():
            return f"{local}@{encoded.decode()}"
    except UnicodeError:
        pass
    return address


def _check(mail: Mail, domain: str) -> None:
    if not mail.to:
        raise Invalid("no_recipient", "Add a recipient of the kind To.", "to")
    for field, addresses in (
        ("sender", [mail.sender]),
        ("reply_to", [mail.reply_to]),
        ("to", mail.to),
        ("cc", mail.cc),
    ):
        for address in filter(None, addresses):
            check_text(address.name, field, longest=LONGEST_NAME, stored=True)
            _check_address(address.address, field)
    check_text(mail.subject, "subject", longest=LONGEST_SUBJECT, stored=True)
    check_text(mail.text, "text", longest=LONGEST_TEXT, lines=True, stored=True)
    _require(_LANGUAGE, mail.language, "language", "Use the code of a language, such as en.")
    _require(_DOMAIN, domain, "domain", "Use a domain such as example.com.")
    for attachment in mail.attachments:
        check_text(attachment.name, "attachments", stored=True)
        _require(MEDIA_TYPE, attachment.media_type, "attachments", "Use a media type such as application/pdf.")


def _check_address(address: str, field: str) -> None:
    try:
        check_mail_address(address)
    except Invalid as error:
        way_out = _WAYS_OUT.get(field, "Correct it, then send the message again.")
        message = f"“{address}” cannot be used as an e-mail address. {way_out}"
        raise Invalid(error.code, message, field) from None


def _require(form: re.Pattern[str], value: str, field: str, message: str) -> None:
    if not form.fullmatch(value):
        raise Invalid("invalid", message, field)


def _body(mail: Mail) -> EmailMessage:
    """Return the parts of a message, with boundaries that are made of its id.

    They contain `=_`, which no line of an encoded part has.
    """
    text = "\n".join(mail.text.splitlines()) + "\n"
    body = EmailMessage(policy=SMTP)
    body.set_content(text, cte="quoted-printable")
    body.add_alternative(_html(mail, text), subtype="html", cte="quoted-printable")
    body.set_boundary(f"=_{mail.id.hex}_text")
    for attachment in mail.attachments:
        main_type, _, subtype = attachment.media_type.partition("/")
        body.add_attachment(attachment.content, main_type, subtype, filename=attachment.name)
    if mail.attachments:
        body.set_boundary(f"=_{mail.id.hex}_files")
    return body


def _html(mail: Mail, text: str) -> str:
    paragraphs = re.split(r"\n\n+", escape(text.strip("\n")))
    return _HTML.format(
        language=mail.language,
        subject=escape(mail.subject),
        paragraphs="\n".join(
            f'<p style="white-space: pre-wrap">{paragraph.replace(chr(10), "<br>")}</p>' for paragraph in paragraphs
        ),
    )


def _fold(name: str, words: Iterable[str]) -> str:
    """Return a header of words, in lines of 76 characters where the words allow it."""
    lines, line = [], f"{name}:"
    for word in words:
        if len(line) + 1 + len(word) > _LINE and line.strip() and not line.endswith(":"):
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line])


def _address_list(addresses: Sequence[MailAddress]) -> list[str]:
    words: list[str] = []
    for position, address in enumerate(addresses, 1):
        words += _address_words(address)
        if position < len(addresses):
            words[-1] += ","
    return words


def _address_words(address: MailAddress) -> list[str]:
    if not address.name:
        return [wire_address(address.address)]
    return [*_phrase(address.name), f"<{wire_address(address.address)}>"]


def _phrase(name: str) -> list[str]:
    if _ATOMS.fullmatch(name) and "=?" not in name:
        return name.split(" ")
    if name.isascii() and name.isprintable() and "=?" not in name:
        return ['"' + re.sub(r'(["\\])', r"\\\1", name) + '"']
    return _encoded_words(name)


def _text_words(text: str) -> list[str]:
    return text.split(" ") if _WORDS.fullmatch(text) and "=?" not in text else _encoded_words(text)


def _encoded_words(text: str) -> list[str]:
    """Return a text as encoded words (RFC 2047), in the shorter encoding."""
    whole = text.encode()
    letter, encode = ("q", _q) if len(_q(whole)) <= len(_base64(whole)) else ("b", _base64)
    return [f"=?utf-8?{letter}?{encode(chunk)}?=" for chunk in _chunks(text, encode, _ENCODED_WORD - 12)]


def _chunks(text: str, encode: Callable[[bytes], str], longest: int) -> list[bytes]:
    """Return a text in parts of whole characters that fit when encoded."""
    chunks = [b""]
    for character in text:
        longer = chunks[-1] + character.encode()
        if len(encode(longer)) > longest:
            chunks.append(character.encode())
        else:
            chunks[-1] = longer
    return chunks


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _q(data: bytes) -> str:
    return "".join(
        "_" if byte == 32 else chr(byte) if chr(byte).isalnum() and byte < 128 else f"={byte:02X}" for byte in data
    )
