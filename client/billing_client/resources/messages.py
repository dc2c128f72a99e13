"""Messages to customers: listed, cancelled, marked as sent, sent again, exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import Download, FileTotals, ListedSendingRun, Message, ResumedOutbox, SendingRun
from billing_client.asking import Key, MessageFilter, NewRecipient, NewSendingRun
from billing_client.ids import new_id as make_id
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

    def send_again(
        self, id: Key, reason: str, recipients: Sequence[NewRecipient] | None = None, new_id: Key | None = None
    ) -> Message:
        """Send a message again, and return the new one.

        The first one was sent, failed or is uncertain. Without `recipients`, it goes to the contacts that get such messages
        today.
        """
        body = {
            "id": new_id or make_id(),
            "reason": reason,
            **({} if recipients is None else {"recipients": recipients}),
        }
        return self.ask(Message, calls.MESSAGE_AGAIN, id, body=body)

    def cancel(self, id: Key, reason: str) -> Message:
        """Cancel a waiting message."""
        return self.ask(Message, calls.MESSAGE_CANCEL, id, body={"reason": reason})

    def mark_sent(self, id: Key, reason: str) -> Message:
        """Mark a message as sent by other means, or as known to have arrived."""
        return self.ask(Message, calls.MESSAGE_MARK_SENT, id, body={"reason": reason})

    def resume_outbox(self) -> ResumedOutbox:
        """Send all waiting messages now, and end a pause of the outbox.

        Use it after the cause is corrected, such as a wrong password of the mail server.
        """
        return self.ask(ResumedOutbox, calls.OUTBOX_RESUME)

    def send_many(self, **run: Unpack[NewSendingRun]) -> SendingRun:
        """Send many documents that were not sent.

        Documents that cannot be sent are left out, each with the reason.
        """
        return self.ask(SendingRun, calls.SENDING_RUN_CREATE, body={**run, "act": "send"})

    def mark_many_sent(self, reason: str, **run: Unpack[NewSendingRun]) -> SendingRun:
        """Mark many documents as sent by other means; `reason` says how."""
        return self.ask(SendingRun, calls.SENDING_RUN_CREATE, body={**run, "act": "mark_sent", "reason": reason})

    def runs(self) -> Iterator[ListedSendingRun]:
        """Yield all sending runs, newest first."""
        return self.each(ListedSendingRun, calls.SENDING_RUN_LIST)

    def get_run(self, id: Key) -> SendingRun:
        """Return one sending run: its progress, and the documents that it left out."""
        return self.ask(SendingRun, calls.SENDING_RUN_GET, id)

    def download(self, path: str | Path, **filters: Unpack[MessageFilter]) -> Download:
        """Write all matching messages to a CSV file, a row for each recipient.

        `totals` returns its control totals.
        """
        return self.file(calls.MESSAGE_FILE, path=path, query=filters)

    def totals(self, **filters: Unpack[MessageFilter]) -> FileTotals:
        """Return the control totals of the file that `download` writes."""
        return self.ask(FileTotals, calls.MESSAGE_FILE, query={**filters, "totals": 1})
