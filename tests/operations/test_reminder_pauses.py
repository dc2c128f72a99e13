"""Pauses of reminders, and the settings of reminders."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.reminders import DEFAULT_LEVELS, Pause, levels_from_json
from billing_admin.models import AuditEvent, Customer, Organisation, ReminderPause
from billing_admin.operations.master_data import reminder_levels
from billing_admin.operations.messages.reminder_pauses import pause_customer, pause_invoice, resume
from billing_admin.queries.messages.reminder_pauses import current_pause, current_pauses
from tests.making import NOW, credit, make_customer, make_invoice
from tests.prepared import prepared
from tests.web.reading import fresh

TODAY = NOW.date()
DISPUTED = Pause(TODAY + timedelta(10), "Disputed")
pytestmark = pytest.mark.both_databases


@pytest.fixture
@prepared
def acme(session: Session) -> Customer:
    return make_customer(reference="ACME")


def actions(session: Session) -> list[str]:
    query = select(AuditEvent.action).where(AuditEvent.action.contains("reminders_")).order_by(AuditEvent.id)
    return list(fresh(session, query))


def test_a_customer_has_one_current_pause(session: Session, acme: Customer) -> None:
    first, is_new = transaction(pause_customer, acme.id, DISPUTED, None, SYSTEM, NOW)
    first_id = first.id
    assert is_new
    longer = replace(DISPUTED, through=TODAY + timedelta(20))
    second_id = transaction(pause_customer, acme.id, longer, None, SYSTEM, NOW)[0].id
    assert current_pauses(session, [acme.id]).customers == {acme.id: longer}
    assert session.get_one(ReminderPause, first_id).ended_at == NOW
    assert transaction(resume, second_id, SYSTEM, NOW)
    assert not transaction(resume, second_id, SYSTEM, NOW)
    assert current_pause(session, acme.id) is None
    assert actions(session) == ["customer.reminders_paused"] * 2 + ["customer.reminders_resumed"]


def test_an_invoice_is_paused_apart_from_its_customer(session: Session, acme: Customer) -> None:
    invoice = make_invoice(acme)
    transaction(pause_invoice, invoice.id, DISPUTED, None, SYSTEM, NOW)
    transaction(pause_customer, acme.id, DISPUTED, None, SYSTEM, NOW)
    pauses = current_pauses(session, [acme.id])
    assert (pauses.customers, pauses.invoices) == ({acme.id: DISPUTED}, {invoice.id: DISPUTED})
    assert actions(session) == ["invoice.reminders_paused", "customer.reminders_paused"]


def test_a_repeated_pause_is_a_replay(session: Session, acme: Customer) -> None:
    id = uuid4()
    assert transaction(pause_customer, acme.id, DISPUTED, id, SYSTEM, NOW)[1]
    later = NOW + timedelta(30)
    assert not transaction(pause_customer, acme.id, DISPUTED, id, SYSTEM, later)[1]
    with pytest.raises(Conflict, match="reason"):
        transaction(pause_customer, acme.id, replace(DISPUTED, reason="Other"), id, SYSTEM, NOW)
    assert len(actions(session)) == 1


def test_a_wrong_pause_is_refused(session: Session, acme: Customer) -> None:
    for pause, field in ((Pause(TODAY - timedelta(1), "Disputed"), "through"), (Pause(TODAY, ""), "reason")):
        with pytest.raises(Invalid) as refused:
            transaction(pause_customer, acme.id, pause, None, SYSTEM, NOW)
        assert refused.value.field == (field,)
    note = credit(make_invoice(acme), "1")
    for document in (note, make_invoice(acme, issue=False)):
        with pytest.raises(Conflict, match="Only issued invoices"):
            transaction(pause_invoice, document.id, DISPUTED, None, SYSTEM, NOW)


def test_the_levels_and_the_daily_switch_are_settings(app: Flask, session: Session) -> None:
    settings = session.get_one(Organisation, 1)
    assert (levels_from_json(settings.reminder_levels), settings.daily_reminders) == (DEFAULT_LEVELS, False)
    version, levels = settings.version, (replace(DEFAULT_LEVELS[0], days_after_due=5), *DEFAULT_LEVELS[1:])
    transaction(reminder_levels.update, levels, True, version, SYSTEM, NOW)
    transaction(reminder_levels.update, None, None, None, SYSTEM, NOW)
    settings = fresh(session, select(Organisation))[0]
    assert (levels_from_json(settings.reminder_levels), settings.daily_reminders) == (levels, True)
    events = fresh(session, select(AuditEvent).where(AuditEvent.action == "organisation.changed"))
    assert [sorted(event.details) for event in events] == [["daily_reminders", "reminder_levels"]]
    with pytest.raises(Stale):
        transaction(reminder_levels.update, levels, False, version, SYSTEM, NOW)
    with pytest.raises(Invalid, match="1 to 365"):
        transaction(
            reminder_levels.update,
            [replace(DEFAULT_LEVELS[0], least_days=0), *DEFAULT_LEVELS[1:]],
            None,
            None,
            SYSTEM,
            NOW,
        )
