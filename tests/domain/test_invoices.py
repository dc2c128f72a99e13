"""From groups of charges to a document that adds up, its states, its digest and the chain of hashes."""

import json
import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.document_hash import (
    COPIED_COLUMNS,
    DocumentRows,
    canonical_content,
    chained_hash,
    document_number,
    hash_data,
)
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.invoices import (
    ChargeGroup,
    Document,
    TaxRate,
    TaxTotal,
    make_document,
    reason_to_leave_out,
    tax_totals,
)
from billing_admin.domain.lifecycle import balance, due_date, needs_issue, payment_status
from billing_admin.domain.money import (
    MINOR_DIGITS,
    Money,
    exact_decimal,
    exact_sum,
    included_tax,
    nets_without_tax,
    percentage,
)

DAY = date(2026, 3, 1)
STANDARD, REDUCED, EXEMPT = TaxRate("S", Decimal(19)), TaxRate("S", Decimal(7)), TaxRate("E", Decimal(0))


def group(amount: str = "10", tax: TaxRate = STANDARD, code: str = "compute", **fields: Any) -> ChargeGroup:
    given: dict[str, Any] = {
        "service_id": UUID(int=1),
        "service_code": code,
        "unit_price": None,
        "charge_id": None,
        "description": code.title(),
        "quantity": Decimal(1),
        "amount": exact_decimal(amount),
        "charges": 1,
        "period_from": DAY,
        "period_to": DAY,
        "tax": tax,
    }
    return ChargeGroup(**(given | fields))


amounts = st.integers(-(10**15), 10**15).map(lambda steps: exact_decimal(Decimal(f"{steps}E-12")))
rates = st.sampled_from([STANDARD, REDUCED, EXEMPT, TaxRate("S", Decimal("8.1")), TaxRate("Z", Decimal(0))])
currencies = st.sampled_from(sorted(MINOR_DIGITS))


@st.composite
def group_lists(draw: st.DrawFn) -> list[ChargeGroup]:
    """Groups with keys of their own, as the database makes them: of services, and charges that stand alone."""
    groups = []
    for number in range(draw(st.integers(0, 8))):
        amount, tax = draw(amounts), draw(rates)
        made = group("0", tax, f"service-{number // 2}")._replace(amount=amount, charges=draw(st.integers(1, 9)))
        if draw(st.booleans()):
            made = made._replace(unit_price=Decimal(number))
        else:
            made = made._replace(service_id=None, service_code="", charge_id=UUID(int=number))
        groups.append(made._replace(period_from=DAY - timedelta(days=number)))
    return groups


@given(currencies, group_lists())
def test_lines_taxes_and_totals_add_up(currency: str, groups: list[ChargeGroup]) -> None:
    document = make_document(currency, groups)
    assert [line.net for line in document.lines] == [
        Money.rounded(line.group.amount, currency).minor for line in document.lines
    ]
    assert document.net == sum(line.net for line in document.lines) == sum(total.base for total in document.taxes)
    assert document.tax == sum(total.tax for total in document.taxes)
    assert document.total == document.net + document.tax
    assert document.charges == sum(one.charges for one in groups)
    assert exact_sum(line.group.amount for line in document.lines) == exact_sum(one.amount for one in groups)


@given(currencies, group_lists())
def test_each_rate_is_taxed_once_on_the_sum_of_its_lines(currency: str, groups: list[ChargeGroup]) -> None:
    document = make_document(currency, groups)
    assert [total.rate for total in document.taxes] == sorted({one.tax for one in groups})
    for total in document.taxes:
        assert total.base == sum(line.net for line in document.lines if line.group.tax == total.rate)
        assert total.tax == percentage(total.base, total.rate.percent)


