"""Contacts of customers: added, repeated, changed, removed; and the e-mail address that is read from them."""

from typing import Any, Unpack
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.master_data import ContactFields, CustomerFields
from billing_admin.models import AuditEvent, Customer, CustomerContact
from billing_admin.operations.master_data import contacts, customers
from billing_admin.queries.master_data.customers import CustomerFilter, customers as select_customers
from tests.making import NOW, make_customer

A, B = UUID(int=0xA), UUID(int=0xB)
ANN: ContactFields = {"name": "Ann Lee", "email": "ann@acme.example", "invoices": "cc"}


def add(customer: Customer, id: UUID | None = None, **fields: Unpack[ContactFields]) -> tuple[CustomerContact, bool]:
    return transaction(contacts.create, customer.id, fields or ANN, id, SYSTEM, NOW)


def change(contact: CustomerContact, version: int | None = None, **fields: Unpack[ContactFields]) -> CustomerContact:
    return transaction(contacts.update, contact.id, fields, version, SYSTEM, NOW)


def set_email(customer: Customer, email: str) -> None:
    fields: CustomerFields = {"email": email}
    transaction(customers.update, customer.id, fields, None, SYSTEM, NOW)


def email_of(session: Session, customer: Customer) -> str:
    session.rollback()
    return session.get_one(Customer, customer.id).email


def addresses(session: Session) -> list[tuple[str, str, str, str]]:
    session.rollback()
    rows = session.scalars(select(CustomerContact).order_by(CustomerContact.created_at, CustomerContact.id))
    return [(row.email, row.invoices, row.reminders, row.statements) for row in rows]


def actions(session: Session) -> list[str]:
    session.rollback()
    return [
        action for action in session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)) if "contact" in action
    ]


@pytest.mark.both_databases
def test_the_email_of_a_customer_is_its_first_contact(session: Session) -> None:
    customer = make_customer(email="pay@acme.example")
    assert addresses(session) == [("pay@acme.example", "to", "to", "none")]
    assert email_of(session, customer) == "pay@acme.example"
    assert session.get_one(Customer, customer.id).version == 1
    add(customer)
    add(customer, email="office@acme.example")
    set_email(customer, "new@acme.example")
    assert [address for address, *_ in addresses(session)] == [
        "new@acme.example",
        "ann@acme.example",
        "office@acme.example",
    ]
    set_email(customer, "")
    assert email_of(session, customer) == ""
    set_email(customer, "again@acme.example")
    assert email_of(session, customer) == "again@acme.example"


@pytest.mark.both_databases
def test_an_empty_email_means_no_invoices_and_a_repeat_changes_nothing(session: Session) -> None:
    customer = make_customer(email="pay@acme.example")
    add(customer)
    add(customer, email="office@acme.example", statements="to")
    set_email(customer, "")
    assert email_of(session, customer) == ""
    after = [
        ("pay@acme.example", "none", "to", "none"),
        ("ann@acme.example", "cc", "to", "none"),
        ("office@acme.example", "none", "to", "to"),
    ]
    assert addresses(session) == after
    version = session.get_one(Customer, customer.id).version
    set_email(customer, "")
    assert addresses(session) == after
    assert session.get_one(Customer, customer.id).version == version
    assert actions(session) == [*["customer.contact_added"] * 2, *["customer.contact_changed"] * 2]
    query = select(AuditEvent.details).where(AuditEvent.action == "customer.contact_changed")
    assert [details["invoices"] for details in session.scalars(query)] == [["to", "none"]] * 2


def test_an_email_that_is_set_again_is_that_of_its_contact(session: Session) -> None:
    customer = make_customer(email="pay@acme.example")
    set_email(customer, "")
    set_email(customer, "Pay@acme.example")
    assert email_of(session, customer) == "Pay@acme.example"
    assert addresses(session) == [("Pay@acme.example", "to", "to", "none")]


def test_a_customer_without_an_email_has_no_contact(session: Session) -> None:
    assert make_customer().email == ""
    assert addresses(session) == []


def test_a_change_of_the_email_is_a_change_of_the_customer(session: Session) -> None:
    customer = make_customer(email="pay@acme.example")
    set_email(customer, "PAY@acme.example")
    session.rollback()
    assert session.get_one(Customer, customer.id).version == 2
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "customer.changed")).one()
    assert event.details == {"email": ["pay@acme.example", "PAY@acme.example"]}


