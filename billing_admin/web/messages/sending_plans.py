"""Which documents can be sent, and why others cannot, for pages."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from flask import current_app, request

from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.domain.document_hash import hash_data
from billing_admin.domain.errors import Conflict
from billing_admin.domain.messages import NOT_SENT_REASONS, recipients_digest
from billing_admin.domain.translation import Phrase
from billing_admin.operations.messages import documents as operations
from billing_admin.operations.messages.documents import SendingPlan
from billing_admin.queries.messages.outbox import can_send
from billing_admin.web.frame.list_params import has_permission
from billing_admin.web.frame.signed_in import actor

WRITE = "messages:write"
# The codes of problems of documents that were sent, or will be.
SENT_ALREADY: Final = frozenset({"already_waiting", "already_sent"})


class ReasonCount(NamedTuple):
    """A reason for leaving documents out, and their number."""

    reason: str
    documents: int


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """The documents that can be sent, for a page, and why others cannot.

    `blocked` says why none can be sent now, or is empty.
    """

    plan: SendingPlan
    blocked: str

    @property
    def count(self) -> int:
        """The number of documents that can be sent now."""
        return 0 if self.blocked else len(self.plan.ready)

    @property
    def reasons(self) -> list[ReasonCount]:
        """The reasons for leaving documents out, most frequent first."""
        counts = Counter(item.problem.code for item in self.plan.left_out)
        return [ReasonCount(NOT_SENT_REASONS[code], count) for code, count in counts.most_common()]


def plan_of_drafts(ids: Collection[UUID]) -> ShownPlan | None:
    """Return which drafts could be sent after their issue.

    None if the person may not send.
    """
    return show_plan(ids, drafts_allowed=True) if has_permission(WRITE) else None


def wants_to_send() -> bool:
    """Return whether the button pressed was that to issue and send.

    Raises:
        Denied: The person may not send.
    """
    if "send" not in request.form:
        return False
    actor().require(WRITE)
    return True


def show_plan(ids: Collection[UUID], *, drafts_allowed: bool = False) -> ShownPlan:
    """Return which of these documents can be sent; drafts may be about to be issued."""
    plan = operations.plan_sending(db.session(), ids, drafts_allowed=drafts_allowed)
    return ShownPlan(plan, "" if mail_on() else Phrase("E-mail is not set up, so nothing can be sent."))


def digest_of_plan(plan: SendingPlan) -> str:
    """Return a digest of the documents that can be sent, with their recipients."""
    return hash_data([[str(facts.invoice_id), recipients_digest(facts.recipients)] for facts in plan.ready])


def recipients_changed() -> Conflict:
    """Return the error for recipients that are not those of the page."""
    return Conflict("recipients_changed", Phrase("The recipients have changed since you saw them. Check them below."))


def may_send() -> bool:
    """Return whether there is a mail server for the data; see `can_send`."""
    settings: Settings = current_app.extensions["billing_settings"]
    return can_send(db.session(), settings)


def mail_on() -> bool:
    """Return whether a mail server is set up."""
    settings: Settings = current_app.extensions["billing_settings"]
    return settings.mail_on
