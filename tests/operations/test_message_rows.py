"""Rows of messages that the database refuses, whatever the code above does."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Delete, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.models import Customer, Message
from tests.making import make_customer, make_invoice
from tests.messages import make_message

pytestmark = pytest.mark.both_databases


def test_a_document_has_one_first_message_of_a_purpose_and_level(session: Session) -> None:
    invoice = make_invoice()
    first = make_message(invoice, state="failed")
    with pytest.raises(IntegrityError):
        make_message(invoice)
    make_message(invoice, again_of=first.id, again_reason="Other address")
    make_message(invoice, level=1)
    make_message(invoice, level=2)
    with pytest.raises(IntegrityError):
        make_message(invoice, level=2)


@pytest.mark.parametrize("state", ["cancelled", "dropped"])
def test_a_message_that_never_left_makes_room_for_another(session: Session, state: str) -> None:
    invoice = make_invoice()
    make_message(invoice, state=state)
    make_message(invoice, state=state)
    assert make_message(invoice).documents[0].current


def test_a_period_has_one_first_statement_in_a_currency(session: Session) -> None:
    customer = make_customer()
    march: dict[str, Any] = {"purpose": "statement", "period_from": date(2026, 3, 1), "period_to": date(2026, 3, 31)}
    make_message(customer=customer, state="cancelled", **march)
    first = make_message(customer=customer, **march)
    with pytest.raises(IntegrityError):
        make_message(customer=customer, **march)
    make_message(customer=customer, again_of=first.id, again_reason="Asked for", **march)
    make_message(customer=customer, **march | {"currency": "EUR"})


def test_a_message_does_not_vanish_with_another_row(session: Session) -> None:
    invoice = make_invoice()
    message = make_message(invoice)
    for row in (
        delete(Customer).where(Customer.id == invoice.customer_id),
        delete(Message).where(Message.id == message.id),
    ):
        with pytest.raises(IntegrityError):
            transaction(_execute, row)


def _execute(session: Session, statement: Delete) -> None:
    session.execute(statement)
