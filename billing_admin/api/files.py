"""CSV files: what a list's filter lets through, whole, written while it is sent."""

from collections.abc import Iterator
from decimal import Decimal

from flask import Response, stream_with_context

from billing_admin.api.charges import ChargeFilters
from billing_admin.api.fields import Answer, One, Parameters
from billing_admin.api.invoices import InvoiceFilters
from billing_admin.api.payments import PaymentFilters
from billing_admin.api.routing import Reply, route
from billing_admin.clock import now
from billing_admin.database import db
from billing_admin.documents import csv
from billing_admin.domain.money import Money, plain
from billing_admin.queries.exports import Filters
from billing_admin.queries.organisation import today

MEDIA_TYPE = "text/csv; charset=utf-8"


class File(Parameters):
    """`excel=1` adds a BOM; `totals=1` answers, as JSON, what the whole file must add up to."""

    excel: One = False
    totals: One = False


class InvoiceFile(InvoiceFilters, File):
    """A file of invoices, or of their lines."""


class ChargeFile(ChargeFilters, File):
    """A file of charges."""


class PaymentFile(PaymentFilters, File):
    """A file of payments."""


class Totals(Answer):
    """How many rows a whole file has, what they add up to per currency, and the SHA-256 of its bytes."""

    rows: int
    sums: dict[str, str]
    sha256: str


@route("GET", "/invoices.csv", scope="read", query=InvoiceFile, answer=MEDIA_TYPE, or_json=Totals)
def get_invoices_file(query: InvoiceFile) -> Reply | Response:
    """Export invoices."""
    return _file("invoices", query.wanted(today(db.session(), now())), query)


@route("GET", "/invoice-lines.csv", scope="read", query=InvoiceFile, answer=MEDIA_TYPE, or_json=Totals)
def get_invoice_lines_file(query: InvoiceFile) -> Reply | Response:
    """Export the lines of invoices."""
    return _file("invoice-lines", query.wanted(today(db.session(), now())), query)


@route("GET", "/charges.csv", scope="read", query=ChargeFile, answer=MEDIA_TYPE, or_json=Totals)
def get_charges_file(query: ChargeFile) -> Reply | Response:
    """Export charges."""
    return _file("charges", query.wanted(), query)


@route("GET", "/payments.csv", scope="read", query=PaymentFile, answer=MEDIA_TYPE, or_json=Totals)
def get_payments_file(query: PaymentFile) -> Reply | Response:
    """Export payments."""
    return _file("payments", query.wanted(), query)


def _file(kind: str, filters: Filters, query: File) -> Reply | Response:
    if query.totals:
        totals = csv.control_totals(db.session(), kind, filters)
        sums = {currency: _sum(kind, amount, currency) for currency, amount in totals.sums.items()}
        return Reply(Totals(rows=totals.rows, sums=sums, sha256=totals.sha256))
    next(csv.export(db.session(), kind, filters))  # what is refused is refused before anything is sent
    headers = {"Content-Disposition": f'attachment; filename="{kind}.csv"'}
    parts = stream_with_context(_parts(kind, filters, query.excel))
    return Response(parts, headers=headers, content_type=MEDIA_TYPE)


def _sum(kind: str, amount: Decimal, currency: str) -> str:
    """Exact for charges; with the currency's own digits for documents."""
    return plain(amount) if kind == "charges" else str(Money.rounded(amount, currency))


def _parts(kind: str, filters: Filters, excel: bool) -> Iterator[bytes]:
    """Flask ends the request's session before the first part is asked for: the file is read in one of its own."""
    yield from csv.export(db.session(), kind, filters, excel=excel)
