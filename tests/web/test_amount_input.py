"""Every field for a number, on every page: the customer's own sign is taken, a foreign one or two readings are refused.

A field that `_places` leaves out fails `test_every_field_is_tried`.
"""

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse
from wtforms.fields.core import UnboundField

from billing_admin import web
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.approvals import ACTS
from billing_admin.domain.money import Money
from billing_admin.domain.recurring_charges import RecurringChargeSpec
from billing_admin.models import AuditEvent, Charge, Invoice, Payment, RecurringCharge, ServicePrice
from billing_admin.operations.charges import recurring_charges
from billing_admin.web.frame.forms import ExactField
from tests.clocks import stopped_clock
from tests.hostile import share
from tests.importing import check, told
from tests.levels import samples
from tests.making import (
    NOW,
    change_settings,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
)
from tests.people import csrf_token, send, signed_in
from tests.prepared import prepared
from tests.web.pages import words

CHARGE, OTHER_CHARGE, RECURRING = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)


@dataclass(frozen=True)
class World:
    """The rows that exist: a customer with charges, an invoice, a payment, a recurring charge, a tax rate, a service.

    The invoice has a line with a unit price and one without.
    """

    currency: str
    invoice: Invoice
    payment: UUID
    tax_rate: UUID
    service: UUID


@dataclass(frozen=True)
class Place:
    """A field of a form: its page, what else the form needs, and whether it holds money."""

    url: str
    name: str
    values: dict[str, Any]
    is_money: bool = True


