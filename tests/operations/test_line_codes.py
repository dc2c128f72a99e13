"""The unit codes of lines and the VATEX codes of taxes: copied when charges are billed, then frozen."""

from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.models import Invoice
from billing_admin.operations.master_data import services, tax_rates
from billing_admin.queries.billing.preview import BillingScope, preview
from billing_admin.queries.doctor import run_checks
from tests.making import (
    MARCH_END,
    NOW,
    all_invoices,
    bill,
    change_settings,
    credit,
    make_customer,
    make_service,
    make_spec,
    make_tax_rate,
    post,
)


def digest(session: Session) -> str:
    session.rollback()
    return preview(session, BillingScope(MARCH_END)).digest


@pytest.mark.both_databases
def test_lines_copy_the_unit_code_and_keep_it(session: Session) -> None:
    hours = make_service(code="hours", unit="hour", unit_code="HUR")
    other = make_service(code="other", unit="hour")
    customer = make_customer()
    post(make_spec(customer, service=hours), make_spec(customer, service=other), make_spec(customer, "5"))
    bill()
    transaction(services.update, hours.id, {"unit_code": "DAY"}, None, SYSTEM, NOW)
    [invoice] = all_invoices()
    assert [(line.service_code, line.unit, line.unit_code) for line in invoice.lines] == [
        ("hours", "hour", "HUR"),
        ("other", "hour", None),
        ("", None, None),
    ]
    assert [result.check.name for result in run_checks(session) if result.count] == []


def test_a_credit_note_has_amounts_without_units(session: Session) -> None:
    make_tax_rate()
    post(make_spec(make_customer(), service=make_service(unit="hour", unit_code="HUR", tax_rate="VAT19")))
    bill()
    [invoice] = all_invoices()
    credit(invoice, "1")
    note = session.scalars(select(Invoice).where(Invoice.kind == "credit_note")).one()
    assert [(line.unit, line.unit_code) for line in note.lines] == [(None, None)]


def test_another_unit_code_changes_the_preview(session: Session) -> None:
    service = make_service(unit="hour")
    post(make_spec(make_customer(), service=service))
    before = digest(session)
    transaction(services.update, service.id, {"unit_code": "HUR"}, None, SYSTEM, NOW)
    assert digest(session) != before
    transaction(services.update, service.id, {"unit_code": ""}, None, SYSTEM, NOW)
    assert digest(session) == before


@pytest.mark.parametrize(
    ("treatment", "taxes"),
    [
        ("standard", [("E", "Education", "VATEX-EU-132-1I"), ("S", "", "")]),
        ("exempt", [("E", "Exempt from tax", "VATEX-EU-151")]),
        ("reverse_charge", [("AE", "Reverse charge: the customer accounts for the tax", "VATEX-EU-AE")]),
        ("export", [("G", "Export: no tax is charged", "VATEX-EU-G")]),
        ("intra_community", [("K", "Intra-community supply: no tax is charged", "VATEX-EU-IC")]),
    ],
)
def test_taxes_have_the_code_of_their_rate_or_of_the_treatment(
    session: Session, treatment: str, taxes: list[tuple[str, str, str]]
) -> None:
    make_tax_rate()
    rate = make_tax_rate("school", "0", "E")
    transaction(tax_rates.update, rate.id, {"note": "Education", "vatex": "VATEX-EU-132-1I"}, None, SYSTEM, NOW)
    change_settings(exempt_vatex="VATEX-EU-151")
    customer = make_customer(tax_treatment=treatment, tax_id="X1")
    for code in ("school", "VAT19"):
        service = make_service(code=code, tax_rate=code, prices={"USD": Decimal(1)})
        post(make_spec(customer, service=service, quantity="2"))
    bill()
    [invoice] = all_invoices()
    assert [(tax.category, tax.note, tax.vatex) for tax in invoice.taxes] == taxes
    credit(invoice, "1")
    note = session.scalars(select(Invoice).where(Invoice.kind == "credit_note")).one()
    assert [(tax.category, tax.note, tax.vatex) for tax in note.taxes] == taxes
    transaction(tax_rates.update, rate.id, {"vatex": ""}, None, SYSTEM, NOW)
    assert [result.check.name for result in run_checks(session) if result.count] == []