@given(currencies, group_lists(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(
    currency: str, groups: list[ChargeGroup], shuffler: random.Random
) -> None:
    shuffled = groups[:]
    shuffler.shuffle(shuffled)
    assert make_document(currency, shuffled) == make_document(currency, groups)
    assert make_document(currency, shuffled).digest() == make_document(currency, groups).digest()


@given(st.lists(st.tuples(amounts, st.integers(0, 4)), min_size=1, max_size=40), currencies)
def test_any_partition_of_the_charges_into_lines_keeps_the_exact_sum(
    charges: list[tuple[Decimal, int]], currency: str
) -> None:
    """And the rounded sum strays from it by at most half a minor unit a line."""
    ordered = sorted(charges, key=lambda pair: pair[1])
    groups = [
        group("0", EXEMPT, f"service-{part}")._replace(amount=exact_sum(amount for amount, _ in members))
        for part, members in groupby(ordered, key=lambda pair: pair[1])
    ]
    document = make_document(currency, groups)
    total = exact_sum(amount for amount, _ in charges)
    assert exact_sum(line.group.amount for line in document.lines) == total
    assert abs(2 * (document.net - total.scaleb(MINOR_DIGITS[currency]))) <= len(groups)


def test_services_come_by_code_and_price_then_lone_charges_by_day() -> None:
    lone: dict[str, Any] = {"service_id": None, "code": ""}
    groups = [
        group(**lone, charge_id=UUID(int=2), period_from=date(2026, 3, 9)),
        group(**lone, charge_id=UUID(int=3), period_from=date(2026, 3, 2), description="B"),
        group(**lone, charge_id=UUID(int=4), period_from=date(2026, 3, 2), description="A"),
        group(code="b"),
        group(code="a"),
        group(code="a", unit_price=exact_decimal("10")),
        group(code="a", unit_price=exact_decimal("9.5")),
        group(code="B"),
    ]
    document = make_document("EUR", groups)
    assert [line.position for line in document.lines] == list(range(1, 9))
    assert [(line.group.service_code, line.group.unit_price) for line in document.lines[:5]] == [
        ("B", None),
        ("a", exact_decimal("9.5")),
        ("a", exact_decimal("10")),
        ("a", None),
        ("b", None),
    ]
    assert [line.group.charge_id for line in document.lines[5:]] == [UUID(int=4), UUID(int=3), UUID(int=2)]


def test_the_period_spans_all_charges() -> None:
    early, late = date(2026, 1, 31), date(2026, 3, 5)
    document = make_document(
        "EUR", [group(code="a", period_from=early), group(code="b", period_to=late), group(code="c")]
    )
    assert (document.period_from, document.period_to) == (early, late)


def test_one_rate_spelled_twice_is_one_rate() -> None:
    totals = tax_totals([(TaxRate("S", Decimal("19.0")), 13), (TaxRate("S", Decimal(19)), 13)])
    assert [(total.base, total.tax) for total in totals] == [(26, 5)]


def test_equal_percentages_of_two_categories_are_two_rates() -> None:
    totals = tax_totals([(TaxRate("Z", Decimal(0)), 1), (TaxRate("E", Decimal(0)), 2)])
    assert [(total.rate.category, total.base) for total in totals] == [("E", 2), ("Z", 1)]


DOCUMENT = make_document("EUR", [group("10", code="a"), group("20.005", REDUCED, "b")])


def test_the_document_of_the_next_tests_is_what_they_think() -> None:
    assert (DOCUMENT.net, DOCUMENT.tax, DOCUMENT.total) == (3001, 330, 3331)


@pytest.mark.parametrize(
    "change",
    [
        {"net": 3000},
        {"tax": 331},
        {"total": 3332},
        {"net": 3002, "total": 3332},
        {"tax": 329, "total": 3330},
        {"lines": DOCUMENT.lines[:1]},
        {"lines": ()},
        {"taxes": ()},
        {"taxes": (TaxTotal(STANDARD, 3001, 330), TaxTotal(REDUCED, 0, 1))},
        {"taxes": (TaxTotal(STANDARD, 3000, 330),)},
    ],
)
def test_a_document_that_does_not_add_up_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        replace(DOCUMENT, **change)
    assert refused.value.code == "does_not_add_up"


def test_a_document_of_an_unknown_currency_is_refused() -> None:
    with pytest.raises(Invalid, match="is a fund, a metal or another unit"):
        Document("XXX", (), (), 0, 0, 0)


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("0.01", None),
        ("0.004", "zero_total"),
        ("-0.01", "negative_total"),
        ("92233720368547758.07", None),
        ("92233720368547758.08", "too_large"),
        ("-92233720368547758.08", "too_large"),
    ],
)
def test_only_a_document_that_asks_for_money_is_made(amount: str, reason: str | None) -> None:
    assert reason_to_leave_out(make_document("EUR", [group(amount, EXEMPT)])) == reason


