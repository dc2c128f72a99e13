"""Checks of documents and their series.

Documents are checked in the order of their numbers, each against the previous one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.document_details import details_from_json
from billing_admin.domain.document_hash import DocumentRows, Row, canonical_content, chained_hash
from billing_admin.domain.errors import DomainError
from billing_admin.domain.formatting import format_money_or_units
from billing_admin.domain.invoices import TaxRate, included_tax_totals, includes_tax, tax_totals
from billing_admin.domain.money import Money, nets_without_tax, plain_decimal
from billing_admin.domain.opening_balances import OPENING_INVOICE
from billing_admin.models import Invoice, NumberSeries
from billing_admin.queries.doctor.findings import Check, Finding
from billing_admin.queries.invoices.document_rows import load_document_rows

FETCH_SIZE = 1000


def find_violations(session: Session) -> Iterator[tuple[str, Finding]]:
    """Yield each violation with the name of its check."""
    last: dict[UUID, Row] = {}
    for document in _documents(session):
        row = document.invoice
        for check, problems in _FINDERS.items():
            for problem in _safely(problems, document, last.get(row["series_id"])):
                yield check.name, Finding("invoices", str(row["id"]), f"{row['number'] or 'draft'}: {problem}")
        if row["series_id"] is not None:
            last[row["series_id"]] = row
    for finding in _series(session, last):
        yield SERIES.name, finding


def _documents(session: Session) -> Iterator[DocumentRows]:
    """Yield every document by series and number, and drafts by id.

    `opening_balances` checks the documents of an earlier system.
    """
    query = (
        select(Invoice.__table__)
        .where(Invoice.kind != OPENING_INVOICE)
        .order_by(Invoice.series_id, Invoice.sequence, Invoice.id)
    )
    rows = session.execute(query.execution_options(yield_per=FETCH_SIZE)).mappings()
    for invoices in rows.partitions():
        yield from load_document_rows(session, [dict(row) for row in invoices])


Problems = Callable[[DocumentRows, Row | None], Iterator[str]]


def _safely(problems: Problems, document: DocumentRows, before: Row | None) -> Iterator[str]:
    """Yield the problems of a document.

    An error of the domain's computation is a problem as well.
    """
    try:
        yield from problems(document, before)
    except DomainError as error:
        yield error.message


def _one_currency(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    row = document.invoice
    for line in document.lines:
        for field, problem in (("currency", "is in another currency"), ("customer_id", "belongs to another customer")):
            if line[field] != row[field]:
                yield f"line {line['position']} {problem}"


def _rounded_once(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    currency = document.invoice["currency"]
    for line in document.lines:
        kind = "net" if line["gross"] is None else "gross"
        rounded = Money.rounded(line["amount"], currency).minor
        if line[kind] != rounded:
            stored = format_money_or_units(line[kind], currency)
            due = format_money_or_units(rounded, currency)
            yield f"line {line['position']} has {kind} {stored}, but {plain_decimal(line['amount'])} {currency} rounds to {due}"
    yield from _split_once(document)


def _split_once(document: DocumentRows) -> Iterator[str]:
    inclusive = defaultdict(list)
    for line in document.lines if document.invoice["kind"] == "invoice" else ():
        if (line["gross"] is None) != (line["included_percent"] is None):
            yield f"line {line['position']} has only one of gross and included percentage"
        elif line["gross"] is not None:
            inclusive[_rate_of(line), line["included_percent"]].append(line)
    for (_, percent), lines in inclusive.items():
        nets = nets_without_tax([line["gross"] for line in lines], percent)
        for line, net in zip(lines, nets, strict=True):
            if line["net"] != net:
                stored, gross, due = (
                    format_money_or_units(amount, document.invoice["currency"])
                    for amount in (line["net"], line["gross"], net)
                )
                yield f"line {line['position']} has net {stored}, but {gross} without tax is {due}"


def _includes_periods(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    row = document.invoice
    for line in document.lines:
        first, last = line["period_from"], line["period_to"]
        if first is not None and (first < row["period_from"] or last > row["period_to"]):
            yield (
                f"line {line['position']} is for {first} to {last}, but the document is for {row['period_from']} to"
                f" {row['period_to']}"
            )


def _adds_up(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    row, lines, taxes = document.invoice, document.lines, document.taxes
    sums = (
        ("net", row["net"], "the lines", sum(line["net"] for line in lines)),
        ("net", row["net"], "the tax bases", sum(tax["base"] for tax in taxes)),
        ("tax", row["tax"], "the taxes", sum(tax["tax"] for tax in taxes)),
        ("total", row["total"], "net and tax", row["net"] + row["tax"]),
    )
    for name, value, parts, total in sums:
        if value != total:
            stored, computed = (format_money_or_units(amount, row["currency"]) for amount in (value, total))
            yield f"{name} is {stored}, but {parts} add up to {computed}"


def _taxed(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    if document.invoice["kind"] == "credit_note":
        return  # its taxes depend on earlier credit notes; `corrections` checks them
    lines_by_rate = [(_rate_of(line), line) for line in document.lines]
    totals = [
        *tax_totals((rate, line["net"]) for rate, line in lines_by_rate if not includes_tax(line["gross"], rate)),
        *included_tax_totals(
            (rate, line["gross"]) for rate, line in lines_by_rate if includes_tax(line["gross"], rate)
        ),
    ]
    computed_taxes = {
        (total.rate.category, total.rate.percent, total.included): (total.base, total.tax) for total in totals
    }
    stored_taxes = {
        (tax["category"], tax["percent"], tax["included"]): (tax["base"], tax["tax"]) for tax in document.taxes
    }
    for rate in sorted(computed_taxes.keys() | stored_taxes.keys()):
        if computed_taxes.get(rate) != stored_taxes.get(rate):
            stored, computed = (
                _tax(taxes.get(rate), document.invoice["currency"]) for taxes in (stored_taxes, computed_taxes)
            )
            yield f"tax at {_rate(*rate)} is {stored}, but the lines give {computed}"


def _rate_of(line: Row) -> TaxRate:
    return TaxRate(line["tax_category"], line["tax_percent"])


def _rate(category: str, percent: Decimal, included: bool) -> str:
    return f"{category} {plain_decimal(percent)} %{', included' if included else ''}"


def _tax(base_and_tax: tuple[int, int] | None, currency: str) -> str:
    if base_and_tax is None:
        return "nothing"
    base, tax = (format_money_or_units(amount, currency) for amount in base_and_tax)
    return f"{tax} on {base}"


def _numbered(document: DocumentRows, before: Row | None) -> Iterator[str]:
    row = document.invoice
    if row["status"] == "draft":
        if row["number"] or row["sequence"] is not None or row["series_id"]:
            yield "is a draft, but has a number"
        return
    if not row["number"] or row["sequence"] is None or row["series_id"] is None or row["issue_date"] is None:
        yield f"is {row['status']}, but has no complete number or no issue date"
        return
    if str(row["issue_date"].year) not in row["number"] or str(row["sequence"]) not in row["number"]:
        yield f"its number does not match sequence {row['sequence']} of {row['issue_date'].year}"
    yield from _follows(row, before)


def _follows(row: Row, before: Row | None) -> Iterator[str]:
    expected = before["sequence"] + 1 if before else 1
    if row["sequence"] != expected:
        yield f"its sequence is {row['sequence']}, but {expected} should follow"
    if before and before["issue_date"] > row["issue_date"]:
        yield f"is dated {row['issue_date']}, before the preceding {before['number']} of {before['issue_date']}"


def _detailed(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    row = document.invoice
    if row["status"] == "draft":
        if row["details"] is not None or row["tax_in_base"] is not None:
            yield "is a draft, but has details, which are stored at issue"
        return
    try:
        details = details_from_json(row["details"])
    except (AttributeError, TypeError, ValueError) as error:
        yield f"its details cannot be read: {error}"
        return
    if (row["tax_in_base"] is None) != (details.base_rate is None):
        yield "has only one of the tax in the base currency and its exchange rate"


def _hashed(document: DocumentRows, before: Row | None) -> Iterator[str]:
    row = document.invoice
    if row["status"] == "draft" or row["issue_date"] is None or row["due_date"] is None:
        return
    if row["hash"] != chained_hash(before["hash"] if before else "", row["number"], canonical_content(document)):
        yield "does not match the hash stored at issue, which covers it and the preceding document"


def _series(session: Session, last: dict[UUID, Row]) -> Iterator[Finding]:
    for series in session.execute(select(NumberSeries.__table__)).mappings():
        row = last.get(series["id"], _NONE)
        expected = {
            "next_sequence": row["sequence"] + 1,
            "last_issue_date": row["issue_date"],
            "last_hash": row["hash"],
        }
        for name, value in expected.items():
            if series[name] != value:
                problem = f"{series['kind']} {series['year']}: {name} is {series[name]}, but its documents give {value}"
                yield Finding("number_series", str(series["id"]), problem)


_NONE: dict[str, Any] = {"sequence": 0, "issue_date": None, "hash": ""}

_FINDERS: dict[Check, Problems] = {
    Check("one_currency", "A document's lines are of its own customer and currency."): _one_currency,
    Check(
        "line_net", "A line's net, or its gross if prices include tax, is the exact amount rounded once, half up."
    ): _rounded_once,
    Check("document_period", "A document's period includes those of its lines."): _includes_periods,
    Check("totals", "Line nets, tax bases, taxes and totals add up on every document."): _adds_up,
    Check("taxes", "Tax is computed per rate from line nets, or out of line grosses, and rounded once."): _taxed,
    Check("numbers", "Numbers have no gaps and follow the issue dates; drafts have none."): _numbered,
    Check(
        "details", "Details are stored at issue and can be read; tax in the base currency has its exchange rate."
    ): _detailed,
    Check(
        "hash_chain", "Issued documents match the hash stored at issue, which covers the preceding document."
    ): _hashed,
}
SERIES = Check("number_series", "Each series continues after its last document.")
CHECKS = (*_FINDERS, SERIES)
