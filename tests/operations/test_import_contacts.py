"""Imports of contacts: added or updated by their address, and back again from an export."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.imports.cells import FORMULA_RULE
from billing_admin.formats.csv_writer import export_csv
from billing_admin.models import Customer, CustomerContact
from billing_admin.operations.master_data import contacts
from billing_admin.queries.master_data.customers import CustomerFilter
from tests.importing import check, counted, errors, take_in, told
from tests.making import NOW, make_customer

FILE = """customer,contact,mail,invoices,reminders,statements
ACME,Ann Lee,ann@acme.example,to,to,none
ACME,,books@acme.example,cc,none,to
GLOBEX,Bo,bo@globex.example,,,
"""


def customers() -> None:
    make_customer(reference="ACME")
    make_customer(reference="GLOBEX")


def rows(session: Session) -> list[tuple[str, ...]]:
    session.rollback()
    contact = CustomerContact
    columns = (Customer.reference, contact.name, contact.email, contact.invoices, contact.reminders, contact.statements)
    query = select(*columns).join(Customer, Customer.id == contact.customer_id).order_by(contact.email)
    return [tuple(row) for row in session.execute(query)]


def test_contacts_are_added_with_their_roles(session: Session) -> None:
    customers()
    assert counted(check("contacts", FILE)).new == 3
    assert rows(session) == []
    take_in("contacts", FILE)
    assert rows(session) == [
        ("ACME", "Ann Lee", "ann@acme.example", "to", "to", "none"),
        ("GLOBEX", "Bo", "bo@globex.example", "to", "to", "none"),
        ("ACME", "", "books@acme.example", "cc", "none", "to"),
    ]
    assert session.scalars(select(Customer.email).where(Customer.reference == "ACME")).one() == "ann@acme.example"


def test_a_contact_is_recognised_by_its_address(session: Session) -> None:
    customers()
    take_in("contacts", FILE)
    changed = FILE.replace("ann@acme.example,to,to", "Ann@ACME.example,to,cc")
    assert counted(take_in("contacts", FILE)).unchanged == 3
    (error,) = errors(check("contacts", changed))
    assert (error.line, error.column) == (2, "mail")
    assert "already exists with a different email, reminders. To change it" in error.message
    done = counted(take_in("contacts", changed, update=True))
    assert (done.new, done.changed, done.unchanged) == (0, 1, 2)
    assert rows(session)[0] == ("ACME", "Ann Lee", "Ann@ACME.example", "to", "cc", "none")


def test_each_error_is_named_at_its_row_and_column(session: Session) -> None:
    customers()
    text = """customer,name,email,invoices
NOBODY,A,a@acme.example,to
ACME,B,,to
ACME,C,c@acme.example,bcc
ACME,D,nowhere,to
ACME,E,e@acme.example,to
ACME,F,E@acme.example,to
NOBODY,G,nowhere,bcc
"""
    places = [(line, column) for line, column, _ in told(check("contacts", text))]
    assert places == [
        (2, "customer"),
        (3, "email"),
        (4, "invoices"),
        (5, "email"),
        (7, "email"),
        (8, "customer"),
        (8, "email"),
        (8, "invoices"),
    ]


def test_an_export_comes_back(session: Session) -> None:
    customers()
    take_in("contacts", FILE)
    before = rows(session)
    exported = b"".join(export_csv(session, "contacts", CustomerFilter(archived=None), False, FORMULA_RULE)).decode()
    assert counted(take_in("contacts", exported)).unchanged == 3
    for id in session.scalars(select(CustomerContact.id)).all():
        session.rollback()
        _remove(id)
    assert rows(session) == []
    assert counted(take_in("contacts", exported)).new == 3
    assert rows(session) == before


def _remove(id: UUID) -> None:
    transaction(contacts.remove, id, SYSTEM, NOW)
