"""One act, one event, with who asked and within which request; none for an act that changes nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import PERMISSIONS, SYSTEM, Actor
from billing_admin.domain.money import exact_decimal
from billing_admin.domain.recurring_charges import DAY, RecurringChargeSpec
from billing_admin.models import AuditEvent, User
from billing_admin.operations.access import users
from billing_admin.operations.charges import (
    charges,
    corrections,
    duplicates,
    posting,
    recurring_charges,
    recurring_posting,
)
from tests.making import NOW, make_customer, make_service, make_spec, post
from tests.prepared import prepared

A, B, AGREED = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)
ADA = Actor("person", UUID(int=7), "ada@example.com", frozenset(PERMISSIONS), "request-7")
LATER = NOW + timedelta(hours=1)
TODAY = NOW.date()
PASSWORD = "violet-anchor-meadow-37"

Act = Callable[[Session], Any]


def viewer(session: Session) -> UUID:
    return session.scalars(select(User.id).where(User.role == "viewer")).one()


ACTS: dict[str, tuple[Act, list[str]]] = {
    "post": (
        lambda s: posting.post(s, [make_spec("ACME", "1"), make_spec("ACME", "2")], ADA, LATER),
        ["charge.posted"],
    ),
    "post again": (lambda s: posting.post(s, [make_spec("ACME", "5", id=A)], ADA, LATER), []),
    "hold many": (lambda s: charges.hold(s, [A, B], "x", ADA, LATER), ["charge.held"]),
    "release what is not held": (lambda s: charges.release(s, [A], "x", ADA, LATER), []),
    "cancel": (lambda s: charges.cancel(s, [A], "x", ADA, LATER), ["charge.cancelled"]),
    "keep": (lambda s: duplicates.keep_duplicates(s, [B], "x", ADA, LATER), ["charge.kept"]),
    # The replacement is posted like any other charge, and its original tells of the correction.
    "correct": (
        lambda s: corrections.correct_charge(s, A, {"amount": exact_decimal("6")}, None, "x", ADA, LATER),
        ["charge.posted", "charge.corrected"],
    ),
    "agree": (
        lambda s: recurring_charges.create(
            s, RecurringChargeSpec("ACME", "GenericCompute", "yearly", TODAY), ADA, LATER
        ),
        ["recurring_charge.created"],
    ),
    "post what is due": (
        lambda s: recurring_posting.post_due_charges(s, [AGREED], TODAY + 90 * DAY, ADA, LATER),
        ["charge.posted"],
    ),
    "post what is not due": (lambda s: recurring_posting.post_due_charges(s, [AGREED], TODAY - DAY, ADA, LATER), []),
    "pause": (lambda s: recurring_charges.pause(s, AGREED, "x", ADA, LATER), ["recurring_charge.paused"]),
    "resume what goes on": (lambda s: recurring_charges.resume(s, AGREED, "x", ADA, LATER), []),
    "end": (lambda s: recurring_charges.end(s, AGREED, TODAY, "x", ADA, LATER), ["recurring_charge.ended"]),
    "change": (
        lambda s: recurring_charges.change(
            s, AGREED, TODAY + DAY, {"quantity": exact_decimal("2")}, None, "x", ADA, LATER
        ),
        ["recurring_charge.changed", "recurring_charge.created"],
    ),
    "add a person": (lambda s: users.create_user(s, "b@example.com", PASSWORD, "viewer", ADA, LATER), ["user.created"]),
    "another role": (lambda s: users.change_role(s, viewer(s), "admin", ADA, LATER), ["user.role_changed"]),
    "the same role": (lambda s: users.change_role(s, viewer(s), "viewer", ADA, LATER), []),
    "another password": (lambda s: users.set_password(s, viewer(s), PASSWORD, ADA, LATER), ["user.password_changed"]),
    "close an account": (lambda s: users.deactivate(s, viewer(s), ADA, LATER), ["user.deactivated"]),
    "open an open account": (lambda s: users.activate(s, viewer(s), ADA, LATER), []),
}


@pytest.fixture
@prepared
def house(session: Session) -> Session:
    """Two charges that look alike, a recurring charge of 1 April on, and a viewer."""
    make_customer(reference="ACME")
    make_service()
    post(make_spec("ACME", "5", id=A))
    post(make_spec("ACME", "5", id=B))
    spec = RecurringChargeSpec("ACME", "GenericCompute", "monthly", TODAY - DAY, id=AGREED)
    transaction(recurring_charges.create, spec, SYSTEM, NOW)
    transaction(recurring_posting.post_due_charges, [AGREED], TODAY, SYSTEM, NOW)
    transaction(users.create_user, "viewer@example.com", PASSWORD, "viewer", SYSTEM, NOW)
    return session


@pytest.mark.parametrize(("act", "expected"), ACTS.values(), ids=ACTS)
def test_an_act_has_its_event(house: Session, act: Act, expected: list[str]) -> None:
    transaction(act)
    house.rollback()
    query = select(AuditEvent).where(AuditEvent.actor_name == ADA.name)
    events = house.scalars(query.order_by(AuditEvent.at, AuditEvent.id)).all()
    taken_back = ["charge.posted"] if expected and expected[0] in TAKES_BACK else []
    assert [event.action for event in events] == [*taken_back, *expected]
    assert {(event.actor_kind, event.actor_id, event.request_id, event.at) for event in events} <= {
        ("person", ADA.id, "request-7", LATER)
    }


# These post a charge that takes back days, which has its posting as every charge has.
TAKES_BACK = {"recurring_charge.ended", "recurring_charge.changed"}
