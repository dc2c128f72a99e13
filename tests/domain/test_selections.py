"""The plan of an act on selected charges."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.errors import Invalid
from billing_admin.domain.selections import MAX_SELECTED, check_selected, plan_act


class Row(NamedTuple):
    """A charge."""

    id: UUID
    status: str
    currency: str
    amount: Decimal


AMOUNTS = st.decimals(-(10**6), 10**6, places=12)
ROWS = st.lists(
    st.builds(
        Row,
        st.uuids(),
        st.sampled_from(["pending", "held", "billed", "cancelled"]),
        st.sampled_from(["EUR", "USD", "JPY"]),
        AMOUNTS,
    ),
    unique_by=lambda row: row.id,
    max_size=20,
)
ACTS = st.sampled_from([({"pending"}, "held"), ({"held"}, "pending"), ({"pending", "held"}, "cancelled")])


@given(ROWS, ACTS)
def test_each_charge_changes_or_is_left_out(rows: Sequence[Row], act: tuple[set[str], str]) -> None:
    allowed, new_status = act
    plan = plan_act(rows, allowed, new_status)
    assert set(plan.ids) == {row.id for row in rows if row.status in allowed}
    assert sum(part.charges for part in plan.sums) == len(plan.ids)
    assert plan.left_out_charges == len(rows) - len(plan.ids)
    for currency in {row.currency for row in rows}:
        parts = [part.amount for part in (*plan.sums, *plan.left_out) if part.currency == currency]
        assert sum(parts, Decimal(0)) == sum((row.amount for row in rows if row.currency == currency), Decimal(0))


@given(ROWS)
def test_the_digest_names_the_charges_in_any_order(rows: list[Row]) -> None:
    plan = plan_act(rows, {"pending"}, "held")
    backwards = plan_act(rows[::-1], {"pending"}, "held")
    assert plan.digest() == backwards.digest()
    if plan.ids:
        fewer = plan_act([row for row in rows if row.id != plan.ids[0]], {"pending"}, "held")
        assert fewer.digest() != plan.digest()


def test_none_or_too_many_rows_are_refused() -> None:
    check_selected(1, "charges")
    check_selected(MAX_SELECTED, "invoices")
    with pytest.raises(Invalid, match="Select at least one payment"):
        check_selected(0, "payments")
    with pytest.raises(Invalid, match="At most 10,000 rows"):
        check_selected(MAX_SELECTED + 1, "charges")
