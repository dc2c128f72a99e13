"""What the database itself refuses, so that no bug above it can break it; and the one commit."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NoReturn
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, InternalError, OperationalError
from sqlalchemy.orm import Session

from billing_admin.db.engine import db, write_options
from billing_admin.db.prepared import PreparedQuery, run_without_transaction
from billing_admin.db.transactions import MAX_ATTEMPTS, transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.exchange_rates import RateSpec
from billing_admin.models import (
    Account,
    ApprovalRequest,
    Base,
    Charge,
    Customer,
    Invoice,
    InvoiceLine,
    LimitedAct,
    Organisation,
    RecurringCharge,
    RoleLimit,
    TaxRate,
    TaxRateChange,
    User,
)
from billing_admin.models.base import ExactDecimal
from billing_admin.models.charge import is_unbilled
from billing_admin.operations.charges.unbilled_days import record_unbilled_day
from billing_admin.operations.master_data import exchange_rates
from billing_admin.queries.charges.posting import _RECENT_BY_PROBE
from tests.books import contents
from tests.databases import without_triggers
from tests.making import NOW, make_customer, make_invoice, make_service, make_spec, post

DAY = date(2026, 11, 1)
SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


def refused(session: Session, statement: Any) -> str:
    """Try to write, even what is issued; return the database's reason and see that nothing was written."""
    (reason,) = each_refused(session, [statement])
    return reason


def each_refused(session: Session, statements: Iterable[Any]) -> list[str]:
    """Try each statement by itself, as `refused` does; return the reasons."""

    def write(writing: Session, statement: Any) -> None:
        without_triggers(writing.connection(), foreign_keys=True)
        writing.connection().execute(statement)

    before, reasons = contents(session), []
    for statement in statements:
        with pytest.raises(IntegrityError) as error:
            transaction(write, statement)
        reasons.append(str(error.value.orig))
    assert contents(session) == before
    return reasons


def test_a_charge_on_another_customers_invoice_is_refused(session: Session) -> None:
    line = make_invoice().lines[0]
    id = post(make_spec(make_customer(), "1")).ids[0]
    claim = update(Charge).where(Charge.id == id).values(status="billed", invoice_line_id=line.id)
    assert "foreign key" in refused(session, claim).lower()


def test_a_charge_on_an_invoice_of_another_currency_is_refused(session: Session) -> None:
    customer = make_customer()
    line = make_invoice(customer).lines[0]
    id = post(make_spec(customer, "1", currency="EUR")).ids[0]
    claim = update(Charge).where(Charge.id == id).values(status="billed", invoice_line_id=line.id)
    assert "foreign key" in refused(session, claim).lower()


def test_a_line_on_another_customers_invoice_is_refused(session: Session) -> None:
    line, other = make_invoice().lines[0], make_customer()
    move = update(InvoiceLine).where(InvoiceLine.id == line.id).values(customer_id=other.id)
    assert "foreign key" in refused(session, move).lower()


def test_a_charge_without_an_account_is_refused(session: Session) -> None:
    id = post(make_spec(make_customer(), "1")).ids[0]
    assert "foreign key" in refused(session, update(Charge).where(Charge.id == id).values(currency="EUR")).lower()


@pytest.mark.parametrize("status", ["billed", "sent", ""])
def test_a_charge_is_billed_when_it_is_on_a_line_and_only_then(session: Session, status: str) -> None:
    id = post(make_spec(make_customer(), "1")).ids[0]
    assert "ck_charges_" in refused(session, update(Charge).where(Charge.id == id).values(status=status))


def test_a_charge_on_a_line_is_billed(session: Session) -> None:
    make_invoice()
    assert "billed_is_on_a_line" in refused(session, update(Charge).values(status="pending"))


@pytest.mark.parametrize("column", ["net", "tax", "total"])
def test_a_total_that_is_not_net_and_tax_is_refused(session: Session, column: str) -> None:
    make_invoice()
    assert "adds_up" in refused(session, text(f"UPDATE invoices SET {column} = {column} + 1"))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("paid = total + 1", "not_overpaid"),
        ("paid = -1", "not_overpaid"),
        ("paid = total, credited = 1", "not_overpaid"),
        ("number = NULL", "numbered_when_issued"),
        ("hash = NULL", "numbered_when_issued"),
        ("status = 'draft'", "numbered_when_issued"),
        ("due_date = NULL", "numbered_when_issued"),
        ("status = 'paid'", "status_known"),
        ("kind = 'bill'", "kind_known"),
    ],
)
def test_an_invoice_that_cannot_be_is_refused(session: Session, change: str, check: str) -> None:
    make_invoice()
    assert check in refused(session, text(f"UPDATE invoices SET {change}"))


