"""The control totals of imports: counts by outcome, exact sums by currency, and their stored form."""

from decimal import Decimal

import pytest

from billing_admin.domain.imports.tally import AcceptedRow, Outcome, Tally


def test_counts_by_outcome_and_sums_by_currency() -> None:
    tally = Tally(rows=5, left_out=1, wrong=1, errors=2)
    for accepted in (
        AcceptedRow(Outcome.NEW, "EUR", Decimal("0.1")),
        AcceptedRow(Outcome.NEW, "EUR", Decimal("0.2")),
        AcceptedRow(Outcome.UNCHANGED, "EUR", Decimal("0.0000000000001")),
        AcceptedRow(Outcome.CHANGED),
        AcceptedRow(Outcome.UNCHANGED, "BHD", Decimal(-1)),
    ):
        tally.note(accepted)
    assert (tally.new, tally.unchanged, tally.changed) == (2, 2, 1)
    assert tally.sums == {"EUR": Decimal("0.3000000000001"), "BHD": Decimal(-1)}
    assert tally.added == {"EUR": Decimal("0.3")}
    assert tally.as_data() == {
        "rows": 5,
        "new": 2,
        "unchanged": 2,
        "changed": 1,
        "left_out": 1,
        "wrong": 1,
        "errors": 2,
        "skipped": 0,
        "sums": {"BHD": "-1", "EUR": "0.3000000000001"},
        "added": {"EUR": "0.3"},
    }
    assert Tally.of_data(tally.as_data()) == tally


@pytest.mark.parametrize("data", [None, Tally().as_data()])
def test_without_stored_data_it_is_empty(data: dict[str, object] | None) -> None:
    assert Tally.of_data(data) == Tally()
