"""Record that a message could not be delivered to a recipient."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.access import Actor
from billing_admin.domain.bounces import BounceOutcome, DeliveryReport, find_failed
from billing_admin.models import Message, MessageRecipient
from billing_admin.operations.audit import record


def record_bounce(session: Session, report: DeliveryReport, actor: Actor, now: datetime) -> BounceOutcome:
    """Mark the recipients that a delivery report is about as bounced.

    The state of the message does not change. The report of a message that is still being sent is unknown for now: its
    results would be overwritten.
    """
    message = session.get(Message, report.message_id, populate_existing=True, with_for_update=True)
    if message is None or message.finished_at is None:
        return BounceOutcome.UNKNOWN
    query = select(MessageRecipient).where(MessageRecipient.message_id == message.id)
    recipients = session.scalars(query.order_by(MessageRecipient.position)).all()
    failed = [(recipient, failure) for failure in report.failures for recipient in find_failed(recipients, failure)]
    if not failed:
        return BounceOutcome.UNKNOWN if report.failures else BounceOutcome.NO_FAILURE
    new = [(recipient, failure) for recipient, failure in failed if recipient.result != "bounced"]
    for recipient, failure in new:
        recipient.result, recipient.code, recipient.response, recipient.at = (
            "bounced",
            failure.code,
            failure.response,
            now,
        )
        details = {"address": recipient.address, "response": failure.response}
        record(session, actor, now, "message.bounced", "message", message.id, details)
    return BounceOutcome.RECORDED if new else BounceOutcome.REPEATED