def test_a_number_is_given_once(session: Session) -> None:
    first, second = make_invoice(), make_invoice()
    for change in ({"number": first.number}, {"sequence": first.sequence}):
        assert "unique" in refused(session, update(Invoice).where(Invoice.id == second.id).values(**change)).lower()


def test_there_is_one_organisation(session: Session) -> None:
    assert "only_one" in refused(session, update(Organisation).values(id=2))


def test_a_negative_count_of_charges_is_refused(session: Session) -> None:
    make_customer()
    assert "counts_not_negative" in refused(session, update(Account).values(pending_charges=-1))


EXACT_COLUMNS = [
    ("charges", "amount"),
    ("charges", "quantity"),
    ("charges", "unit_price"),
    ("accounts", "pending_amount"),
    ("accounts", "held_amount"),
    ("invoice_lines", "amount"),
    ("invoice_lines", "quantity"),
    ("invoice_lines", "unit_price"),
    ("invoice_lines", "tax_percent"),
    ("invoice_lines", "included_percent"),
    ("invoice_taxes", "percent"),
    ("service_prices", "unit_price"),
    ("tax_rates", "percent"),
    ("tax_rate_changes", "percent"),
    ("billing_run_items", "amount"),
    ("recurring_charges", "quantity"),
    ("recurring_charges", "unit_price"),
    ("exchange_rates", "rate"),
    ("unbilled_days", "pending_amount"),
    ("unbilled_days", "held_amount"),
    ("role_limits", "amount"),
    ("approval_requests", "in_base"),
    ("approval_requests", "percent"),
    ("limited_acts", "measure"),
]


def one_of_each() -> None:
    transaction(exchange_rates.set_rate, RateSpec("PLN", DAY, Decimal("4.25"), "ECB"), SYSTEM, NOW)
    customer, service = make_customer(), make_service()
    post(make_spec(customer, service=service))
    transaction(record_unbilled_day, NOW)
    make_invoice(customer)
    transaction(_more, customer.id, service.id)


def _more(session: Session, customer_id: UUID, service_id: UUID) -> None:
    rate = session.scalars(select(TaxRate)).first()
    assert rate
    rate.changes.append(TaxRateChange(valid_from=DAY, percent=Decimal(1)))
    session.add(
        RecurringCharge(
            id=UUID(int=9),
            customer_id=customer_id,
            currency="USD",
            service_id=service_id,
            description="",
            quantity=Decimal(1),
            unit_price=Decimal(1),
            interval="monthly",
            interval_count=1,
            timing="in_advance",
            anchor_on=DAY,
            starts_on=DAY,
            created_at=NOW,
            purchase_order="",
        )
    )
    session.add(RoleLimit(role="biller", act="credit", amount=Decimal(1)))
    session.add(
        ApprovalRequest(
            id=UUID(int=10),
            act="credit",
            object_type="invoice",
            object_name="",
            input={},
            digest="",
            fingerprint="",
            reason="",
            currency="USD",
            in_base=Decimal(1),
            state="waiting",
            maker_kind="token",
            maker_id=UUID(int=8),
            maker_name="",
            created_at=NOW,
            decided_by="",
            decision_reason="",
        )
    )
    person = User(id=UUID(int=11), email="a@example.com", role="admin", password_hash="", active=True, created_at=NOW)
    session.add(person)
    session.flush()
    act = {"act": "credit", "object_id": UUID(int=12), "currency": "", "day": DAY, "measure": Decimal(1)}
    session.add(LimitedAct(id=UUID(int=13), person_id=person.id, **act))


@POSTGRESQL
def test_postgresql_refuses_nan(session: Session) -> None:
    one_of_each()
    changes = [text(f"UPDATE {table} SET {column} = 'NaN'") for table, column in EXACT_COLUMNS]
    for (_, column), reason in zip(EXACT_COLUMNS, each_refused(session, changes), strict=True):
        assert f"{column}_number" in reason


