"""Messages to customers: list and read them, and export them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import Download, FileTotals, Message
from billing_client.asking import Key, MessageFilter
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Messages(Resource):
    """The calls of `client.messages`."""

    def list(self, **filters: Unpack[MessageFilter]) -> Iterator[Message]:
        """Yield all messages, newest first."""
        return self.each(Message, calls.MESSAGE_LIST, filters)

    def get(self, id: Key) -> Message:
        """Return one message with its recipients and the outcome for each."""
        return self.ask(Message, calls.MESSAGE_GET, id)

    def download(self, path: str | Path, **filters: Unpack[MessageFilter]) -> Download:
        """Write all matching messages to a CSV file, a row for each recipient.

        `totals` returns its control totals.
        """
        return self.file(calls.MESSAGE_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[MessageFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.MESSAGE_FILE, query={**filters, "totals": 1})
