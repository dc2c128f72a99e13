"""Exchange rates: set, imported and removed; and the tax in the base currency that documents freeze."""

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.document_details import BaseCurrencyRate, details_from_json
from billing_admin.domain.errors import Invalid, NotFound
from billing_admin.domain.exchange_rates import RateSpec
from billing_admin.models import AuditEvent, ExchangeRate, Invoice
from billing_admin.operations.invoices import invoices
from billing_admin.operations.master_data import exchange_rates
from billing_admin.operations.master_data.exchange_rates import RatesSet
from billing_admin.queries.doctor import run_checks
from tests.api.conftest import Script, make_token  # noqa: F401 - a fixture
from tests.books import contents
from tests.making import NOW, all_invoices, bill, credit, make_customer, make_service, make_spec, make_tax_rate, post

TODAY = NOW.date()
DAY = timedelta(days=1)


def rate(value: str, day: date = TODAY, currency: str = "USD", source: str = "ECB") -> RateSpec:
    return RateSpec(currency, day, Decimal(value), source)


def set_rate(spec: RateSpec) -> tuple[ExchangeRate, bool]:
    return transaction(exchange_rates.set_rate, spec, SYSTEM, NOW)


def set_rates(*specs: RateSpec) -> RatesSet:
    return transaction(exchange_rates.set_rates, specs, SYSTEM, NOW)


def stored(session: Session) -> list[tuple[str, date, Decimal]]:
    session.rollback()
    query = select(ExchangeRate).order_by(ExchangeRate.currency, ExchangeRate.day)
    return [(row.currency, row.day, row.rate) for row in session.scalars(query)]


def last_event(session: Session) -> Any:
    return session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()


@pytest.mark.both_databases
def test_a_rate_is_added_repeated_and_replaced(session: Session) -> None:
    row, is_new = set_rate(rate("1.0832"))
    assert (row.base_currency, row.currency, row.rate, row.source, is_new) == (
        "EUR",
        "USD",
        Decimal("1.0832"),
        "ECB",
        True,
    )
    details = {"base_currency": "EUR", "currency": "USD", "day": TODAY.isoformat(), "source": "ECB"}
    assert last_event(session).details == details | {"rate": [None, "1.0832"]}
    before = contents(session)
    assert set_rate(rate("1.08320"))[1] is False
    assert contents(session) == before
    assert set_rate(rate("1.09"))[1] is True
    assert last_event(session).details == details | {"rate": ["1.0832", "1.09"]}
    assert stored(session) == [("USD", TODAY, Decimal("1.09"))]


@pytest.mark.both_databases
def test_many_rates_are_one_event(session: Session) -> None:
    set_rate(rate("1.1"))
    specs = [rate("1.2"), rate("1.3", TODAY - DAY), *(rate(str(150 + n), TODAY - n * DAY, "JPY") for n in range(8))]
    assert set_rates(*specs) == RatesSet(9, 1, 0)
    event = last_event(session)
    assert (event.action, event.object_type, event.object_id) == ("exchange_rate.set", "exchange_rate", None)
    assert event.details == {
        "base_currency": "EUR",
        "currencies": ["JPY", "USD"],
        "from": (TODAY - 7 * DAY).isoformat(),
        "to": TODAY.isoformat(),
        "added": 9,
        "changed": 1,
        "rates": [["USD", TODAY.isoformat(), "1.1", "1.2"]],
    }
    assert set_rates(*specs) == RatesSet(0, 0, 10)
    assert last_event(session).id == event.id


@pytest.mark.parametrize(
    ("specs", "code"),
    [([rate("1", currency="EUR")], "base_currency"), ([rate("1.1"), rate("1.2")], "two_rates")],
)
def test_a_wrong_rate_stores_none(session: Session, specs: list[RateSpec], code: str) -> None:
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        set_rates(rate("1", TODAY - DAY), *specs)
    assert refused.value.code == code
    assert contents(session) == before


def test_a_rate_is_removed(session: Session) -> None:
    set_rate(rate("1.0832"))
    transaction(exchange_rates.remove_rate, "USD", TODAY, SYSTEM, NOW)
    assert (last_event(session).action, last_event(session).details["rate"]) == (
        "exchange_rate.removed",
        ["1.0832", None],
    )
    assert stored(session) == []
    with pytest.raises(NotFound):
        transaction(exchange_rates.remove_rate, "USD", TODAY, SYSTEM, NOW)


def frozen(invoice: Invoice) -> tuple[BaseCurrencyRate | None, int | None]:
    return details_from_json(invoice.details).base_rate, invoice.tax_in_base


