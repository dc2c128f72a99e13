"""Which tax charges bear when they are billed: by their day, by their customer's treatment, within their price."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.domain.money import ZERO, plain_decimal
from billing_admin.domain.prices import PriceSpec, prices_on
from billing_admin.models import Invoice, Service
from billing_admin.operations.master_data import services
from billing_admin.queries.billing.preview import BillingScope, preview
from billing_admin.queries.doctor import run_checks
from tests.books import assert_books_balance
from tests.making import (
    MARCH_END,
    NOW,
    all_invoices,
    bill,
    change_settings,
    change_tax,
    make_customer,
    make_service,
    make_spec,
    make_tax_rate,
    post,
)

EARLY, LATE = date(2026, 3, 5), date(2026, 3, 20)
CHANGE, BACK = date(2026, 3, 10), date(2026, 3, 25)


def taxed(code: str = "compute", *, inclusive: bool = False, rate: str = "VAT19", apart: bool = False) -> Service:
    return make_service(
        code=code,
        tax_rate=rate,
        line_per_charge=apart,
        prices={"USD": Decimal("2.50")},
        prices_include_tax=["USD"] if inclusive else [],
    )


def billed(session: Session) -> Invoice:
    """The one invoice of what is pending, as the preview said; all books balance."""
    shown = preview(session, BillingScope(MARCH_END))
    bill(confirmed=shown.digest)
    [invoice] = all_invoices()
    assert [(one.document.net, one.document.tax) for one in shown.documents] == [(invoice.net, invoice.tax)]
    assert_books_balance(session)
    assert [result.check.name for result in run_checks(session) if result.count] == []
    return invoice


def lines(invoice: Invoice) -> list[tuple[str, int, int]]:
    return [(plain_decimal(line.tax_percent), line.charges, line.net) for line in invoice.lines]


def taxes(invoice: Invoice) -> list[tuple[str, str, bool, int, int, str]]:
    return [
        (tax.category, plain_decimal(tax.percent), tax.included, tax.base, tax.tax, tax.note) for tax in invoice.taxes
    ]


def test_charges_before_and_after_a_change_come_on_two_lines_with_two_rates(session: Session) -> None:
    change_tax(make_tax_rate(), CHANGE, "16")
    make_tax_rate("VAT7", "7")
    compute, other = taxed(), taxed("other", rate="VAT7")
    acme = make_customer()
    post(*(make_spec(acme, service=service, incurred_on=day) for service in (compute, other) for day in (EARLY, LATE)))
    post(make_spec(acme, service=compute, incurred_on=CHANGE))
    invoice = billed(session)
    assert sorted((line.service_code, line.tax_percent, line.charges) for line in invoice.lines) == [
        ("compute", Decimal(16), 2),
        ("compute", Decimal(19), 1),
        ("other", Decimal(7), 2),
    ]
    assert sorted(taxes(invoice)) == [
        ("S", "16", False, 500, 80, ""),
        ("S", "19", False, 250, 48, ""),
        ("S", "7", False, 500, 35, ""),
    ]


def test_a_rate_that_comes_back_is_one_rate(session: Session) -> None:
    rate = make_tax_rate()
    change_tax(rate, CHANGE, "16")
    change_tax(rate, BACK, "19")
    acme, compute = make_customer(), taxed()
    post(*(make_spec(acme, service=compute, incurred_on=day) for day in (EARLY, LATE, BACK)))
    assert sorted(lines(billed(session))) == [("16", 1, 250), ("19", 2, 500)]


def test_the_usual_rate_changes_for_charges_without_a_service_and_for_each_line_of_its_own(session: Session) -> None:
    change_tax(make_tax_rate(), CHANGE, "16")
    change_settings(default_tax_rate="VAT19")
    acme, apart = make_customer(), taxed(apart=True)
    post(*(make_spec(acme, "1", incurred_on=day) for day in (EARLY, LATE)))
    post(*(make_spec(acme, service=apart, incurred_on=day) for day in (EARLY, LATE)))
    assert sorted(lines(billed(session))) == [("16", 1, 100), ("16", 1, 250), ("19", 1, 100), ("19", 1, 250)]


def test_a_change_leaves_what_is_issued_as_it_was(session: Session) -> None:
    rate, acme = make_tax_rate(), make_customer()
    post(make_spec(acme, service=taxed(), incurred_on=LATE))
    before = taxes(billed(session))
    change_tax(rate, CHANGE, "16")
    assert taxes(all_invoices()[0]) == before
    assert_books_balance(session)


@pytest.mark.parametrize(
    ("treatment", "category", "note"),
    [
        ("exempt", "E", "Exempt from tax"),
        ("reverse_charge", "AE", "Reverse charge: the customer accounts for the tax"),
        ("export", "G", "Export: no tax is charged"),
        ("intra_community", "K", "Intra-community supply: no tax is charged"),
    ],
)
def test_the_customers_treatment_overrides_the_services_rate_and_says_why(
    session: Session, treatment: str, category: str, note: str
) -> None:
    change_tax(make_tax_rate(), CHANGE, "16")
    acme, compute = make_customer(tax_treatment=treatment, tax_id="ATU13585627"), taxed()
    post(make_spec(acme, "10"), *(make_spec(acme, service=compute, incurred_on=day) for day in (EARLY, LATE)))
    invoice = billed(session)
    assert lines(invoice) == [("0", 2, 500), ("0", 1, 1000)]
    assert taxes(invoice) == [(category, "0", False, 1500, 0, note)]


def test_the_reason_is_the_organisations_own(session: Session) -> None:
    change_settings(exempt_note="Exempt under article 151")
    make_tax_rate()
    post(make_spec(make_customer(tax_treatment="exempt"), service=taxed()))
    [tax] = billed(session).taxes
    assert tax.note == "Exempt under article 151"


def test_the_reason_of_a_rate_without_tax_is_printed_and_sealed(session: Session) -> None:
    make_tax_rate("book", "0", "E")
    post(make_spec(make_customer(), service=taxed(rate="book")))
    assert taxes(billed(session)) == [("E", "0", False, 250, 0, "Exempt from tax")]


def test_prices_that_include_tax_make_the_gross_to_the_cent(session: Session) -> None:
    make_tax_rate()
    acme, shop, other = make_customer(), taxed("a", inclusive=True), taxed("b", inclusive=True)
    post(make_spec(acme, service=shop, quantity="4"), make_spec(acme, service=other, quantity="0.4"))
    invoice = billed(session)
    assert [(line.gross, line.net) for line in invoice.lines] == [(1000, 840), (100, 84)]
    assert taxes(invoice) == [("S", "19", True, 924, 176, "")]
    assert (invoice.net, invoice.tax, invoice.total) == (924, 176, 1100)


def test_net_and_inclusive_charges_of_one_price_keep_apart(session: Session) -> None:
    make_tax_rate()
    acme, shop = make_customer(), taxed(inclusive=True)
    post(make_spec(acme, service=shop), make_spec(acme, service=shop, unit_price="2.50"))
    invoice = billed(session)
    assert sorted((line.gross or 0, line.net) for line in invoice.lines) == [(0, 250), (250, 210)]
    assert sorted(taxes(invoice)) == [("S", "19", False, 250, 48, ""), ("S", "19", True, 210, 40, "")]


@pytest.mark.parametrize("treatment", ["exempt", "reverse_charge", "export", "intra_community"])
def test_who_is_charged_no_tax_pays_the_net_of_the_day(session: Session, treatment: str) -> None:
    change_tax(make_tax_rate(), CHANGE, "16")
    acme, shop = make_customer(tax_treatment=treatment, tax_id="ATU13585627"), taxed(inclusive=True)
    post(*(make_spec(acme, service=shop, quantity="40", incurred_on=day) for day in (EARLY, LATE)))
    invoice = billed(session)
    assert sorted((line.included_percent, line.gross, line.net) for line in invoice.lines) == [
        (Decimal(16), 10000, 8621),
        (Decimal(19), 10000, 8403),
    ]
    assert [(tax.base, tax.tax, tax.included) for tax in invoice.taxes] == [(17024, 0, False)]
    assert invoice.total == 17024


@pytest.mark.parametrize("currency", ["JPY", "BHD"])
def test_currencies_with_none_and_three_digits(session: Session, currency: str) -> None:
    make_tax_rate("VAT10", "10")
    shop = make_service(
        code="shop", tax_rate="VAT10", prices={currency: Decimal("33.5")}, prices_include_tax=[currency]
    )
    post(make_spec(make_customer(currency=currency), service=shop, quantity="3"))
    invoice = billed(session)
    expected = {"JPY": (92, 9, 101), "BHD": (91364, 9136, 100500)}
    assert (invoice.net, invoice.tax, invoice.total) == expected[currency]


def test_a_price_says_whether_it_includes_tax_and_a_charge_keeps_it(session: Session) -> None:
    make_tax_rate()
    acme, shop = make_customer(), taxed(inclusive=True)
    post(make_spec(acme, service=shop))
    price = shop.prices[0]
    net = PriceSpec(price.currency, price.unit_price or ZERO, MARCH_END, includes_tax=False)
    transaction(services.set_price, shop.id, net, None, SYSTEM, NOW)
    post(make_spec(acme, service=shop, incurred_on=MARCH_END))
    assert sorted(tax.included for tax in billed(session).taxes) == [False, True]


def test_inclusive_prices_must_be_there(session: Session) -> None:
    with pytest.raises(Invalid) as refused:
        make_service(prices_include_tax=["EUR"])
    assert (refused.value.code, refused.value.field) == ("no_price", ("prices_include_tax",))


def test_a_new_price_leaves_the_others_inclusive_as_they_are(session: Session) -> None:
    make_tax_rate()
    shop = taxed(inclusive=True)
    prices = {"USD": Decimal(3), "EUR": Decimal(2)}
    changed = transaction(services.update, shop.id, {"prices": prices}, None, SYSTEM, NOW)
    current = prices_on(NOW.date(), changed.prices)
    assert {currency: price.includes_tax for currency, price in current.items()} == {"USD": True, "EUR": False}
