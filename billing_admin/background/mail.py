"""Send messages to customers in a separate thread.

The sender searches for due messages each second, with one query on a small index. Any number of workers may do so.
"""

from collections.abc import Callable, Iterator
from threading import Thread
from typing import Final
from uuid import UUID, uuid4

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from billing_admin import clock
from billing_admin.background.account_mail import send_due_links
from billing_admin.background.mail_transport import SendOutcome, SendResult, envelope_sender, mail_sender, send_mail
from billing_admin.background.runner import WORKER, shutting_down
from billing_admin.config import Settings
from billing_admin.db.engine import db
from billing_admin.db.errors import LogIfUnavailable, driver_message, explain_unavailable
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import DomainError
from billing_admin.domain.mail_servers import MailServer
from billing_admin.domain.messages import DEMO_DATA
from billing_admin.formats.glyphs import load_glyphs
from billing_admin.formats.mail import SENDER_FIELDS
from billing_admin.operations.audit import seal_events
from billing_admin.operations.messages import deliveries
from billing_admin.operations.messages.content import Sender, make_content
from billing_admin.operations.messages.deliveries import ClaimedMessage
from billing_admin.queries.master_data.organisation import organisation
from billing_admin.queries.messages.outbox import current_pause, lost_ids, next_due_id

POLL_SECONDS: Final = 1.0
REST_SECONDS: Final = 30.0  # after an attempt in which the mail server could not be used
RECORD_ATTEMPTS: Final = 300  # to store a result while the database is unavailable
RECORD_SECONDS: Final = 1.0  # between two of them
_log = structlog.get_logger(__name__)

Transport = Callable[..., SendResult]


class MailSender(Thread):
    """The thread that sends messages and links for passwords, one after the other."""

    def __init__(self, app: Flask) -> None:
        super().__init__(name="mail", daemon=True)
        self._app = app

    def run(self) -> None:
        """Send until the process shuts down.

        The result of an attempt in progress is recorded before it ends.
        """
        seconds = POLL_SECONDS
        while not shutting_down.wait(seconds):
            seconds = POLL_SECONDS if send_due(self._app) else REST_SECONDS
            send_due_links(self._app)


def send_due(app: Flask, send: Transport = send_mail) -> bool:
    """Send the messages that are due, until none is or the rate is reached.

    Returns False if the mail server could not be used. The other messages then keep their attempts, and are sent when the
    server can be used again. While e-mail is not set up, messages wait, and those of a lost worker are
    released. Logs errors.
    """
    settings: Settings = app.extensions["billing_settings"]
    with app.app_context():
        try:
            with LogIfUnavailable("messages_not_sent"):
                return _send_all_due(settings, send)
        except Exception:  # noqa: BLE001 - the thread goes on, and the next search tries again
            _log.exception("messages_not_sent")
    return True


def _send_all_due(settings: Settings, send: Transport) -> bool:
    for id in lost_ids(db.session(), clock.now()):
        transaction(deliveries.release_lost, id, WORKER, clock.now())
    if not settings.mail_on:
        return True
    worker, usable = uuid4().hex, True
    for id in _due_ids():
        try:
            claimed = _prepare_and_claim(settings, id, worker)
        except deliveries.RateReached:
            break
        usable = claimed is None or _attempt(settings, claimed, send)
        transaction(seal_events, clock.now())
        if not usable:
            break
    return usable


def _due_ids() -> Iterator[UUID]:
    """Yield due messages, one after the other.

    Ends while the outbox is paused, and at one that is still due after it was looked at, because somebody else has locked it.
    """
    last = None
    while not shutting_down.is_set():
        db.session.close()  # a new snapshot
        if current_pause(db.session(), clock.now()) is not None:
            return
        id = next_due_id(db.session(), clock.now())
        if id is None or id == last:
            return
        yield id
        last = id


def _prepare_and_claim(settings: Settings, id: UUID, worker: str) -> ClaimedMessage | None:
    """Make the content of a message and claim it, or record why that fails."""
    if isinstance(settings.mail_transport, MailServer) and organisation(db.session()).is_demo:
        transaction(deliveries.record_failure, id, DEMO_DATA, WORKER, clock.now(), final=True)
        return None
    name_and_address = mail_sender(settings)
    sender = Sender(name_and_address.name, name_and_address.address, settings.mail_domain)
    try:
        make_content(transaction, db.session(), id, sender, load_glyphs(settings.fonts), clock.now())
    except DomainError as error:
        is_final = error.field not in SENDER_FIELDS
        transaction(deliveries.record_failure, id, error.message, WORKER, clock.now(), final=is_final)
        return None
    except Exception as error:
        if explain_unavailable(error) is not None:
            raise
        _log.exception("message_not_made", message=str(id))
        transaction(deliveries.record_failure, id, deliveries.FAILED_INTERNALLY, WORKER, clock.now(), final=False)
        return None
    return transaction(deliveries.claim_message, id, worker, settings.mail_per_minute, WORKER, clock.now())


def _attempt(settings: Settings, claimed: ClaimedMessage, send: Transport) -> bool:
    """Make one attempt to send a claimed message, and record its result.

    Returns False if the mail server could not be used: it took no message and was asked for no recipient.
    """
    db.session.close()  # no snapshot and no connection while the server is slow

    def before_data() -> None:
        transaction(deliveries.record_handover, claimed, clock.now())

    try:
        result = send(settings, envelope_sender(settings, claimed.id), claimed.recipients, claimed.content, before_data)
        _record(claimed, result)
    except deliveries.LeaseLost:
        _log.warning("message_lost", message=str(claimed.id))
        return True
    return result.outcome is not SendOutcome.RETRY or bool(result.recipients)


def _record(claimed: ClaimedMessage, result: SendResult) -> None:
    """Record a result, however long the database is unavailable, up to a limit.

    A result that is lost leaves an uncertain message.
    """
    for attempt in range(1, RECORD_ATTEMPTS + 1):
        try:
            transaction(
                deliveries.record_result,
                claimed,
                result.outcome.value,
                result.response,
                result.recipients,
                WORKER,
                clock.now(),
                is_of_configuration=result.is_of_configuration,
            )
        except SQLAlchemyError as error:
            if attempt == RECORD_ATTEMPTS or shutting_down.is_set() or explain_unavailable(error) is None:
                raise
            _log.warning("message_result_not_recorded", message=str(claimed.id), error=driver_message(error))
            shutting_down.wait(RECORD_SECONDS)
        else:
            return