def test_changes_of_contacts_change_the_email_and_the_search_text(session: Session) -> None:
    customer = make_customer(email="pay@acme.example")
    contact = session.scalars(select(CustomerContact)).one()
    change(contact, email="new@acme.example")
    assert (email_of(session, customer), "new@acme.example" in session.get_one(Customer, customer.id).search) == (
        "new@acme.example",
        True,
    )
    change(contact, invoices="none")
    assert email_of(session, customer) == ""
    change(contact, invoices="to")
    assert email_of(session, customer) == "new@acme.example"
    transaction(contacts.remove, contact.id, SYSTEM, NOW)
    assert email_of(session, customer) == ""
    assert actions(session) == [*["customer.contact_changed"] * 3, "customer.contact_removed"]


def test_customers_are_found_by_each_contact(session: Session) -> None:
    customer = make_customer(reference="ACME")
    make_customer(reference="other", email="pay@other.example")
    add(customer)
    for text in ("ann lee", "ANN@acme"):
        found = session.scalars(select_customers(CustomerFilter(text))).all()
        assert [row.reference for row in found] == ["ACME"]


def test_an_identical_repeat_answers_with_the_original(session: Session) -> None:
    customer = make_customer()
    contact, created = add(customer, A)
    assert (created, contact.id, contact.statements) == (True, A, "none")
    again, created = add(customer, A)
    assert (created, again.id) == (False, A)
    assert actions(session) == ["customer.contact_added"]
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "customer.contact_added")).one()
    assert (event.object_type, event.object_id) == ("customer", customer.id)
    assert event.details == {**ANN, "contact": str(A), "reminders": "to", "statements": "none"}


def test_other_values_under_the_same_id_are_refused_and_named(session: Session) -> None:
    customer, other = make_customer(), make_customer(name="other")
    add(customer, A)
    for owner, fields, differs in (
        (customer, {**ANN, "name": "Bob"}, ["name"]),
        (other, ANN, ["customer"]),
        (other, {**ANN, "invoices": "to"}, ["customer", "invoices"]),
    ):
        with pytest.raises(Conflict) as refused:
            add(owner, A, **fields)
        assert (refused.value.code, refused.value.extra) == ("id_conflict", {"differs": differs})


def test_no_address_is_added_twice(session: Session) -> None:
    customer = make_customer(email="pay@acme.example")
    make_customer(name="other", email="ann@acme.example")  # the address of another customer is no obstacle
    contact, _ = add(customer)
    acts = (
        lambda: add(customer, email="PAY@acme.example"),
        lambda: change(contact, email="Pay@acme.example"),
        lambda: set_email(customer, "ANN@acme.example"),
    )
    for act in acts:
        with pytest.raises(Conflict) as refused:
            act()
        assert (refused.value.code, refused.value.field) == ("email_taken", ("email",))


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"name": "Ann"}, "email", "missing"),
        ({"email": " "}, "email", "blank"),
        ({"email": "ann"}, "email", "not_an_email"),
        ({"email": "ann@acme.example", "invoices": "bcc"}, "invoices", "not_a_choice"),
        ({"email": "ann@acme.example", "name": "A\nB"}, "name", "unprintable"),
        ({"email": "ann@acme.example", "name": "\ue000"}, "name", "unprintable"),
    ],
)
def test_bad_fields_are_refused_at_their_places(session: Session, fields: Any, field: str, code: str) -> None:
    customer = make_customer()
    with pytest.raises(Invalid) as refused:
        add(customer, **fields)
    assert (refused.value.code, refused.value.field) == (code, (field,))
    assert addresses(session) == []


def test_a_customer_has_a_maximum_number_of_contacts(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "MAX_CONTACTS", 2)
    customer = make_customer(email="pay@acme.example")
    add(customer)
    with pytest.raises(Conflict) as refused:
        add(customer, email="c@acme.example")
    assert refused.value.code == "too_many_contacts"


def test_a_change_of_what_somebody_changed_meanwhile_is_refused(session: Session) -> None:
    contact, _ = add(make_customer())
    change(contact, 1, name="Ann")
    with pytest.raises(Stale):
        change(contact, 1, name="Bob")
    assert session.scalars(select(CustomerContact.name)).all() == ["Ann"]


def test_a_change_of_nothing_is_no_event(session: Session) -> None:
    contact, _ = add(make_customer())
    assert change(contact, name="Ann Lee").version == 1
    assert actions(session) == ["customer.contact_added"]
