"""Explanations: each stored number is compared with the number computed from the charges."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing_admin.domain.explanation import Explanation, StoredFigures, computed_figures, explain
from billing_admin.domain.invoices import ChargeGroup, Document, TaxRate, make_document

DAY = date(2026, 11, 1)
S19, S7 = TaxRate("S", Decimal(19)), TaxRate("S", Decimal(7))


def group(code: str, amount: str, rate: TaxRate, included: Decimal | None = None) -> ChargeGroup:
    return ChargeGroup(None, code, None, None, code, Decimal(1), Decimal(amount), 1, DAY, DAY, rate, included)


# Net 10.01 + 34.90 / 1.07 = 32.62; tax 1.90 (10.01 × 19 %) and 2.28 (34.90 − 32.62).
DOCUMENT = make_document("EUR", [group("A", "10.005", S19), group("B", "34.90", S7, Decimal(7))])


def explained(stored: StoredFigures) -> Explanation:
    return explain(DOCUMENT, stored)


def test_a_document_that_is_not_stored_adds_up() -> None:
    explanation = explained(computed_figures(DOCUMENT))
    assert explanation.holds
    assert (explanation.net.stored, explanation.tax.stored, explanation.total.stored) == (4263, 418, 4681)
    steps = {(step.rate, step.included): step for step in explanation.taxes}
    assert [(step.amount, step.tax.computed, step.base.computed) for step in explanation.taxes] == [
        (3490, 228, 3262),
        (1001, 190, 1001),
    ]
    assert steps[S19, False].exactly == Decimal("190.19")
    assert round(steps[S7, True].exactly, 6) == Decimal("228.317757")
    assert [step.rounded.stored for step in explanation.lines] == [1001, 3490]


@pytest.mark.parametrize("name", ["net", "tax", "total"])
def test_a_wrong_total_is_named(name: str) -> None:
    stored = computed_figures(DOCUMENT)
    explanation = explained(replace(stored, **{name: getattr(stored, name) + 1}))
    assert not explanation.holds
    assert [figure for figure in ("net", "tax", "total") if not getattr(explanation, figure).holds] == [name]


@pytest.mark.parametrize(("field", "value"), [("amount", Decimal("10.006")), ("net", 1000)])
def test_a_wrong_line_is_named(field: str, value: Any) -> None:
    stored = computed_figures(DOCUMENT)
    first, second = stored.lines
    explanation = explained(replace(stored, lines=[first._replace(**{field: value}), second]))
    assert [line.holds for line in explanation.lines] == [False, True]
    assert not explanation.holds


def test_a_missing_tax_is_compared_with_zero() -> None:
    stored = computed_figures(DOCUMENT)
    explanation = explained(replace(stored, taxes={key: tax for key, tax in stored.taxes.items() if not key[1]}))
    assert [(step.tax.stored, step.tax.computed) for step in explanation.taxes if not step.holds] == [(0, 228)]


def test_a_document_without_lines_adds_up() -> None:
    empty = Document("EUR", (), (), 0, 0, 0)
    assert explain(empty, computed_figures(empty)).holds
