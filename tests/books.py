"""Whether the books balance: read from the tables and computed anew, apart from the code that wrote them."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from billing_admin.domain.document_hash import canonical_content, chained_hash
from billing_admin.domain.money import MINOR_DIGITS, Money
from billing_admin.models import Account, Base, Charge, Invoice, InvoiceLine, InvoiceTax, NumberSeries, VoidedCharge
from billing_admin.queries.invoices.document_rows import load_document_rows


def rows(session: Session, table: type[Base], *order: Any) -> Sequence[Any]:
    """Every row of a table, as plain values."""
    return session.execute(select(table.__table__).order_by(*order)).all()


def contents(session: Session) -> dict[str, list[str]]:
    """Return everything that is stored, a text per row, to see whether something changed.

    One statement reads all tables, because one for each of seventy takes as long as the test itself.
    """
    session.rollback()
    name = session.connection().dialect.name
    parts = " UNION ALL ".join(_row_texts(name, table) for table in Base.metadata.sorted_tables)
    found: dict[str, list[str]] = defaultdict(list)
    for table, row in session.connection().exec_driver_sql(f"{parts} ORDER BY 1, 2"):
        found[table].append(row)
    return found


def _row_texts(dialect: str, table: Table) -> str:
    """Return a query of a table's name and the text of each row."""
    if dialect == "postgresql":
        return f"SELECT '{table.name}' AS name, t::text AS row FROM {table.name} AS t"
    values = " || ',' || ".join(f'quote("{column.name}")' for column in table.columns)
    return f"SELECT '{table.name}' AS name, {values} AS row FROM {table.name}"


def half_up(value: Fraction) -> int:
    """The nearest whole number, and a half away from zero."""
    rounded = (abs(value) * 2 + 1) // 2
    return int(-rounded if value < 0 else rounded)


def assert_books_balance(session: Session) -> None:
    """Accounts, lines, taxes, totals, numbers, dates and hashes are what the charges make them."""
    session.rollback()
    _assert_accounts(session)
    _assert_lines(session)
    _assert_documents(session)
    _assert_numbers(session)


def _assert_accounts(session: Session) -> None:
    expected: dict[tuple[Any, str, str], list[Decimal]] = defaultdict(list)
    for charge in rows(session, Charge):
        expected[charge.customer_id, charge.currency, charge.status].append(charge.amount)
    for account in rows(session, Account):
        for status in ("pending", "held"):
            amounts = expected.pop((account.customer_id, account.currency, status), [])
            kept = getattr(account, f"{status}_charges"), Fraction(getattr(account, f"{status}_amount"))
            assert kept == (len(amounts), sum(map(Fraction, amounts))), f"{status} of {account.customer_id}"
    assert {status for _, _, status in expected} <= {"billed", "cancelled"}, "an account is missing"


def _assert_lines(session: Session) -> None:
    on_line: dict[Any, list[Any]] = defaultdict(list)
    for charge in rows(session, Charge):
        assert (charge.status == "billed") == (charge.invoice_line_id is not None)
        if charge.invoice_line_id is not None:
            on_line[charge.invoice_line_id].append(charge)
    void = set(session.scalars(select(Invoice.id).where(Invoice.status == "void")))
    by_id = {charge.id: charge for charge in rows(session, Charge)}
    for once in rows(session, VoidedCharge):
        on_line[once.invoice_line_id].append(by_id[once.charge_id])
    for line in rows(session, InvoiceLine):
        if line.corrects_line_id is not None:
            assert (line.charges, line.amount) == (0, Money(line.net, line.currency).decimal)
            continue
        charges = on_line.pop(line.id)
        assert all((charge.invoice_line_id == line.id) == (line.invoice_id not in void) for charge in charges)
        assert line.charges == len(charges)
        assert Fraction(line.amount) == sum(Fraction(charge.amount) for charge in charges)
        assert Fraction(line.quantity) == sum(Fraction(charge.quantity) for charge in charges)
        rounded = half_up(Fraction(line.amount) * 10 ** MINOR_DIGITS[line.currency])
        assert rounded == (line.net if line.gross is None else line.gross)
        found = {
            (charge.customer_id, charge.currency, charge.service_id, charge.unit_price, charge.tax_included)
            for charge in charges
        }
        assert found == {(line.customer_id, line.currency, line.service_id, line.unit_price, line.gross is not None)}
    assert not on_line, "a charge is on a line that is not there"


def _assert_documents(session: Session) -> None:
    lines, taxes = defaultdict(list), defaultdict(list)
    for line in rows(session, InvoiceLine, InvoiceLine.position):
        lines[line.invoice_id].append(line)
    for tax in rows(session, InvoiceTax, InvoiceTax.position):
        taxes[tax.invoice_id].append(tax)
    credited: dict[Any, int] = defaultdict(int)
    for invoice in rows(session, Invoice):
        own, own_taxes = lines[invoice.id], taxes[invoice.id]
        assert [line.position for line in own] == list(range(1, len(own) + 1))
        bases: dict[tuple[str, Decimal, bool], int] = defaultdict(int)
        within: dict[tuple[str, Decimal, bool], int] = defaultdict(int)
        for line in own:
            rate = line.tax_category, line.tax_percent, line.gross is not None and line.tax_percent != 0
            bases[rate] += line.net
            within[rate] += line.gross or 0
        assert {(tax.category, tax.percent, tax.included): tax.base for tax in own_taxes} == bases
        for tax in own_taxes if invoice.kind == "invoice" else ():
            percent = Fraction(tax.percent)
            gross = within[tax.category, tax.percent, tax.included]
            exactly = gross * percent / (100 + percent) if tax.included else tax.base * percent / 100
            assert tax.tax == half_up(exactly)
            assert not tax.included or tax.base + tax.tax == gross
        if invoice.kind == "credit_note":
            credited[invoice.corrects_id] += invoice.total
        assert invoice.net == sum(line.net for line in own)
        assert invoice.tax == sum(tax.tax for tax in own_taxes)
        assert invoice.total == invoice.net + invoice.tax > 0
    for invoice in rows(session, Invoice):
        assert invoice.credited == credited[invoice.id]
        assert invoice.paid + invoice.credited <= invoice.total


def _assert_numbers(session: Session) -> None:
    for series in rows(session, NumberSeries):
        query = select(Invoice.__table__).where(Invoice.series_id == series.id).order_by(Invoice.sequence)
        previous, dates = "", []
        for expected, row in enumerate(session.execute(query).mappings(), 1):
            invoice = dict(row)
            assert invoice["sequence"] == expected, "the numbers have a gap"
            assert invoice["number"].endswith(f"-{series.year}-{expected:05d}")
            assert invoice["issue_date"].year == series.year
            assert invoice["hash"] == chained_hash(
                previous, invoice["number"], canonical_content(load_document_rows(session, [invoice])[0])
            )
            previous = invoice["hash"]
            dates.append(invoice["issue_date"])
        assert dates == sorted(dates)
        assert (series.next_sequence, series.last_hash) == (len(dates) + 1, previous)
    unnumbered = session.scalars(select(Invoice.status).where(Invoice.number.is_(None))).all()
    assert set(unnumbered) <= {"draft"}