SHOWN = group("10", service_id=UUID(int=1), unit_price=exact_decimal("5"), quantity=Decimal(2))


@pytest.mark.parametrize(
    "change",
    [
        {"service_id": UUID(int=2)},
        {"unit_price": exact_decimal("2.5")},
        {"unit_price": None},
        {"charge_id": UUID(int=2)},
        {"description": "Storage"},
        {"quantity": Decimal(4)},
        {"amount": exact_decimal("10.000000000001")},
        {"amount": exact_decimal("11")},
        {"charges": 2},
        {"period_from": DAY - timedelta(days=1)},
        {"period_to": DAY + timedelta(days=1)},
        {"tax": REDUCED},
        {"tax": TaxRate("AE", Decimal(19))},
        {"included_percent": Decimal(19)},
    ],
    ids=lambda change: "-".join(f"{name}={value}" for name, value in change.items()),
)
def test_the_digest_changes_when_anything_shown_does(change: dict[str, Any]) -> None:
    before, after = make_document("EUR", [SHOWN]), make_document("EUR", [SHOWN._replace(**change)])
    assert before.digest() != after.digest()


def test_the_digest_knows_currency_and_number_of_lines() -> None:
    digests = {
        make_document("EUR", [SHOWN]).digest(),
        make_document("USD", [SHOWN]).digest(),
        make_document("EUR", []).digest(),
        make_document("EUR", [SHOWN, SHOWN._replace(service_code="other")]).digest(),
    }
    assert len(digests) == 4


def test_the_digest_looks_at_values_not_at_their_spelling() -> None:
    spelled = SHOWN._replace(
        quantity=Decimal("2.000"),
        amount=Decimal("10.00"),
        unit_price=Decimal("5.0"),
        tax=TaxRate("S", Decimal("19.00")),
    )
    assert make_document("EUR", [spelled]).digest() == make_document("EUR", [SHOWN]).digest()


@dataclass(frozen=True)
class Owed:
    """An invoice as far as its state needs it."""

    status: str = "issued"
    total: int = 100
    paid: int = 0
    credited: int = 0
    due_date: date | None = DAY
    kind: str = "invoice"


@pytest.mark.parametrize(
    ("owed", "today", "state"),
    [
        (Owed(), DAY, "unpaid"),
        (Owed(), DAY + timedelta(days=1), "overdue"),
        (Owed(due_date=None), date(2199, 1, 1), "unpaid"),
        (Owed(paid=40), DAY, "part_paid"),
        (Owed(credited=40), DAY, "part_paid"),
        (Owed(paid=40), DAY + timedelta(days=1), "overdue"),
        (Owed(paid=100), DAY + timedelta(days=1), "paid"),
        (Owed(paid=60, credited=40), DAY, "paid"),
        (Owed(credited=100), DAY + timedelta(days=1), "credited"),
        (Owed("draft"), DAY + timedelta(days=1), None),
        (Owed("void"), DAY + timedelta(days=1), None),
        (Owed(kind="credit_note"), DAY + timedelta(days=1), None),
    ],
)
def test_the_payment_state_is_read_off_balance_and_due_date(owed: Owed, today: date, state: str | None) -> None:
    assert payment_status(owed, today) == state


@pytest.mark.parametrize(
    ("owed", "open_amount"),
    [
        (Owed(), 100),
        (Owed(paid=30, credited=20), 50),
        (Owed(paid=100), 0),
        (Owed("draft"), 0),
        (Owed("void"), 0),
        (Owed(kind="credit_note"), 0),
    ],
)
def test_only_an_issued_invoice_is_owed(owed: Owed, open_amount: int) -> None:
    assert balance(owed) == open_amount


def test_the_due_date_follows_the_terms() -> None:
    assert due_date(date(2026, 1, 31), 30) == date(2026, 3, 2)
    assert due_date(date(2026, 1, 31), 0) == date(2026, 1, 31)


def test_a_draft_is_issued_once_and_a_void_invoice_never() -> None:
    assert needs_issue("draft", None)
    assert not needs_issue("issued", "INV-2026-00001")
    with pytest.raises(Conflict, match="INV-2026-00001 is void"):
        needs_issue("void", "INV-2026-00001")