@SQLITE
def test_sqlite_refuses_text_that_is_no_number(session: Session) -> None:
    one_of_each()
    wrong = ("NaN", "", "abc", "1e5", "1,5", " 1", "Infinity", "١")
    places = [(table, column, value) for table, column in EXACT_COLUMNS for value in wrong]
    changes = [text(f"UPDATE {table} SET {column} = :value").bindparams(value=value) for table, column, value in places]
    for (_, column, _), reason in zip(places, each_refused(session, changes), strict=True):
        assert f"{column}_number" in reason


def test_every_exact_column_is_among_those_tried() -> None:
    found = {
        (table.name, column.name)
        for table in Base.metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, ExactDecimal)
    }
    assert found == set(EXACT_COLUMNS)


# --- the one commit ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda session: session.execute(update(Organisation).values(legal_name="Mine")),
        lambda session: session.execute(text("DELETE FROM audit_events")),
        lambda session: (session.add(Account(customer_id=UUID(int=1), currency="EUR")), session.flush()),
    ],
    ids=["update", "delete", "flush"],
)
def test_a_write_outside_a_transaction_is_refused(session: Session, write: Callable[[Session], object]) -> None:
    before = contents(session)
    with pytest.raises((InternalError, OperationalError)) as error:
        write(session)
    assert any(word in str(error.value.orig).lower() for word in ("read-only", "readonly"))
    session.rollback()
    assert contents(session) == before


def test_after_a_transaction_writes_are_refused_again(session: Session) -> None:
    make_customer()
    with pytest.raises((InternalError, OperationalError)):
        session.execute(update(Organisation).values(legal_name="Mine"))


def test_a_failed_transaction_leaves_nothing(session: Session) -> None:
    before = contents(session)

    def half(writing: Session) -> None:
        writing.execute(update(Organisation).values(legal_name="Mine"))
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        transaction(half)
    assert contents(session) == before


def test_a_transaction_returns_what_its_work_returns_and_keeps_its_rows_readable(session: Session) -> None:
    customer = make_customer(reference="ACME")
    assert customer.reference == "ACME"

    def read(reading: Session, suffix: str) -> str:
        return f"{reading.scalar(select(Customer.reference))}{suffix}"

    assert transaction(read, "!") == "ACME!"


def test_a_reader_sees_one_moment_whoever_writes_meanwhile(session: Session) -> None:
    name = select(Organisation.legal_name)
    assert session.scalar(name) == "Example Ltd"
    with db.engine.connect().execution_options(**write_options(db.engine)) as other, other.begin():
        other.execute(update(Organisation).values(legal_name="Changed Ltd"))
    assert session.scalar(name) == "Example Ltd"
    session.rollback()
    assert session.scalar(name) == "Changed Ltd"


class Failing:
    """Work that the database fails a number of times before it lets it through."""

    def __init__(self, times: int, sqlstate: str | None, kind: type[DBAPIError] = OperationalError) -> None:
        self.times, self.sqlstate, self.kind, self.calls = times, sqlstate, kind, 0

    def __call__(self, _session: Session) -> str:
        self.calls += 1
        if self.calls <= self.times:
            original = Exception("busy")
            original.sqlstate = self.sqlstate  # type: ignore[attr-defined]
            raise self.kind("UPDATE", None, original)
        return "done"


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_serialization_failure_or_deadlock_is_tried_again(session: Session, sqlstate: str) -> None:
    work = Failing(MAX_ATTEMPTS - 1, sqlstate)
    assert transaction(work) == "done"
    assert work.calls == MAX_ATTEMPTS


def test_a_unique_violation_is_tried_again(session: Session) -> None:
    work = Failing(1, "23505", IntegrityError)
    assert transaction(work) == "done"


@pytest.mark.parametrize(
    ("times", "sqlstate", "kind", "calls"),
    [
        (MAX_ATTEMPTS, "40001", OperationalError, MAX_ATTEMPTS),
        (1, "23503", IntegrityError, 1),
        (1, "23514", IntegrityError, 1),
        (1, "57014", OperationalError, 1),
        (1, None, OperationalError, 1),
    ],
)
def test_tries_are_bounded_and_other_errors_are_not_tried_again(
    session: Session, times: int, sqlstate: str | None, kind: type[DBAPIError], calls: int
) -> None:
    work = Failing(times, sqlstate, kind)
    with pytest.raises(kind):
        transaction(work)
    assert work.calls == calls


