"""Posting: identity, replay and conflict, all or nothing, likely duplicates, late charges; and the moves of a charge."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, NotFound
from billing_admin.domain.money import exact_decimal, plain_decimal
from billing_admin.models import Account, AuditEvent, Charge
from billing_admin.operations.charges import charges
from billing_admin.operations.master_data import customers, services
from tests.books import assert_books_balance, contents
from tests.making import MARCH, NOW, bill, change_settings, make_customer, make_invoice, make_service, make_spec, post

Move = Callable[..., int]
A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)


def stored(session: Session, id: UUID) -> Any:
    session.rollback()
    return session.execute(select(Charge.__table__).where(Charge.id == id)).one()


def statuses(session: Session) -> dict[UUID, str]:
    session.rollback()
    return dict(iter(session.execute(select(Charge.id, Charge.status))))


def events(session: Session, action: str) -> list[Any]:
    session.rollback()
    return list(session.scalars(select(AuditEvent).where(AuditEvent.action == action)))


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_a_charge_is_stored_as_asked_with_every_default_filled_in(session: Session) -> None:
    customer, service = make_customer(reference="ACME"), make_service()
    posted = post(make_spec(customer, service=service, quantity="3", metadata={"host": "ä\n1"}, id=A))
    row = stored(session, A)
    assert (posted.ids, posted.created, posted.replayed, posted.duplicates) == ([A], 1, 0, [])
    assert (row.customer_id, row.service_id, row.status, row.late) == (customer.id, service.id, "pending", False)
    assert (plain_decimal(row.quantity), plain_decimal(row.unit_price), plain_decimal(row.amount)) == (
        "3",
        "2.5",
        "7.5",
    )
    assert (row.description, row.details, row.incurred_on) == ("GenericCompute", {"host": "ä\n1"}, MARCH)
    assert (row.created_at, row.duplicate_of_id, row.invoice_line_id) == (NOW, None, None)
    assert_books_balance(session)


def test_the_smallest_and_the_largest_amount_are_stored_exactly(session: Session) -> None:
    customer = make_customer()
    amounts = ["0.000000000001", "-0.000000000001", "9" * 18 + "." + "9" * 12, "0"]
    ids = post(*(make_spec(customer, amount, description=amount) for amount in amounts)).ids
    assert [plain_decimal(stored(session, id).amount) for id in ids] == amounts
    assert_books_balance(session)


def test_customer_and_service_may_be_named_by_id(session: Session) -> None:
    customer, service = make_customer(), make_service()
    spec = make_spec(str(customer.id).upper(), service=str(service.id), id=A)
    assert post(spec).created == 1
    assert post(replace(spec, customer=customer.reference, service=service.code)).replayed == 1


def test_without_an_id_each_posting_is_a_charge_of_its_own(session: Session) -> None:
    customer = make_customer()
    first, second = (post(make_spec(customer, "1")).ids[0] for _ in range(2))
    assert first != second
    assert first.version == second.version == 7


def test_the_day_left_out_is_today_where_the_organisation_is(session: Session) -> None:
    change_settings(time_zone="Pacific/Kiritimati")  # 14 hours ahead
    customer = make_customer()
    late_evening = NOW.replace(hour=23)
    id = post(replace(make_spec(customer, "1"), incurred_on=None), now=late_evening).ids[0]
    assert stored(session, id).incurred_on == late_evening.date() + timedelta(days=1)


def test_a_second_currency_opens_an_account(session: Session) -> None:
    customer = make_customer(currency="USD")
    post(make_spec(customer, "1"), make_spec(customer, "200", currency="JPY"), make_spec(customer, "3", currency="JPY"))
    accounts = session.scalars(select(Account).order_by(Account.currency)).all()
    assert [(one.currency, one.pending_charges, plain_decimal(one.pending_amount)) for one in accounts] == [
        ("JPY", 2, "203"),
        ("USD", 1, "1"),
    ]


def test_one_audit_event_a_posting_stands_beside_its_charges(session: Session) -> None:
    customer = make_customer()
    ids = post(*(make_spec(customer, str(n)) for n in range(7))).ids
    (event,) = events(session, "charge.posted")
    assert event.details == {"charges": 7}
    assert {stored(session, id).event_id for id in ids} == {event.id}


def test_posting_nothing_stores_nothing(session: Session) -> None:
    before = contents(session)
    assert post().ids == []
    assert contents(session) == before


# --- identity ---------------------------------------------------------------------------------------------------------


def test_an_identical_repeat_answers_with_the_original_and_writes_nothing(session: Session) -> None:
    customer = make_customer()
    spec = make_spec(customer, "2.50", id=A)
    post(spec)
    before = contents(session)
    again = post(replace(spec, amount=exact_decimal("2.5")), now=NOW + timedelta(days=400))
    assert (again.ids, again.created, again.replayed) == ([A], 0, 1)
    assert contents(session) == before


def test_what_a_repeat_leaves_out_is_not_compared(session: Session) -> None:
    customer, service = make_customer(), make_service()
    post(make_spec(customer, service=service, quantity="2", description="Night run", metadata={"a": "b"}, id=A))
    assert post(replace(make_spec(customer, service=service, id=A), incurred_on=None)).replayed == 1


def test_a_price_change_does_not_make_a_repeat_differ(session: Session) -> None:
    customer, service = make_customer(), make_service()
    spec = make_spec(customer, service=service, id=A)
    post(spec)
    transaction(services.update, service.id, {"prices": {"USD": exact_decimal("9")}}, None, SYSTEM, NOW)
    assert post(spec).replayed == 1
    assert plain_decimal(stored(session, A).amount) == "2.5"


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"customer": "OTHER"}, ["customer"]),
        ({"service": "Storage"}, ["service"]),
        ({"description": "Day run"}, ["description"]),
        ({"quantity": exact_decimal("3")}, ["quantity"]),
        ({"unit_price": exact_decimal("2.51")}, ["unit_price"]),
        ({"unit_price": None, "amount": exact_decimal("6")}, ["amount"]),
        ({"currency": "EUR"}, ["currency"]),
        ({"incurred_on": date(2026, 3, 1)}, ["incurred_on"]),
        ({"metadata": {"host": "b"}}, ["metadata"]),
        ({"quantity": exact_decimal("3"), "currency": "EUR"}, ["quantity", "currency"]),
    ],
)
def test_another_value_under_the_same_id_is_refused_and_named(
    session: Session, change: dict[str, Any], differs: list[str]
) -> None:
    make_customer(reference="ACME")
    make_customer(reference="OTHER")
    make_service()
    make_service(code="Storage")
    spec = make_spec(
        "ACME", service="GenericCompute", quantity="2", unit_price="2.5", metadata={"host": "a"}, id=A, currency="USD"
    )
    post(spec)
    before = contents(session)
    with pytest.raises(Conflict) as refused:
        post(replace(spec, **change))
    assert refused.value.problems[0].code == "id_conflict"
    assert refused.value.field == (0, "id")
    assert refused.value.extra == {"differs": differs}
    assert contents(session) == before


def test_an_id_twice_in_one_batch_is_one_charge(session: Session) -> None:
    customer = make_customer()
    posted = post(make_spec(customer, "1", id=A), make_spec(customer, "2", id=B), make_spec(customer, "1.0", id=A))
    assert (posted.ids, posted.created, posted.replayed) == ([A, B, A], 2, 1)
    assert statuses(session) == {A: "pending", B: "pending"}


def test_an_id_twice_in_one_batch_with_other_values_is_refused(session: Session) -> None:
    customer = make_customer()
    with pytest.raises(Conflict) as refused:
        post(make_spec(customer, "1", id=A), make_spec(customer, "2", id=A))
    assert refused.value.field == (1, "id")
    assert statuses(session) == {}


@pytest.mark.parametrize("state", ["held", "cancelled", "billed"])
def test_a_repeat_finds_the_original_whatever_became_of_it(session: Session, state: str) -> None:
    customer = make_customer()
    spec = make_spec(customer, "1", id=A)
    post(spec)
    moves: dict[str, Callable[[], object]] = {
        "held": lambda: transaction(charges.hold, [A], "", SYSTEM, NOW),
        "cancelled": lambda: transaction(charges.cancel, [A], "", SYSTEM, NOW),
        "billed": bill,
    }
    moves[state]()
    assert post(spec).replayed == 1
    assert statuses(session) == {A: state}


def test_a_repeat_for_an_archived_customer_and_service_still_answers(session: Session) -> None:
    customer, service = make_customer(), make_service()
    spec = make_spec(customer, service=service, id=A)
    post(spec)
    bill()
    transaction(customers.archive, customer.id, SYSTEM, NOW)
    transaction(services.archive, service.id, SYSTEM, NOW)
    assert post(spec).replayed == 1


# --- all or nothing ---------------------------------------------------------------------------------------------------


def test_one_wrong_row_stores_nothing_and_every_wrong_row_is_named(session: Session) -> None:
    customer = make_customer(reference="ACME")
    before = contents(session)
    with pytest.raises(Invalid) as refused:
        post(
            make_spec(customer, "1"),
            make_spec("NOBODY", "1"),
            make_spec(customer, service="Nothing"),
            make_spec(customer, description="No price"),
            make_spec(customer, quantity="999999999999", unit_price="999999999999"),
        )
    assert [(problem.code, problem.field) for problem in refused.value.problems] == [
        ("unknown_customer", (1, "customer")),
        ("unknown_service", (2, "service")),
        ("no_price", (3, "unit_price")),
        ("out_of_range", (4, "quantity")),
    ]
    assert refused.value.message == "4 problems were found."
    assert contents(session) == before


def test_a_thousand_wrong_rows_are_named_and_the_rest_counted(session: Session) -> None:
    with pytest.raises(Invalid) as refused:
        post(*(make_spec("NOBODY", "1") for _ in range(1_001)))
    assert [problem.field[0] for problem in refused.value.problems] == list(range(1_000))
    assert refused.value.message == "1001 problems were found."


def test_wrong_and_conflicting_rows_together_are_invalid(session: Session) -> None:
    customer = make_customer()
    post(make_spec(customer, "1", id=A))
    with pytest.raises(Invalid) as refused:
        post(make_spec(customer, "2", id=A), make_spec("NOBODY", "1"))
    assert [problem.code for problem in refused.value.problems] == ["id_conflict", "unknown_customer"]


def test_an_archived_customer_or_service_takes_no_new_charge(session: Session) -> None:
    customer, gone = make_customer(reference="HERE"), make_customer(reference="GONE")
    service = make_service()
    transaction(customers.archive, gone.id, SYSTEM, NOW)
    transaction(services.archive, service.id, SYSTEM, NOW)
    with pytest.raises(Invalid) as refused:
        post(make_spec(gone, "1"), make_spec(customer, service=service))
    assert [problem.code for problem in refused.value.problems] == ["archived_customer", "archived_service"]
    transaction(customers.restore, gone.id, SYSTEM, NOW)
    transaction(services.restore, service.id, SYSTEM, NOW)
    assert post(make_spec(gone, "1"), make_spec(customer, service=service)).created == 2


@pytest.mark.parametrize("count", [1, 5, 6, 1_500])
def test_a_batch_of_any_size_goes_one_way(session: Session, count: int) -> None:
    customer, service = make_customer(), make_service()
    specs = [make_spec(customer, service=service, quantity=str(n), id=UUID(int=n)) for n in range(count)]
    assert post(*specs).created == count
    assert post(*specs).replayed == count
    assert_books_balance(session)


# --- likely duplicates ------------------------------------------------------------------------------------------------


def test_a_look_alike_under_a_fresh_id_is_stored_and_marked(session: Session) -> None:
    customer = make_customer()
    post(make_spec(customer, "1", id=A))
    again = post(make_spec(customer, "1.00", id=B), now=NOW + timedelta(hours=1))
    assert (again.created, again.duplicates) == (1, [B])
    assert (stored(session, B).duplicate_of_id, stored(session, B).status) == (A, "pending")
    assert stored(session, A).duplicate_of_id is None


@pytest.mark.parametrize(
    ("later", "marked"),
    [
        (timedelta(hours=23, minutes=59), True),
        (timedelta(hours=24), True),
        (timedelta(hours=24, microseconds=1), False),
        (timedelta(days=3), False),
    ],
)
def test_a_look_alike_counts_for_24_hours(session: Session, later: timedelta, marked: bool) -> None:
    customer = make_customer()
    post(make_spec(customer, "1", id=A))
    assert post(make_spec(customer, "1", id=B), now=NOW + later).duplicates == ([B] if marked else [])


def test_look_alikes_within_one_batch_name_the_earliest(session: Session) -> None:
    customer = make_customer()
    posted = post(*(make_spec(customer, "1", id=id) for id in (C, A, B)))
    assert posted.duplicates == [A, B]
    assert stored(session, A).duplicate_of_id == stored(session, B).duplicate_of_id == C
    later = post(make_spec(customer, "1"), now=NOW + timedelta(minutes=1)).ids[0]
    assert stored(session, later).duplicate_of_id in {A, B, C}


def test_a_charge_that_differs_in_anything_is_no_look_alike(session: Session) -> None:
    customer, other = make_customer(), make_customer()
    post(make_spec(customer, "1", id=A))
    posted = post(
        make_spec(other, "1"),
        make_spec(customer, "1.01"),
        make_spec(customer, "1", description="Other work"),
        make_spec(customer, "1", incurred_on=date(2026, 3, 16)),
        make_spec(customer, "1", currency="EUR"),
        make_spec(customer, unit_price="1"),
    )
    assert posted.duplicates == []


def test_a_cancelled_charge_may_be_posted_again(session: Session) -> None:
    customer = make_customer()
    post(make_spec(customer, "1", id=A))
    transaction(charges.cancel, [A], "Wrong day", SYSTEM, NOW)
    assert post(make_spec(customer, "1", id=B)).duplicates == []


def test_likely_duplicates_are_held_when_the_organisation_wants_it_so(session: Session) -> None:
    change_settings(hold_likely_duplicates=True)
    customer = make_customer()
    posted = post(make_spec(customer, "1", id=A), make_spec(customer, "1", id=B), make_spec(customer, "2", id=C))
    assert posted.duplicates == [B]
    assert statuses(session) == {A: "pending", B: "held", C: "pending"}
    assert stored(session, B).status_reason == "Likely duplicate"
    assert_books_balance(session)


def test_a_replay_is_no_duplicate_of_itself(session: Session) -> None:
    customer = make_customer()
    post(make_spec(customer, "1", id=A))
    assert post(make_spec(customer, "1", id=A)).duplicates == []


# --- late charges -----------------------------------------------------------------------------------------------------


def test_a_charge_of_a_period_already_billed_is_late_and_keeps_its_day(session: Session) -> None:
    customer = make_customer()
    make_invoice(customer)  # through 31 March
    post(
        make_spec(customer, "1", incurred_on=date(2026, 3, 31), id=A),
        make_spec(customer, "1", incurred_on=date(2026, 4, 1), id=B),
        make_spec(customer, "1", incurred_on=date(2026, 3, 31), currency="EUR", id=C),
    )
    assert [stored(session, id).late for id in (A, B, C)] == [True, False, False]
    assert stored(session, A).incurred_on == date(2026, 3, 31)
    bill(date(2026, 4, 30))
    assert set(statuses(session).values()) == {"billed"}
    assert_books_balance(session)


# --- hold, release, cancel --------------------------------------------------------------------------------------------

MOVES: dict[str, Move] = {"hold": charges.hold, "release": charges.release, "cancel": charges.cancel}


def in_state(state: str) -> UUID:
    """A fresh charge that is pending, held, billed or cancelled."""
    customer = make_customer()
    id = post(make_spec(customer, "1.5", id=uuid4())).ids[0]
    if state == "held":
        transaction(charges.hold, [id], "Asked the customer", SYSTEM, NOW)
    elif state == "cancelled":
        transaction(charges.cancel, [id], "Never happened", SYSTEM, NOW)
    elif state == "billed":
        bill(customers=[customer])
    return id


@pytest.mark.parametrize(
    ("state", "move", "after", "moved"),
    [
        ("pending", "hold", "held", 1),
        ("held", "hold", "held", 0),
        ("held", "release", "pending", 1),
        ("pending", "release", "pending", 0),
        ("pending", "cancel", "cancelled", 1),
        ("held", "cancel", "cancelled", 1),
        ("cancelled", "cancel", "cancelled", 0),
    ],
)
def test_a_charge_moves_as_its_life_allows(session: Session, state: str, move: str, after: str, moved: int) -> None:
    id = in_state(state)
    action = {"hold": "charge.held", "release": "charge.released", "cancel": "charge.cancelled"}[move]
    known = {event.id for event in events(session, action)}
    assert transaction(MOVES[move], [id], "Because", SYSTEM, NOW) == moved
    assert statuses(session)[id] == after
    recorded = [event.details for event in events(session, action) if event.id not in known]
    assert recorded == [{"reason": "Because", "charges": [str(id)]}] * moved
    if moved:
        assert stored(session, id).status_reason == "Because"
    assert_books_balance(session)


@pytest.mark.parametrize(
    ("state", "move"),
    [
        ("billed", "hold"),
        ("cancelled", "hold"),
        ("billed", "release"),
        ("cancelled", "release"),
        ("billed", "cancel"),
    ],
)
def test_a_move_that_its_life_does_not_allow_moves_nothing(session: Session, state: str, move: str) -> None:
    customer = make_customer()
    id, other = in_state(state), post(make_spec(customer, "1")).ids[0]
    before = contents(session)
    with pytest.raises(Conflict) as refused:
        transaction(MOVES[move], [other, id], "Because", SYSTEM, NOW)
    assert refused.value.code == f"charge_{state}"
    assert contents(session) == before


@pytest.mark.parametrize("move", sorted(MOVES))
def test_a_move_of_an_unknown_charge_moves_nothing(session: Session, move: str) -> None:
    id = in_state("pending")
    before = contents(session)
    with pytest.raises(NotFound, match=str(C)):
        transaction(MOVES[move], [id, C], "", SYSTEM, NOW)
    assert contents(session) == before


def test_many_charges_of_many_customers_move_at_once(session: Session) -> None:
    people = [make_customer() for _ in range(3)]
    ids = post(*(make_spec(person, str(n), description=str(n)) for n in range(30) for person in people)).ids
    assert transaction(charges.hold, [*ids[:50], ids[0]], "Review", SYSTEM, NOW) == 50
    assert transaction(charges.cancel, ids, "Wrong", SYSTEM, NOW) == 90
    assert set(statuses(session).values()) == {"cancelled"}
    assert_books_balance(session)
