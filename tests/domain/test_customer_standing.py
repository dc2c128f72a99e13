"""The act that is due next for a customer."""

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.customer_standing import AccountStanding, due_acts

CREDIT = AccountStanding(open=500, credit=100)
OVERDUE = AccountStanding(open=500, overdue=500)
PENDING = AccountStanding(pending_charges=3)


@pytest.mark.parametrize(
    ("accounts", "drafts", "expected"),
    [
        ([], 0, "add_charge"),
        ([AccountStanding(open=500)], 0, "add_charge"),
        ([AccountStanding(credit=100)], 0, "add_charge"),
        ([PENDING], 0, "bill"),
        ([PENDING], 1, "review_drafts"),
        ([PENDING, OVERDUE], 1, "record_payment"),
        ([OVERDUE, PENDING, CREDIT], 1, "allocate"),
        ([AccountStanding(credit=100), AccountStanding(open=500)], 0, "add_charge"),  # of two currencies
    ],
)
def test_the_most_urgent_act_is_first(accounts: list[AccountStanding], drafts: int, expected: str) -> None:
    assert due_acts(accounts, drafts)[0] == expected


amounts = st.integers(0, 3)
standings = st.builds(AccountStanding, amounts, amounts, amounts, amounts)


@given(st.lists(standings, max_size=3), amounts)
def test_each_act_is_due_once_and_a_charge_can_always_be_added(accounts: list[AccountStanding], drafts: int) -> None:
    acts = due_acts(accounts, drafts)
    assert len(acts) == len(set(acts))
    assert acts[-1] == "add_charge"
    assert ("review_drafts" in acts) == (drafts > 0)
