"""The organisation's settings and tax rates."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.models import AuditEvent, Organisation
from billing_admin.operations.master_data import organisation
from tests.books import contents
from tests.making import NOW, change_settings, credit, make_invoice, make_tax_rate


def test_settings_change_and_are_recorded_before_and_after(session: Session) -> None:
    house = change_settings(legal_name="Clouds Ltd", payment_terms_days=14)
    assert (house.legal_name, house.payment_terms_days, house.version) == ("Clouds Ltd", 14, 2)
    event = session.scalars(select(AuditEvent)).one()
    assert event.details == {"legal_name": ["Your company", "Clouds Ltd"], "payment_terms_days": [30, 14]}


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
