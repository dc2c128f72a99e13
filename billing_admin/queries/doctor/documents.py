"""What always holds of documents and their series. They are read in the order of their numbers, each beside the one before it."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_admin.domain.document_hash import DocumentRows, Row, canonical_content, chained_hash
from billing_admin.domain.errors import DomainError
from billing_admin.domain.formatting import format_money_or_units
from billing_admin.domain.invoices import TaxRate, included_tax_totals, includes_tax, tax_totals
from billing_admin.domain.money import Money, nets_without_tax, plain_decimal
from billing_admin.models import Invoice, NumberSeries
from billing_admin.queries.doctor.findings import Check, Finding
from billing_admin.queries.invoices.document_rows import load_document_rows

AT_A_TIME = 1000


def find(session: Session) -> Iterator[tuple[str, Finding]]:
    """Everything wrong, each with the name of its check."""
    last: dict[UUID, Row] = {}
    for document in _documents(session):
        row = document.invoice
        for check, problems in _FINDERS.items():
            for wrong in _safely(problems, document, last.get(row["series_id"])):
                yield check.name, Finding("invoices", str(row["id"]), f"{row['number'] or 'draft'}: {wrong}")
        if row["series_id"] is not None:
            last[row["series_id"]] = row
    for finding in _series(session, last):
        yield SERIES.name, finding


def _documents(session: Session) -> Iterator[DocumentRows]:
    """Every document by series and number; drafts among them, by their ids."""
    query = select(Invoice.__table__).order_by(Invoice.series_id, Invoice.sequence, Invoice.id)
    found = session.execute(query.execution_options(yield_per=AT_A_TIME)).mappings()
    for invoices in found.partitions():
        yield from load_document_rows(session, [dict(row) for row in invoices])


Problems = Callable[[DocumentRows, Row | None], Iterator[str]]


def _safely(problems: Problems, document: DocumentRows, before: Row | None) -> Iterator[str]:
    """What a check says; a document so wrong that the domain refuses to compute with it is wrong, too."""
    try:
        yield from problems(document, before)
    except DomainError as error:
        yield error.message


def _one_currency(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    row = document.invoice
    for line in document.lines:
        for field, what in (("currency", "in another currency"), ("customer_id", "another customer's")):
            if line[field] != row[field]:
                yield f"line {line['position']} is {what}"


def _rounded_once(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    currency = document.invoice["currency"]
    for line in document.lines:
        kind = "net" if line["gross"] is None else "gross"
        rounded = Money.rounded(line["amount"], currency).minor
        if line[kind] != rounded:
            stored = format_money_or_units(line[kind], currency)
            due = format_money_or_units(rounded, currency)
            yield f"line {line['position']} has {kind} {stored}; {plain_decimal(line['amount'])} {currency} rounds to {due}"
    yield from _split_once(document)


def _split_once(document: DocumentRows) -> Iterator[str]:
    inclusive = defaultdict(list)
    for line in document.lines if document.invoice["kind"] == "invoice" else ():
        if (line["gross"] is None) != (line["included_percent"] is None):
            yield f"line {line['position']} says only half of how its price includes tax"
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
                yield f"line {line['position']} has net {stored}; without tax {gross} is {due}"


def _adds_up(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    row, lines, taxes = document.invoice, document.lines, document.taxes
    sums = (
        ("net", row["net"], "the lines", sum(line["net"] for line in lines)),
        ("net", row["net"], "the tax bases", sum(tax["base"] for tax in taxes)),
        ("tax", row["tax"], "the taxes", sum(tax["tax"] for tax in taxes)),
        ("total", row["total"], "net and tax", row["net"] + row["tax"]),
    )
    for name, kept, parts, added in sums:
        if kept != added:
            stored, computed = (format_money_or_units(amount, row["currency"]) for amount in (kept, added))
            yield f"{name} is {stored}, {parts} make {computed}"


def _taxed(document: DocumentRows, _before: Row | None) -> Iterator[str]:
    """What a credit note takes back of a rate depends on those before it: see `corrections`."""
    if document.invoice["kind"] == "credit_note":
        return
    rated = [(_rate_of(line), line) for line in document.lines]
    totals = [
        *tax_totals((rate, line["net"]) for rate, line in rated if not includes_tax(line["gross"], rate)),
        *included_tax_totals((rate, line["gross"]) for rate, line in rated if includes_tax(line["gross"], rate)),
    ]
    due = {(one.rate.category, one.rate.percent, one.included): (one.base, one.tax) for one in totals}
    kept = {(tax["category"], tax["percent"], tax["included"]): (tax["base"], tax["tax"]) for tax in document.taxes}
    for rate in sorted(due.keys() | kept.keys()):
        if due.get(rate) != kept.get(rate):
            stored, computed = (_tax(taxes.get(rate), document.invoice["currency"]) for taxes in (kept, due))
            yield f"tax {_rate(*rate)} is {stored}; the lines make {computed}"


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
            yield "a draft has no number"
        return
    if not row["number"] or row["sequence"] is None or row["series_id"] is None or row["issue_date"] is None:
        yield f"is {row['status']}, without a whole number or issue date"
        return
    if str(row["issue_date"].year) not in row["number"] or str(row["sequence"]) not in row["number"]:
        yield f"its number is not that of sequence {row['sequence']} in {row['issue_date'].year}"
    yield from _follows(row, before)


def _follows(row: Row, before: Row | None) -> Iterator[str]:
    expected = before["sequence"] + 1 if before else 1
    if row["sequence"] != expected:
        yield f"its sequence is {row['sequence']} where {expected} should follow"
    if before and before["issue_date"] > row["issue_date"]:
        yield f"is dated {row['issue_date']}, before {before['number']} of {before['issue_date']}"


def _hashed(document: DocumentRows, before: Row | None) -> Iterator[str]:
    row = document.invoice
    if row["status"] == "draft" or row["issue_date"] is None or row["due_date"] is None:
        return
    if row["hash"] != chained_hash(before["hash"] if before else "", row["number"], canonical_content(document)):
        yield "does not match the hash stored at issue, over itself and the document before it"


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
                wrong = f"{series['kind']} {series['year']}: {name} is {series[name]}, its documents say {value}"
                yield Finding("number_series", str(series["id"]), wrong)


_NONE: dict[str, Any] = {"sequence": 0, "issue_date": None, "hash": ""}

_FINDERS: dict[Check, Problems] = {
    Check("one_currency", "A document's lines are of its own customer and currency."): _one_currency,
    Check(
        "line_net", "A line's net, or gross where prices include tax, is its exact amount, rounded once, half up."
    ): _rounded_once,
    Check("totals", "Line nets, tax bases, taxes and totals add up on every document."): _adds_up,
    Check("taxes", "Tax is computed per rate on its line nets, or within its line grosses, and rounded once."): _taxed,
    Check("numbers", "Numbers have no gap and follow the issue dates; drafts have none."): _numbered,
    Check("hash_chain", "Issued documents match the hash stored at issue, which covers the one before."): _hashed,
}
SERIES = Check("number_series", "Each series goes on where its last document stands.")
CHECKS = (*_FINDERS, SERIES)
