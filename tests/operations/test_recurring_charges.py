"""Recurring charges: made once, posted once, paused, resumed, ended and changed; and what each of these refuses."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from flask import Flask
from hypothesis import given, strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.errors import Conflict, DomainError, Invalid, NotFound
from billing_admin.domain.money import EXACT, ZERO, exact_decimal, plain_decimal
from billing_admin.domain.prices import PriceSpec
from billing_admin.domain.recurring_charges import DAY, IN_ADVANCE, IN_ARREARS, RecurringChargeSpec, prorate
from billing_admin.formats.document_contents import document_contents
from billing_admin.models import AuditEvent, Charge, InvoiceLine, RecurringCharge, RecurringPosting
from billing_admin.operations.charges import charges, corrections, posting, recurring_charges, recurring_posting
from billing_admin.operations.master_data import customers, services
from billing_admin.queries.charges.recurring_charges import (
    STATES,
    RecurringFilter,
    due_charges,
    list_prices,
    recurring_charge,
    recurring_charges as listed,
    schedule_of,
    upcoming_charges,
)
from billing_admin.queries.master_data import services as services_by_code
from tests.books import assert_books_balance
from tests.making import NOW, all_invoices, bill, make_customer, make_service
from tests.prepared import prepared

A, B = UUID(int=0xA), UUID(int=0xB)
TODAY = NOW.date()  # 2 April 2026
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


@pytest.fixture
@prepared
def hosting(session: Session) -> Session:
    """ACME in USD, and Hosting at 31 a month."""
    make_customer(reference="ACME")
    make_service(code="Hosting", prices={"USD": exact_decimal("31")})
    return session


def spec(**fields: Any) -> RecurringChargeSpec:
    given: dict[str, Any] = {
        "customer": "ACME",
        "service": "Hosting",
        "interval": "monthly",
        "starts_on": MARCH,
        "id": A,
    }
    return RecurringChargeSpec(**(given | fields))


def create(**fields: Any) -> RecurringCharge:
    return transaction(recurring_charges.create, spec(**fields), SYSTEM, NOW)[0]


def set_price(price: str, valid_from: date, currency: str = "USD", service: str = "Hosting", **fields: Any) -> None:
    spec = PriceSpec(currency, exact_decimal(price), valid_from, **fields)
    id = services_by_code.service(db.session(), service).id
    transaction(services.set_price, id, spec, None, SYSTEM, NOW)


def post(through: date = TODAY, *ids: UUID) -> int:
    return transaction(recurring_posting.post_due_charges, ids or [A], through, SYSTEM, NOW)


def act(operation: Any, *arguments: Any, id: UUID = A, days: int = 0) -> Any:
    """Pause, resume, end or change, some days after NOW."""

    def work(session: Session) -> Any:
        return operation(session, id, *arguments, "Asked for", SYSTEM, NOW + timedelta(days=days))

    return transaction(work)


def change(from_: date, new_id: UUID | None = None, **fields: Any) -> Any:
    return act(recurring_charges.change, from_, fields, new_id)


def stored(session: Session, id: UUID = A) -> RecurringCharge:
    session.rollback()
    return session.get_one(RecurringCharge, id, populate_existing=True)


def posted(session: Session) -> list[Charge]:
    session.rollback()
    query = select(Charge).order_by(Charge.incurred_on, Charge.created_at, Charge.id)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def days(session: Session) -> list[str]:
    return [charge.incurred_on.isoformat() for charge in posted(session)]


def actions(session: Session) -> list[str]:
    session.rollback()
    query = select(AuditEvent.action).where(AuditEvent.object_type == "recurring_charge")
    return list(session.scalars(query.order_by(AuditEvent.at, AuditEvent.id)))


# --- made ------------------------------------------------------------------------------------------------------------


def test_what_is_left_out_is_filled_in_and_nothing_posted(hosting: Session) -> None:
    create()
    row = stored(hosting)
    assert (row.description, plain_decimal(row.quantity), row.unit_price, row.currency) == ("Hosting", "1", None, "USD")
    assert (row.anchor_on, row.ends_on, row.posted_through, row.paused_on) == (MARCH, None, None, None)
    assert posted(hosting) == []
    assert actions(hosting) == ["recurring_charge.created"]


def test_sent_again_it_is_stored_once(hosting: Session) -> None:
    create(quantity=exact_decimal("2"))
    assert transaction(recurring_charges.create, spec(), SYSTEM, NOW)[1] is False
    with pytest.raises(Conflict) as refusal:
        create(quantity=exact_decimal("3"), interval="yearly")
    assert refusal.value.extra["differs"] == ["quantity", "interval"]
    assert actions(hosting) == ["recurring_charge.created"]


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"customer": "NOBODY"}, "unknown_customer", "customer"),
        ({"service": "Nothing"}, "unknown_service", "service"),
        ({"currency": "EUR"}, "no_price", "unit_price"),
        ({"currency": "XXX"}, "unknown_currency", "currency"),
        ({"interval": "daily"}, "unknown_interval", "interval"),
        ({"interval_count": 121}, "out_of_range", "interval_count"),
        ({"quantity": exact_decimal("0")}, "out_of_range", "quantity"),
        ({"description": " "}, "blank", "description"),
        ({"ends_on": date(2026, 2, 28)}, "out_of_range", "ends_on"),
        ({"anchor_on": date(1969, 1, 1)}, "out_of_range", "anchor_on"),
    ],
)
def test_nothing_is_stored_when_it_is_refused(hosting: Session, fields: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        create(**fields)
    assert (refusal.value.code, refusal.value.field) == (code, (field,))
    assert actions(hosting) == []


def test_what_is_archived_is_not_agreed_on(hosting: Session) -> None:
    row = create()
    transaction(services.archive, row.service_id, SYSTEM, NOW)
    with pytest.raises(Invalid, match="restore it first"):
        create(id=B)
    transaction(customers.archive, row.customer_id, SYSTEM, NOW)
    with pytest.raises(Invalid, match=r"Customer .* is archived"):
        create(id=B)
    assert transaction(recurring_charges.create, spec(), SYSTEM, NOW)[1] is False


# --- posted ----------------------------------------------------------------------------------------------------------


def test_posting_again_adds_nothing_and_ids_derive_from_schedule_and_day(hosting: Session) -> None:
    create(unit_price=exact_decimal("0.0000008"), quantity=exact_decimal("3"))
    assert (post(), post(), post(TODAY + timedelta(days=27))) == (2, 0, 0)
    first, second = posted(hosting)
    assert (first.id, second.id) == (uuid5(A, "2026-03-01"), uuid5(A, "2026-04-01"))
    assert (first.description, plain_decimal(first.amount)) == ("Hosting", "0.0000024")
    assert service_period(first) == (date(2026, 3, 1), date(2026, 3, 31), None)
    assert (first.incurred_on, first.status, stored(hosting).posted_through) == (MARCH, "pending", APRIL)
    assert_books_balance(hosting)


def test_what_was_posted_but_not_noted_is_not_posted_twice(hosting: Session) -> None:
    create()
    post()

    def forget(session: Session) -> None:
        session.get_one(RecurringCharge, A).posted_through = None

    transaction(forget)
    assert post() == 0
    assert days(hosting) == ["2026-03-01", "2026-04-01"]


def service_period(row: Charge | InvoiceLine) -> tuple[date | None, date | None, int | None]:
    return row.period_from, row.period_to, row.period_of_days


NOVEMBER, NOVEMBER_6, NOVEMBER_26 = date(2025, 11, 1), date(2025, 11, 6), date(2025, 11, 26)


def test_a_partial_period_is_rounded_once_and_bills_the_right_cent(hosting: Session) -> None:
    create(starts_on=NOVEMBER_6, anchor_on=NOVEMBER, ends_on=date(2025, 11, 30), unit_price=exact_decimal("9.99"))
    assert post() == 1
    [charge] = posted(hosting)
    assert (plain_decimal(charge.amount), charge.unit_price, plain_decimal(charge.quantity)) == ("8.325", None, "1")
    assert (charge.description, *service_period(charge)) == ("Hosting", NOVEMBER_6, date(2025, 11, 30), 30)
    bill(date(2025, 12, 31))
    [invoice] = all_invoices()
    assert [(line.net, line.unit_price) for line in invoice.lines] == [(833, None)]
    assert service_period(invoice.lines[0]) == service_period(charge)
    assert (invoice.period_from, invoice.period_to) == (NOVEMBER_6, date(2025, 11, 30))
    assert_books_balance(hosting)


def test_a_whole_period_and_the_days_taken_back_add_up_to_the_days_kept(hosting: Session) -> None:
    create(starts_on=NOVEMBER, unit_price=exact_decimal("9.99"))
    create(id=B, starts_on=NOVEMBER, ends_on=NOVEMBER_26 - DAY, unit_price=exact_decimal("9.99"))
    post(NOVEMBER, A, B)
    act(recurring_charges.end, NOVEMBER_26 - DAY)
    november_30 = date(2025, 11, 30)
    amounts = {(charge.description, *service_period(charge)): charge.amount for charge in posted(hosting)}
    assert {days: plain_decimal(amount) for days, amount in amounts.items()} == {
        ("Hosting", NOVEMBER, november_30, None): "9.99",
        ("Hosting, taken back", NOVEMBER_26, november_30, 30): "-1.665",
        ("Hosting", NOVEMBER, NOVEMBER_26 - DAY, 30): "8.325",
    }
    assert_books_balance(hosting)


def test_a_partial_period_takes_a_list_price_that_includes_tax_as_such(hosting: Session) -> None:
    create(starts_on=NOVEMBER_6, anchor_on=NOVEMBER, ends_on=date(2025, 11, 30))
    set_price("9.99", NOVEMBER, includes_tax=True)
    post()
    assert [(plain_decimal(charge.amount), charge.tax_included) for charge in posted(hosting)] == [("8.325", True)]


def test_a_partial_period_without_a_list_price_is_refused(hosting: Session) -> None:
    row = create(starts_on=date(2026, 4, 6), anchor_on=APRIL)
    transaction(services.update, row.service_id, {"prices": {}}, None, SYSTEM, NOW)
    with pytest.raises(Invalid, match="has no price in USD on 6 Apr 2026"):
        post(date(2026, 4, 6))
    assert [coming.amount for _, coming in due_charges(hosting, date(2026, 4, 30))] == [None]


def test_a_partial_period_posted_before_with_a_cut_quantity_stays_and_is_not_posted_again(hosting: Session) -> None:
    create(starts_on=NOVEMBER_6, anchor_on=NOVEMBER, unit_price=exact_decimal("9.99"))
    before = ChargeSpec(
        id=uuid5(A, "2025-11-06"),
        customer="ACME",
        service="Hosting",
        description="Hosting, 6 Nov 2025 to 30 Nov 2025",
        quantity=exact_decimal("0.833333333333"),
        unit_price=exact_decimal("9.99"),
        currency="USD",
        incurred_on=NOVEMBER_6,
    )
    transaction(posting.post, [before], SYSTEM, NOW)
    note = {"period_from": NOVEMBER_6, "period_to": date(2025, 11, 30), "takes_back": False}
    transaction(lambda session: session.add(RecurringPosting(charge_id=before.id, recurring_charge_id=A, **note)))
    assert (post(NOVEMBER_26), post(NOVEMBER_26)) == (0, 0)
    [charge] = posted(hosting)
    assert (plain_decimal(charge.quantity), plain_decimal(charge.amount)) == ("0.833333333333", "8.324999999997")
    act(recurring_charges.end, date(2025, 11, 10))
    amounts = [charge.amount for charge in posted(hosting)]
    assert plain_decimal(sum(amounts, start=exact_decimal("0"))) == "1.665"
    assert_books_balance(hosting)


def test_a_list_price_that_moved_since_does_not_refuse_a_partial_period_that_is_stored(hosting: Session) -> None:
    row = create(starts_on=NOVEMBER_6, anchor_on=NOVEMBER)
    post(NOVEMBER_6)

    def forget(session: Session) -> None:
        session.get_one(RecurringCharge, A).posted_through = None

    transaction(forget)
    transaction(services.update, row.service_id, {"prices": {"USD": exact_decimal("40")}}, None, SYSTEM, NOW)
    assert post(NOVEMBER_6) == 0
    assert len(posted(hosting)) == 1


def test_another_charge_under_the_id_of_a_period_is_a_conflict(hosting: Session) -> None:
    create(starts_on=NOVEMBER_6, anchor_on=NOVEMBER)
    squatter = ChargeSpec(id=uuid5(A, "2025-11-06"), customer="ACME", service="Hosting", incurred_on=NOVEMBER)
    transaction(posting.post, [squatter], SYSTEM, NOW)
    with pytest.raises(Conflict) as refusal:
        post(NOVEMBER_6)
    assert refusal.value.extra["differs"] == ["incurred_on"]


DIGITS = st.decimals("-99999999", "99999999", places=12, allow_nan=False, allow_infinity=False)


@given(DIGITS, DIGITS, st.integers(1, 366), st.integers(1, 366))
def test_a_share_of_days_is_rounded_once_half_up(quantity: Decimal, price: Decimal, days: int, of_days: int) -> None:
    share = prorate(EXACT.multiply(quantity, price), days, of_days)
    true = Fraction(quantity) * Fraction(price) * days / of_days
    error = abs(Fraction(share) - true) * 10**12
    assert error < Fraction(1, 2) or (error == Fraction(1, 2) and abs(Fraction(share)) > abs(true))


def test_many_runs_at_once_post_once(app: Flask, hosting: Session) -> None:
    create()

    def run(_: int) -> int:
        with app.app_context():
            return post()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [0, 0, 0, 2]
    assert_books_balance(hosting)


def test_the_list_price_of_the_day_of_a_charge_counts(hosting: Session) -> None:
    row = create(starts_on=date(2026, 2, 1))
    set_price("40", APRIL)
    set_price("35", date(2026, 2, 2))
    due = due_charges(hosting, TODAY)
    assert [plain_decimal(charge.amount or ZERO) for _, charge in due] == ["31", "35", "40"]
    coming = upcoming_charges(recurring_charge(hosting, row.id), prices=list_prices(hosting, [row]))
    assert [charge.amount for charge in coming] == [charge.amount for _, charge in due]
    post()
    assert [plain_decimal(charge.amount) for charge in posted(hosting)] == ["31", "35", "40"]


def test_a_charge_in_arrears_has_the_list_price_of_its_last_day(hosting: Session) -> None:
    create(timing=IN_ARREARS)
    set_price("40", date(2026, 3, 31))
    assert [plain_decimal(charge.amount or ZERO) for _, charge in due_charges(hosting, TODAY)] == ["40"]
    post()
    assert [plain_decimal(charge.amount) for charge in posted(hosting)] == ["40"]


def test_a_recurring_charge_needs_a_price_on_its_first_day(hosting: Session) -> None:
    make_service(code="Backup")
    set_price("5", APRIL, currency="EUR", service="Backup")
    with pytest.raises(Invalid, match="Backup has no price in EUR on 31 Mar 2026: enter a unit price"):
        create(service="Backup", currency="EUR", starts_on=date(2026, 3, 31))
    assert create(service="Backup", currency="EUR", starts_on=APRIL).currency == "EUR"


def test_days_that_were_billed_already_make_late_charges(hosting: Session) -> None:
    create(starts_on=APRIL)
    post()
    bill(date(2026, 4, 30))
    create(id=B)
    post(TODAY, B)
    assert [charge.late for charge in posted(hosting) if charge.status == "pending"] == [True, True]


def test_one_that_cannot_be_posted_holds_up_no_other(hosting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurring_posting, "BATCH_SIZE", 2)
    backup = make_service(code="Backup", prices={"USD": exact_decimal("1")})
    ids = [UUID(int=number) for number in range(1, 6)]
    for id in ids:
        create(id=id, service="Backup" if id == ids[1] else "Hosting", description=str(id.int))
    transaction(services.archive, backup.id, SYSTEM, NOW)
    outcome = recurring_posting.post_all_due_charges(transaction, db.session(), MARCH, SYSTEM, NOW)
    assert (outcome.charges, [id for id, _ in outcome.refused]) == (4, [ids[1]])
    assert "restore it first" in outcome.refused[0][1]
    assert recurring_posting.post_all_due_charges(transaction, db.session(), MARCH, SYSTEM, NOW).charges == 0


def test_a_day_far_ahead_is_a_slip_of_the_pen(hosting: Session) -> None:
    with pytest.raises(Invalid, match="one year from today"):
        recurring_posting.post_all_due_charges(transaction, db.session(), date(2206, 4, 2), SYSTEM, NOW)


def test_the_rehearsal_names_what_is_posted_then(hosting: Session) -> None:
    create(starts_on=date(2026, 3, 16))
    create(id=B, starts_on=date(2026, 5, 1))
    rehearsed = [(row.id, coming.period_from, coming.amount) for row, coming in due_charges(hosting, TODAY)]
    assert post(TODAY, A, B) == 1
    assert [(A, charge.incurred_on, charge.amount) for charge in posted(hosting)] == rehearsed


def test_the_database_refuses_a_second_charge_for_a_period(hosting: Session) -> None:
    create()
    post(MARCH)
    other = transaction(posting.post, [charge_spec()], SYSTEM, NOW).ids[0]
    row = {"charge_id": other, "recurring_charge_id": A, "period_from": MARCH, "period_to": MARCH, "takes_back": False}
    with pytest.raises(IntegrityError):
        transaction(lambda session: session.add(RecurringPosting(**row)))


def charge_spec() -> ChargeSpec:
    return ChargeSpec(customer="ACME", service="Hosting")


# --- paused and resumed ----------------------------------------------------------------------------------------------


def test_what_begins_during_a_pause_is_skipped_for_good(hosting: Session) -> None:
    create(starts_on=date(2026, 2, 1))
    act(recurring_charges.pause)
    assert post(date(2026, 6, 30)) == 3  # February, March and April began before
    act(recurring_charges.resume, days=60)  # 1 June
    assert post(date(2026, 6, 30)) == 1
    assert days(hosting) == ["2026-02-01", "2026-03-01", "2026-04-01", "2026-06-01"]
    assert actions(hosting)[1:] == ["recurring_charge.paused", "recurring_charge.resumed"]


def test_what_began_before_a_pause_is_posted_when_it_goes_on(hosting: Session) -> None:
    create()
    act(recurring_charges.pause)
    act(recurring_charges.resume, days=61)
    assert days(hosting) == ["2026-03-01", "2026-04-01"]
    assert post(date(2026, 7, 1)) == 1
    assert days(hosting)[-1] == "2026-07-01"


def test_a_pause_of_hours_skips_nothing(hosting: Session) -> None:
    create(starts_on=TODAY)
    act(recurring_charges.pause)
    assert post() == 0
    act(recurring_charges.resume)
    assert post() == 1


def test_paused_twice_is_paused_once(hosting: Session) -> None:
    create()
    act(recurring_charges.pause)
    act(recurring_charges.pause, days=1)
    assert stored(hosting).paused_on == TODAY
    act(recurring_charges.resume)
    act(recurring_charges.resume)
    assert actions(hosting) == ["recurring_charge." + verb for verb in ("created", "paused", "resumed")]


# --- ended and changed -----------------------------------------------------------------------------------------------


def test_it_ends_a_second_time_on_an_earlier_day(hosting: Session) -> None:
    create()
    post(MARCH)
    act(recurring_charges.end, date(2026, 3, 20))
    act(recurring_charges.end, date(2026, 3, 10))
    act(recurring_charges.end, date(2026, 3, 10))
    amounts = [charge.amount for charge in posted(hosting)]
    assert [plain_decimal(amount) for amount in amounts] == ["31", "-10", "-11"]
    assert (len(amounts), actions(hosting).count("recurring_charge.ended")) == (3, 2)
    with pytest.raises(Invalid, match="already ends on 2026-03-10"):
        act(recurring_charges.end, date(2026, 3, 11))
    assert_books_balance(hosting)


def test_what_was_cancelled_is_not_taken_back(hosting: Session) -> None:
    create()
    post(MARCH)
    transaction(charges.cancel, [posted(hosting)[0].id], "Goodwill", SYSTEM, NOW)
    act(recurring_charges.end, date(2026, 3, 10))
    assert [charge.status for charge in posted(hosting)] == ["cancelled"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"quantity": exact_decimal("2")}, ("1", None, "-42")),
        ({"amount": exact_decimal("31.1")}, ("1", None, "-21.067741935484")),
    ],
)
def test_what_was_corrected_counts_as_it_is_now(
    hosting: Session, fields: dict[str, Any], expected: tuple[str, str | None, str]
) -> None:
    create()
    post(MARCH)
    transaction(corrections.correct_charge, posted(hosting)[0].id, fields, None, "Agreed", SYSTEM, NOW)
    act(recurring_charges.end, date(2026, 3, 10))
    [taken] = [charge for charge in posted(hosting) if charge.amount < 0]
    price = None if taken.unit_price is None else plain_decimal(taken.unit_price)
    assert (plain_decimal(taken.quantity), price, plain_decimal(taken.amount)) == expected


def test_days_are_taken_back_on_the_purchase_order_of_their_charge(hosting: Session) -> None:
    create()
    post(MARCH)
    fields = {"purchase_order": "PO-7"}
    transaction(corrections.correct_charge, posted(hosting)[0].id, fields, None, "Ordered", SYSTEM, NOW)
    act(recurring_charges.end, date(2026, 3, 10))
    assert {(charge.status, charge.purchase_order) for charge in posted(hosting)} == {
        ("cancelled", ""),
        ("pending", "PO-7"),
    }


def test_a_price_that_includes_tax_is_taken_back_as_such(hosting: Session) -> None:
    create()
    set_price("62", MARCH, includes_tax=True)
    post(MARCH)
    act(recurring_charges.end, date(2026, 3, 30))
    assert [(plain_decimal(charge.amount), charge.tax_included) for charge in posted(hosting)] == [
        ("62", True),
        ("-2", True),
    ]


def test_a_billed_period_is_taken_back_on_the_next_invoice(hosting: Session) -> None:
    create()
    post(MARCH)
    bill()
    act(recurring_charges.end, date(2026, 3, 30))
    [taken] = [charge for charge in posted(hosting) if charge.amount < 0]
    assert (taken.status, taken.incurred_on, taken.late) == ("pending", date(2026, 3, 31), True)


def test_a_change_names_what_it_follows_and_keeps_the_rest(hosting: Session) -> None:
    create(ends_on=date(2026, 12, 31), unit_price=exact_decimal("30"), description="Cluster 7")
    following, is_new = change(date(2026, 3, 16), B, unit_price=exact_decimal("35"))
    assert (is_new, following.id, stored(hosting).ends_on) == (True, B, date(2026, 3, 15))
    row = stored(hosting, B)
    assert (row.follows_id, row.starts_on, row.anchor_on, row.ends_on) == (
        A,
        date(2026, 3, 16),
        MARCH,
        date(2026, 12, 31),
    )
    assert (row.description, plain_decimal(row.quantity), plain_decimal(row.unit_price or exact_decimal("0"))) == (
        "Cluster 7",
        "1",
        "35",
    )
    assert actions(hosting) == ["recurring_charge." + verb for verb in ("created", "changed", "created")]
    assert change(date(2026, 3, 16), B, unit_price=exact_decimal("35.0"))[1] is False
    with pytest.raises(Conflict) as refusal:
        change(date(2026, 3, 16), B, unit_price=exact_decimal("36"))
    assert refusal.value.extra["differs"] == ["unit_price"]


def test_another_service_brings_its_name_unless_it_was_described(hosting: Session) -> None:
    make_service(code="Backup", prices={"USD": exact_decimal("1")})
    create()
    assert change(TODAY, service="Backup", quantity=exact_decimal("4"))[0].description == "Backup"


@pytest.mark.parametrize(
    ("from_", "fields", "code"),
    [
        (TODAY, {}, "nothing_changed"),
        (TODAY, {"quantity": exact_decimal("1.0")}, "nothing_changed"),
        (MARCH, {"quantity": exact_decimal("2")}, "out_of_range"),
        (date(2026, 7, 1), {"quantity": exact_decimal("2")}, "out_of_range"),
        (TODAY, {"service": "Nothing"}, "unknown_service"),
        (TODAY, {"quantity": exact_decimal("0")}, "out_of_range"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(
    hosting: Session, from_: date, fields: dict[str, Any], code: str
) -> None:
    create(ends_on=date(2026, 6, 30))
    post()
    with pytest.raises(Invalid) as refusal:
        change(from_, **fields)
    assert refusal.value.code == code
    assert (stored(hosting).ends_on, len(posted(hosting))) == (date(2026, 6, 30), 2)


def test_what_has_ended_or_pauses_is_left(hosting: Session) -> None:
    create()
    act(recurring_charges.pause)
    with pytest.raises(Conflict, match="Resume it before"):
        change(TODAY, quantity=exact_decimal("2"))
    act(recurring_charges.resume)
    act(recurring_charges.end, TODAY - DAY)
    with pytest.raises(Conflict, match="ended on 2026-04-01"):
        act(recurring_charges.pause)
    with pytest.raises(Invalid, match="the last day of this recurring charge"):
        change(TODAY, quantity=exact_decimal("2"))


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (recurring_charges.pause, ()),
        (recurring_charges.resume, ()),
        (recurring_charges.end, (TODAY,)),
        (recurring_charges.change, (TODAY, {}, None)),
    ],
)
def test_what_is_not_there_is_not_found(hosting: Session, operation: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(NotFound):
        act(operation, *arguments, id=uuid4())


def test_a_reason_that_is_too_long_is_refused(hosting: Session) -> None:
    create()
    with pytest.raises(DomainError, match="at most 500"):
        transaction(recurring_charges.pause, A, "x" * 501, SYSTEM, NOW)


# --- listed ----------------------------------------------------------------------------------------------------------


def test_the_filter_knows_states_as_the_domain_does(hosting: Session) -> None:
    create()
    create(id=B, ends_on=TODAY)
    create(id=uuid4(), ends_on=TODAY - DAY)
    act(recurring_charges.pause, id=B)
    for day in (TODAY, TODAY + DAY):
        for state in STATES:
            found = hosting.execute(listed(hosting, RecurringFilter(day, status=state))).all()
            everything = hosting.execute(listed(hosting, RecurringFilter(day))).all()
            assert {row.id for row in found} == {row.id for row in everything if schedule_of(row).state(day) == state}


def test_a_change_within_a_month_bills_the_days_of_each_price(hosting: Session) -> None:
    """Monthly 300.00 from 10 November, 450.00 from the 20th: the first invoice is for the days to the end of November."""
    november_10, november_20 = date(2025, 11, 10), date(2025, 11, 20)
    create(starts_on=november_10, anchor_on=NOVEMBER, unit_price=exact_decimal("300"))
    fields = {"unit_price": exact_decimal("450")}
    transaction(recurring_charges.change, A, november_20, fields, B, "", SYSTEM, NOW)
    post(november_20, A, B)
    bill(date(2025, 11, 30))
    [invoice] = all_invoices()
    assert [(*service_period(line), line.quantity, line.unit_price, line.net) for line in invoice.lines] == [
        (november_10, november_20 - DAY, 30, Decimal(1), None, 10000),
        (november_20, date(2025, 11, 30), 30, Decimal(1), None, 16500),
    ]
    assert (invoice.period_from, invoice.period_to) == (november_10, date(2025, 11, 30))
    assert document_contents(invoice)["table"]["details"] == [
        "10 – 19 Nov 2025 (10 of 30 days)",
        "20 – 30 Nov 2025 (11 of 30 days)",
    ]
    assert_books_balance(hosting)


def test_in_arrears_a_month_is_posted_on_its_last_day_also_after_a_pause(hosting: Session) -> None:
    """Today is 2 April 2026: March is over, April still runs."""
    create(starts_on=date(2026, 3, 1), timing=IN_ARREARS)
    assert post(date(2026, 3, 30)) == 0
    assert post(TODAY) == 1
    [charge] = posted(hosting)
    assert (charge.incurred_on, *service_period(charge)) == (
        date(2026, 3, 31),
        date(2026, 3, 1),
        date(2026, 3, 31),
        None,
    )
    act(recurring_charges.pause)
    act(recurring_charges.resume)
    assert post(date(2026, 4, 30)) == 1
    assert days(hosting) == ["2026-03-31", "2026-04-30"]
    assert post(date(2026, 4, 30)) == 0


def test_a_change_to_another_interval_counts_it_once(hosting: Session) -> None:
    create(interval_count=2, timing=IN_ARREARS)
    yearly, _ = transaction(recurring_charges.change, A, date(2026, 5, 1), {"interval": "yearly"}, B, "", SYSTEM, NOW)
    assert (yearly.interval, yearly.interval_count, yearly.timing) == ("yearly", 1, IN_ARREARS)
    fields = {"interval": "weekly", "interval_count": 2, "timing": IN_ADVANCE}
    weekly, _ = transaction(recurring_charges.change, B, date(2026, 6, 1), fields, None, "", SYSTEM, NOW)
    assert (weekly.interval, weekly.interval_count, weekly.timing) == ("weekly", 2, IN_ADVANCE)


def test_a_repeat_with_another_interval_or_timing_differs(hosting: Session) -> None:
    create(interval_count=2, timing=IN_ARREARS)
    create(interval_count=2, timing=IN_ARREARS)
    create()
    with pytest.raises(Conflict) as refusal:
        create(interval_count=3, timing=IN_ADVANCE)
    assert refusal.value.extra["differs"] == ["interval_count", "timing"]


def test_each_charge_gets_the_purchase_order_until_it_changes(hosting: Session) -> None:
    agreed = create(purchase_order="PO-1")
    transaction(recurring_posting.post_due_charges, [A], TODAY, SYSTEM, NOW)
    assert [charge.purchase_order for charge in posted(hosting)] == ["PO-1", "PO-1"]
    successor, _ = transaction(
        recurring_charges.change, agreed.id, date(2026, 5, 1), {"purchase_order": "PO-2"}, B, "", SYSTEM, NOW
    )
    assert (successor.purchase_order, successor.description, successor.unit_price) == ("PO-2", "Hosting", None)
    cleared, _ = transaction(
        recurring_charges.change, B, date(2026, 6, 1), {"purchase_order": ""}, UUID(int=0xC), "", SYSTEM, NOW
    )
    assert cleared.purchase_order == ""
    bill()
    assert {invoice.purchase_order for invoice in all_invoices()} == {"PO-1"}


def test_a_posted_charge_keeps_its_order_when_posting_is_repeated(hosting: Session) -> None:
    create(purchase_order="PO-1")
    for _ in range(2):
        transaction(recurring_posting.post_due_charges, [A], TODAY, SYSTEM, NOW)
    assert [charge.purchase_order for charge in posted(hosting)] == ["PO-1", "PO-1"]
    with pytest.raises(Conflict) as refused:
        create(purchase_order="PO-2")
    assert refused.value.problems[0].differs == ("purchase_order",)


def test_a_wrong_purchase_order_is_refused_at_its_field(hosting: Session) -> None:
    for order in ("x" * 201, "PO\n1", "PO\x00", "PO\ue000"):
        with pytest.raises(Invalid) as refused:
            create(purchase_order=order)
        assert refused.value.problems[0].field == ("purchase_order",)
