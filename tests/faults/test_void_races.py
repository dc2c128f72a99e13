"""One process voids a document while others begin to send it: it is void or sent, never both."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.models import Invoice, Message
from tests.faults import worker
from tests.levels import rounds
from tests.making import make_customer, make_invoice
from tests.messages import make_message

pytestmark = pytest.mark.fault


@pytest.mark.both_databases
@pytest.mark.parametrize("round", rounds(10))
def test_a_document_is_void_or_sent(app: Flask, session: Session, round: int) -> None:
    url = str(app.extensions["billing_settings"].database_url)
    invoice = make_invoice(make_customer(email="pay@acme.example"))
    message = make_message(invoice, content=b"From: x")
    claims = [(worker.claim_message, message.id)] * 2
    voids = [(worker.correct, invoice.id, "void", "")] * 2
    answers = worker.race(url, *(claims + voids if round % 2 else voids + claims))
    session.rollback()
    status = session.scalars(select(Invoice.status)).one()
    state = session.scalars(select(Message.state)).one()
    assert (status, state) in {("void", "dropped"), ("void", "waiting"), ("issued", "sending")}
    assert answers.count("done") == (status == "void")
    assert answers.count("claimed") == (state == "sending")
    if state == "waiting":
        assert worker.race(url, (worker.claim_message, message.id)) == ["not claimed"]
