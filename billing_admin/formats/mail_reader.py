"""Read messages of any origin.

Parts and headers that cannot be decoded are returned unchanged.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import parsedate_to_datetime
from typing import Final

from billing_admin.formats.mail import MEDIA_TYPE, MailAttachment

# The errors of Python's package for parameters and charsets that are malformed.
_BROKEN: Final = (ValueError, LookupError, TypeError)


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A message in readable parts; `at` is none if the message has no valid date."""

    headers: Sequence[tuple[str, str]]
    at: datetime | None
    text: str
    html: str
    attachments: Sequence[MailAttachment]

    def header(self, name: str) -> str:
        """Return the first header with a name, or ''."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


def read_mail(content: bytes) -> ReceivedMail:
    """Return the readable parts of a message."""
    message = parse_message(content)
    parts = [part for part in message_parts(message) if not part.is_multipart()]
    shown = [part for part in parts if part.get_content_disposition() != "attachment"]
    texts, htmls = ([part for part in shown if part.get_content_type() == f"text/{kind}"] for kind in ("plain", "html"))
    return ReceivedMail(
        [(name, decode_header_value(value)) for name, value in message.items()],
        _date(message),
        "\n\n".join(map(part_text, texts)),
        "\n\n".join(map(part_text, htmls)),
        [
            MailAttachment(_file_name(part, position), _media_type(part), part_bytes(part))
            for position, part in enumerate((part for part in parts if part not in [*texts, *htmls]), 1)
        ],
    )


def parse_message(content: bytes) -> Message:
    """Return a message.

    It has no parts if they are nested too deeply, or if the parser cannot find where they begin.
    """
    try:
        return message_from_bytes(content, policy=compat32)
    except (RecursionError, *_BROKEN):
        return BytesHeaderParser(policy=compat32).parsebytes(content)


def message_parts(message: Message) -> Iterator[Message]:
    """Yield a message and all its parts, at any depth."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(child_parts(part))


def child_parts(part: Message) -> list[Message]:
    """Return the parts of a part; a part that is no container has none."""
    payload = part.get_payload() if part.is_multipart() else []
    return [child for child in payload if isinstance(child, Message)]


def part_bytes(part: Message) -> bytes:
    """Return the content of a part."""
    try:
        payload = part.get_payload(decode=True)
    except _BROKEN:
        payload = None
    return payload if isinstance(payload, bytes) else b""


def part_text(part: Message) -> str:
    """Return the text of a part.

    It has replacement characters where it cannot be decoded.
    """
    content = part_bytes(part)
    try:
        text = content.decode(part.get_content_charset("utf-8"), errors="replace")
    except _BROKEN:
        text = content.decode(errors="replace")
    return text.replace("\r\n", "\n")


def decode_header_value(value: object) -> str:
    """Return the text of a header in one line."""
    text = str(value)
    with suppress(MessageError, *_BROKEN):
        text = str(make_header(decode_header(text)))
    return " ".join(text.split())


def _date(message: Message) -> datetime | None:
    try:
        at = parsedate_to_datetime(str(message["Date"]))
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else None


def _media_type(part: Message) -> str:
    media_type = part.get_content_type()
    return media_type if MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"


def _file_name(part: Message, position: int) -> str:
    try:
        name = decode_header_value(part.get_filename() or "")
    except _BROKEN:
        name = ""
    return name or f"part-{position}"
