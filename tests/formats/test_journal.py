"""The accounting journal: hledger accepts it, and its balances are the product's own, to the cent, on any day."""

import csv
import io
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin import demo
from billing_admin.db.engine import db
from billing_admin.db.transactions import transaction
from billing_admin.domain.access import SYSTEM
from billing_admin.domain.errors import Invalid
from billing_admin.domain.journal import Accounts
from billing_admin.domain.money import Money
from billing_admin.formats.journal import JournalRequest, journal_parts, journal_totals, write_journal
from billing_admin.models import Customer, Invoice, InvoiceTax
from billing_admin.operations.master_data import journal_accounts
from billing_admin.operations.payments import payments
from billing_admin.queries.journal import Period
from billing_admin.queries.payments.receivables import positions
from tests.conftest import Database
from tests.making import (
    NOW,
    all_invoices,
    bill,
    credit,
    make_customer,
    make_invoice,
    make_payment_spec,
    make_service,
    make_spec,
    make_tax_rate,
    pay,
    post,
    void,
)
from tests.prepared import prepared

TODAY = date(2026, 11, 22)
CHECKS = ("accounts", "commodities", "ordereddates", "balancednoautoconversion")
Balances = dict[tuple[str, str], Decimal]
Owed = dict[tuple[str, str], Decimal]

needs_hledger = pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not installed; CI installs it")


def written(session: Session, **period: date | bool | str | None) -> bytes:
    """The journal of some days."""
    session.rollback()
    opening, format = bool(period.pop("opening", False)), str(period.pop("format", "hledger"))
    return b"".join(journal_parts(session, JournalRequest(Period(**period), format, opening)))  # type: ignore[arg-type]


