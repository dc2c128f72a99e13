"""Acts above a limit, which wait for the approval of a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from billing_client import calls
from billing_client.answers import ApprovalRequest
from billing_client.asking import ApprovalFilter, Key
from billing_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Approvals(Resource):
    """The calls of `client.approvals`."""

    def list(self, **filters: Unpack[ApprovalFilter]) -> Iterator[ApprovalRequest]:
        """Yield all acts that wait for approval or were decided, newest first."""
        return self.each(ApprovalRequest, calls.APPROVAL_LIST, filters)

    def get(self, id: Key) -> ApprovalRequest:
        """Return one act that waits for approval or was decided."""
        return self.ask(ApprovalRequest, calls.APPROVAL_GET, id)