@pytest.mark.parametrize(
    ("sequence", "number"), [(1, "INV-2026-00001"), (99999, "INV-2026-99999"), (100000, "INV-2026-100000")]
)
def test_a_number_has_five_digits_or_more(sequence: int, number: str) -> None:
    assert document_number("INV-{year}-{number:5}", date(2026, 3, 1), sequence) == number


def test_a_number_may_say_the_month() -> None:
    assert document_number("{number}/{month}/{year}", date(2026, 3, 1), 7) == "7/03/2026"


def test_each_hash_covers_the_number_the_content_and_the_hash_before() -> None:
    assert chained_hash("x", "INV-Ü", '["a"]') == hash_data(["x", "INV-Ü", ["a"]])
    hashes = {
        chained_hash(*parts) for parts in [("", "N", "[1]"), ("x", "N", "[1]"), ("", "M", "[1]"), ("", "N", "[2]")]
    }
    assert len(hashes) == 4


@given(st.lists(st.text(max_size=5), min_size=2, max_size=6), st.data())
def test_a_change_anywhere_in_the_chain_changes_its_end(contents: list[str], data: st.DataObject) -> None:
    def end(documents: list[str]) -> str:
        previous = ""
        for number, said in enumerate(documents):
            previous = chained_hash(previous, str(number), said)
        return previous

    position = data.draw(st.integers(0, len(contents) - 1))
    tampered = [*contents[:position], contents[position] + "!", *contents[position + 1 :]]
    assert end(tampered) != end(contents)
    assert end(contents[:-1]) != end(contents)


inclusive_rates = st.sampled_from([STANDARD, REDUCED, TaxRate("S", Decimal("8.1")), TaxRate("S", Decimal(100))])


@st.composite
def inclusive_lists(draw: st.DrawFn) -> list[ChargeGroup]:
    """Groups whose prices include tax beside groups whose prices do not."""
    return [
        one._replace(tax=rate, included_percent=rate.percent if draw(st.booleans()) else None)
        for one in draw(group_lists())
        for rate in [draw(inclusive_rates)]
    ]


@given(currencies, inclusive_lists())
def test_where_prices_include_tax_net_and_tax_make_the_gross_to_the_last_unit(
    currency: str, groups: list[ChargeGroup]
) -> None:
    document = make_document(currency, groups)
    for total in (one for one in document.taxes if one.included):
        lines = [line for line in document.lines if line.gross is not None and line.group.tax == total.rate]
        gross, percent = sum(line.gross or 0 for line in lines), Fraction(total.rate.percent)
        assert [line.gross for line in lines] == [Money.rounded(line.group.amount, currency).minor for line in lines]
        assert total.base + total.tax == gross
        assert total.base == sum(line.net for line in lines)
        assert abs(total.tax - gross * percent / (100 + percent)) <= Fraction(1, 2)
        assert all(abs(line.net - Fraction(line.gross or 0) * 100 / (100 + percent)) < 1 for line in lines)
    assert document.total == document.net + document.tax
    assert sum(line.gross is None for line in document.lines) == sum(one.included_percent is None for one in groups)


@given(currencies, inclusive_lists())
def test_who_is_charged_no_tax_pays_the_net_of_prices_that_include_it(currency: str, groups: list[ChargeGroup]) -> None:
    taxed = make_document(currency, groups)
    document = make_document(currency, [one._replace(tax=EXEMPT, tax_note="Exempt") for one in groups])
    assert document.tax == 0
    assert [(one.rate, one.included, one.note) for one in document.taxes] == [(EXEMPT, False, "Exempt")] * bool(groups)
    assert document.total == taxed.net


@given(st.lists(st.integers(-(10**6), 10**6), max_size=8), st.decimals(0, 100, places=3))
def test_nets_are_spread_by_largest_remainder(grosses: list[int], percent: Decimal) -> None:
    nets = nets_without_tax(grosses, percent)
    exactly = [Fraction(gross) * 100 / (100 + Fraction(percent)) for gross in grosses]
    assert sum(nets) == sum(grosses) - included_tax(sum(grosses), percent)
    raised = [one - net for one, net in zip(exactly, nets, strict=True) if net > one]
    lowered = [one - net for one, net in zip(exactly, nets, strict=True) if net <= one]
    assert not raised or not lowered or 1 + min(raised) >= max(lowered)