def hledger(file: bytes, folder: Path, *arguments: str) -> str:
    """Run hledger on a journal."""
    path = folder / "a.journal"
    path.write_bytes(file)
    done = subprocess.run(
        ["hledger", "-f", str(path), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def balances(file: bytes, folder: Path, *arguments: str) -> Balances:
    """Each account's balance per currency, as hledger adds them up."""
    hledger(file, folder, "check", *CHECKS)
    hledger(file, folder, "check", "--strict")
    table = csv.DictReader(io.StringIO(hledger(file, folder, "balance", "--flat", "-O", "csv", *arguments)))
    found: Balances = {}
    for row in table:
        for amount in filter(None, row["balance"].split(", ")):
            number, _, currency = amount.rpartition(" ")
            if row["account"] != "total" and currency:
                found[row["account"], currency] = Decimal(number)
    return found


def receivables(found: Balances, names: Mapping[str, str]) -> dict[tuple[str, str], Decimal]:
    """What each customer owes by the journal, unallocated money taken off."""
    added: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for (account, currency), amount in found.items():
        reference = names.get(account.removesuffix(":Unallocated"))
        if reference is not None:
            added[reference, currency] += amount
    return {key: amount for key, amount in added.items() if amount}


def owed(session: Session, as_of: date | None) -> tuple[Owed, Owed]:
    """Balances, and unallocated money, by the product itself."""
    people = {row.id: row.reference for row in session.execute(select(Customer.id, Customer.reference))}
    balance: Owed = {}
    unallocated: Owed = {}
    for (id, currency), position in positions(session, as_of or TODAY).items():
        key = people[id], currency
        balance[key] = Money(position.balance, currency).decimal
        unallocated[key] = Money(position.unallocated, currency).decimal
    return tuple({key: amount for key, amount in one.items() if amount} for one in (balance, unallocated))  # type: ignore[return-value]


def check_against_the_product(session: Session, folder: Path, as_of: date | None = None) -> None:
    """Receivables, revenue by service and tax by rate, all documents up to a day."""
    found = balances(written(session, last=as_of), folder)
    names = {Accounts.of({}).receivable(row): row for row in session.scalars(select(Customer.reference))}
    balance, unallocated = owed(session, as_of)
    assert receivables(found, names) == balance
    credit = {
        (names[account.removesuffix(":Unallocated")], currency): -amount
        for (account, currency), amount in found.items()
        if account.endswith(":Unallocated")
    }
    assert credit == unallocated
    assert _under(found, "Income:") == _booked(session, as_of, tax=False)
    assert _under(found, "Liabilities:Tax:") == _booked(session, as_of, tax=True)


def _under(found: Balances, root: str) -> Balances:
    return {key: -amount for key, amount in found.items() if key[0].startswith(root)}


def _booked(session: Session, as_of: date | None, tax: bool) -> Balances:
    """Counted document by document, in Python."""
    query = select(Invoice).where(Invoice.status != "draft")
    added: Balances = defaultdict(Decimal)
    for one in session.scalars(query):
        if as_of and one.issue_date and one.issue_date > as_of:
            continue
        if one.status == "void" and (as_of is None or (one.voided_on and one.voided_on <= as_of)):
            continue
        sign = 1 if one.kind == "invoice" else -1
        rows = one.taxes if tax else one.lines
        for row in rows:
            if isinstance(row, InvoiceTax):
                account, minor = Accounts.of({}).tax(row.category, row.percent), row.tax
            else:
                account, minor = Accounts.of({}).revenue(row.service_code, None), row.net
            added[account, one.currency] += sign * Money(minor, one.currency).decimal
    return {key: amount for key, amount in added.items() if amount}


@needs_hledger
@pytest.mark.deep
@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_the_demo(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Fourteen months, as a whole, up to a day in the middle, and a month alone with what came before."""
    database: Database = request.getfixturevalue(name)
    database.reset()
    with database.app.app_context():
        transaction(demo.fill, datetime(2026, 11, 22, 8, 30, tzinfo=UTC))
        session = db.session()
        check_against_the_product(session, tmp_path)
        middle, end = date(2026, 5, 1), date(2026, 5, 31)
        check_against_the_product(session, tmp_path, end)
        before = balances(written(session, last=middle - timedelta(days=1)), tmp_path)
        alone = written(session, first=middle, last=end, opening=True)
        opening = balances(alone, tmp_path, "desc:Opening balances")
        assert opening == {key: amount for key, amount in before.items() if amount}
        assert balances(alone, tmp_path) == balances(written(session, last=end), tmp_path)
        without = balances(written(session, first=middle, last=end), tmp_path)
        assert {key: opening.get(key, Decimal()) + amount for key, amount in without.items()}.items() <= {
            **dict.fromkeys(without, Decimal()),
            **balances(alone, tmp_path),
        }.items()


@pytest.fixture
@prepared
def life(session: Session) -> Session:
    """Everything that can happen to a document and its money, on days of its own, in three currencies."""
    make_tax_rate()
    acme = make_customer(reference="A:C; me  100%", name="Acme; Inc (Ltd) | Co")
    foo, yen = make_customer(reference="FOO", currency="BHD"), make_customer(reference="=yen", currency="JPY")
    service = make_service(
        tax_rate="VAT19", prices={"USD": Decimal("2.50"), "BHD": Decimal("0.0015"), "JPY": Decimal(33)}
    )
    for who in (acme, foo, yen):
        post(make_spec(who, service=service, quantity="1001"), make_spec(who, "99.995", currency=who.currency))
    bill()
    by_currency = {one.currency: one for one in all_invoices()}
    usd, bhd, jpy = (by_currency[code] for code in ("USD", "BHD", "JPY"))
    first = pay(make_payment_spec(acme, "1000", received_on=date(2026, 4, 2), reference="(REF) ; 1"))
    credit(usd, "500", now=april(5))
    pay(make_payment_spec(acme, "5000", received_on=date(2026, 4, 6), method="card"), now=april(6))
    credit(usd, "100", now=april(7))
    late = make_invoice(acme, "800", now=april(8))
    transaction(payments.reverse, first, "Bounced", date(2026, 4, 9), SYSTEM, april(9))
    wrong = make_invoice(foo, "77", now=april(10))
    void(wrong, "cancelled", now=april(11))
    pay(make_payment_spec(foo, "0.001", received_on=date(2026, 4, 12), method="cash"), now=april(12))
    again = make_invoice(yen, "5", now=april(13))
    transaction(payments.write_off, again.id, _open(again), "Too little", None, SYSTEM, april(14))
    assert late.currency == bhd.currency or jpy.total
    session.rollback()
    return session


def april(day: int) -> datetime:
    return datetime(2026, 4, day, 9, tzinfo=UTC)


def _open(invoice: Invoice) -> Decimal:
    return Money(invoice.total - invoice.paid - invoice.credited, invoice.currency).decimal


@pytest.mark.skipif(shutil.which("ledger") is None, reason="ledger is not installed; CI installs it")
def test_ledger_reads_it_too(life: Session, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    path.write_bytes(written(life))
    command = ["ledger", "-f", str(path), "--strict", "--pedantic", "balance", "--flat"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].strip() == "0"


def test_a_journal_of_nothing(session: Session, tmp_path: Path) -> None:
    assert journal_totals(session, JournalRequest(Period())).totals.transactions == 0
    if shutil.which("hledger"):
        assert balances(written(session), tmp_path) == {}


@needs_hledger
def test_a_life_on_every_day(life: Session, tmp_path: Path) -> None:
    check_against_the_product(life, tmp_path)
    for day in range(1, 16):
        check_against_the_product(life, tmp_path, date(2026, 4, day))


@needs_hledger
def test_accounts_are_named(life: Session, tmp_path: Path) -> None:
    service = make_service(code="own", revenue_account="Income:Own with space")
    post(make_spec("FOO", service=service, quantity="3", currency="USD"))
    bill(date(2026, 4, 30), issue_date=date(2026, 4, 30), now=april(30))
    names = {"receivable": "Forderungen:{customer}", "revenue": "Erlöse", "bank_transfer": "Bank:Giro 1"}
    transaction(journal_accounts.update, names, None, SYSTEM, NOW)
    found = balances(written(life), tmp_path)
    roots = {account.partition(":")[0] for account, _ in found}
    assert {"Forderungen", "Erlöse", "Income"} <= roots
    assert "Income:Sales:GenericCompute" not in {account for account, _ in found}
    assert found["Income:Own with space", "USD"] == Decimal("-7.50")


def test_the_csv_has_a_row_for_each_posting(life: Session) -> None:
    file = written(life, format="csv")
    rows = list(csv.DictReader(io.StringIO(file.decode(), newline="")))
    totals = journal_totals(life, JournalRequest(Period(), "csv")).totals
    assert len(rows) == totals.postings
    assert int(rows[-1]["transaction"]) == totals.transactions
    for currency, debit in totals.debits.items():
        own = [row for row in rows if row["currency"] == currency]
        sums = [sum(Decimal(row[side] or 0) for row in own) for side in ("debit", "credit")]
        assert sums == [Money(debit, currency).decimal, Money(totals.credits[currency], currency).decimal]
        assert debit == totals.credits[currency]
    assert {row["kind"] for row in rows} >= {"invoice", "credit_note", "void", "payment", "write_off", "reversal"}
    assert {row["customer"] for row in rows} == {"A:C; me  100%", "FOO", "'=yen"}


def test_the_same_data_make_the_same_bytes(life: Session) -> None:
    sink = io.BytesIO()
    first = write_journal(life, JournalRequest(Period()), sink)
    assert first == journal_totals(life, JournalRequest(Period()))
    assert sink.getvalue() == written(life)


def test_days_out_of_order_are_refused() -> None:
    with pytest.raises(Invalid):
        Period(date(2026, 2, 1), date(2026, 1, 1))
