"""Processes that remove and change one contact at the same moment: one removes it, the others get an error."""

from collections import Counter
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.models import AuditEvent, CustomerContact
from tests.faults import worker
from tests.making import make_customer

pytestmark = pytest.mark.fault


@pytest.fixture
def url(app: Flask, session: Session) -> str:
    """Where the processes find the test's database."""
    return str(app.extensions["billing_settings"].database_url)


def make_contact(session: Session) -> UUID:
    make_customer(email="pay@acme.example")
    id = session.scalars(select(CustomerContact.id)).one()
    session.rollback()
    return id


def test_a_contact_is_removed_once(session: Session, url: str) -> None:
    id = make_contact(session)
    answers = worker.race(url, *[(worker.remove_contact, id)] * 8)
    assert Counter(answers) == {"removed": 1, "unknown_contact": 7}
    assert session.scalars(select(CustomerContact.id)).all() == []
    removals = select(func.count()).where(AuditEvent.action == "customer.contact_removed")
    assert session.scalar(removals) == 1


def test_a_contact_that_is_removed_meanwhile_is_not_changed(session: Session, url: str) -> None:
    id = make_contact(session)
    changes = [(worker.rename_contact, id, f"Ann {number}") for number in range(6)]
    answers = worker.race(url, (worker.remove_contact, id), *changes, (worker.remove_contact, id))
    assert Counter(answer for answer in answers if answer != "changed")["removed"] == 1
    assert set(answers) <= {"removed", "changed", "unknown_contact"}
    assert session.scalars(select(CustomerContact.id)).all() == []
