"""Exports: all rows of a filtered list, as a CSV file or a workbook.

CSV files are streamed.
"""

from collections.abc import Callable
from typing import Any

from flask import Response

from billing_admin.api.frame.fields import Parameters, ResponseModel, Switch
from billing_admin.api.frame.routing import Reply, route
from billing_admin.api.routes.audit_events import AuditFilters
from billing_admin.api.routes.catalogue import ServiceFilters
from billing_admin.api.routes.charges import ChargeFilters
from billing_admin.api.routes.customers import CustomerFilters
from billing_admin.api.routes.exchange_rates import RateFilters
from billing_admin.api.routes.invoices import InvoiceFilters
from billing_admin.api.routes.messages import MessageFilters
from billing_admin.api.routes.payments import PaymentFilters
from billing_admin.api.routes.receivables import OpenItemFilters
from billing_admin.api.routes.recurring_charges import RecurringFilters
from billing_admin.api.routes.refunds import RefundFilters
from billing_admin.clock import now
from billing_admin.db.engine import db
from billing_admin.formats import export
from billing_admin.formats.export import FORMATS, ExportRequest
from billing_admin.http.callers import require_caller
from billing_admin.http.downloads import Download, send_export
from billing_admin.queries.charges.recurring_charges import RecurringFilter
from billing_admin.queries.exports import Filters
from billing_admin.queries.master_data.bank_accounts import BankAccountFilter
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.queries.master_data.organisation import today
from billing_admin.queries.master_data.services import ServiceFilter


class File(Parameters):
    """The options of a file.

    `excel=1` adds a byte order mark to a CSV file. `totals=1` returns the control totals as JSON instead of the file.
    """

    excel: Switch = False
    totals: Switch = False


class InvoiceFile(InvoiceFilters, File):
    """A file of invoices, or of their lines."""


class ChargeFile(ChargeFilters, File):
    """A file of charges."""


class RecurringFile(RecurringFilters, File):
    """A file of recurring charges."""


class PaymentFile(PaymentFilters, File):
    """A file of payments, or of their allocations."""


class RefundFile(RefundFilters, File):
    """A file of refunds."""


class OpenItemFile(OpenItemFilters, File):
    """A file of open items."""


class CustomerFile(CustomerFilters, File):
    """A file of customers, or of their contacts."""


class ServiceFile(ServiceFilters, File):
    """A file of services."""


class BankAccountFile(File):
    """A file of bank accounts."""


class RateFile(RateFilters, File):
    """A file of exchange rates."""


class MessageFile(MessageFilters, File):
    """A file of messages to customers."""


class AuditFile(AuditFilters, File):
    """A file of audit events."""


class Totals(ResponseModel):
    """The control totals of a file, as in its `.meta.json`.

    They are the number of rows, the sums by currency and the SHA-256, with filters, time and caller.
    """

    name: str
    kind: str
    format: str
    filters: dict[str, Any]
    made_at: str
    made_by: str
    rows: int
    sum_of: str | None
    sums: dict[str, str]
    sha256: str
    columns: list[str]
    product: str
    version: str
    formula_rule: int


ToFilter = Callable[[Any], Filters]
# Kind, its name in the summary, query parameters, and their conversion to a filter.
EXPORTS: tuple[tuple[str, str, type[Parameters], ToFilter], ...] = (
    ("invoices", "invoices", InvoiceFile, lambda query: query.to_filter(today(db.session(), now()))),
    ("invoice-lines", "invoice lines", InvoiceFile, lambda query: query.to_filter(today(db.session(), now()))),
    ("charges", "charges", ChargeFile, lambda query: query.to_filter()),
    (
        "recurring-charges",
        "recurring charges",
        RecurringFile,
        lambda query: RecurringFilter(today(db.session(), now()), **query.filters()),
    ),
    ("payments", "payments", PaymentFile, lambda query: query.to_filter()),
    ("allocations", "allocations of payments", PaymentFile, lambda query: query.to_filter()),
    ("refunds", "refunds", RefundFile, lambda query: query.to_filter()),
    ("open-items", "open items", OpenItemFile, lambda query: query.to_filter(today(db.session(), now()))),
    ("customers", "customers", CustomerFile, lambda query: CustomerFilter(**query.filters())),
    ("contacts", "contacts of customers", CustomerFile, lambda query: CustomerFilter(**query.filters())),
    ("services", "services, with a row for each price,", ServiceFile, lambda query: ServiceFilter(**query.filters())),
    ("bank-accounts", "bank accounts", BankAccountFile, lambda _query: BankAccountFilter()),
    ("exchange-rates", "exchange rates", RateFile, lambda query: query.to_filter()),
    ("messages", "messages, with a row for each recipient,", MessageFile, lambda query: query.to_filter()),
    ("audit-events", "audit events", AuditFile, lambda query: query.to_filter()),
)


def _add_route(kind: str, label: str, query: type[Parameters], to_filter: ToFilter, format: str) -> None:
    def view(query: Any) -> Reply | Response:
        return _file(ExportRequest(kind, to_filter(query), format, query.excel), query.totals)

    view.__name__ = f"get_{kind.replace('-', '_')}_{format if format != 'csv' else 'file'}"
    view.__doc__ = f"Export {label} as {'a workbook' if format == 'xlsx' else 'CSV'}."
    route("GET", f"/{kind}.{format}", scope="exports:read", query=query, response=FORMATS[format], or_json=Totals)(view)


for _kind in EXPORTS:
    for _format in FORMATS:
        _add_route(*_kind, _format)


def _file(export_request: ExportRequest, totals: bool) -> Reply | Response:
    session, name = db.session(), f"{export_request.kind}.{export_request.format}"
    if totals:
        counted = export.control_totals(session, export_request)
        about = export.describe_export(export_request, name, counted, now(), require_caller().name)
        return Reply(Totals(**about))
    export.check_export(session, export_request)  # refuse before the first byte is sent
    file = Download(name, FORMATS[export_request.format], export_request.details)
    return send_export(file, lambda session: export.export_parts(session, export_request))
