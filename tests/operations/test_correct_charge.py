"""Correcting a charge: cancelled and replaced in one step, each naming the other; refused where it is too late."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.money import exact_decimal, plain_decimal
from billing_admin.models import AuditEvent, Charge
from billing_admin.operations.charges import charges, corrections
from tests.books import assert_books_balance
from tests.making import MARCH, NOW, bill, change_settings, make_customer, make_service, make_spec, post

A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)


def correct(id: UUID, new_id: UUID | None = None, reason: str = "Wrong quantity", **fields: Any) -> tuple[UUID, bool]:
    return transaction(corrections.correct_charge, id, fields, new_id, reason, SYSTEM, NOW)


def stored(session: Session, id: UUID) -> Any:
    session.rollback()
    return session.execute(select(Charge.__table__).where(Charge.id == id)).one()


def count(session: Session) -> int:
    session.rollback()
    return len(session.scalars(select(Charge.id)).all())


def test_the_charge_is_cancelled_and_its_replacement_names_it(session: Session) -> None:
    make_service()
    post(make_spec(make_customer(reference="ACME"), service="GenericCompute", metadata={"host": "7"}, id=A))
    assert correct(A, B, quantity=exact_decimal("3")) == (B, True)
    old, new = stored(session, A), stored(session, B)
    assert (old.status, old.status_reason, old.replaces_id) == ("cancelled", "Wrong quantity", None)
    assert (new.status, new.replaces_id, new.duplicate_of_id) == ("pending", A, None)
    assert (plain_decimal(new.quantity), plain_decimal(new.unit_price), plain_decimal(new.amount)) == (
        "3",
        "2.5",
        "7.5",
    )
    for same in ("customer_id", "service_id", "description", "currency", "incurred_on", "details"):
        assert getattr(new, same) == getattr(old, same)
    assert_books_balance(session)


def test_the_log_tells_why_and_what_changed(session: Session) -> None:
    post(make_spec(make_customer(), "5", id=A))
    correct(A, B, amount=exact_decimal("6"), description="Two hours")
    session.rollback()
    [event] = session.scalars(select(AuditEvent).where(AuditEvent.action == "charge.corrected"))
    assert (event.object_id, event.details) == (
        A,
        {
            "reason": "Wrong quantity",
            "replaced_by": str(B),
            "description": ["Work", "Two hours"],
            "amount": ["5", "6"],
        },
    )
    assert stored(session, B).event_id != event.id


@pytest.mark.parametrize(
    ("first", "fields", "price"),
    [
        ({"unit_price": "2", "quantity": "3"}, {"amount": exact_decimal("5")}, (None, "5")),
        ({"amount": "5"}, {"unit_price": exact_decimal("2"), "quantity": exact_decimal("3")}, ("2", "6")),
        ({"amount": "5"}, {"quantity": exact_decimal("3")}, (None, "5")),
    ],
)
def test_a_price_given_takes_the_place_of_the_other_kind(
    session: Session, first: dict[str, str], fields: dict[str, Any], price: tuple[str | None, str]
) -> None:
    post(make_spec(make_customer(), id=A, **first))  # type: ignore[arg-type]
    correct(A, B, **fields)
    new = stored(session, B)
    assert (None if new.unit_price is None else plain_decimal(new.unit_price), plain_decimal(new.amount)) == price


def test_a_price_that_includes_tax_goes_on_doing_so(session: Session) -> None:
    post(replace(make_spec(make_customer(), "5", id=A), tax_included=True))
    correct(A, B, quantity=exact_decimal("3"))
    assert stored(session, B).tax_included
    correct(B, C, tax_included=False)
    assert not stored(session, C).tax_included


def test_it_may_move_to_another_customer(session: Session) -> None:
    make_customer(reference="ACME")
    foo = make_customer(reference="FOO", currency="EUR")
    post(make_spec("ACME", "5", id=A))
    correct(A, B, customer="FOO")
    assert (stored(session, B).customer_id, stored(session, B).currency) == (foo.id, "USD")
    assert_books_balance(session)


def test_sent_again_it_is_stored_once(session: Session) -> None:
    post(make_spec(make_customer(), "5", id=A))
    correct(A, B, amount=exact_decimal("6"))
    assert correct(A, B, amount=exact_decimal("6.00")) == (B, False)
    with pytest.raises(Conflict) as refusal:
        correct(A, B, amount=exact_decimal("7"))
    assert refusal.value.extra["differs"] == ["amount"]
    assert count(session) == 2


def test_of_many_at_once_one_corrects(app: Flask, session: Session) -> None:
    post(make_spec(make_customer(), "5", id=A))

    def run(number: int) -> bool:
        with app.app_context():
            try:
                return correct(A, amount=exact_decimal(str(number)))[1]
            except Conflict:
                return False

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(11, 15))) == [False, False, False, True]
    assert count(session) == 2
    assert_books_balance(session)


def test_an_id_of_another_charge_is_refused(session: Session) -> None:
    customer = make_customer()
    post(make_spec(customer, "5", id=A), make_spec(customer, "6", id=B))
    with pytest.raises(Conflict, match="does not replace") as refusal:
        correct(A, B, amount=exact_decimal("6"))
    assert refusal.value.extra["differs"] == ["replaces"]
    assert stored(session, A).status == "pending"


def test_a_correction_is_corrected_in_turn_and_the_first_names_the_second(session: Session) -> None:
    post(make_spec(make_customer(), "5", id=A))
    correct(A, B, amount=exact_decimal("6"))
    with pytest.raises(Conflict, match="Correct its replacement, “Work” of 15 Mar 2026"):
        correct(A, C, amount=exact_decimal("7"))
    correct(B, C, amount=exact_decimal("7"))
    assert [stored(session, id).status for id in (A, B, C)] == ["cancelled", "cancelled", "pending"]
    assert_books_balance(session)


def test_what_is_billed_or_cancelled_is_left(session: Session) -> None:
    customer = make_customer()
    post(make_spec(customer, "5", id=A))
    bill()
    post(make_spec(customer, "6", id=B))
    transaction(charges.cancel, [B], "Never ordered", SYSTEM, NOW)
    with pytest.raises(Conflict, match="“Work” of 15 Mar 2026 is on INV-2026-00001"):
        correct(A, amount=exact_decimal("6"))
    with pytest.raises(Conflict, match="“Work” of 15 Mar 2026 is cancelled"):
        correct(B, amount=exact_decimal("7"))
    with pytest.raises(NotFound):
        correct(uuid4(), amount=exact_decimal("7"))
    assert count(session) == 2


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({}, "nothing_changed", ()),
        ({"amount": exact_decimal("5.0")}, "nothing_changed", ()),
        ({"customer": "NOBODY"}, "unknown_customer", ("customer",)),
        ({"service": "Nothing"}, "unknown_service", ("service",)),
        ({"amount": exact_decimal("1"), "unit_price": exact_decimal("1")}, "two_prices", ("amount",)),
        ({"reason": " ", "amount": exact_decimal("1")}, "blank", ("reason",)),
    ],
)
def test_nothing_happens_when_it_is_refused(
    session: Session, fields: dict[str, Any], code: str, field: tuple[str, ...]
) -> None:
    post(make_spec(make_customer(), "5", id=A))
    with pytest.raises(Invalid) as refusal:
        correct(A, B, **fields)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert (stored(session, A).status, count(session)) == ("pending", 1)
    assert_books_balance(session)


def test_who_corrects_a_held_charge_gets_a_held_one(session: Session) -> None:
    post(make_spec(make_customer(), "5", id=A))
    transaction(charges.hold, [A], "Disputed", SYSTEM, NOW)
    correct(A, B, amount=exact_decimal("6"))
    assert (stored(session, B).status, stored(session, B).status_reason) == ("held", "Disputed")
    assert_books_balance(session)


def test_one_held_for_looking_alike_is_looked_at_anew(session: Session) -> None:
    change_settings(hold_likely_duplicates=True)
    customer = make_customer()
    post(make_spec(customer, "5", id=A))
    post(make_spec(customer, "5", id=B))
    correct(B, C, amount=exact_decimal("6"))
    assert (stored(session, C).status, stored(session, C).duplicate_of_id) == ("pending", None)
    assert_books_balance(session)


def test_a_late_charge_stays_late(session: Session) -> None:
    customer = make_customer()
    post(make_spec(customer, "5"))
    bill()
    post(make_spec(customer, "6", incurred_on=MARCH, id=A))
    correct(A, B, amount=exact_decimal("7"))
    assert stored(session, B).late
