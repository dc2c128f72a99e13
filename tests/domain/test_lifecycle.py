"""The states of documents: open balance, payment status, and the acts that each state allows."""

from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, strategies as st

from billing_admin.domain.days import FIRST_DAY, LAST_DAY
from billing_admin.domain.errors import Conflict, Invalid
from billing_admin.domain.lifecycle import (
    balance,
    check_creditable,
    check_editable,
    default_cut_off,
    default_lock_day,
    due_date,
    needs_issue,
    needs_void,
    payment_status,
    refuse_before_issue_date,
    void_date,
)

DUE = date(2026, 3, 31)


class Invoice(NamedTuple):
    """An issued invoice over 119.00."""

    total: int = 11900
    paid: int = 0
    credited: int = 0
    due_date: date | None = DUE
    kind: str = "invoice"
    status: str = "issued"


@pytest.mark.parametrize(
    ("invoice", "today", "owed", "status"),
    [
        (Invoice(), DUE, 11900, "unpaid"),
        (Invoice(), date(2026, 4, 1), 11900, "overdue"),
        (Invoice(paid=1), DUE, 11899, "part_paid"),
        (Invoice(credited=1), DUE, 11899, "part_paid"),
        (Invoice(paid=11899), date(2026, 4, 1), 1, "overdue"),
        (Invoice(paid=11900), date(2026, 4, 1), 0, "paid"),
        (Invoice(credited=11900), date(2026, 4, 1), 0, "credited"),
        (Invoice(paid=1, credited=11899), date(2026, 4, 1), 0, "paid"),
        (Invoice(due_date=None), date(2199, 12, 31), 11900, "unpaid"),
        (Invoice(status="draft"), DUE, 0, None),
        (Invoice(status="void"), DUE, 0, None),
        (Invoice(kind="credit_note"), DUE, 0, None),
    ],
)
def test_status_follows_from_balance_and_due_date(invoice: Invoice, today: date, owed: int, status: str | None) -> None:
    assert (balance(invoice), payment_status(invoice, today)) == (owed, status)


@pytest.mark.parametrize(
    ("issued", "days", "due"),
    [
        (date(2026, 1, 31), 0, date(2026, 1, 31)),
        (date(2026, 1, 31), 30, date(2026, 3, 2)),
        (date(2024, 1, 31), 30, date(2024, 3, 1)),
        (date(2026, 12, 15), 365, date(2027, 12, 15)),
    ],
)
def test_payment_terms_count_days(issued: date, days: int, due: date) -> None:
    assert due_date(issued, days) == due


@pytest.mark.parametrize(
    ("today", "cut_off"),
    [
        (date(2026, 3, 1), date(2026, 2, 28)),
        (date(2026, 3, 28), date(2026, 2, 28)),
        (date(2026, 3, 29), date(2026, 3, 31)),
        (date(2026, 3, 31), date(2026, 3, 31)),
        (date(2024, 2, 26), date(2024, 1, 31)),
        (date(2024, 2, 27), date(2024, 2, 29)),
        (date(2026, 12, 30), date(2026, 12, 31)),
        (date(2027, 1, 1), date(2026, 12, 31)),
    ],
)
def test_the_cut_off_is_the_end_of_a_month(today: date, cut_off: date) -> None:
    """It is this month's end during its last three days, otherwise the last month's."""
    assert default_cut_off(today) == cut_off


def test_a_void_is_never_dated_before_its_invoice() -> None:
    assert void_date(date(2026, 3, 5), date(2026, 3, 1)) == date(2026, 3, 5)
    assert void_date(date(2026, 3, 5), date(2026, 3, 9)) == date(2026, 3, 9)


def test_an_invoice_dated_after_today_cannot_be_credited() -> None:
    refuse_before_issue_date("INV-1", DUE, DUE, "date")
    with pytest.raises(Invalid, match="INV-1 is dated 2026-03-31, after today") as refused:
        refuse_before_issue_date("INV-1", DUE, date(2026, 3, 30), "date")
    assert (refused.value.code, refused.value.field) == ("before_invoice", ("date",))


