"""Credits split over rates and lines, never more than is left; taken together they take back exactly the invoice."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.credit_notes import (
    Credit,
    Creditable,
    CreditableLine,
    CreditableTax,
    CreditedTax,
    CreditEffect,
    credit_amount,
    credit_effect,
    credit_lines,
    split_by_weight,
)
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.invoices import TaxRate, tax_totals

VAT19, VAT7, FREE = TaxRate("S", Decimal(19)), TaxRate("S", Decimal(7)), TaxRate("Z", Decimal(0))


def invoice(*lines: tuple[TaxRate, int], currency: str = "EUR") -> Creditable:
    """An invoice of lines with these rates and nets."""
    made = [CreditableLine(UUID(int=place), place, rate, False, net, 0) for place, (rate, net) in enumerate(lines, 1)]
    taxes = [CreditableTax(one.rate, False, one.base, one.tax, 0, 0) for one in tax_totals(lines)]
    return Creditable("INV-1", currency, tuple(made), tuple(taxes))


def after(before: Creditable, credit: Credit) -> Creditable:
    """The invoice with one more credit note."""
    lines = [replace(line, credited=line.credited + credit.lines.get(line.id, 0)) for line in before.lines]
    taken = {(tax.rate, tax.included): tax for tax in credit.taxes}
    taxes = [
        replace(tax, credited_base=tax.credited_base + part.base, credited_tax=tax.credited_tax + part.tax)
        if (part := taken.get((tax.rate, tax.included)))
        else tax
        for tax in before.taxes
    ]
    return replace(before, lines=tuple(lines), taxes=tuple(taxes))


def line(place: int) -> UUID:
    return UUID(int=place)


def test_half_of_two_rates() -> None:
    whole = invoice((VAT19, 10000), (VAT7, 5000))
    half = credit_amount(whole, 8625)
    assert half.lines == {line(1): 5000, line(2): 2500}
    assert [(tax.rate, tax.base, tax.tax) for tax in half.taxes] == [(VAT7, 2500, 175), (VAT19, 5000, 950)]
    assert credit_lines(whole, half.lines) == replace(half, lines=dict(half.lines))


def test_a_line_is_credited_with_its_tax() -> None:
    credit = credit_lines(invoice((VAT19, 1003), (VAT7, 2005)), {line(2): 1000})
    assert (credit.net, credit.tax, credit.total) == (1000, 70, 1070)


def test_steps_do_not_drift() -> None:
    """Three times a third of a cent of tax is one cent."""
    left = invoice((VAT7, 15))
    taxes = []
    for _ in range(3):
        credit = credit_lines(left, {line(1): 5})
        taxes.append(credit.tax)
        left = after(left, credit)
    assert (taxes, left.left) == ([0, 1, 0], 0)


def test_a_line_that_takes_money_off_is_credited_with_its_sign() -> None:
    whole = invoice((VAT19, 10000), (VAT19, -2000))
    assert credit_lines(whole, {line(1): 10000, line(2): -2000}).total == 9520
    with pytest.raises(Invalid, match=r"at most 80\.00 EUR net for the lines at the tax rate S 19 %"):
        credit_lines(whole, {line(1): 10000})
    with pytest.raises(Invalid, match=r"at most −20\.00 EUR net for line 2"):
        credit_lines(whole, {line(1): 10000, line(2): 2000})
    with pytest.raises(Invalid, match="at the tax rate"):
        credit_lines(whole, {line(2): -2000})


def test_a_rate_that_takes_money_off_limits_the_whole() -> None:
    whole = invoice((VAT19, 10000), (FREE, -1000))
    with pytest.raises(Invalid, match=r"Enter at most 109\.00 EUR") as refused:
        credit_lines(whole, {line(1): 10000})
    assert refused.value.code == "above_remaining"
    assert credit_amount(whole, 10900).lines == {line(1): 10000, line(2): -1000}


@pytest.mark.parametrize(
    ("amount", "code", "sentence"),
    [
        (11901, "above_remaining", "Enter at most 119.00 EUR: this is the amount of INV-1 that is not credited yet."),
        (0, "not_positive", "Enter an amount above zero and at most 119.00 EUR."),
        (-1, "not_positive", "Enter an amount above zero and at most 119.00 EUR."),
    ],
)
def test_an_amount_out_of_bounds_names_the_most(amount: int, code: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        credit_amount(invoice((VAT19, 10000)), amount)
    assert (refused.value.code, refused.value.message, refused.value.field) == (code, sentence, ("amount",))


def test_a_line_out_of_bounds_is_named() -> None:
    whole = after(invoice((VAT19, 10000), (VAT7, 500)), credit_lines(invoice((VAT19, 10000)), {line(1): 10000}))
    for asked, sentence in (
        ({line(1): 1}, "Remove line 1: it is already credited in full."),
        ({line(2): 501}, "Enter at most 5.00 EUR net for line 2."),
        ({line(2): 0}, "Enter an amount above zero and at most 5.00 EUR net for line 2."),
        ({line(9): 1}, "Choose a line of INV-1."),
    ):
        with pytest.raises(Invalid) as refused:
            credit_lines(whole, asked)
        assert refused.value.message == sentence


def test_when_nothing_is_left_it_says_so() -> None:
    whole = invoice((VAT19, 10000))
    done = after(whole, credit_amount(whole, 11900))
    with pytest.raises(Conflict, match="INV-1 is already credited in full"):
        credit_amount(done, 1)
    with pytest.raises(Conflict, match="INV-1 is already credited in full"):
        credit_lines(done, {line(1): 1})


@pytest.mark.parametrize(("currency", "left"), [("JPY", "100 JPY"), ("BHD", "0.100 BHD")])
def test_amounts_are_said_in_their_currency(currency: str, left: str) -> None:
    with pytest.raises(Invalid, match=f"at most {left}"):
        credit_amount(invoice((FREE, 100), currency=currency), 101)


NETS = st.integers(-300, 3000).filter(bool)
RATES = st.sampled_from([VAT19, VAT7, FREE, TaxRate("S", Decimal("8.1")), TaxRate("S", Decimal(100))])


def whole_invoices() -> st.SearchStrategy[Creditable]:
    """Invoices over more than nothing, with a few lines at a few rates."""
    lines = st.lists(st.tuples(RATES, NETS), min_size=1, max_size=5)
    return lines.map(lambda found: invoice(*found)).filter(lambda made: made.left > 0)


@given(whole_invoices(), st.lists(st.integers(1, 997), max_size=6), st.data())
def test_credits_in_any_steps_take_back_exactly_the_invoice(
    whole: Creditable, steps: Sequence[int], data: st.DataObject
) -> None:
    left = whole
    for step in steps:
        if left.left <= 0:
            break
        if data.draw(st.booleans()):
            credit = credit_amount(left, min(step, left.left))
        else:
            one = data.draw(st.sampled_from(left.lines))
            try:
                credit = credit_lines(left, {one.id: max(-step, one.left) if one.net < 0 else min(step, one.left)})
            except Invalid:
                continue
        assert credit.net == sum(tax.base for tax in credit.taxes)
        assert credit.lines
        left = after(left, credit)
        assert 0 <= left.left < whole.left
        for before, tax in zip(whole.taxes, left.taxes, strict=True):
            assert abs(tax.credited_base) <= abs(before.base)
            assert abs(tax.credited_tax) <= abs(before.tax)
    if left.left > 0:
        left = after(left, credit_amount(left, left.left))
        assert [(tax.credited_base, tax.credited_tax) for tax in left.taxes] == [
            (tax.base, tax.tax) for tax in left.taxes
        ]
    assert left.left == 0


@given(st.integers(0, 10_000), st.lists(st.integers(-50, 500), min_size=1, max_size=6))
def test_spread_adds_up_and_stays_within(amount: int, weights: list[int]) -> None:
    if amount > sum(weights):
        return
    shares = split_by_weight(amount, weights)
    assert sum(shares) == (amount if sum(weights) else 0)
    assert all(min(0, weight) <= share <= max(0, weight) for share, weight in zip(shares, weights, strict=True))


@pytest.mark.parametrize(
    ("owed", "total", "effect"),
    [
        (10000, 4000, CreditEffect(reduces=4000, becomes_credit=0, owed_after=6000)),
        (10000, 10000, CreditEffect(reduces=10000, becomes_credit=0, owed_after=0)),
        (3000, 4000, CreditEffect(reduces=3000, becomes_credit=1000, owed_after=0)),
        (0, 4000, CreditEffect(reduces=0, becomes_credit=4000, owed_after=0)),
    ],
)
def test_the_part_of_a_credit_that_is_not_owed_becomes_credit(owed: int, total: int, effect: CreditEffect) -> None:
    assert credit_effect(owed, total) == effect


def test_included_tax_is_split_over_its_lines_by_net() -> None:
    """0.19 over three equal lines: 0.0633… each, rounded down; the first line gets the missing cent."""
    lines = {UUID(int=1): 33, UUID(int=2): 33, UUID(int=3): 33, UUID(int=4): 500}
    taxes = (
        CreditedTax(VAT19, True, tuple(UUID(int=number) for number in (1, 2, 3)), 99, 19),
        CreditedTax(VAT7, False, (UUID(int=4),), 500, 35),
    )
    assert Credit(lines, taxes).tax_within() == {UUID(int=1): 7, UUID(int=2): 6, UUID(int=3): 6}
