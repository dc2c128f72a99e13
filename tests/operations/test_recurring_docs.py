"""The worked tables of `docs/recurring.md`: every row, through the operations."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.days import count_days
from billing_admin.domain.money import plain_decimal
from billing_admin.domain.recurring_charges import DAY, IN_ADVANCE, IN_ARREARS, RecurringChargeSpec
from billing_admin.models import Charge
from billing_admin.operations.charges import recurring_charges
from billing_admin.operations.charges.recurring_posting import post_due_charges
from tests.books import assert_books_balance
from tests.making import NOW, make_customer, make_service

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recurring.md"
_CHARGE = re.compile(r"(\S+) to (\S+): (?:(\S+) × (\S+)|(\d+ of \d+ days)) = (\S+)")

_INTERVAL = re.compile(r"(?:(?P<count>\d+) × )?(?P<interval>\w+)(?P<arrears>, in arrears)?")

Row = dict[str, str]


def _tables() -> Iterator[list[Row]]:
    for block in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE):
        names, _, *rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        yield [dict(zip(names, row, strict=True)) for row in rows]


DUE, CHANGED = _tables()


Written = tuple[str | Any, ...]  # the days from and to, quantity and unit price or the share of days, and the amount


def _charges(cell: str) -> list[Written]:
    found = [_CHARGE.fullmatch(line) for line in cell.split("<br>")]
    assert all(found), cell
    return [charge.groups() for charge in found if charge]


def _stored(session: Session) -> list[Written]:
    """Each charge as the table writes it: by day, what was posted first, first."""
    session.rollback()
    rows = session.scalars(select(Charge).order_by(Charge.incurred_on, Charge.created_at, Charge.id))
    return [_written(row) for row in rows]


def _written(charge: Charge) -> Written:
    first, last = charge.period_from, charge.period_to
    assert first
    assert last
    assert charge.incurred_on in {first, last}
    assert charge.description.endswith(", taken back") == (charge.amount < 0)
    parts: tuple[str | None, ...]
    if charge.unit_price is None:
        days = count_days(first, last)
        parts = (None, None, f"{days} of {charge.period_of_days or days} days")
    else:
        assert charge.period_of_days is None
        parts = (plain_decimal(charge.quantity), plain_decimal(charge.unit_price), None)
    return first.isoformat(), last.isoformat(), *parts, plain_decimal(charge.amount)


def _product(cell: str) -> dict[str, Any]:
    quantity, _, unit_price = cell.partition(" × ")
    return {"quantity": Decimal(quantity), "unit_price": Decimal(unit_price)}


def _interval(cell: str) -> dict[str, Any]:
    """Return the interval of `4 × monthly, in arrears`."""
    found = _INTERVAL.fullmatch(cell)
    assert found, cell
    return {
        "interval": found["interval"],
        "interval_count": int(found["count"] or 1),
        "timing": IN_ARREARS if found["arrears"] else IN_ADVANCE,
    }


def _day(cell: str) -> date | None:
    return date.fromisoformat(cell) if cell else None


def _spec(**fields: Any) -> RecurringChargeSpec:
    make_customer(reference="ACME")
    make_service(code="Hosting")
    return RecurringChargeSpec(customer="ACME", service="Hosting", **fields)


def test_the_tables_are_there() -> None:
    assert (len(DUE), len(CHANGED)) >= (12, 8)
    assert all(_charges(row["Charges"]) for row in (*DUE, *CHANGED))


@pytest.mark.parametrize("row", DUE, ids=lambda row: row["What it shows"])
def test_what_is_due(session: Session, row: Row) -> None:
    starts_on, through = date.fromisoformat(row["Starts"]), date.fromisoformat(row["Posted through"])
    spec = _spec(
        **_interval(row["Interval"]),
        anchor_on=_day(row["Anchor"]),
        starts_on=starts_on,
        ends_on=_day(row["Ends"]),
        **_product(row["Quantity × price"]),
    )
    stored, _ = transaction(recurring_charges.create, spec, SYSTEM, NOW)
    expected = _charges(row["Charges"])
    assert transaction(post_due_charges, [stored.id], through, SYSTEM, NOW) == len(expected)
    assert transaction(post_due_charges, [stored.id], through, SYSTEM, NOW) == 0
    assert _stored(session) == expected
    days = session.execute(select(Charge.incurred_on, Charge.period_from, Charge.period_to)).all()
    assert all(day == (last if spec.timing == IN_ARREARS else first) for day, first, last in days)


@pytest.mark.parametrize("row", CHANGED, ids=lambda row: row["What it shows"])
def test_what_changes_on_the_way(session: Session, row: Row) -> None:
    spec = _spec(interval="monthly", starts_on=date(2026, 3, 1), **_product(row["At first"]))
    first, _ = transaction(recurring_charges.create, spec, SYSTEM, NOW)
    ids = [first.id]
    if row["Posted through"]:
        transaction(post_due_charges, ids, date.fromisoformat(row["Posted through"]), SYSTEM, NOW)
    from_ = date.fromisoformat(row["From"])
    if row["Then"]:
        changed = transaction(
            recurring_charges.change, first.id, from_, _product(row["Then"]), None, "", SYSTEM, NOW + DAY
        )
        ids.append(changed[0].id)
    else:
        transaction(recurring_charges.end, first.id, from_ - DAY, "", SYSTEM, NOW + DAY)
    through = date.fromisoformat(row["Posted through then"])
    for later, id in enumerate(ids, 2):
        transaction(post_due_charges, [id], through, SYSTEM, NOW + later * DAY)
    assert _stored(session) == _charges(row["Charges"])
    assert_books_balance(session)