def test_the_first_of_equal_lines_gets_the_unit_that_is_left() -> None:
    assert nets_without_tax([100, 100, 100], Decimal(19)) == [84, 84, 84]
    assert nets_without_tax([1, 1, 1], Decimal(100)) == [1, 0, 0]
    assert nets_without_tax([-1, -1, -1], Decimal(100)) == [0, 0, -1]


def test_taxes_within_prices_stand_beside_those_added() -> None:
    inside = Decimal(19)
    document = make_document(
        "EUR",
        [group("10", code="a"), group("119", code="b", included_percent=inside), group("5", REDUCED, "c")],
    )
    assert [(one.rate.percent, one.included, one.base, one.tax) for one in document.taxes] == [
        (Decimal(7), False, 500, 35),
        (Decimal(19), False, 1000, 190),
        (Decimal(19), True, 10000, 1900),
    ]
    assert (document.net, document.tax, document.total) == (11500, 2125, 13625)


def test_the_reasons_of_one_rate_are_joined_once_each() -> None:
    groups = [
        group("1", EXEMPT, "a", tax_note="Small business"),
        group("1", EXEMPT, "b", tax_note="Insurance"),
        group("1", EXEMPT, "c", tax_note="Insurance"),
        group("1", code="d"),
    ]
    assert [one.note for one in make_document("EUR", groups).taxes] == ["Insurance; Small business", ""]


@pytest.mark.parametrize(
    ("codes", "vatex"),
    [
        (("VATEX-EU-132", "VATEX-EU-132"), "VATEX-EU-132"),
        (("VATEX-EU-132", "VATEX-EU-135-1"), ""),
        (("VATEX-EU-132", ""), ""),
        (("", ""), ""),
    ],
)
def test_a_tax_has_the_vatex_code_on_which_its_lines_agree(codes: tuple[str, ...], vatex: str) -> None:
    groups = [group("1", EXEMPT, str(place), tax_note="Why", vatex=code) for place, code in enumerate(codes)]
    assert [one.vatex for one in make_document("EUR", [*groups, group("1")]).taxes if one.rate == EXEMPT] == [vatex]


def test_what_came_later_is_in_the_content_only_where_it_says_something() -> None:
    line = {
        **dict.fromkeys(["position", "net", "charges", "gross"], 1),
        **dict.fromkeys(["service_id", "description", "tax_category"], "x"),
        **dict.fromkeys(["quantity", "unit_price", "amount", "tax_percent", "included_percent"], Decimal(1)),
    }
    line |= dict.fromkeys(["period_from", "period_to", "period_of_days", "unit", "purchase_order", "unit_code"])
    tax = {"category": "S", "percent": Decimal(1), "base": 1, "tax": 1, "included": True, "note": "Why", "vatex": ""}
    invoice: dict[str, Any] = dict.fromkeys(["id", "kind", "currency", "net", "tax", "total", *COPIED_COLUMNS], "x")
    invoice |= dict.fromkeys(["issue_date", "due_date", "period_from", "period_to"], DAY)
    invoice |= dict.fromkeys(["note", "purchase_order", "corrects_id", "replaces_id", "details", "tax_in_base"])
    plain_line, plain_tax = line | {"gross": None, "included_percent": None}, tax | {"included": False, "note": ""}
    *_, new_lines, new_taxes = json.loads(canonical_content(DocumentRows(invoice, [line], [tax])))
    *_, lines, taxes = json.loads(canonical_content(DocumentRows(invoice, [plain_line], [plain_tax])))
    assert new_lines[0] == [*lines[0], 1, "1"]
    assert new_taxes[0] == [*taxes[0], True, "Why"]
    assert (len(lines[0]), len(taxes[0])) == (10, 4)


def test_lines_that_differ_by_their_tax_alone_have_an_order_too() -> None:
    """The database hands groups over in any order; the preview and the run must agree all the same."""
    alike = [
        group("2.50"),
        group("2.50", REDUCED),
        group("2.50", included_percent=STANDARD.percent),
        group("2.50", REDUCED, included_percent=REDUCED.percent),
    ]
    assert len({make_document("EUR", order).digest() for order in (alike, alike[::-1], alike[2:] + alike[:2])}) == 1
