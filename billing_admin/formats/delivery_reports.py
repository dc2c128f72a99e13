"""Read delivery reports (RFC 3464)."""

import re
from collections.abc import Iterator
from email.message import Message
from typing import Final
from uuid import UUID

from billing_admin.domain.bounces import MAX_RESPONSE_LENGTH, DeliveryReport, FailedRecipient
from billing_admin.domain.mail_servers import bounced_message_id
from billing_admin.formats.mail_reader import child_parts, decode_header_value, message_parts, parse_message, part_text

MAX_REPORT_BYTES: Final = 1024 * 1024  # the report stands before the returned message, which may be large
MAX_FAILURES: Final = 100
# The headers in which servers write the envelope's recipient, the most certain first.
_ENVELOPE_HEADERS: Final = ("X-Original-To", "Envelope-To", "X-Envelope-To", "Delivered-To", "To")
_MESSAGE_ID = re.compile(
    r"^message-id:\s*<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@[^<>\s]+>", re.ASCII | re.IGNORECASE | re.MULTILINE
)


def read_report(content: bytes) -> DeliveryReport | None:
    """Return the delivery report that a message is, or None for another message."""
    message = parse_message(content[:MAX_REPORT_BYTES])
    parts = list(message_parts(message))
    status = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    id = _envelope_id(message) or _returned_id(parts)
    if status is None or id is None:
        return None
    return DeliveryReport(id, tuple(_failures(status)))


def _envelope_id(message: Message) -> UUID | None:
    values = (str(value) for name in _ENVELOPE_HEADERS for value in message.get_all(name, []))
    return next(filter(None, map(bounced_message_id, values)), None)


def _returned_id(parts: list[Message]) -> UUID | None:
    """Return the id of the message that the report returns, whole or its headers."""
    returned = [part for part in parts if part.get_content_type() in {"message/rfc822", "text/rfc822-headers"}]
    for part in returned:
        children = child_parts(part)
        text = f"Message-ID: {children[0]['Message-ID']}" if children else part_text(part)
        match = _MESSAGE_ID.search(text)
        if match:
            return UUID(match[1])
    return None


def _failures(status: Message) -> Iterator[FailedRecipient]:
    for block in child_parts(status)[:MAX_FAILURES]:
        if _field(block, "Action").lower() == "failed":
            addresses = [_address(_field(block, name)) for name in ("Original-Recipient", "Final-Recipient")]
            yield FailedRecipient(tuple(filter(None, addresses)), _response(block))


def _response(block: Message) -> str:
    """Return the answer of the server, or the status code if the report has no answer."""
    answer = _field(block, "Diagnostic-Code")
    text = answer.partition(";")[2].strip() or answer or f"Status {_field(block, 'Status')}"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:MAX_RESPONSE_LENGTH])


def _field(block: Message, name: str) -> str:
    return decode_header_value(block[name] or "")


def _address(field: str) -> str:
    """Return the address of a field such as `rfc822; anna@example.com`."""
    kind, _, address = field.partition(";")
    return address.strip().strip("<>") if kind.strip().lower() in {"rfc822", "utf-8"} else ""
