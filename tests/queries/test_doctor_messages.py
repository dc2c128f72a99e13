"""Each rule of messages is broken on purpose; the doctor must name the message."""

from collections.abc import Iterator

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing_admin.background.mail import send_due
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.operations.messages import documents, messages
from billing_admin.queries.doctor import messages as checks, run_checks
from tests.background.outbox import Server, change_mail, enqueue, payer, remind, stored
from tests.making import NOW, make_customer, make_invoice
from tests.prepared import prepared
from tests.queries.test_doctor import found, without_defences

SENT = "(SELECT id FROM messages WHERE purpose = 'document' AND state = 'sent' AND again_of IS NULL AND NOT by_hand)"
CANCELLED = "(SELECT id FROM messages WHERE state = 'cancelled')"
FIRST = "(SELECT id FROM invoices WHERE number = 'INV-2026-00001')"
BREAKS = {
    "a letter that was changed": (
        "message_file_hash",
        "UPDATE message_files SET sha256 = 'x'",
        "Reminder.pdf: its bytes do not match its SHA-256",
    ),
    "a letter that is gone": ("message_files", "DELETE FROM message_files", "Reminder.pdf is not stored"),
    "a file that is gone": ("message_files", "DELETE FROM renditions", "INV-2026-00001.pdf is not stored"),
    "a first message that is not marked": (
        "message_current",
        f"UPDATE message_documents SET current = false WHERE message_id = {SENT}",
        "is not marked as the first message for INV-2026-00001",
    ),
    "a cancelled message that is marked": (
        "message_current",
        f"UPDATE message_documents SET current = true WHERE message_id = {CANCELLED}",
        "is marked as the first message for INV-2026-00002",
    ),
    "two first messages": (
        "message_current",
        f"UPDATE message_documents SET invoice_id = {FIRST} WHERE purpose = 'document'",
        "is a second message for INV-2026-00001",
    ),
    "a recipient without a result": (
        "message_recipients",
        f"UPDATE message_recipients SET result = '', at = NULL WHERE message_id = {SENT}",
        "a recipient lacks its result",
    ),
    "a void document that was sent": (
        "message_void",
        f"UPDATE invoices SET status = 'void' WHERE id = {FIRST}",
        "INV-2026-00001 is void, but was sent",
    ),
    "a sent message that nobody got": (
        "message_recipients",
        f"UPDATE message_recipients SET result = 'refused' WHERE message_id = {SENT}",
        "a recipient lacks its result",
    ),
}


@pytest.fixture
@prepared
def sent(app: Flask, session: Session) -> Session:
    """A document that was sent, reminded of and sent again, one that was cancelled and sent by letter, and a waiting one."""
    acme = payer()
    first, second = make_invoice(acme), make_invoice(acme)
    with time_machine.travel(NOW, tick=False), pytest.MonkeyPatch.context() as patch:
        change_mail(app, patch, mail_url="smtp://127.0.0.1:1?tls=off", mail_from="billing@seller.example")
        id = enqueue(first)
        remind(first)
        send_due(app, Server())
        transaction(messages.send_again, id, "Lost", None, None, True, SYSTEM, NOW)
        transaction(messages.cancel_message, enqueue(second), "Wrong text", SYSTEM, NOW)
        transaction(documents.mark_document_sent, second.id, "By letter", None, SYSTEM, NOW)
        assert stored(id).state == "sent"
    make_invoice(make_customer(reference="OTHER"))
    return session


@pytest.fixture
def defenceless(sent: Session) -> Iterator[Session]:
    """These data, and a database that refuses nothing."""
    with without_defences(sent) as session:
        session.execute(text("DROP INDEX uq_message_documents_current"))
        yield session


@pytest.mark.both_databases
def test_sound_data(sent: Session) -> None:
    sent.rollback()
    assert [result.check.name for result in run_checks(sent) if result.count] == []


@pytest.mark.parametrize(("check", "sql", "wrong"), BREAKS.values(), ids=BREAKS)
def test_what_is_broken_is_named(defenceless: Session, check: str, sql: str, wrong: str) -> None:
    assert defenceless.connection().execute(text(sql)).rowcount
    assert any(wrong in finding.problem for finding in found(defenceless).get(check, [])), found(defenceless)


def test_every_check_is_tried() -> None:
    assert {check for check, _, _ in BREAKS.values()} == {check.name for check in checks.CHECKS}