def make_invoices(*amounts: str, currency: str = "USD", tax_rate: str = "VAT19") -> list[Invoice]:
    """Bill each amount to a customer of its own, at a rate of 19 % by default."""
    service = make_service(code=f"{tax_rate} {currency}", tax_rate=tax_rate, prices={})
    for number, amount in enumerate(amounts):
        customer = make_customer(reference=f"{currency}-{tax_rate}-{number}", currency=currency)
        post(make_spec(customer, amount, service=service))
    before = {invoice.id for invoice in all_invoices()}
    bill()
    return [invoice for invoice in all_invoices() if invoice.id not in before]


@pytest.mark.both_databases
@pytest.mark.parametrize("age", [0, 7])
def test_tax_in_another_currency_is_frozen_with_its_rate(session: Session, age: int) -> None:
    make_tax_rate()
    day = TODAY - age * DAY
    set_rates(rate("1.0832", day), rate("9", day - DAY), rate("8", TODAY + DAY), rate("7", currency="JPY"))
    [invoice] = make_invoices("100")
    assert frozen(invoice) == (BaseCurrencyRate("EUR", "1.0832", day.isoformat(), "ECB"), 1754)
    set_rate(rate("2", day))
    [again] = all_invoices()
    assert frozen(again) == (BaseCurrencyRate("EUR", "1.0832", day.isoformat(), "ECB"), 1754)
    assert [result.check.name for result in run_checks(session) if result.count] == []


def test_documents_that_need_no_rate_freeze_none(session: Session) -> None:
    make_tax_rate()
    make_tax_rate("free", "0", "E")
    set_rates(rate("1.0832"), rate("150", TODAY - 8 * DAY, "JPY"))
    for currency, tax_rate in (("EUR", "VAT19"), ("USD", "free"), ("JPY", "VAT19")):
        [invoice] = make_invoices("100", currency=currency, tax_rate=tax_rate)
        assert frozen(invoice) == (None, None)


def test_a_draft_gets_the_rate_of_its_issue(session: Session) -> None:
    make_tax_rate()
    service = make_service(tax_rate="VAT19", prices={})
    post(make_spec(make_customer(currency="USD"), "100", service=service))
    bill(issue=False)
    [draft] = all_invoices()
    set_rates(rate("1.0832"), rate("2", TODAY - 2 * DAY))
    transaction(invoices.issue, draft.id, TODAY - DAY, SYSTEM, NOW)
    [invoice] = all_invoices()
    assert frozen(invoice) == (BaseCurrencyRate("EUR", "2", (TODAY - 2 * DAY).isoformat(), "ECB"), 950)


@pytest.mark.both_databases
def test_credits_have_the_rate_of_their_invoice_and_add_up_to_its_tax(session: Session) -> None:
    make_tax_rate()
    set_rate(rate("1.0832"))
    [invoice] = make_invoices("100")
    set_rate(rate("3"))
    notes = [credit(invoice, amount) for amount in ("33.33", "33.33", "0.01", "52.33")]
    assert {frozen(note)[0] for note in notes} == {frozen(invoice)[0]}
    assert sum(note.tax for note in notes) == invoice.tax == 1900
    assert sum(note.tax_in_base or 0 for note in notes) == invoice.tax_in_base == 1754
    assert [result.check.name for result in run_checks(session) if result.count] == []


@pytest.mark.both_databases
def test_tax_in_the_base_currency_is_in_the_api_and_the_file(app: Flask, session: Session, make_token: Any) -> None:  # noqa: F811
    make_tax_rate()
    set_rates(rate("1.0832"), rate("150", currency="JPY"))
    make_invoices("100", currency="USD")
    make_invoices("10000", currency="JPY")
    make_invoices("100", currency="EUR")
    script = Script(app.test_client(), make_token(["read"]))
    shown = {row["currency"]: row for row in script.get("/invoices").json["data"]}  # type: ignore[index]
    base_rate = {"currency": "EUR", "day": TODAY.isoformat(), "source": "ECB"}
    assert (shown["USD"]["tax_in_base"], shown["USD"]["base_rate"]) == ("17.54", base_rate | {"rate": "1.0832"})
    assert (shown["JPY"]["tax_in_base"], shown["JPY"]["base_rate"]) == ("12.67", base_rate | {"rate": "150"})
    assert (shown["EUR"]["tax_in_base"], shown["EUR"]["base_rate"]) == (None, None)
    rows = {row["currency"]: row for row in csv.DictReader(io.StringIO(script.get("/invoices.csv").text))}
    names = ("tax_in_base", "base_currency", "base_rate", "base_rate_day", "base_rate_source")
    assert [rows["USD"][name] for name in names] == ["17.54", "EUR", "1.0832", TODAY.isoformat(), "ECB"]
    assert [rows["JPY"][name] for name in names] == ["12.67", "EUR", "150", TODAY.isoformat(), "ECB"]
    assert [rows["EUR"][name] for name in names] == [""] * 5
