"""Statements by e-mail, over the API."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.api.conftest import Script
from tests.making import make_customer, make_invoice

PATH = "/customers/LETTERS/statements"
MARIA = {"address": "maria@acme.example", "name": "Maria Huber"}
MARCH = {"period_from": "2026-03-01", "period_to": "2026-04-30"}


@pytest.fixture(autouse=True)
def _acme(script: Script, session: Session) -> None:
    make_invoice(make_customer(reference="LETTERS"), "100")


def test_a_statement_is_sent_once(script: Script) -> None:
    body = {"id": "99999999-5533-4c18-882a-000000000001", "recipients": [MARIA], **MARCH}
    first = script.post(PATH, body)
    message: Any = first.json
    assert (first.status_code, message["purpose"], message["state"]) == (201, "statement", "waiting")
    assert (message["period_from"], message["period_to"]) == ("2026-03-01", "2026-04-30")
    assert message["attachments"] == ["statement-LETTERS-USD-2026-04-30.pdf"]
    assert [(person["address"], person["kind"]) for person in message["recipients"]] == [("maria@acme.example", "to")]
    again = script.post(PATH, body)
    assert (again.status_code, again.json) == (200, message)
    refused: Any = script.post(PATH, body | {"id": "99999999-5533-4c18-882a-000000000002"})
    assert (refused.status_code, refused.json["code"]) == (409, "already_waiting")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/recipients", "no_recipient"),
        ({"recipients": [{"address": "nobody"}]}, "/recipients/0/address", "not_an_email"),
        ({"recipients": [MARIA | {"kind": "cc"}]}, "/recipients", "no_recipient"),
        ({"period_to": "2100-01-01"}, "/period_to", "in_future"),
        ({"currency": "GBP"}, "/currency", "unused_currency"),
        ({"period_from": "2026-04-02", "period_to": "2026-04-01"}, "/period_from", "out_of_order"),
        ({"recipients": [MARIA], "subject": "a\nb"}, "/subject", "unprintable"),
    ],
)
def test_wrong_requests_are_refused_at_their_field(script: Script, body: Any, pointer: str, code: str) -> None:
    refused: Any = script.post(PATH, body)
    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json["errors"]] == [(pointer, code)]
