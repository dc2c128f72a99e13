"""The details of a document are frozen at its issue, whatever issues it, and stay as they were."""

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.document_details import (
    Address,
    BankAccount,
    CustomLine,
    Delivery,
    DocumentDetails,
    PartyDetails,
    details_from_json,
)
from billing_admin.domain.master_data import CustomerFields, OrganisationFields
from billing_admin.formats.logo import check_logo
from billing_admin.models import Invoice
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import bank_accounts, customers, logos
from billing_admin.queries.master_data.customers import load_customers
from billing_admin.queries.master_data.organisation import organisation
from tests.books import assert_books_balance
from tests.databases import without_triggers
from tests.logos import make_png
from tests.making import (
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_bank_account,
    make_customer,
    make_invoice,
    make_spec,
    post,
    void,
)

pytestmark = pytest.mark.both_databases


def details(invoice: Invoice) -> DocumentDetails:
    assert invoice.details is not None
    return details_from_json(invoice.details)


def set_demo() -> None:
    def change(session: Session) -> None:
        organisation(session).is_demo = True

    transaction(change)


def test_details_are_frozen_by_an_issue_of_one_of_many_and_by_a_run(session: Session) -> None:
    drafts = [make_invoice(make_customer(reference=f"C{number}"), issue=False) for number in range(8)]
    assert [draft.details for draft in drafts] == [None] * 8
    transaction(invoices.issue, drafts[0].id, None, SYSTEM, NOW)
    transaction(invoices.issue_many, [draft.id for draft in drafts[1:]], NOW.date(), SYSTEM, NOW)
    post(*(make_spec(make_customer(reference=f"RUN{number}"), "7") for number in range(7)))
    bill()
    issued = all_invoices()
    assert len(issued) == 15
    assert {(details(invoice).language, details(invoice).paper) for invoice in issued} == {("en", "a4")}
    assert not any(details(invoice).test for invoice in issued)
    assert_books_balance(session)


def test_documents_of_demo_data_are_marked(session: Session) -> None:
    before = make_invoice()
    set_demo()
    invoice = make_invoice()
    assert (details(before).test, details(invoice).test) == (False, True)
    assert_books_balance(session)


def test_a_credit_note_takes_over_the_details_and_parties_of_its_invoice(session: Session) -> None:
    customer = make_customer(name="Of before")
    invoice = make_invoice(customer)
    set_demo()
    fields: CustomerFields = {"name": "Of today", "address": "Elsewhere"}
    transaction(customers.update, customer.id, fields, None, SYSTEM, NOW)
    note = credit(invoice, "1")
    assert (note.details, note.customer_name, note.customer_address) == (
        invoice.details,
        "Of before",
        invoice.customer_address,
    )
    assert_books_balance(session)


def test_a_credit_note_of_an_invoice_without_details_gets_those_of_today(session: Session) -> None:
    invoice = make_invoice()
    forget_details(session)
    note = credit(invoice, "1")
    assert details(note).language == "en"


SELLER: OrganisationFields = {
    "address": "As before",
    "street": "Wolkenallee 12",
    "postcode": "10999",
    "city": "Berlin",
    "country": "DE",
    "registration_id": "4012345000009",
    "registration_scheme": "0088",
    "tax_number": "12/345/67890",
    "contact_name": "Anna Beck",
    "language": "de",
    "paper": "letter",
    "terms": "Pay within 30 days.",
    "accent": "#0b57d0",
}


def test_the_details_of_the_seller_are_frozen(session: Session) -> None:
    change_settings(**SELLER)
    logo = transaction(logos.set_logo, check_logo(make_png(30, 10)), SYSTEM, NOW)
    make_bank_account(iban="DE89370400440532013000", bic="COBADEFFXXX", bank_name="Commerzbank")
    make_bank_account(currency="USD", account_number="123456789")
    customer = make_customer(currency="EUR")
    invoice = make_invoice(customer)
    change_settings(street="Elsewhere 1", terms="", accent="", language="en")
    transaction(logos.remove_logo, SYSTEM, NOW)
    frozen = details(invoice)
    assert (frozen.language, frozen.paper, frozen.terms) == ("de", "letter", "Pay within 30 days.")
    assert (frozen.accent, frozen.logo) == ("#0b57d0", logo.sha256)
    assert frozen.seller == PartyDetails(
        address=Address("Wolkenallee 12", "", "10999", "Berlin", "", "DE"),
        registration_id="4012345000009",
        registration_scheme="0088",
        tax_number="12/345/67890",
        contact_name="Anna Beck",
    )
    assert frozen.account == BankAccount(
        "Example Ltd", "DE89370400440532013000", bic="COBADEFFXXX", bank_name="Commerzbank"
    )
    assert invoice.seller_address == "Wolkenallee 12\n10999 Berlin\nDeutschland"
    later = details(make_invoice(customer))
    assert (later.seller.address.street, later.terms, later.logo) == ("Elsewhere 1", "", "")
    assert_books_balance(session)


