"""Likely duplicates: kept by a person, one or many; held ones are let go of; refused where there is nothing to decide."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.models import AuditEvent, Charge
from billing_admin.operations.billing import runs
from billing_admin.operations.billing.runs import RunSpec
from billing_admin.operations.charges import charges, duplicates
from billing_admin.operations.invoices import invoices
from billing_admin.queries.billing.preview import BillingScope, preview
from billing_admin.queries.charges.charges import ChargeFilter, charge_ids
from tests.books import assert_books_balance, contents
from tests.making import MARCH_END, NOW, all_invoices, bill, change_settings, make_customer, make_spec, post
from tests.prepared import prepared

A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)
LATER = NOW + timedelta(hours=1)
APRIL = date(2026, 4, 1)


@pytest.fixture
@prepared
def alike(session: Session) -> Session:
    """A, and B and C that look like it."""
    customer = make_customer()
    for id in (A, B, C):
        post(make_spec(customer, "5", id=id))
    return session


def keep(ids: Sequence[UUID], reason: str = "") -> int:
    return transaction(duplicates.keep_duplicates, ids, reason, SYSTEM, LATER)


def stored(session: Session, id: UUID) -> Any:
    session.rollback()
    return session.execute(select(Charge.__table__).where(Charge.id == id)).one()


def to_review(session: Session) -> set[UUID]:
    session.rollback()
    return set(charge_ids(session, ChargeFilter(likely_duplicates=True)))


def test_one_that_is_kept_need_not_be_looked_at_again(alike: Session) -> None:
    assert to_review(alike) == {B, C}
    assert keep([B], "Two servers") == 1
    assert to_review(alike) == {C}
    assert (stored(alike, B).duplicate_kept_at, stored(alike, B).duplicate_of_id) == (LATER, A)
    assert keep([B]) == 0
    [event] = alike.scalars(select(AuditEvent).where(AuditEvent.action == "charge.kept"))
    assert (event.object_id, event.details) == (B, {"reason": "Two servers", "charges": [str(B)]})


def test_many_are_kept_at_once(alike: Session) -> None:
    keep([B])
    assert keep([B, C]) == 1
    assert to_review(alike) == set()


def test_one_that_is_cancelled_is_decided_on(alike: Session) -> None:
    transaction(charges.cancel, [B], "Sent twice", SYSTEM, LATER)
    assert to_review(alike) == {C}
    with pytest.raises(Conflict, match="add it again"):
        keep([B, C])
    assert to_review(alike) == {C}


def test_all_others_can_be_asked_for(alike: Session) -> None:
    assert charge_ids(alike, ChargeFilter(likely_duplicates=False)) == [A]


def test_one_held_for_looking_alike_is_pending_again(session: Session) -> None:
    change_settings(hold_likely_duplicates=True)
    customer = make_customer()
    for id in (A, B, C):
        post(make_spec(customer, "5", id=id))
    transaction(charges.release, [C], "", SYSTEM, NOW)
    transaction(charges.hold, [C], "Disputed", SYSTEM, NOW)
    assert keep([B, C]) == 2
    assert (stored(session, B).status, stored(session, B).status_reason) == ("pending", None)
    assert (stored(session, C).status, stored(session, C).status_reason) == ("held", "Disputed")
    assert_books_balance(session)


def test_billed_likely_duplicates_leave_the_review_queue_and_come_back_when_the_draft_is_discarded(
    alike: Session,
) -> None:
    bill(issue=False)
    assert to_review(alike) == set()
    [draft] = all_invoices()
    transaction(invoices.discard, draft.id, SYSTEM, LATER)
    assert to_review(alike) == {B, C}


def test_one_that_is_billed_may_be_kept(alike: Session) -> None:
    bill()
    assert keep([B]) == 1
    assert (stored(alike, B).status, stored(alike, B).duplicate_kept_at) == ("billed", LATER)


@pytest.mark.parametrize("issue", [True, False])
def test_a_refused_act_names_the_charge_and_its_invoice_not_an_id(alike: Session, issue: bool) -> None:
    bill(issue=issue)
    with pytest.raises(Conflict) as refusal:
        transaction(charges.cancel, [B], "Sent twice", SYSTEM, LATER)
    where = (
        "on INV-2026-00001. Credit that invoice instead." if issue else "on a draft. Remove it from the draft first."
    )
    assert refusal.value.message == f"“Work” of 15 Mar 2026 is {where}"
    assert refusal.value.code == "charge_billed"


def test_a_preview_names_the_likely_duplicates_that_it_would_bill(alike: Session) -> None:
    other = make_customer(reference="OTHER")
    post(make_spec(other, "7", description="Later", incurred_on=APRIL))
    post(make_spec(other, "7", description="Later", incurred_on=APRIL))
    before = contents(alike)
    [account] = preview(alike, BillingScope(MARCH_END)).duplicates
    assert (account.ids, account.amount, account.currency) == ([B, C], Decimal(10), "USD")
    assert contents(alike) == before


def test_likely_duplicates_of_a_customer_who_is_left_out_are_not_counted(session: Session) -> None:
    customer = make_customer()
    for id in (A, B):
        post(make_spec(customer, "-5", id=id))
    assert preview(session, BillingScope(MARCH_END)).duplicates == []


def test_likely_duplicates_in_a_preview_are_held_at_once_and_kept_later(alike: Session) -> None:
    spec = RunSpec(MARCH_END, issue=True)
    assert transaction(runs.hold_duplicates, spec, SYSTEM, LATER) == 2
    assert [stored(alike, id).status for id in (A, B, C)] == ["pending", "held", "held"]
    shown = preview(alike, BillingScope(MARCH_END))
    assert ([document.document.charges for document in shown.documents], shown.duplicates) == ([1], [])
    assert transaction(runs.hold_duplicates, spec, SYSTEM, LATER) == 0
    assert keep([B]) == 1
    assert (stored(alike, B).status, to_review(alike)) == ("pending", {C})
    assert_books_balance(alike)


def test_there_is_nothing_to_decide_on_others(alike: Session) -> None:
    with pytest.raises(Conflict, match="is not a likely duplicate"):
        keep([A, B])
    with pytest.raises(NotFound):
        keep([B, uuid4()])
    assert to_review(alike) == {B, C}
