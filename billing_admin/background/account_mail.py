"""Send invitations, and links to choose a new password.

The secret of a link is made when its message is sent: neither a table nor a queue ever holds it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog
from flask import Flask
from flask_babel import force_locale, get_translations

from billing_admin import clock
from billing_admin.background.mail_transport import SendOutcome, SendResult, mail_sender, send_now
from billing_admin.background.runner import WORKER, shutting_down
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.languages import page_language
from billing_admin.domain.mail_servers import check_mail_address
from billing_admin.domain.one_time_links import LINK_IS_VALID_FOR, LinkPurpose, link_path
from billing_admin.domain.translation import Phrase, translated, use_catalogue
from billing_admin.formats.mail import Mail, MailAddress
from billing_admin.models import Organisation
from billing_admin.operations.access import one_time_links as operations
from billing_admin.operations.access.one_time_links import LinkToSend
from billing_admin.queries.access.one_time_links import due_link_ids
from billing_admin.queries.master_data.organisation import organisation

# Subject and text.
_MESSAGES: Final = {
    LinkPurpose.INVITATION: (
        Phrase("Invitation to the billing of {organisation}"),
        Phrase(
            """You were invited to the billing of {organisation}.

Open this link to choose your password. It works once, for {hours} hours:

{link}

You sign in as {email}.

If you did not expect this message, you can delete it.
"""
        ),
    ),
    LinkPurpose.PASSWORD_RESET: (
        Phrase("Choose a new password for the billing of {organisation}"),
        Phrase(
            """A new password was requested for the account {email}
in the billing of {organisation}.

Open this link to choose it. It works once, for {hours} hour:

{link}

If you did not ask for it, delete this message: the link changes nothing until you use it.
"""
        ),
    ),
}
_log = structlog.get_logger(__name__)


def send_due_links(app: Flask, send: Callable[[Settings, Mail], SendResult] = send_now) -> None:
    """Send the links that are due.

    Logs errors, and links that could not be sent.
    """
    settings: Settings = app.extensions["billing_settings"]
    if not settings.mail_on:
        return
    with app.app_context():
        try:
            with LogIfUnavailable("links_not_sent"):
                for id in due_link_ids(db.session(), clock.now()):
                    if not shutting_down.is_set():
                        _send_link(settings, id, send)
        except Exception:  # noqa: BLE001 - the thread goes on, and the next search tries again
            _log.exception("links_not_sent")


def _send_link(settings: Settings, id: UUID, send: Callable[[Settings, Mail], SendResult]) -> None:
    link = transaction(operations.claim_link, id, clock.now())
    if link is None:
        return
    mail = _make_mail(settings, link, organisation(db.session()), clock.now())
    db.session.close()  # no snapshot and no connection while the server is slow
    result = send(settings, mail)
    is_sent = result.outcome in {SendOutcome.SENT, SendOutcome.UNCERTAIN}
    if not is_sent:
        _log.warning("link_not_sent", purpose=link.purpose, user=str(link.user_id), response=result.response)
    failure, is_final = None if is_sent else result.response, result.outcome is SendOutcome.REFUSED
    transaction(operations.record_mail_result, id, failure, WORKER, clock.now(), is_final=is_final)


def _make_mail(settings: Settings, link: LinkToSend, seller: Organisation, now: datetime) -> Mail:
    """Return the message, in the language of the person's pages.

    Where they chose none, it is that of the organisation.
    """
    language = page_language(link.language, seller.language)
    values = {
        "organisation": seller.legal_name,
        "email": link.email,
        "hours": LINK_IS_VALID_FOR[link.purpose] // timedelta(hours=1),
        "link": settings.base_url + link_path(link.purpose, link.token),
    }
    with force_locale(language), use_catalogue(get_translations()):
        subject, text = (translated(part.format(**values)) for part in _MESSAGES[link.purpose])
    return Mail(
        id=uuid4(),
        made_at=now,
        sender=mail_sender(settings, seller.legal_name),
        reply_to=None,
        to=[MailAddress("", check_mail_address(link.email, "address"))],
        cc=[],
        subject=subject,
        text=text,
        language=language,
    )