def test_a_document_has_the_default_account_of_its_own_currency_or_none(session: Session) -> None:
    make_bank_account(currency="USD", account_number="1")
    second = make_bank_account(currency="USD", account_number="2")
    accounts = [details(make_invoice(make_customer(currency=currency))).account for currency in ("USD", "EUR")]
    assert (accounts[0] and accounts[0].account_number, accounts[1]) == ("1", None)
    transaction(bank_accounts.make_default, second.id, SYSTEM, NOW)
    later = details(make_invoice(make_customer(currency="USD"))).account
    assert later is not None
    assert later.account_number == "2"


def test_an_address_without_a_country_is_printed_as_entered(session: Session) -> None:
    change_settings(address="Wolkenallee 12\nBerlin")
    assert make_invoice().seller_address == "Wolkenallee 12\nBerlin"


def forget_details(session: Session) -> None:
    """Make all documents like those of versions without details."""

    def change(work: Session) -> None:
        without_triggers(work.connection())
        work.execute(update(Invoice).values(details=None))

    session.rollback()
    transaction(change)


def test_the_draft_that_replaces_a_void_invoice_has_no_details_yet(session: Session) -> None:
    draft_id = void(make_invoice(), "billed_again")
    assert draft_id is not None
    assert session.get_one(Invoice, draft_id).details is None
    session.rollback()
    transaction(invoices.issue, draft_id, None, SYSTEM, NOW)
    assert details(session.get_one(Invoice, draft_id)).paper == "a4"
    assert_books_balance(session)


BUYER: CustomerFields = {
    "address": "As typed",
    "street": "Hafenstraße 80",
    "postcode": "20457",
    "city": "Hamburg",
    "country": "DE",
    "registration_id": "4000001000005",
    "registration_scheme": "0088",
    "electronic_address": "pay@acme.example",
    "electronic_scheme": "EM",
    "language": "de",
    "e_invoice": "ubl",
    "buyer_reference": "04011000-1234512345-06",
    "contract": "F-7",
    "custom_lines": [{"label": "Kostenstelle", "value": "4711"}],
    "delivery_name": "Lager Süd",
    "delivery_city": "Basel",
    "delivery_country": "CH",
}


def test_the_details_of_the_customer_are_frozen(session: Session) -> None:
    change_settings(**SELLER)
    customer = make_customer(**BUYER)
    invoice = make_invoice(customer)
    assert invoice.customer_address == "Hafenstraße 80\n20457 Hamburg\nDeutschland"
    frozen = details(invoice)
    assert frozen.buyer == PartyDetails(
        Address("Hafenstraße 80", "", "20457", "Hamburg", "", "DE"), "4000001000005", "0088", "pay@acme.example", "EM"
    )
    assert frozen.delivery == Delivery("Lager Süd", Address(city="Basel", country="CH"))
    assert frozen.custom_lines == (CustomLine("Kostenstelle", "4711"),)
    assert (frozen.language, frozen.paper, frozen.e_invoice) == ("de", "a4", "ubl")
    assert (frozen.buyer_reference, frozen.contract) == ("04011000-1234512345-06", "F-7")
    fields: CustomerFields = {"city": "Bremen", "language": "fr", "custom_lines": [], "contract": ""}
    transaction(customers.update, customer.id, fields, None, SYSTEM, NOW)
    session.expire_all()
    assert (details(session.get_one(Invoice, invoice.id)), invoice.customer_address.splitlines()[1]) == (
        frozen,
        "20457 Hamburg",
    )
    later = make_invoice(customer)
    assert later.customer_address == "Hafenstraße 80\n20457 Bremen\nAllemagne"
    assert (invoice.number_format, later.number_format) == ("1,234.56", "1 234,56")
    assert_books_balance(session)


def test_an_issued_draft_has_what_was_copied_at_its_issue(session: Session) -> None:
    """The number format was that of the day of the draft, with the labels of the day of issue."""
    change_settings(language="en")
    customer = make_customer(name="Hafen")
    draft = make_invoice(customer, issue=False)
    assert draft.number_format == "1,234.56"
    transaction(customers.update, customer.id, {"language": "fr", "name": "Hafen SA"}, None, SYSTEM, NOW)
    transaction(invoices.issue, draft.id, None, SYSTEM, NOW)
    session.expire_all()
    issued = session.get_one(Invoice, draft.id)
    expected = invoices.copied_fields(organisation(session), load_customers(session, [customer.id])[customer.id])
    assert {name: getattr(issued, name) for name in expected} == expected
    assert (issued.number_format, details(issued).language) == ("1 234,56", "fr")


def test_a_customer_without_details_has_those_of_the_organisation(session: Session) -> None:
    def change(session: Session) -> None:
        organisation(session).language = "fr"
        organisation(session).paper = "letter"

    transaction(change)
    invoice = make_invoice(make_customer(address="1 Main St\nLeeds"))
    assert invoice.customer_address == "1 Main St\nLeeds"
    assert (details(invoice).language, details(invoice).paper, details(invoice).delivery) == ("fr", "letter", None)
    assert details(make_invoice(make_customer(country="US"))).paper == "letter"
    assert details(make_invoice(make_customer(country="DE"))).paper == "a4"
