"""What people type into fields, and how pages write values."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from billing_admin.domain import formatting
from billing_admin.domain.errors import Conflict, Denied, Invalid, Problem
from billing_admin.web.frame import template_filters
from billing_admin.web.frame.forms import (
    AmountField,
    DayField,
    ExactField,
    Form,
    MultilineField,
    NewIdField,
    ReferenceField,
    TextField,
    WholeNumberField,
    add_errors,
    errors_on,
    render_form,
)


class Order(Form):
    """One field of each kind."""

    id = NewIdField()
    name = TextField("Name", blank_message="Enter a name.", max_length=5)
    address = MultilineField("Address")
    code = ReferenceField("Code")
    quantity = ExactField("Quantity", blank_message="Enter a quantity.", noun="quantity")
    price = AmountField("Price")
    terms = WholeNumberField("Days to pay")
    day = DayField("Day")


GOOD = {"id": str(UUID(int=7)), "name": "Ada", "quantity": "1"}
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def app(app: Flask) -> Iterator[Flask]:
    app.config["WTF_CSRF_ENABLED"] = False
    yield app
    app.config["WTF_CSRF_ENABLED"] = True


def sent(app: Flask, **fields: Any) -> Order:
    with app.test_request_context(method="POST", data=GOOD | fields):
        form = Order()
        form.validate()
        return form


def priced(app: Flask, typed: str, currency: str) -> Order:
    """Send a price to a form that expects a currency."""
    with app.test_request_context(method="POST", data=GOOD | {"price": typed}):
        form = Order()
        form.expect_currency(currency)
        form.validate()
        return form


def test_reads_each_kind(app: Flask) -> None:
    form = sent(app, name=" Ada ", address=" a\r\nb ", code="A-1", quantity="1,234.50", terms="30", day="2026-11-22")
    assert not form.errors
    assert form.data == {
        "id": UUID(int=7),
        "name": "Ada",
        "address": "a\nb",
        "code": "A-1",
        "quantity": Decimal("1234.5"),
        "price": None,
        "terms": 30,
        "day": date(2026, 11, 22),
    }


def test_blank_is_empty_text_or_none(app: Flask) -> None:
    form = sent(app, address=" ", terms=" ")
    assert (form.address.data, form.code.data, form.terms.data, form.day.data) == ("", "", None, None)
    assert (bool(form.name.flags.optional), form.address.flags.optional) == (False, True)


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", "", "Enter a name."),
        ("name", "123456", "Use at most 5 characters."),
        ("name", "a\x00b", "Remove the control character U+0000 at position 2."),
        ("quantity", " ", "Enter a quantity."),
        ("quantity", "abc", "“abc” is not a number such as 1,234.50."),
        ("terms", "-0", "Enter 0, not −0."),
        ("terms", "٣٠", "Enter a whole number such as 30."),
        ("terms", "1_000", "Enter a whole number such as 30."),
        ("day", "5.6.2026", "“5.6.2026” can mean 5 Jun 2026 or 6 May 2026: enter 2026-06-05 or 2026-05-06."),
        ("day", "22.11.26", "Enter the year with four digits, such as 2026."),
        ("day", "2026-02-30", "Enter a date such as 2026-11-22."),
        ("day", "20261122", "Enter a date such as 2026-11-22."),
    ],
)
def test_says_how_to_mend_it_and_keeps_what_was_typed(app: Flask, field: str, typed: str, sentence: str) -> None:
    form = sent(app, **{field: typed})
    assert form.errors == {field: [sentence]}
    assert form[field]._value() == typed


def test_shows_what_is_stored(app: Flask) -> None:
    with app.test_request_context():
        form = Order(quantity=Decimal("1234.50"), day=date(2026, 11, 22), name="Ada")
        assert 'value="1234.5"' in form.quantity()
        assert 'value="22 Nov 2026"' in form.day()
        assert form.id.data is not None
        assert str(form.id.data) in form.id()
        assert form.id.data != Order().id.data


def test_another_currency_is_noticed(app: Flask) -> None:
    for typed, agrees in (("5 USD", False), ("€5", True), ("5", True), ("5 eur", True), ("$5", False), ("¥5", False)):
        form = priced(app, typed, "EUR")
        assert (form.price.data, not form.errors) == ((Decimal(5), True) if agrees else (None, False))
    assert priced(app, "5 USD", "EUR").errors == {
        "price": ["Enter the amount in EUR: “5 USD” is in USD. If you mean 5 EUR, enter 5."]
    }
    assert priced(app, "$5", "EUR").errors == {
        "price": ["Enter the amount in EUR: “$5” is in another currency. If you mean 5 EUR, enter 5."]
    }
    for typed, currency in (("$5", "CAD"), ("A$5", "AUD"), ("¥5", "JPY"), ("5 kr", "SEK"), ("BHD 5", "BHD")):
        assert priced(app, typed, currency).price.data == 5


def test_no_currency_is_taken_where_none_is_expected(app: Flask) -> None:
    assert sent(app, quantity="5 EUR").errors == {"quantity": ["Remove EUR: a quantity has no currency."]}
    form = sent(app, price="€5")
    assert (form.errors, form.price.data) == ({"price": ["Remove €: a number has no currency."]}, None)
    unknown = priced(app, "5 USD", "")
    assert (unknown.errors, unknown.price.data) == ({}, None)


@pytest.mark.parametrize("typed", ["1,125", "1,000", "12 34", "1’234,567"])
def test_what_can_be_read_in_two_ways_is_refused(app: Flask, typed: str) -> None:
    for field in ("quantity", "price"):
        form = sent(app, **{field: typed})
        assert form[field].data is None
        [error] = form.errors[field]
        assert " can mean " in error


def test_problems_go_to_their_fields(app: Flask) -> None:
    form = sent(app)
    problems = [
        Problem("a", "Too many.", (0, "quantity")),
        Problem("b", "Unknown.", ("reference",)),
        Problem("c", "Nowhere.", ("elsewhere",)),
        Problem("d", "No field."),
        Problem("e", "The key.", ("id",)),
    ]
    add_errors(form, Invalid.of(problems), {"reference": "code"})
    assert form.errors == {
        "quantity": ["Too many."],
        "code": ["Unknown."],
        "": ["Nowhere.", "No field.", "The key."],
    }


def test_only_what_can_be_mended_comes_back_to_the_form(app: Flask) -> None:
    form = sent(app)
    with errors_on(form):
        raise Conflict("taken", "The name is taken.", "name")
    assert form.errors == {"name": ["The name is taken."]}
    with pytest.raises(Denied), errors_on(form):
        raise Denied("no", "No.")


def test_a_form_with_errors_is_422(app: Flask) -> None:
    for form, status in ((sent(app), 200), (sent(app, name=""), 422)):
        with app.test_request_context():
            assert render_form("errors/error.html", form, code="", title="", message="")[1] == status  # type: ignore[index]


# --- filters ---------------------------------------------------------------------------------------------------------


def test_how_values_are_written(app: Flask) -> None:
    assert formatting.format_money(1_000_000, "EUR") == "10,000.00 EUR"
    assert formatting.format_money(-5, "EUR") == "−0.05 EUR"
    assert formatting.format_money(1_234_567, "JPY") == "1,234,567 JPY"
    assert formatting.format_exact(Decimal("0.0000008"), "USD") == "0.0000008 USD"
    assert formatting.format_exact(Decimal("-1234.5"), "EUR") == "−1,234.50 EUR"
    assert formatting.format_exact(Decimal("-0.5"), "EUR") == "−0.50 EUR"
    assert formatting.format_exact(Decimal(1234), "JPY") == "1,234 JPY"
    assert formatting.format_exact(Decimal(0), "BHD") == "0.000 BHD"
    assert formatting.format_number(Decimal("-1500.50")) == "−1,500.5"
    assert formatting.format_day(date(2026, 11, 2)) == "2 Nov 2026"
    with app.test_request_context():
        zone = template_filters.moment(datetime(2026, 11, 22, 13, 5, tzinfo=UTC))
    assert zone.startswith("22 Nov 2026, ")
    assert zone.split()[-1].isascii()