def _places(world: World) -> dict[str, Place]:
    charge = {"customer": "acme", "day": "2026-03-15", "description": "Work"}
    recurring = {"service": "Hosting", "interval": "monthly"}
    invoice, part = world.invoice, f"part_{world.invoice.id.hex}"
    payment = {"received_on": "2026-04-01", "method": "card", "keep": "y"}
    credit = {"reason": "Agreed", "issue_date": "2026-04-02"}
    rows = {"customer": "acme", "day": "2026-03-15", "rows-0-id": uuid4(), "rows-0-description": "Work"}
    rate = {"code": "new", "name": "New", "category": "S"}
    correction = charge | {"quantity": "1", "reason": "Misread"}
    opening = {"customer": "acme", "type": "invoice", "number": "4711", "original_date": "2026-03-10"}
    opening |= {"opened_on": "2026-03-31"}
    total, tax = opening | {"number": "4712", "open_amount": "1"}, opening | {"number": "4713", "open_amount": "1"}
    credited, again = f"/invoices/{invoice.id}/credit", f"/invoices/{invoice.id}/bill-again"
    lines = {f"lines-{number}-line": str(line.id) for number, line in enumerate(invoice.lines)}
    has_price = {line.unit_price is not None: f"lines-{number}" for number, line in enumerate(invoice.lines)}
    priced, unpriced = has_price[True], has_price[False]
    by_line = credit | {"way": "lines"} | lines
    corrected = credit | {"issue": "y", f"{priced}-quantity": "1", f"{priced}-unit_price": "1"} | lines
    pages = {
        "ChargeForm.unit_price": Place("/charges/new", "unit_price", charge),
        "ChargeForm.amount": Place("/charges/new", "amount", charge),
        "ChargeForm.quantity": Place("/charges/new", "quantity", charge | {"amount": "5"}, False),
        "CorrectForm.unit_price": Place(f"/charges/{CHARGE}/correct", "unit_price", correction),
        "CorrectForm.amount": Place(f"/charges/{OTHER_CHARGE}/correct", "amount", correction),
        "CorrectForm.quantity": Place(
            f"/charges/{CHARGE}/correct", "quantity", correction | {"unit_price": "1"}, False
        ),
        "RowForm.unit_price": Place("/charges/many", "rows-0-unit_price", rows),
        "RowForm.quantity": Place("/charges/many", "rows-0-quantity", rows | {"rows-0-unit_price": "1"}, False),
        "NewForm.unit_price": Place(
            "/recurring-charges/new", "unit_price", recurring | {"customer": "acme", "starts_on": "2026-04-01"}
        ),
        "NewForm.quantity": Place(
            "/recurring-charges/new", "quantity", recurring | {"customer": "acme", "starts_on": "2026-04-01"}, False
        ),
        "ChangeForm.unit_price": Place(
            f"/recurring-charges/{RECURRING}/change", "unit_price", recurring | {"from": "2026-05-01"}
        ),
        "ChangeForm.quantity": Place(
            f"/recurring-charges/{RECURRING}/change", "quantity", recurring | {"from": "2026-05-01"}, False
        ),
        "NewPriceForm.unit_price": Place(
            "/services/new",
            "prices-0-unit_price",
            {"code": "Other", "tax_rate": "none", "prices-0-currency": world.currency},
        ),
        "SetPriceForm.unit_price": Place(
            f"/services/{world.service}/prices/new",
            "unit_price",
            {"currency": world.currency, "valid_from": "2027-01-01", "version": 1},
        ),
        "PriceForm.unit_price": Place(
            f"/services/{world.service}/edit",
            "prices-0-unit_price",
            {"code": "Hosting", "tax_rate": "none", "prices-0-currency": world.currency, "version": 2},
        ),
        "PaymentForm.amount": Place("/payments/new?customer=acme", "amount", payment),
        "PaymentForm.part": Place("/payments/new?customer=acme", part, payment | {"amount": "500"}),
        "AllocateForm.part": Place(
            f"/payments/{world.payment}/allocate", part, {"remainder": Money.rounded(Decimal(50), world.currency).minor}
        ),
        "OpeningForm.open_amount": Place("/opening-balances/new", "open_amount", opening),
        "OpeningForm.original_total": Place("/opening-balances/new", "original_total", total),
        "OpeningForm.original_tax": Place("/opening-balances/new", "original_tax", tax | {"original_total": "9000000"}),
        "WriteOffForm.amount": Place(f"/payments/write-off/{invoice.id}", "amount", {"reason": "Small"}),
        "RefundForm.amount": Place("/refunds/new?customer=acme", "amount", {"paid_on": "2026-04-01", "method": "card"}),
        "CreditForm.amount": Place(credited, "amount", credit | {"way": "amount"}),
        "CreditLineForm.amount": Place(credited, f"{priced}-amount", by_line),
        "CreditLineForm.quantity": Place(credited, f"{priced}-quantity", by_line, False),
        "CorrectedLineForm.unit_price": Place(again, f"{priced}-unit_price", corrected),
        "CorrectedLineForm.amount": Place(again, f"{unpriced}-amount", corrected),
        "CorrectedLineForm.quantity": Place(again, f"{priced}-quantity", corrected, False),
        "RateForm.rate": Place("/settings/exchange-rates/new", "rate", {"currency": "CHF", "day": "2026-04-01"}, False),
        "RateForm.percent": Place("/set-up/tax", "rates-0-percent", {"rates-0-selected": "y"}, False),
        **{
            f"LimitsForm.{act}": Place("/settings/roles/limits?role=biller", act, {}, not about.in_percent)
            for act, about in ACTS.items()
            if act != "unlock"
        },
        "ServiceStepForm.unit_price": Place(
            "/set-up/service", "unit_price", {"code": "First", "name": "First", "tax_rate": "none"}
        ),
        "TaxRateForm.percent": Place("/settings/tax-rates/new", "percent", rate, False),
        "ChangePercentForm.percent": Place(
            f"/settings/tax-rates/{world.tax_rate}/change", "percent", {"valid_from": "2027-01-01", "version": 1}, False
        ),
    }
    return {name: replace(place, values={"id": str(uuid4())} | place.values) for name, place in pages.items()}


def submit(browser: FlaskClient, place: Place, typed: str) -> TestResponse:
    """Send the form with this text in its field."""
    return browser.post(place.url, data={**place.values, place.name: typed, "csrf_token": csrf_token(browser)})


clock = stopped_clock(NOW)


@pytest.fixture
@prepared
def browser(app: Flask, session: Session) -> FlaskClient:
    return signed_in(app)


MakeWorld = Callable[[str], World]