@POSTGRESQL
@pytest.mark.parametrize("error", [KeyError("hash"), KeyboardInterrupt(), psycopg.OperationalError("gone")])
def test_a_connection_on_which_a_lone_statement_failed_serves_nobody_else(
    session: Session, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def fails(driver: Any, *_: object) -> NoReturn:
        used.append(driver)
        raise error

    statement = PreparedQuery(select(Organisation.id))
    monkeypatch.setattr(statement, "run", fails)
    expected = OperationalError if isinstance(error, psycopg.Error) else type(error)
    with pytest.raises(expected):
        run_without_transaction(db.engine, statement, {})
    assert [driver.closed for driver in used] == [True]
    monkeypatch.undo()
    assert len(run_without_transaction(db.engine, statement, {})) == 1


@SQLITE
def test_sqlite_finds_what_is_unbilled_by_its_index(session: Session) -> None:
    query = select(Charge.amount).where(is_unbilled(), Charge.customer_id == make_customer().id)
    compiled: Any = query.compile(db.engine, compile_kwargs={"render_postcompile": True})
    asked = tuple(str(compiled.params[name]) for name in compiled.positiontup)
    plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", asked).all()
    assert "ix_charges_unbilled" in str(plan)


@POSTGRESQL
def test_postgresql_looks_each_fingerprint_up_though_it_knows_nothing_of_today(session: Session) -> None:
    """Statistics of the day before take today's charges for none, and to read them all for cheap, however many they are."""
    for day, count in ((NOW - timedelta(days=2), 300), (NOW, 100)):
        customer = make_customer()
        post(*(make_spec(customer, f"{n}.25") for n in range(1, count)), now=day)
        if day != NOW:
            session.rollback()
            transaction(lambda writing: writing.execute(text("ANALYZE charges")))
    (clause,) = _RECENT_BY_PROBE._compile(db.engine.dialect)
    values = {"fingerprint": [1, 2, 3], "yesterday": NOW.date() - timedelta(days=1), "today": NOW.date()}
    driver: Any = session.connection().connection.driver_connection
    plan = psycopg.RawCursor(driver).execute(f"EXPLAIN {clause._sql}".encode(), clause._convert(values)).fetchall()
    probed = [line for (line,) in plan if "Index Cond" in line]
    assert len(probed) == 2
    assert all("fingerprint = requested" in line for line in probed), plan


@POSTGRESQL
def test_postgresql_keeps_the_plan_of_a_statement_unless_it_has_many_values(session: Session) -> None:
    kept = PreparedQuery(select(Organisation.id).where(Organisation.legal_name == bindparam("name")))
    planned_anew = PreparedQuery(select(Organisation.id).where(Organisation.email == bindparam("email")))
    for _ in range(3):
        kept(session, {"name": "Example Ltd"})
        planned_anew(session, {"email": ""}, many=True)
    prepared = session.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    assert [("legal_name" in one, "email" in one) for one in prepared if "organisation" in one] == [(True, False)]


def test_exact_numbers_of_any_size_sum_exactly(session: Session) -> None:
    customer = make_customer()
    amounts = ["9" * 18 + "." + "9" * 12] * 50 + ["0.000000000001"] * 50
    post(*(make_spec(customer, amount, description=str(n)) for n, amount in enumerate(amounts)))
    account = session.scalars(select(Account)).one()
    assert str(account.pending_amount.normalize()) == "5E+19"


def test_texts_come_back_as_they_went_in(session: Session) -> None:
    words = "Zoë 株式会社 👩‍👩‍👧 ' \" \\ %s :name {x} \u202e ﷽"
    customer = make_customer(name=words, notes=words + "\n\tmore", address="a\r\nb")
    id = post(make_spec(customer, "1", description=words, metadata={words[:30]: words})).ids[0]
    session.expire_all()
    row = session.get_one(Charge, id)
    assert (row.description, row.details) == (words, {words[:30]: words})
    kept = session.get_one(Customer, customer.id)
    assert (kept.name, kept.notes, kept.address) == (words, words + "\n\tmore", "a\r\nb")
