"""Files for download: each leaves an audit event.

The event is stored before the first byte is sent. A file that cannot be recorded is not sent.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import Response

from billing_admin.clock import now
from billing_admin.db.transactions import Session, Stream, transaction
from billing_admin.http.callers import require_caller
from billing_admin.http.rate_limits import count_export
from billing_admin.operations.files import record_download

Parts = Callable[[Session], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Download:
    """A file and the details of its audit event.

    `object_id` is the object that the file is about. `details` names its kind, format and filters.
    """

    name: str
    media_type: str
    details: Mapping[str, Any] = field(default_factory=dict)
    object_type: str = "export"
    object_id: UUID | None = None


def send_export(download: Download, content: bytes | Parts) -> Response:
    """Count an export against the caller's limit, record it, and send it.

    `content` is the file, or a function that yields its parts. Raises TooManyRequests.
    """
    count_export(require_caller())
    return send_recorded(download, content)


def send_recorded(download: Download, content: bytes | Parts) -> Response:
    """Record a download in the audit log, then send its file.

    The snapshot of a stream is older than the event: an export of the audit log does not contain itself.
    """
    body = content if isinstance(content, bytes) else Stream(content)
    about = (download.object_type, download.object_id, download.name, download.details)
    try:
        transaction(record_download, *about, require_caller(), now())
    except BaseException:
        if isinstance(body, Stream):
            body.close()
        raise
    return unrecorded_attachment(body, download.name, download.media_type)


def unrecorded_attachment(content: bytes | Stream, name: str, media_type: str) -> Response:
    """Send a file without stored rows, such as an example or control totals."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, content_type=media_type, headers=headers)
