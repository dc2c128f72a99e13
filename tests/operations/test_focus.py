"""The 1,000 real cloud charges of the FOCUS sample, from posting to numbered invoices; the figures are those of its README."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.charges import ChargeSpec
from billing_admin.domain.imports.headers import guess_columns, without_incomplete_prices
from billing_admin.domain.imports.layouts import Layout
from billing_admin.domain.master_data import CustomerFields
from billing_admin.domain.money import Money, exact_decimal, exact_sum, plain_decimal
from billing_admin.formats.table_reader import Table
from billing_admin.models import Account, Charge, Invoice
from billing_admin.operations.master_data import customers, services
from billing_admin.queries.billing import preview as billing
from billing_admin.queries.billing.preview import BillingScope
from billing_admin.queries.billing.runs import left_out_of_run, run_report
from billing_admin.queries.charges import charges, unbilled
from billing_admin.queries.doctor import run_checks
from tests.books import assert_books_balance
from tests.importing import counted, take_in
from tests.making import NOW, all_invoices, bill, post
from tests.prepared import prepared

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "focus" / "focus_sample.csv"
THROUGH = date(2024, 9, 30)


def _rows() -> list[dict[str, str]]:
    with SAMPLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _code(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@pytest.fixture
@prepared
def specs(session: Session) -> Sequence[ChargeSpec]:
    """The sample as billing input, with its customers and services made."""
    rows = _rows()
    names = {row["SubAccountId"]: row["SubAccountName"] for row in rows}
    for reference, name in sorted(names.items()):
        fields: CustomerFields = {"reference": reference, "name": name or reference, "currency": "USD"}
        transaction(customers.create, fields, None, SYSTEM, NOW)
    for name in sorted({row["ServiceName"] for row in rows}):
        transaction(services.create, {"code": _code(name), "name": name}, None, SYSTEM, NOW)
    assert (len(rows), len(names), len({row["ServiceName"] for row in rows})) == (1000, 73, 33)
    return [
        ChargeSpec(
            id=uuid5(NAMESPACE_URL, f"focus:{row['Id']}"),
            customer=row["SubAccountId"],
            service=_code(row["ServiceName"]),
            description=row["ChargeDescription"] or None,
            amount=exact_decimal(row["BilledCost"]),
            currency=row["BillingCurrency"],
            incurred_on=date.fromisoformat(row["ChargePeriodStart"][:10]),
        )
        for row in rows
    ]


def test_the_sample_is_what_its_readme_says() -> None:
    amounts = [exact_decimal(row["BilledCost"]) for row in _rows()]
    cents = Decimal("0.01")
    assert plain_decimal(exact_sum(amounts)) == "20.52022672899"
    assert sum(amount < 0 for amount in amounts) == 13
    assert sum(amount == 0 for amount in amounts) == 329
    assert sum(0 < abs(amount) < Decimal("0.005") for amount in amounts) == 520
    assert sum(amount.quantize(cents, ROUND_HALF_UP) for amount in amounts) == Decimal("20.57")


def test_posted_twice_a_thousand_are_created_then_replayed(session: Session, specs: Sequence[ChargeSpec]) -> None:
    first, second = post(*specs), post(*specs)
    assert (first.created, first.replayed) == (1000, 0)
    assert (second.created, second.replayed) == (0, 1000)
    assert first.ids == second.ids == [spec.id for spec in specs]
    (stored,) = charges.charge_sums(session, charges.ChargeFilter())
    assert (stored.currency, stored.charges, plain_decimal(stored.amount)) == ("USD", 1000, "20.52022672899")
    (total,) = unbilled.unbilled_totals(session)
    assert (total.pending_charges, plain_decimal(total.pending_amount)) == (1000, "20.52022672899")
    assert_books_balance(session)


def test_each_group_rounded_once_makes_20_53(session: Session, specs: Sequence[ChargeSpec]) -> None:
    post(*specs)
    prepared = billing.load_documents(session, BillingScope(THROUGH))
    lines = [line for one in prepared for line in one.document.lines]
    assert len(lines) == 220
    assert str(Money(sum(line.net for line in lines), "USD")) == "20.53"


def test_billed_and_issued_every_figure_of_the_readme_holds(session: Session, specs: Sequence[ChargeSpec]) -> None:
    post(*specs)
    preview = billing.preview(session, BillingScope(THROUGH))
    run_id = bill(THROUGH, confirmed=preview.digest)

    made = all_invoices()
    assert [invoice.sequence for invoice in made] == list(range(1, 47))
    assert sum(len(invoice.lines) for invoice in made) == 160
    assert str(Money(sum(invoice.net for invoice in made), "USD")) == "20.53"
    assert {invoice.tax for invoice in made} == {0}

    rest = left_out_of_run(session, run_id)
    assert rest == preview.left_out
    assert {row.reason for row in rest} <= {"zero_total", "negative_total"}
    assert (len(rest), sum(row.charges for row in rest)) == (27, 116)
    assert plain_decimal(exact_sum(row.amount for row in rest)) == "0.0194252927"

    billed = exact_sum(line.amount for invoice in made for line in invoice.lines)
    pending = exact_sum(session.scalars(select(Account.pending_amount)))
    assert plain_decimal(exact_sum([billed, pending])) == "20.52022672899"
    assert run_report(session, run_id).charges == 1000 - 116
    assert_books_balance(session)
    assert [result for result in run_checks(session) if result.count] == []


def test_a_second_run_makes_nothing(session: Session, specs: Sequence[ChargeSpec]) -> None:
    post(*specs)
    bill(THROUGH)
    again = bill(THROUGH)
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Invoice)) == 46
    assert session.scalar(select(func.count()).where(Charge.status == "pending")) == 116
    assert run_report(session, again).invoices == 0


def test_the_sample_is_imported_by_mapping_alone(session: Session) -> None:
    """Three imports of the file as it is, whose columns are guessed: customers, services and charges."""
    content = SAMPLE.read_bytes()
    header = Table(io.BytesIO(content), Layout()).header
    rows = list(csv.reader(content.decode().splitlines()[1:4]))
    customers_import = take_in("customers", content, columns=guess_columns("customers", header, rows))
    assert (counted(customers_import).rows, counted(customers_import).new) == (1000, 73)
    service_columns = without_incomplete_prices(
        guess_columns("services", header, rows) | {"code": header.index("ServiceName")}
    )
    assert service_columns.keys() == {"code", "name"}
    services_import = take_in("services", content, columns=service_columns)
    assert (counted(services_import).rows, counted(services_import).new) == (1000, 33)

    columns = guess_columns("charges", header, rows)
    assert {name: header[index] for name, index in columns.items()} == {
        "customer": "SubAccountId",
        "service": "ServiceName",
        "description": "ChargeDescription",
        "amount": "BilledCost",
        "currency": "BillingCurrency",
        "incurred_on": "ChargePeriodStart",
        "key": "Id",
    }
    tally = counted(take_in("charges", content, columns=columns, constants={}))
    assert (tally.rows, tally.new, plain_decimal(tally.sums["USD"])) == (1000, 1000, "20.52022672899")
    (stored,) = charges.charge_sums(session, charges.ChargeFilter())
    assert (stored.charges, plain_decimal(stored.amount)) == (1000, "20.52022672899")
    assert session.scalars(select(func.count(Charge.incurred_on.distinct()))).one() > 20
    assert_books_balance(session)