@pytest.mark.parametrize(("status", "needed"), [("draft", True), ("issued", False)])
def test_only_a_draft_is_issued(status: str, needed: bool) -> None:
    """Issuing an issued document again changes nothing."""
    assert needs_issue(status, "INV-1") is needed


def row(**columns: Any) -> dict[str, Any]:
    return {
        "number": "INV-1",
        "kind": "invoice",
        "status": "issued",
        "paid": 0,
        "credited": 0,
        "total": 1190,
        "currency": "EUR",
    } | columns


def test_an_open_invoice_is_voided_once() -> None:
    assert needs_void(row())
    assert not needs_void(row(status="void"))
    assert not needs_void(row(status="void", kind="credit_note"))


def test_an_issued_invoice_can_be_credited_and_a_draft_changed() -> None:
    check_creditable(row(paid=1, credited=1))
    check_editable("draft", None, "changed")


def test_what_was_sent_is_credited_instead() -> None:
    with pytest.raises(Conflict, match=r"INV-1 was sent .* Credit it in full instead: 11\.90 EUR\.") as refused:
        needs_void(row(), sent=True)
    assert refused.value.code == "was_sent"
    assert not needs_void(row(status="void"), sent=True)
    for columns, code in (({"paid": 1}, "has_payments_or_credits"), ({"status": "draft"}, "is_draft")):
        with pytest.raises(Conflict) as refused:
            needs_void(row(**columns), sent=True)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("invoice", "code"),
    [
        (row(status="draft"), "is_draft"),
        (row(kind="credit_note"), "is_credit_note"),
        (row(paid=1), "has_payments_or_credits"),
        (row(credited=1), "has_payments_or_credits"),
    ],
)
def test_other_documents_cannot_be_voided(invoice: dict[str, Any], code: str) -> None:
    with pytest.raises(Conflict) as refused:
        needs_void(invoice)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("invoice", "code"),
    [
        (row(status="draft"), "is_draft"),
        (row(status="void"), "already_void"),
        (row(kind="credit_note"), "is_credit_note"),
    ],
)
def test_other_documents_cannot_be_credited(invoice: dict[str, Any], code: str) -> None:
    with pytest.raises(Conflict) as refused:
        check_creditable(invoice)
    assert refused.value.code == code


def test_a_void_invoice_cannot_be_issued() -> None:
    with pytest.raises(Conflict, match="INV-1 is void") as refused:
        needs_issue("void", "INV-1")
    assert refused.value.code == "already_void"


def test_the_refusal_names_the_way_out_only_where_there_is_one() -> None:
    with pytest.raises(Conflict, match=r"only a draft can be changed\. To correct it, credit or void it"):
        check_editable("issued", "INV-1", "changed")
    with pytest.raises(Conflict, match=r"INV-1 is void: only a draft can be changed\.$"):
        check_editable("void", "INV-1", "changed")


@pytest.mark.parametrize(
    ("today", "locked", "suggested"),
    [
        (date(2026, 11, 29), None, date(2026, 10, 31)),
        (date(2026, 11, 30), None, date(2026, 10, 31)),
        (date(2026, 12, 1), None, date(2026, 11, 30)),
        (date(2026, 1, 31), None, date(2025, 12, 31)),
        (date(2026, 11, 29), date(2026, 9, 30), date(2026, 10, 31)),
        (date(2026, 11, 29), date(2026, 11, 15), date(2026, 11, 15)),
    ],
)
def test_the_suggested_lock_is_the_end_of_the_last_month(today: date, locked: date | None, suggested: date) -> None:
    assert default_lock_day(today, locked) == suggested


@given(st.dates(FIRST_DAY, LAST_DAY), st.integers(0, 800))
def test_the_suggested_lock_is_never_in_the_future(today: date, days: int) -> None:
    locked = today - timedelta(days)
    assert locked <= default_lock_day(today, locked) <= today
