"""What is to be told is written with what makes it true: each event once, as the API shows it; nothing that was rolled back."""

import json
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict
from billing_admin.models import Allocation, Charge, Invoice, WebhookDelivery
from billing_admin.operations.access import tokens
from billing_admin.operations.charges import charges, corrections
from billing_admin.operations.invoices import invoices, rebilling
from billing_admin.operations.invoices.rebilling import CorrectedLine, RebillSpec
from billing_admin.operations.payments import payments
from billing_admin.operations.webhooks import outbox
from billing_admin.queries.webhooks.endpoints import listening_endpoint_ids
from tests.background.hooks import make_endpoint, summary, told
from tests.making import (
    MARCH_END,
    NOW,
    all_invoices,
    bill,
    change_settings,
    change_tax,
    credit,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
    void,
)
from tests.prepared import prepared


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    """What is overdue depends on the day."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
@prepared
def endpoint(app: Flask, session: Session) -> UUID:
    return make_endpoint(app)[0]


def shown(client: FlaskClient, path: str) -> object:
    """What the API says."""
    secret = transaction(tokens.create, "reader", ["read"], actor=SYSTEM, now=NOW, expires_in_days=400)[1]
    response = client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code == 200
    return response.json


def events(session: Session) -> list[tuple[str, str]]:
    """What was told of what: an invoice's number, a charge's id."""
    happened = [(one.event, json.loads(one.body)["data"]) for one in told(session)]
    return [(event, said["number"] if "number" in said else said["id"]) for event, said in happened]


def last(session: Session) -> WebhookDelivery:
    return told(session)[-1]


def data(delivery: WebhookDelivery) -> object:
    body = json.loads(delivery.body)
    assert body.keys() == {"id", "type", "created_at", "data"}
    assert (body["id"], body["type"]) == (str(delivery.event_id), delivery.event)
    assert body["created_at"] == delivery.created_at.isoformat().replace("+00:00", "Z")
    return body["data"]


def test_the_event_of_an_invoice_has_the_fields_of_the_api(
    endpoint: UUID, client: FlaskClient, session: Session
) -> None:
    rate = make_tax_rate()
    change_tax(rate, MARCH_END, "16")
    customer = make_customer(reference="ACME", name="Zoë’s “Büro”", currency="EUR")
    taxed = make_service(code="Gross", prices={"EUR": Decimal("11.90")}, tax_rate="VAT19", prices_include_tax=["EUR"])
    exact = make_service(code="Tiny", prices={"EUR": Decimal("0.0000008")}, line_per_charge=True)
    post(
        make_spec(customer, service=taxed, quantity="3"),
        make_spec(customer, service=exact, quantity="12345678.5"),
        make_spec(customer, "-1.005", description="Discount"),
    )
    bill()
    (invoice,) = all_invoices()
    path = f"/invoices/{invoice.number}"
    assert events(session) == [("invoice.issued", invoice.number)]
    assert data(last(session)) == shown(client, path)
    credit(invoice, "1.00")
    assert len(events(session)) == 1
    pay(make_payment_spec(customer, "1000"))
    assert events(session)[1:] == [("invoice.paid", invoice.number)]
    assert data(last(session)) == shown(client, path)


def test_voided_and_billed_again(endpoint: UUID, client: FlaskClient, session: Session) -> None:
    invoice = make_invoice()
    draft = void(invoice, "billed_again")
    assert draft is not None
    assert data(last(session)) == shown(client, f"/invoices/{invoice.number}")
    transaction(invoices.issue, draft, None, SYSTEM, NOW)
    transaction(invoices.issue, draft, None, SYSTEM, NOW)
    assert [event for event, _ in events(session)] == ["invoice.issued", "invoice.voided", "invoice.issued"]
    assert data(last(session)) == shown(client, f"/invoices/{draft}")


def test_drafts_have_no_event_and_each_issued_invoice_has_one(
    endpoint: UUID, client: FlaskClient, session: Session
) -> None:
    for name in ("A", "B", "C", "D", "E", "F", "G"):
        post(make_spec(make_customer(reference=name), "10"))
    bill(issue=False)
    assert events(session) == []
    ids = [invoice.id for invoice in all_invoices()]
    transaction(invoices.issue_many, ids, MARCH_END, SYSTEM, NOW)
    found = all_invoices()
    assert events(session) == [("invoice.issued", invoice.number) for invoice in found]
    assert [data(one) for one in told(session)] == [shown(client, f"/invoices/{one.number}") for one in found]


def test_a_run_tells_in_the_order_of_the_numbers(endpoint: UUID, session: Session) -> None:
    for number in range(12):
        post(make_spec(make_customer(reference=f"C{number:02}"), "10"))
    bill()
    assert [about for _, about in events(session)] == [invoice.number for invoice in all_invoices()]


def test_paid_opened_and_paid_again(endpoint: UUID, client: FlaskClient, session: Session) -> None:
    invoice = make_invoice(amount="10")
    path = f"/invoices/{invoice.number}"
    pay(make_payment_spec(invoice.customer_reference, "4"))
    assert len(events(session)) == 1
    second = pay(make_payment_spec(invoice.customer_reference, "6"))
    assert data(last(session)) == shown(client, path)
    transaction(payments.reverse, second, "Bounced", None, SYSTEM, NOW)
    third = pay(make_payment_spec(invoice.customer_reference, "6", allocate=()))
    transaction(payments.allocate, third, "oldest", SYSTEM, NOW)
    paid = ("invoice.paid", invoice.number)
    assert events(session)[1:] == [paid, paid]
    assert len({one.event_id for one in told(session)}) == 3
    transaction(payments.withdraw_allocation, third, _allocation(session), "", SYSTEM, NOW)
    transaction(payments.write_off, invoice.id, Decimal(6), "Small", None, SYSTEM, NOW)
    assert events(session)[1:] == [paid, paid, paid]
    assert data(last(session)) == shown(client, path)


def _allocation(session: Session) -> UUID:
    """Of the payment that stands."""
    return session.scalars(
        select(Allocation.id).where(Allocation.withdrawn_on.is_(None), Allocation.amount == 600)
    ).one()


def test_credited_in_full_it_is_paid_and_a_paid_one_is_not_told_again(
    endpoint: UUID, client: FlaskClient, session: Session
) -> None:
    open_one, paid_one = make_invoice(amount="10"), make_invoice(amount="20")
    credit(open_one, "10")
    assert events(session)[2:] == [("invoice.paid", open_one.number)]
    assert data(last(session)) == shown(client, f"/invoices/{open_one.number}")
    pay(make_payment_spec(paid_one.customer_reference, "20"))
    credit(paid_one, "5")
    credit(paid_one, "15")
    assert events(session)[3:] == [("invoice.paid", paid_one.number)]


def test_part_paid_and_credited_above_what_is_left(endpoint: UUID, session: Session) -> None:
    invoice = make_invoice(amount="10")
    pay(make_payment_spec(invoice.customer_reference, "7"))
    credit(invoice, "5")
    assert events(session)[1:] == [("invoice.paid", invoice.number)]


def test_held_by_somebody(endpoint: UUID, client: FlaskClient, session: Session) -> None:
    ids = post(*(make_spec(make_customer(reference=name), "10") for name in ("A", "B"))).ids
    for _ in range(2):
        transaction(charges.hold, ids, "Look", SYSTEM, NOW)
    assert events(session) == [("charge.held", str(id)) for id in sorted(ids, key=ids.index)]
    assert [data(one) for one in told(session)] == [shown(client, f"/charges/{id}") for id in ids]


def test_charges_that_are_billed_again_are_not_held(endpoint: UUID, session: Session) -> None:
    change_settings(hold_likely_duplicates=True)
    invoice = make_invoice(amount="10")
    spec = RebillSpec("Disputed", [CorrectedLine(invoice.lines[0].id)])
    transaction(rebilling.bill_again, invoice.id, spec, SYSTEM, NOW)
    assert "charge.held" not in [event for event, _ in events(session)]
    kept = select(Charge.status, Charge.duplicate_kept_at.is_not(None))
    assert sorted(map(tuple, session.execute(kept))) == [("billed", False), ("billed", True)]


def test_held_as_likely_duplicates(endpoint: UUID, client: FlaskClient, session: Session) -> None:
    change_settings(hold_likely_duplicates=True)
    customer = make_customer()
    posted = post(make_spec(customer, "10"), make_spec(customer, "10"), make_spec(customer, "11"))
    assert events(session) == [("charge.held", str(posted.ids[1]))]
    assert data(last(session)) == shown(client, f"/charges/{posted.ids[1]}")
    assert last(session).about == f"{customer.reference}: Work"


@pytest.mark.parametrize("duplicate", [False, True])
def test_held_once_corrected(endpoint: UUID, client: FlaskClient, session: Session, duplicate: bool) -> None:
    change_settings(hold_likely_duplicates=True)
    customer = make_customer()
    one, _other = post(make_spec(customer, "10"), make_spec(customer, "12")).ids
    if not duplicate:
        transaction(charges.hold, [one], "Look", SYSTEM, NOW)
    amount = Decimal(12) if duplicate else Decimal(13)
    new, _ = transaction(corrections.correct_charge, one, {"amount": amount}, None, "Wrong", SYSTEM, NOW)
    assert events(session)[-1] == ("charge.held", str(new))
    assert data(last(session)) == shown(client, f"/charges/{new}")
    assert len(events(session)) == (1 if duplicate else 2)


def test_only_who_listens_is_told_and_the_event_is_the_same(app: Flask, session: Session) -> None:
    both = [make_endpoint(app, events=["invoice.issued"])[0] for _ in range(2)]
    make_endpoint(app, events=["charge.held"])
    invoice = make_invoice()
    assert events(session) == [("invoice.issued", invoice.number)] * 2
    assert {one.endpoint_id for one in told(session)} == set(both)
    assert len({one.event_id for one in told(session)}) == len({one.body for one in told(session)}) == 1
    assert len({one.id for one in told(session)}) == 2


def test_an_act_that_is_rolled_back_has_no_event(endpoint: UUID, session: Session) -> None:
    invoice = make_invoice(issue=False)

    def half(session: Session) -> None:
        invoices.issue(session, invoice.id, None, SYSTEM, NOW)
        raise Conflict("no", "No.")

    with pytest.raises(Conflict):
        transaction(half)
    assert summary(session) == []
    assert db.session.get_one(Invoice, invoice.id, populate_existing=True).number is None


def test_with_nobody_to_tell_it_costs_one_look(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def look(session: Session, event: str) -> list[UUID]:
        looks.append(event)
        return listening_endpoint_ids(session, event)

    monkeypatch.setattr(outbox, "listening_endpoint_ids", look)
    monkeypatch.setattr(outbox, "invoice_payloads", None)  # nothing is read or made
    post(*(make_spec(make_customer(reference=f"C{number}"), "10") for number in range(20)))
    bill()
    assert looks == ["invoice.issued"]
    assert told(session) == []
