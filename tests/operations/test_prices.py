"""Prices of services from a day on: the day of a charge decides, and posted charges keep their price."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Unpack

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Conflict, Invalid, NotFound, Stale
from billing_admin.domain.master_data import ServiceFields
from billing_admin.domain.money import plain_decimal_or_none
from billing_admin.domain.prices import PRICES_START, PriceSpec, prices_on
from billing_admin.models import AuditEvent, Charge, Service
from billing_admin.operations.charges import posting
from billing_admin.operations.master_data import services
from billing_admin.queries.exports import export, totals
from billing_admin.queries.master_data.services import ServiceFilter
from tests.importing import check, errors, take_in
from tests.making import NOW, make_customer, make_service, make_spec, post

TODAY = NOW.date()  # 2 April 2026
YESTERDAY, MARCH, MAY = TODAY - timedelta(days=1), date(2026, 3, 1), date(2026, 5, 1)

pytestmark = pytest.mark.both_databases


def set_price(price: str, valid_from: date | None = None, currency: str = "USD", **fields: Any) -> tuple[Any, bool]:
    spec = PriceSpec(currency, Decimal(price), valid_from, **fields)
    return transaction(services.set_price, compute().id, spec, None, SYSTEM, NOW)


def compute() -> Service:
    db.session.rollback()
    return db.session.scalars(select(Service).where(Service.code == "GenericCompute")).one()


def change(**fields: Unpack[ServiceFields]) -> None:
    transaction(services.update, compute().id, fields, None, SYSTEM, NOW)


def price_on(day: date, currency: str = "USD") -> str | None:
    price = prices_on(day, compute().prices).get(currency)
    return None if price is None else plain_decimal_or_none(price.unit_price)


def charged(day: date) -> str | None:
    """Post a charge of a day at the list price, and return the price."""
    id = post(make_spec("acme", service="GenericCompute", quantity="1", incurred_on=day)).ids[0]
    return plain_decimal_or_none(db.session.get_one(Charge, id).unit_price)


@pytest.fixture(autouse=True)
def catalogue(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_admin.clock.now", lambda: NOW)
    make_customer(reference="acme")
    make_service()  # 2.50 USD


def test_a_new_price_does_not_apply_to_charges_of_earlier_days() -> None:
    change(prices={"USD": Decimal(3)})
    assert [charged(day) for day in (PRICES_START, YESTERDAY, TODAY, MAY)] == ["2.5", "2.5", "3", "3"]


def test_a_price_is_planned_for_the_future() -> None:
    assert set_price("4", MAY)[1]
    assert [charged(day) for day in (TODAY, date(2026, 4, 30), MAY)] == ["2.5", "2.5", "4"]
    change(prices={"USD": Decimal(3)})
    assert [price_on(day) for day in (YESTERDAY, TODAY, MAY)] == ["2.5", "3", "4"]


def test_the_first_price_in_a_currency_is_valid_from_the_first_day() -> None:
    change(prices={"USD": Decimal("2.5"), "EUR": Decimal(2)})
    assert price_on(PRICES_START, "EUR") == "2"
    assert set_price("300", None, "JPY")[0].valid_from == PRICES_START


def test_a_price_that_is_left_out_ends_today_and_its_history_stays() -> None:
    change(prices={})
    assert [price_on(day) for day in (PRICES_START, YESTERDAY, TODAY)] == ["2.5", "2.5", None]
    with pytest.raises(Invalid, match="has no price in USD on 2 Apr 2026"):
        charged(TODAY)
    assert charged(YESTERDAY) == "2.5"
    change(prices={"USD": Decimal(5)})
    assert [price_on(day) for day in (YESTERDAY, TODAY)] == ["2.5", "5"]


def test_whether_a_price_includes_tax_changes_with_the_day_as_well() -> None:
    change(prices_include_tax=["USD"])
    specs = [make_spec("acme", service="GenericCompute", incurred_on=day) for day in (YESTERDAY, TODAY)]
    assert [row["tax_included"] for row in post(*specs).rows] == [False, True]
    with pytest.raises(Invalid, match="Enter a price in EUR"):
        change(prices_include_tax=["EUR"])


def test_a_price_replaces_one_of_the_same_day_while_no_charge_has_it() -> None:
    set_price("3", MARCH)
    assert set_price("4", MARCH)[1]
    assert not set_price("4", MARCH)[1]
    charged(YESTERDAY)
    with pytest.raises(Conflict, match="from 1 Mar 2026") as refused:
        set_price("5", MARCH)
    assert (refused.value.code, refused.value.field) == ("price_used", ("valid_from",))
    assert set_price("5", YESTERDAY)[1]
    assert [price_on(day) for day in (MARCH, YESTERDAY)] == ["4", "5"]


def test_the_price_of_today_is_replaced_only_while_no_charge_has_it() -> None:
    set_price("3", TODAY)
    set_price("4", TODAY)
    change(prices={"USD": Decimal(5)})
    assert (price_on(TODAY), charged(TODAY)) == ("5", "5")
    attempts: tuple[tuple[str, Callable[[], object]], ...] = (
        ("valid_from", lambda: set_price("6", TODAY)),
        ("valid_from", lambda: transaction(services.remove_price, compute().id, "USD", TODAY, SYSTEM, NOW)),
        ("prices", lambda: change(prices={"USD": Decimal(6)})),
        ("prices", lambda: change(prices={})),
        ("prices_include_tax", lambda: change(prices_include_tax=["USD"])),
    )
    for field, attempt in attempts:
        with pytest.raises(Conflict, match="Set the new price from a later day") as refused:
            attempt()
        assert (refused.value.code, refused.value.field) == ("price_used", (field,))
    change(prices={"USD": Decimal(5)}, name="Compute")
    set_price("6", MAY)
    assert [price_on(day) for day in (YESTERDAY, TODAY, MAY)] == ["2.5", "5", "6"]


def test_a_planned_price_that_a_charge_has_is_kept() -> None:
    set_price("20", MAY)
    assert charged(MAY) == "20"
    with pytest.raises(Conflict, match="from 1 May 2026"):
        set_price("21", MAY)
    with pytest.raises(Conflict, match="from 1 May 2026"):
        transaction(services.remove_price, compute().id, "USD", MAY, SYSTEM, NOW)
    assert price_on(MAY) == "20"


@pytest.mark.parametrize(("valid_from", "place"), [("2026-04-02", "valid_from"), ("", "unit_price")])
def test_an_import_keeps_the_price_of_today_that_a_charge_has(session: Session, valid_from: str, place: str) -> None:
    set_price("3", TODAY)
    charged(TODAY)
    [error] = errors(check("services", f"{FILE}GenericCompute,USD,9,{valid_from}\n", update=True))
    assert (error.column, price_on(TODAY)) == (place, "3")
    assert "Charges use the price" in error.message


def test_a_price_that_no_charge_has_is_removed() -> None:
    set_price("3", MARCH)
    set_price("4", MAY)
    for day in (MAY, MARCH):
        transaction(services.remove_price, compute().id, "USD", day, SYSTEM, NOW)
    assert [price.valid_from for price in compute().prices] == [PRICES_START]
    with pytest.raises(NotFound):
        transaction(services.remove_price, compute().id, "USD", MAY, SYSTEM, NOW)
    charged(TODAY)
    with pytest.raises(Conflict, match="Charges use the price"):
        transaction(services.remove_price, compute().id, "USD", PRICES_START, SYSTEM, NOW)


def test_wrong_prices_and_days_are_refused_at_their_fields() -> None:
    for spec, field in (
        (PriceSpec("USD", Decimal(-1)), "unit_price"),
        (PriceSpec("XXX", Decimal(1)), "currency"),
        (PriceSpec("USD", Decimal(1), date(1969, 12, 31)), "valid_from"),
    ):
        with pytest.raises(Invalid) as refused:
            transaction(services.set_price, compute().id, spec, None, SYSTEM, NOW)
        assert refused.value.field == (field,)
    version = compute().version
    set_price("3", MAY)
    with pytest.raises(Stale):
        transaction(services.set_price, compute().id, PriceSpec("USD", Decimal(4), MAY), version, SYSTEM, NOW)


def test_each_price_has_its_audit_event() -> None:
    set_price("3", MAY)
    set_price("4", MAY, includes_tax=True)
    transaction(services.remove_price, compute().id, "USD", MAY, SYSTEM, NOW)
    query = select(AuditEvent).where(AuditEvent.action == "service.price_changed").order_by(AuditEvent.id)
    at = {"currency": "USD", "valid_from": "2026-05-01"}
    assert [stored.details for stored in db.session.scalars(query)] == [
        at | {"unit_price": ["2.5", "3"]},
        at | {"unit_price": ["3", "4"], "includes_tax": [False, True]},
        at | {"unit_price": ["4", "2.5"], "includes_tax": [True, False]},
    ]


def test_a_batch_over_many_days_and_prices_takes_as_many_queries_as_one_charge(app: Flask) -> None:
    for month in range(1, 13):
        set_price(str(month), date(2025, month, 1))

    def count_queries(days: int) -> int:
        queries: list[str] = []
        event.listen(db.engine, "before_cursor_execute", lambda *arguments: queries.append(arguments[2]))
        first = date(2025, 1, 1)
        specs = [
            make_spec("acme", service="GenericCompute", quantity="1", incurred_on=first + timedelta(days=number % 365))
            for number in range(days)
        ]
        rows = transaction(posting.post, specs, SYSTEM, NOW).rows
        assert all(row["unit_price"] == row["incurred_on"].month for row in rows)
        return len(queries)

    assert count_queries(1000) == count_queries(500)


def test_the_csv_has_the_prices_of_today(session: Session) -> None:
    set_price("3", MARCH)
    set_price("4", MAY)
    set_price("9", MAY, "EUR")
    file = export(session, "services", ServiceFilter())
    names = [column.name for column in file.columns]
    rows = session.execute(file.rows.add_columns(*(column.value for column in file.columns))).all()
    listed = [{name: row[names.index(name)] for name in ("currency", "unit_price", "valid_from")} for row in rows]
    assert listed == [{"currency": "USD", "unit_price": Decimal(3), "valid_from": MARCH}]
    assert (names[11], totals(session, "services", ServiceFilter()).rows) == ("valid_from", 1)


FILE = "code,currency,unit_price,valid_from\n"


def test_an_import_plans_prices_and_keeps_the_history(session: Session) -> None:
    take_in("services", f"{FILE}GenericCompute,USD,2.50,1970-01-01\nGenericCompute,USD,4,2026-05-01\n", update=True)
    assert [price_on(day) for day in (PRICES_START, TODAY, MAY)] == ["2.5", "2.5", "4"]
    take_in("services", f"{FILE}GenericCompute,USD,3,\n", update=True)
    assert [price_on(day) for day in (PRICES_START, YESTERDAY, TODAY, MAY)] == ["2.5", "2.5", "3", "4"]
    take_in("services", "code,currency,unit_price\nGenericCompute,EUR,2\n", update=True)
    assert [price_on(day) for day in (YESTERDAY, TODAY)] == ["2.5", None]


def test_an_import_never_replaces_a_price_that_has_begun(session: Session) -> None:
    refused = check("services", f"{FILE}GenericCompute,USD,9,1970-01-01\n", update=True)
    [error] = errors(refused)
    assert (refused.state, error.column, error.value) == ("refused", "valid_from", "1970-01-01")
    assert "another price in USD since 1 Jan 1970" in error.message
    assert price_on(TODAY) == "2.5"


def test_an_import_without_updates_names_a_planned_price_that_differs(session: Session) -> None:
    [error] = errors(check("services", f"{FILE}GenericCompute,USD,4,2026-05-01\n"))
    assert error.column == "unit_price"
    assert "choose to update existing records" in error.message
    new = take_in("services", f"{FILE}Storage,USD,4,2026-05-01\nStorage,USD,5,2026-06-01\n")
    assert new.state == "done"


@pytest.mark.parametrize("reverse", [False, True])
def test_the_order_of_the_rows_does_not_change_the_imported_prices(session: Session, reverse: bool) -> None:
    """A price that is valid already, one that begins before it, and one without a day."""

    def file(*rows: str) -> str:
        return FILE + "".join(sorted(rows, reverse=reverse))

    planned = ("GenericCompute,USD,4,2026-05-01\n", "GenericCompute,USD,2.50,2026-06-01\n")
    take_in("services", file(*planned), update=True)
    assert [price_on(day) for day in (TODAY, MAY, date(2026, 6, 1))] == ["2.5", "4", "2.5"]
    take_in("services", file("GenericCompute,USD,2.50,\n", "GenericCompute,USD,3,2026-03-01\n"), update=True)
    assert [price_on(day) for day in (MARCH, YESTERDAY, TODAY)] == ["3", "3", "2.5"]
    take_in("services", file("GenericCompute,EUR,7,\n", "GenericCompute,EUR,8,2026-05-01\n"), update=True)
    assert [price_on(day, "EUR") for day in (PRICES_START, MAY)] == ["7", "8"]


def test_an_import_without_a_tax_column_accepts_a_begun_price_that_includes_tax(session: Session) -> None:
    set_price("3", MARCH, includes_tax=True)
    done = take_in("services", f"{FILE}GenericCompute,USD,3,2026-03-01\n")
    assert done.made is not None
    assert done.made["unchanged"] == 1


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ("New,USD,1,2026-05-01\nNew,USD,2,2026-05-01\n", (3, "currency")),
        ("New,USD,1,\nNew,USD,2,\n", (3, "currency")),
        ("New,,,2026-05-01\n", (2, "currency")),
        ("New,USD,1,\nNew,USD,2,1970-01-01\n", (2, "valid_from")),
        ("GenericCompute,USD,2.50,\nGenericCompute,USD,2.50,2026-04-02\n", (2, "valid_from")),
    ],
)
def test_an_import_refuses_two_prices_of_one_day(session: Session, rows: str, place: tuple[int, str]) -> None:
    assert [(error.line, error.column) for error in errors(check("services", FILE + rows))] == [place]