@pytest.fixture
def make_world(session: Session) -> MakeWorld:
    def make(currency: str) -> World:
        change_settings(base_currency=currency)
        customer = make_customer(reference="acme", name="ACME Inc", currency=currency)
        service = make_service(code="Hosting", prices={currency: Decimal(31)})
        post(make_spec("acme", unit_price="7", description="Hours"))
        invoice = make_invoice(customer, "9000")
        payment = pay(make_payment_spec("acme", "50", ()))
        post(make_spec("acme", unit_price="3", id=CHARGE), make_spec("acme", unit_price="4", id=OTHER_CHARGE))
        rate = make_tax_rate("vat", "19")
        spec = RecurringChargeSpec("acme", "Hosting", "monthly", date(2026, 4, 1), id=RECURRING)
        transaction(recurring_charges.create, spec, SYSTEM, NOW)
        return World(currency, invoice, payment, rate.id, service.id)

    return make


def stored(session: Session) -> list[int]:
    """How much of everything there is."""
    session.rollback()
    kinds = (Charge, Invoice, Payment, RecurringCharge, ServicePrice, AuditEvent)
    return [session.scalar(select(func.count()).select_from(kind)) or 0 for kind in kinds]


def test_every_field_is_tried(make_world: MakeWorld) -> None:
    """`with_parts` adds the parts of payments; all other fields are declared on a form."""
    declared = set()
    for module in pkgutil.walk_packages(web.__path__, f"{web.__name__}."):
        for form, kind in inspect.getmembers(import_module(module.name), inspect.isclass):
            for name, field in inspect.getmembers(kind):
                if isinstance(field, UnboundField) and issubclass(field.field_class, ExactField):
                    declared.add(f"{form}.{name}")
    tried = {name for name in _places(make_world("EUR")) if not name.endswith(".part")}
    assert declared - {"TermsForm.unit_price", "TermsForm.quantity"} == tried


@pytest.mark.parametrize(
    ("currency", "foreign"),
    [
        ("EUR", ["$100.00", "¥100", "₹100", "US$ 5", "CHF 5", "5 kr", "100 USD", "£5", "5¢", "₿5", "＄5", "Rs. 5"]),
        ("JPY", ["$100", "€100", "₩100", "EUR 100"]),
        ("CAD", ["€5", "US$5", "A$5", "5 USD", "¥5"]),
        ("BHD", ["$5", "KD 5"]),
    ],
)
@samples(40, 4)
def test_a_foreign_sign_is_refused_in_every_field(
    browser: FlaskClient, session: Session, make_world: MakeWorld, currency: str, foreign: list[str], step: int
) -> None:
    places = _places(make_world(currency))
    before = stored(session)
    for number, (name, place) in enumerate(places.items()):
        for typed in foreign[number % step :: step]:
            page = submit(browser, place, typed)
            assert page.status_code == 422, (name, typed)
            assert f'value="{typed}"' in page.text, (name, typed)
            text = words(page)
            known = "₿" not in typed and "¢" not in typed
            expected = (f"Enter the amount in {currency}",) if place.is_money else ("has no currency",)
            assert any(sentence in text for sentence in expected) or not known, (name, typed, text)
    assert stored(session) == before


@pytest.mark.quick_cases("sqlite-EUR", "sqlite-CAD")
@pytest.mark.parametrize(
    ("currency", "signs"),
    [
        ("EUR", ["€5", "5 €", "EUR 5", "5 eur", "5"]),
        ("JPY", ["¥5", "￥5", "5 JPY", "5円"]),
        ("CAD", ["$5", "C$5", "CA$ 5", "CAD 5.00"]),
        ("BHD", ["BD 5.000", "5 BHD"]),
    ],
)
def test_the_customers_own_sign_is_taken_in_every_field(
    browser: FlaskClient, session: Session, make_world: MakeWorld, currency: str, signs: list[str]
) -> None:
    """The forms come in the order of the table: what one has stored, another needs."""
    places = _places(make_world(currency))
    for name, place in places.items():
        if place.is_money:
            before, typed = stored(session), signs[len(name) % len(signs)]
            page = submit(browser, place, typed)
            is_confirmed_first = name.startswith(("Credit", "CorrectedLine"))
            if name == "WriteOffForm.amount":  # all that is open has to be written off
                assert "Enter the amount in" not in words(page), (name, typed)
                continue
            assert page.status_code == (200 if is_confirmed_first else 303), (name, typed, words(page))
            assert is_confirmed_first or stored(session) > before, name


