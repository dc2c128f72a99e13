"""Credits in currencies without decimals: each has a tax that an e-invoice can state."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import assume, given, settings, strategies as st

from billing_admin.domain.credit_notes import (
    Credit,
    Creditable,
    CreditableLine,
    CreditableTax,
    credit_amount,
    credit_lines,
)
from billing_admin.domain.errors import Invalid
from billing_admin.domain.invoices import TaxRate
from billing_admin.domain.money import nets_without_tax, percentage
from billing_admin.domain.tax_breakdown import is_tax_recomputable
from tests.domain.test_credit_notes import after, line

S8, S10, Z0 = TaxRate("S", Decimal(8)), TaxRate("S", Decimal(10)), TaxRate("Z", Decimal(0))


def invoice(*lines: tuple[TaxRate, bool, int], currency: str = "JPY", has_e_invoice: bool = True) -> Creditable:
    """An invoice of lines with rate, whether the amount includes tax, and amount."""
    made, taxes = [], []
    for rate, included in dict.fromkeys((rate, included) for rate, included, _ in lines):
        members = [(place, amount) for place, (*key, amount) in enumerate(lines, 1) if key == [rate, included]]
        amounts = [amount for _, amount in members]
        nets = nets_without_tax(amounts, rate.percent) if included else amounts
        tax = sum(amounts) - sum(nets) if included else percentage(sum(nets), rate.percent)
        taxes.append(CreditableTax(rate, included, sum(nets), tax, 0, 0))
        made += [
            CreditableLine(UUID(int=place), place, rate, included, net, 0)
            for (place, _), net in zip(members, nets, strict=True)
        ]
    ordered = sorted(made, key=lambda each: each.position)
    return Creditable("INV-1", currency, tuple(ordered), tuple(taxes), has_e_invoice)


def matches(taxes: Sequence[tuple[TaxRate, int, int]], currency: str = "JPY") -> bool:
    """Whether validators compute the same taxes, as BR-CO-17 does."""
    unit = 10 ** {"JPY": 0, "EUR": 2, "BHD": 3}[currency]
    for rate in {rate for rate, _, _ in taxes}:
        base = sum(base for one, base, _ in taxes if one == rate)
        tax = sum(tax for one, _, tax in taxes if one == rate)
        if not abs(Decimal(tax) - base * rate.percent / 100) < unit:
            return False
    return True


def credited(credit: Credit) -> list[tuple[int, int]]:
    return [(tax.base, tax.tax) for tax in credit.taxes]


def test_a_yen_of_tax_is_never_credited_alone() -> None:
    whole = invoice((S10, False, 5))
    first = credit_amount(whole, 5)
    assert credited(first) == [(4, 1)]  # 5 net without tax would leave a tax of 1 on nothing
    assert credited(credit_amount(after(whole, first), 1)) == [(1, 0)]


def test_credits_by_amount_one_after_the_other() -> None:
    left = invoice((S10, False, 104))
    parts = []
    for amount in (7, 7, 38, 62):
        credit = credit_amount(left, amount)
        parts += credited(credit)
        left = after(left, credit)
    assert (parts, left.left) == ([(6, 1), (7, 0), (34, 4), (57, 5)], 0)


def test_an_amount_that_no_e_invoice_can_state_is_refused_with_the_next_that_it_can() -> None:
    taxes = (CreditableTax(S10, False, 10, 1, 9, 0),)
    left = Creditable("INV-1", "JPY", (CreditableLine(line(1), 1, S10, False, 10, 9),), taxes, has_e_invoice=True)
    with pytest.raises(Invalid) as refusal:
        credit_amount(left, 1)
    assert (refusal.value.code, refusal.value.field) == ("tax_rounded_apart", ("amount",))
    assert refusal.value.message == "Enter 2 JPY: an e-invoice cannot state 1 JPY and its tax in whole units."
    assert credited(credit_amount(left, 2)) == [(1, 1)]


def test_without_an_e_invoice_every_amount_can_be_credited() -> None:
    left = invoice((S10, False, 10), has_e_invoice=False)
    for _ in range(11):
        left = after(left, credit_amount(left, 1))
    assert left.left == 0


def test_what_is_left_of_an_earlier_release_can_be_credited() -> None:
    taxes = (CreditableTax(S10, False, 10, 1, 10, 0),)
    left = Creditable("INV-1", "JPY", (CreditableLine(line(1), 1, S10, False, 10, 10),), taxes, has_e_invoice=True)
    assert credited(credit_amount(left, 1)) == [(0, 1)]


def test_taxes_in_and_on_prices_match_together() -> None:
    whole = invoice((S10, False, 5), (S10, True, 16))
    assert [(tax.base, tax.tax) for tax in whole.taxes] == [(5, 1), (15, 1)]
    credit = credit_lines(whole, {line(1): 5, line(2): 5})
    assert credited(credit) == [(5, 1), (5, 0)]
    assert credited(credit_lines(after(whole, credit), {line(2): 10})) == [(10, 1)]


def test_other_currencies_are_rounded_as_before() -> None:
    whole = invoice((S10, False, 5), currency="EUR")
    credit = credit_amount(whole, 5)
    assert credited(credit) == [(5, 0)]
    assert credited(credit_amount(after(whole, credit), 1)) == [(0, 1)]


@st.composite
def invoices(draw: st.DrawFn) -> Creditable:
    """Invoices whose own tax matches, as those of customers with e-invoices do."""
    amounts = st.integers(-30, 3000).filter(bool)
    lines = draw(st.lists(st.tuples(st.sampled_from([S8, S10, Z0]), st.booleans(), amounts), min_size=1, max_size=5))
    made = invoice(
        *((rate, included and rate != Z0, amount) for rate, included, amount in lines),
        currency=draw(st.sampled_from(["JPY", "JPY", "EUR", "BHD"])),
    )
    assume(made.left > 0)
    assume(is_tax_recomputable([(tax.rate, tax.base, tax.tax) for tax in made.taxes], made.currency))
    return made


def request(data: st.DataObject, left: Creditable) -> Credit:
    """A credit of an amount, or of parts of some lines."""
    if data.draw(st.booleans()):
        return credit_amount(left, data.draw(st.integers(1, max(1, min(left.left, 60)))))
    chosen = data.draw(st.lists(st.sampled_from([each for each in left.lines if each.left]), min_size=1, unique=True))
    parts = data.draw(st.lists(st.integers(1, 100), min_size=len(chosen), max_size=len(chosen)))
    nets = {
        each.id: max(-part, each.left) if each.left < 0 else min(part, each.left)
        for each, part in zip(chosen, parts, strict=True)
    }
    return credit_lines(left, nets)


def check_credits(whole: Creditable, data: st.DataObject) -> None:
    """Credit some parts, then the rest."""
    left = whole
    for _ in range(data.draw(st.integers(0, 5))):
        if left.left <= 0 or not any(each.left for each in left.lines):
            break
        try:
            credit = request(data, left)
        except Invalid:
            continue
        assert matches([(tax.rate, tax.base, tax.tax) for tax in credit.taxes], whole.currency)
        left = after(left, credit)
        for tax in left.taxes:
            assert 0 <= tax.credited_base * (sign := -1 if tax.base < 0 else 1) <= tax.base * sign
            assert 0 <= tax.credited_tax * sign <= tax.tax * sign
    if left.left > 0:
        rest = credit_amount(left, left.left)
        assert matches([(tax.rate, tax.base, tax.tax) for tax in rest.taxes], whole.currency)
        assert all((tax.credited_base, tax.credited_tax) == (tax.base, tax.tax) for tax in after(left, rest).taxes)


@settings(max_examples=30)
@given(invoices(), st.data())
def test_each_credit_passes_the_rules_and_all_of_them_are_the_invoice(whole: Creditable, data: st.DataObject) -> None:
    check_credits(whole, data)


@pytest.mark.deep
@settings(max_examples=1000, deadline=None)
@given(invoices(), st.data())
def test_many_credits_pass_the_rules_and_all_of_them_are_the_invoice(whole: Creditable, data: st.DataObject) -> None:
    check_credits(whole, data)
