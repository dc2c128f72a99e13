"""The organisation's settings and tax rates."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.master_data import OrganisationFields
from billing_admin.models import AuditEvent, Organisation
from billing_admin.operations.master_data import organisation
from tests.books import contents
from tests.making import NOW, change_settings, credit, make_invoice, make_tax_rate


def test_settings_change_and_are_recorded_before_and_after(session: Session) -> None:
    house = change_settings(legal_name="Clouds Ltd", payment_terms_days=14)
    assert (house.legal_name, house.payment_terms_days, house.version) == ("Clouds Ltd", 14, 2)
    event = session.scalars(select(AuditEvent)).one()
    assert event.details == {"legal_name": ["Example Ltd", "Clouds Ltd"], "payment_terms_days": [30, 14]}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"legal_name": ""}, "blank"),
        ({"time_zone": "Mars/Olympus"}, "unknown_time_zone"),
        ({"base_currency": "XXX"}, "unknown_currency"),
        ({"payment_terms_days": 1000}, "out_of_range"),
        ({"invoice_format": "INV-{number}"}, "not_a_format"),
        ({"default_tax_rate": "nope"}, "unknown_tax_rate"),
    ],
)
def test_a_wrong_setting_is_refused_at_its_place(session: Session, fields: Any, code: str) -> None:
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        change_settings(**fields)
    assert (refused.value.code, refused.value.field) == (code, tuple(fields))
    assert contents(session) == before


def test_settings_that_somebody_changed_meanwhile_are_refused(session: Session) -> None:
    change_settings(legal_name="First")
    with pytest.raises(Stale):
        transaction(organisation.update, {"legal_name": "Second"}, 1, SYSTEM, NOW)
    session.rollback()
    assert session.get_one(Organisation, 1).legal_name == "First"


def test_the_base_currency_is_fixed_once_an_invoice_exists(session: Session) -> None:
    assert change_settings(base_currency="USD").base_currency == "USD"
    make_invoice()
    with pytest.raises(Conflict) as refused:
        change_settings(base_currency="EUR")
    assert refused.value.code == "currency_locked"


def test_the_numbers_of_credit_notes_can_never_be_those_of_invoices(session: Session) -> None:
    with pytest.raises(Invalid) as refused:
        change_settings(credit_note_format="INV-{year}-{number:6}")
    assert (refused.value.code, refused.value.field) == ("formats_collide", ("credit_note_format",))
    assert change_settings(invoice_format="R{year}.{number}").credit_note_format == "CN-{year}-{number:5}"


def test_a_number_that_a_format_of_before_made_is_not_made_again(session: Session) -> None:
    """Credit notes take over what invoices began with."""
    first = make_invoice()
    change_settings(invoice_format="R-{year}-{number:5}", credit_note_format="INV-{year}-{number:5}")
    before = contents(session)
    with pytest.raises(Conflict, match=f"Document number {first.number} is already"):
        credit(first, "1")
    assert contents(session) == before


def test_a_tax_rate_is_added_once(session: Session) -> None:
    assert make_tax_rate("VAT", "8.1").percent == Decimal("8.1")
    with pytest.raises(Conflict, match="VAT"):
        make_tax_rate("VAT", "8.1")


@pytest.mark.parametrize(
    ("percent", "category", "code"),
    [
        ("-1", "S", "out_of_range"),
        ("100.1", "S", "out_of_range"),
        ("NaN", "S", "not_a_number"),
        ("19", "X", "unknown_category"),
    ],
)
def test_a_wrong_tax_rate_is_refused(session: Session, percent: str, category: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        make_tax_rate("VAT", percent, category)
    assert refused.value.code == code


ADDRESS: OrganisationFields = {"street": "Wolkenallee 12", "postcode": "10999", "city": "Berlin", "country": "DE"}


def test_details_of_the_seller_are_stored_and_recorded(session: Session) -> None:
    fields: OrganisationFields = {
        **ADDRESS,
        "tax_id": "DE136695976",
        "registration_id": "4012345000009",
        "registration_scheme": "0088",
        "electronic_address": "billing@nimbus.example",
        "electronic_scheme": "EM",
        "contact_email": "anna@nimbus.example",
        "language": "de",
        "paper": "letter",
        "accent": "#0B57D0",
        "terms": "Pay within 30 days.\nThank you.",
    }
    stored = change_settings(**fields)
    assert {field: getattr(stored, field) for field in fields} == {**fields, "accent": "#0b57d0"}
    event = session.scalars(select(AuditEvent)).one()
    assert event.details["country"] == ["", "DE"]
    assert event.details["accent"] == ["", "#0b57d0"]


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"country": "de"}, "not_a_country", "country"),
        ({"country": "QQ"}, "unknown_country", "country"),
        ({"city": "Berlin"}, "missing", "country"),
        ({"postcode": "x" * 21}, "too_long", "postcode"),
        ({"tax_id": "DE123456789"}, "not_a_vat_number", "tax_id"),
        ({"registration_id": "HRB 1"}, "missing", "registration_scheme"),
        ({"registration_id": "1", "registration_scheme": "9999"}, "unknown_scheme", "registration_scheme"),
        ({"registration_id": "4012345000008", "registration_scheme": "0088"}, "not_an_identifier", "registration_id"),
        ({"electronic_scheme": "EM"}, "missing", "electronic_address"),
        ({"electronic_address": "nobody", "electronic_scheme": "EM"}, "not_an_identifier", "electronic_address"),
        ({"contact_email": "nobody"}, "not_an_email", "contact_email"),
        ({"language": "it"}, "not_a_choice", "language"),
        ({"paper": "a5"}, "not_a_choice", "paper"),
        ({"accent": "#ffff00"}, "too_light", "accent"),
        ({"terms": "x" * 1001}, "too_long", "terms"),
    ],
)
def test_a_wrong_detail_is_refused_at_its_field(session: Session, fields: Any, code: str, field: str) -> None:
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        change_settings(**fields)
    assert (refused.value.code, refused.value.field) == (code, (field,))
    assert contents(session) == before


def test_each_wrong_detail_is_named(session: Session) -> None:
    with pytest.raises(Invalid) as refused:
        change_settings(country="QQ", tax_id="DE123456789", registration_id="1", registration_scheme="9999")
    assert [problem.field for problem in refused.value.problems] == [
        ("country",),
        ("tax_id",),
        ("registration_scheme",),
    ]


def test_a_stored_detail_stays_until_it_is_changed(session: Session) -> None:
    """A database of an earlier version may hold a VAT number that was never checked."""
    transaction(lambda writer: writer.execute(update(Organisation).values(tax_id="DE123456789", country="QQ")))
    assert change_settings(legal_name="Clouds Ltd", tax_id="DE123456789").legal_name == "Clouds Ltd"
    with pytest.raises(Invalid):
        change_settings(tax_id="DE123456780")


def test_identifiers_are_stored_without_separators(session: Session) -> None:
    house = change_settings(
        registration_id="40 12345 00000 9",
        registration_scheme="0088",
        electronic_address="DE 136 695 976",
        electronic_scheme="9930",
    )
    assert (house.registration_id, house.electronic_address, house.version) == ("4012345000009", "DE136695976", 2)
    assert change_settings(electronic_address="DE 136695976").version == 2