@samples(9)
def test_two_readings_are_refused_in_every_field(
    browser: FlaskClient, session: Session, make_world: MakeWorld, step: int
) -> None:
    places = _places(make_world("EUR"))
    before = stored(session)
    for number, (name, place) in enumerate(places.items()):
        for typed in share(("1,125", "1,000", "12 34"), number, step):
            page = submit(browser, place, typed)
            assert page.status_code == 422, (name, typed)
            assert f"“{typed}” can mean " in words(page), (name, typed)
            assert f'value="{typed}"' in page.text, (name, typed)
    assert stored(session) == before


def test_a_price_of_a_thousand_is_not_eighty_times_too_much(browser: FlaskClient, session: Session) -> None:
    make_customer(reference="acme", name="ACME Inc", currency="EUR")
    charge = {"id": str(uuid4()), "customer": "acme", "day": "2026-03-15", "description": "Work", "quantity": "80"}
    refused = send(browser, "/charges/new", **charge, unit_price="1,125")
    assert "“1,125” can mean 1.125 or 1125: enter 1.125 or 1125." in words(refused)
    assert send(browser, "/charges/new", **charge, unit_price="1,125.00").status_code == 303
    session.rollback()
    assert session.scalars(select(Charge.amount)).one() == 90_000


def test_a_sign_of_several_currencies_does_not_choose_the_currency_of_a_price(browser: FlaskClient) -> None:
    service = {"id": str(uuid4()), "code": "X", "tax_rate": "none"}
    for typed in ("$5", "5"):
        page = send(browser, "/services/new", **service, **{"prices-0-currency": "", "prices-0-unit_price": typed})
        assert page.status_code == 422
        assert "Choose the currency of this price." in words(page)
    done = send(browser, "/services/new", **service, **{"prices-0-currency": "", "prices-0-unit_price": "₹5"})
    assert "5.00 INR" in words(browser.get(done.location))


def test_a_credit_is_confirmed_with_the_sign_that_was_typed(
    browser: FlaskClient, session: Session, make_world: MakeWorld
) -> None:
    place = _places(make_world("EUR"))["CreditForm.amount"]
    page = submit(browser, place, "€ 1,190.00")
    assert "1,190.00 EUR" in words(page)
    assert 'value="€ 1,190.00"' in page.text


def test_a_payment_of_ten_million_is_allocated(browser: FlaskClient, session: Session) -> None:
    """Ten digits in minor units were refused as no whole number, in a hidden field."""
    customer = make_customer(reference="acme", name="ACME Inc", currency="EUR")
    invoice = make_invoice(customer, "30,000,000.00".replace(",", ""))
    payment = pay(make_payment_spec("acme", "20000000.00", ()))
    url, part = f"/payments/{payment}/allocate", f"part_{invoice.id.hex}"
    done = send(browser, url, remainder="2000000000", **{part: "20,000,000.00"})
    assert "20,000,000.00 EUR allocated." in words(browser.get(done.location))


@pytest.mark.parametrize("typed", ["$100.00", "¥100", "₹100", "US$ 5", "€100", "100 USD", "1,125"])
def test_an_import_takes_neither_signs_nor_two_readings(session: Session, typed: str) -> None:
    make_customer(reference="acme", currency="EUR")
    for kind, line in (
        ("charges", f'customer,description,amount,key\nacme,x,"{typed}",a\n'),
        ("charges", f'customer,description,quantity,unit_price,key\nacme,x,2,"{typed}",a\n'),
        ("payments", f'customer,amount,key\nacme,"{typed}",a\n'),
        ("services", f'code,currency,unit_price\nx,EUR,"{typed}"\n'),
    ):
        imported = check(kind, line)
        assert imported.state == "refused"
        assert [(line, value) for line, _, value in told(imported)] == [(2, typed)]
