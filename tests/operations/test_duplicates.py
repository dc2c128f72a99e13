"""Likely duplicates: kept by a person, one or many; held ones are let go of; refused where there is nothing to decide."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.models import AuditEvent, Charge
from billing_admin.operations.charges import charges, duplicates
from billing_admin.queries.charges.charges import ChargeFilter, charge_ids
from tests.books import assert_books_balance
from tests.making import NOW, bill, change_settings, make_customer, make_spec, post
from tests.prepared import prepared

A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)
LATER = NOW + timedelta(hours=1)


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


def test_one_that_is_billed_may_be_kept(alike: Session) -> None:
    bill()
    assert keep([B]) == 1
    assert (stored(alike, B).status, to_review(alike)) == ("billed", {C})


def test_there_is_nothing_to_decide_on_others(alike: Session) -> None:
    with pytest.raises(Conflict, match="is not a likely duplicate"):
        keep([A, B])
    with pytest.raises(NotFound):
        keep([B, uuid4()])
    assert to_review(alike) == {B, C}
