"""What tests of messages need: a transport that answers as it is told, and messages in the outbox."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from billing_admin.background.mail_transport import RecipientResult, SendOutcome, SendResult
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.messages import Recipient
from billing_admin.models import Customer, Invoice, Message
from billing_admin.operations.messages import documents
from billing_admin.operations.messages.documents import SendSpec
from billing_admin.operations.messages.outbox import NewFile, NewMessage, enqueue_messages
from tests.making import NOW, make_customer

ANNA, CORA = Recipient("Anna", "anna@example.com"), Recipient("Cora", "cora@example.com", "cc")


def change_mail(app: Flask, monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    settings = app.extensions["billing_settings"].model_copy(update=values)
    monkeypatch.setitem(app.extensions, "billing_settings", settings)


class Server:
    """The transport of a test: it answers as it is told, and keeps each message that it took over."""

    def __init__(self, *results: SendResult) -> None:
        self.results = list(results)
        self.taken: list[bytes] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.on_connect: Callable[[], None] = lambda: None

    def __call__(
        self, _settings: Any, sender: str, recipients: Sequence[Any], content: bytes, before_data: Callable[[], None]
    ) -> SendResult:
        self.on_connect()
        result = self.results.pop(0) if self.results else sent(*(recipient.address for recipient in recipients))
        if result.outcome is not SendOutcome.RETRY:
            before_data()
            self.taken.append(content)
            self.envelopes.append((sender, [recipient.address for recipient in recipients]))
        return result


def sent(*addresses: str) -> SendResult:
    results = tuple(RecipientResult(address, True, 250, "OK") for address in addresses)
    return SendResult(SendOutcome.SENT, results, "250 Queued as 4711")


def retry(response: str = "451 Try later") -> SendResult:
    return SendResult(SendOutcome.RETRY, (), response)


def payer(**fields: Any) -> Customer:
    return make_customer(**{"reference": "ACME", "name": "Acme", "email": ANNA.address, **fields})


def enqueue(invoice: Invoice, *recipients: Recipient) -> UUID:
    spec = SendSpec(recipients or None)
    return transaction(documents.send_document, invoice.id, spec, True, SYSTEM, datetime.now(NOW.tzinfo))[0]


def remind(*invoices: Invoice, letter: bytes = b"%PDF-letter") -> UUID:
    message = NewMessage(
        customer_id=invoices[0].customer_id,
        purpose="reminder",
        currency="USD",
        language="en",
        recipients=[ANNA],
        subject="Reminder",
        text="Please pay.",
        documents=[(invoice.id, 1) for invoice in invoices],
        files=[NewFile("Reminder.pdf", "application/pdf", letter)],
    )
    return transaction(enqueue_messages, [message], SYSTEM, datetime.now(NOW.tzinfo))[0]


def stored(id: UUID) -> Message:
    db.session.rollback()
    return db.session.get_one(Message, id, populate_existing=True)
