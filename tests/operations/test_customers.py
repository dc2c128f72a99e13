"""Customers: created, repeated, changed, archived and restored."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, Stale
from billing_admin.domain.master_data import CustomerFields
from billing_admin.models import Account, AuditEvent, Customer
from billing_admin.operations.charges import charges
from billing_admin.operations.master_data import customers
from tests.books import contents
from tests.making import NOW, bill, make_customer, make_spec, post

A, B = UUID(int=0xA), UUID(int=0xB)
ACME: CustomerFields = {"reference": "ACME", "name": "ACME Inc", "currency": "USD", "email": "pay@acme.example"}


def create(fields: CustomerFields, id: UUID | None = None) -> tuple[Customer, bool]:
    return transaction(customers.create, fields, id, SYSTEM, NOW)


def actions(session: Session) -> list[str]:
    session.rollback()
    return sorted(session.scalars(select(AuditEvent.action)))


def test_a_new_customer_has_an_account_in_its_currency(session: Session) -> None:
    customer, created = create(ACME, A)
    assert (created, customer.id, customer.reference, customer.version) == (True, A, "ACME", 1)
    assert (customer.address, customer.notes, customer.payment_terms_days) == ("", "", None)
    account = session.scalars(select(Account)).one()
    assert (account.customer_id, account.currency, account.pending_charges) == (A, "USD", 0)
    assert actions(session) == ["customer.created"]


def test_an_identical_repeat_answers_with_the_original(session: Session) -> None:
    create(ACME, A)
    before = contents(session)
    assert create(ACME, A)[1] is False
    assert create(ACME)[0].id == A
    assert create({"reference": "ACME", "name": "ACME Inc"})[0].id == A
    assert contents(session) == before


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"name": "ACME Ltd"}, ["name"]),
        ({"currency": "EUR"}, ["currency"]),
        ({"email": "", "payment_terms_days": 10}, ["email", "payment_terms_days"]),
    ],
)
def test_other_values_under_the_same_id_or_reference_are_refused_and_named(
    session: Session, change: Any, differs: list[str]
) -> None:
    create(ACME, A)
    asked: Any = dict(ACME) | change
    for id in (A, None):
        with pytest.raises(Conflict) as refused:
            create(asked, id)
        assert (refused.value.code, refused.value.extra) == ("id_conflict", {"differs": differs})


def test_another_reference_under_the_same_id_is_refused(session: Session) -> None:
    create(ACME, A)
    other: Any = dict(ACME) | {"reference": "OTHER"}
    with pytest.raises(Conflict) as refused:
        create(other, A)
    assert refused.value.extra == {"differs": ["reference"]}


def test_a_reference_of_another_customer_is_refused(session: Session) -> None:
    create(ACME, A)
    with pytest.raises(Conflict) as refused:
        create(ACME, B)
    assert (refused.value.code, refused.value.field) == ("reference_taken", ("reference",))


def test_references_are_given_out_in_order_after_the_highest(session: Session) -> None:
    assert [make_customer(name=name).reference for name in "ab"] == ["C-0001", "C-0002"]
    for reference in ("C-0041", "C-x", "C-9999x", "c-5000", "C-٩٩٩٩"):
        make_customer(reference=reference)
    assert make_customer().reference == "C-0042"


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"name": "x"}, [("missing", "currency")]),
        ({"currency": "EUR"}, [("missing", "name")]),
        ({"name": " ", "currency": "EUROS"}, [("blank", "name"), ("unknown_currency", "currency")]),
        ({"name": "x", "currency": "EUR", "payment_terms_days": -1}, [("out_of_range", "payment_terms_days")]),
        ({"name": "x", "currency": "EUR", "payment_terms_days": 366}, [("out_of_range", "payment_terms_days")]),
        ({"name": "x", "currency": "EUR", "email": "nobody"}, [("not_an_email", "email")]),
        ({"name": "x", "currency": "EUR", "reference": str(A)}, [("looks_like_an_id", "reference")]),
        ({"name": "x", "currency": "EUR", "address": "\0"}, [("unprintable", "address")]),
    ],
)
def test_a_wrong_field_is_refused_at_its_place(session: Session, fields: Any, problems: list[tuple[str, str]]) -> None:
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        create(fields)
    assert [(problem.code, *problem.field) for problem in refused.value.problems] == problems
    assert contents(session) == before


def test_a_change_keeps_what_is_not_given_and_is_recorded_before_and_after(session: Session) -> None:
    customer, _ = create(ACME)
    changed = transaction(customers.update, customer.id, {"name": "ÄCME"}, customer.version, SYSTEM, NOW)
    assert (changed.name, changed.email, changed.version) == ("ÄCME", "pay@acme.example", 2)
    assert changed.search == "acme acme pay@acme.example"
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "customer.changed")).one()
    assert event.details == {"name": ["ACME Inc", "ÄCME"]}


def test_a_change_of_nothing_writes_nothing(session: Session) -> None:
    customer, _ = create(ACME)
    before = contents(session)
    transaction(customers.update, customer.id, ACME, None, SYSTEM, NOW)
    assert contents(session) == before


def test_a_change_of_what_somebody_changed_meanwhile_is_refused(session: Session) -> None:
    customer, _ = create(ACME)
    transaction(customers.update, customer.id, {"name": "First"}, 1, SYSTEM, NOW)
    with pytest.raises(Stale):
        transaction(customers.update, customer.id, {"name": "Second"}, 1, SYSTEM, NOW)
    session.rollback()
    assert session.get_one(Customer, customer.id).name == "First"


def test_a_change_to_a_reference_of_another_is_refused(session: Session) -> None:
    create(ACME)
    other = make_customer(reference="OTHER")
    with pytest.raises(Conflict, match="ACME is already the reference of ACME Inc"):
        transaction(customers.update, other.id, {"reference": "ACME"}, None, SYSTEM, NOW)


def test_a_new_currency_opens_an_account_and_the_old_one_stays(session: Session) -> None:
    customer, _ = create(ACME)
    for currency in ("EUR", "USD", "EUR"):
        transaction(customers.update, customer.id, {"currency": currency}, None, SYSTEM, NOW)
    session.rollback()
    assert set(session.scalars(select(Account.currency))) == {"EUR", "USD"}


def test_a_customer_is_archived_and_restored_once(session: Session) -> None:
    customer, _ = create(ACME)
    assert [transaction(customers.archive, customer.id, SYSTEM, NOW) for _ in range(2)] == [True, False]
    assert [transaction(customers.restore, customer.id, SYSTEM, NOW) for _ in range(2)] == [True, False]
    assert actions(session) == ["customer.archived", "customer.created", "customer.restored"]


@pytest.mark.parametrize("held", [False, True])
def test_a_customer_with_unbilled_charges_is_not_archived(session: Session, held: bool) -> None:
    customer, _ = create(ACME)
    ids = post(make_spec(customer, "1")).ids
    if held:
        transaction(charges.hold, ids, "", SYSTEM, NOW)
    with pytest.raises(Conflict, match="ACME has unbilled charges"):
        transaction(customers.archive, customer.id, SYSTEM, NOW)
    if held:
        transaction(charges.release, ids, "", SYSTEM, NOW)
    bill()
    assert transaction(customers.archive, customer.id, SYSTEM, NOW)


TYPED: CustomerFields = {
    "registration_id": "40 12345 00000 9",
    "registration_scheme": "0088",
    "electronic_address": "DE 136 695 976",
    "electronic_scheme": "9930",
}


def test_identifiers_are_stored_without_separators(session: Session) -> None:
    customer, _ = create({**ACME, **TYPED}, A)
    assert (customer.registration_id, customer.electronic_address) == ("4012345000009", "DE136695976")
    before = contents(session)
    assert create({**ACME, **TYPED}, A)[1] is False
    assert create({**ACME, "electronic_address": "DE136695976"}, A)[1] is False
    transaction(customers.update, A, TYPED, None, SYSTEM, NOW)
    assert contents(session) == before
    with pytest.raises(Conflict) as refused:
        create({**ACME, "registration_id": "40 00001 00000 5"}, A)
    assert refused.value.extra == {"differs": ["registration_id"]}


def test_identifiers_of_earlier_versions_stay_until_they_change(session: Session) -> None:
    create(ACME, A)
    transaction(lambda session: session.execute(update(Customer).values(**TYPED)))
    compact: CustomerFields = {"registration_id": "4012345000009", "electronic_address": "DE136695976"}
    assert create({**ACME, **TYPED}, A)[1] is False
    assert create({**ACME, **compact}, A)[1] is False
    transaction(customers.update, A, {**TYPED, "city": "Berlin", "country": "DE"}, None, SYSTEM, NOW)
    session.rollback()
    assert session.get_one(Customer, A).registration_id == "40 12345 00000 9"
    transaction(customers.update, A, compact, None, SYSTEM, NOW)
    session.rollback()
    assert session.get_one(Customer, A).registration_id == "4012345000009"
