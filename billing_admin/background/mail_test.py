"""The test message, which checks the settings of mail."""

from datetime import datetime
from uuid import uuid4

from billing_admin.background.mail_transport import SendOutcome, SendResult, mail_sender, send_now
from billing_admin.config import Settings
from billing_admin.domain.mail_servers import check_mail_address
from billing_admin.formats.mail import Mail, MailAddress

_TEXT = """This is a test message from {organisation}.

Messages to customers are sent in the same way:

Sender: {sender}
Delivery reports go to: {bounces}

You can delete this message.
"""


def send_test_message(settings: Settings, organisation: str, address: str, now: datetime) -> SendResult:
    """Send a test message and return the result.

    Raises:
        Invalid: The address cannot be used.
    """
    sender = mail_sender(settings, organisation)
    return send_now(
        settings,
        Mail(
            id=uuid4(),
            made_at=now,
            sender=sender,
            reply_to=None,
            to=[MailAddress("", check_mail_address(address, "address"))],
            cc=[],
            subject=f"Test message from {organisation}",
            text=_TEXT.format(
                organisation=organisation, sender=sender.address, bounces=settings.mail_bounces or sender.address
            ),
            language="en",
        ),
    )


def send_preview(
    settings: Settings, organisation: str, address: str, subject: str, text: str, language: str, now: datetime
) -> SendResult:
    """Send the preview of a message to a person and return the result.

    Raises:
        Invalid: The address cannot be used.
    """
    return send_now(
        settings,
        Mail(
            id=uuid4(),
            made_at=now,
            sender=mail_sender(settings, organisation),
            reply_to=None,
            to=[MailAddress("", check_mail_address(address, "address"))],
            cc=[],
            subject=subject,
            text=text,
            language=language,
        ),
    )


def describe_result(result: SendResult, address: str) -> str:
    """Return the sentence for the result of a test message."""
    match result.outcome:
        case SendOutcome.SENT:
            return f"The message to {address} was accepted: {result.response}"
        case SendOutcome.UNCERTAIN:
            return f"The message to {address} may have been sent: the answer is missing. {result.response}"
        case SendOutcome.REFUSED | SendOutcome.RETRY:
            return f"The message to {address} was not sent. {result.response}"
