"""Exports: all rows of a filtered list as a file, with its control totals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.background import wake_worker
from billing_admin.background.documents import DOCUMENTS_JOB
from billing_admin.background.exports import JOB_KIND
from billing_admin.db.engine import db
from billing_admin.db.ids import new_id
from billing_admin.db.transactions import transaction
from billing_admin.domain.errors import Conflict, NotFound
from billing_admin.domain.translation import Phrase, plural
from billing_admin.formats import export
from billing_admin.formats.export import FORMATS, META_SUFFIX, ExportRequest
from billing_admin.formats.meta_filters import filters_as_json
from billing_admin.http.downloads import Download, send_export, send_recorded, unrecorded_attachment
from billing_admin.operations.jobs import enqueue
from billing_admin.queries.charges.charges import ChargeFilter, is_large
from billing_admin.queries.exports import Filters, sorts_of, totals
from billing_admin.queries.files import file_chunks, stored_file
from billing_admin.queries.invoices.invoices import count_issued
from billing_admin.queries.jobs import latest_job
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.queries.master_data.services import ServiceFilter
from billing_admin.web.charges import charges, recurring_charges
from billing_admin.web.frame.customer_field import resolve_customer
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.labels import pluralise, status_label
from billing_admin.web.frame.list_params import build_chips, filtered_url, flag_param, unfiltered_url
from billing_admin.web.frame.lists import (
    CHARGES,
    CUSTOMERS,
    INVOICES,
    MESSAGES,
    OPEN_ITEMS,
    PAYMENTS,
    RECURRING_CHARGES,
    REFUNDS,
    SERVICES,
)
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.frame.system_lists import AUDIT_EVENTS, EXCHANGE_RATES
from billing_admin.web.frame.tables import Table, describe_order, sort_param
from billing_admin.web.invoices import invoices
from billing_admin.web.master_data import bank_accounts, customers, exchange_rates, services
from billing_admin.web.messages import messages
from billing_admin.web.payments import payments, receivables, refunds
from billing_admin.web.system import audit

MAX_DOCUMENTS = 10_000  # in one ZIP file of PDFs

READ = "exports:read"

MAX_HASHED_ROWS = 1_000  # a page writes so many in 40 ms
MAX_SUMMED_CHARGES = 100_000  # a page adds up a million in 1.7 s

pages = page_blueprint("exports", __name__, "/exports", write=READ, read=READ)


@dataclass(frozen=True, slots=True)
class ExportKind:
    """A kind of export as its page shows it.

    It has the title of the file, the noun for its rows, the words for its own order, the label of its sum, the permission
    to download it, and the table of its list, whose order it follows.
    """

    title: str
    row: str
    order: str
    sum_of: str = ""
    needs: str = READ
    table: Table | None = None

    def describe_order(self, sort: str) -> str:
        """Return the words for the order of the file."""
        return describe_order(self.table, sort) if self.table and sort else self.order


EXPORT_KINDS = {
    "invoices": ExportKind(
        Phrase("Invoices"), "invoice", Phrase("Newest first"), Phrase("Sum of the totals"), table=INVOICES
    ),
    "invoice-lines": ExportKind(
        Phrase("Invoice lines"),
        "invoice line",
        Phrase("Newest invoice first"),
        Phrase("Sum of the net amounts"),
        table=INVOICES,
    ),
    "charges": ExportKind(
        Phrase("Charges"), "charge", Phrase("Newest first"), Phrase("Exact sum of the amounts"), table=CHARGES
    ),
    "recurring-charges": ExportKind(
        Phrase("Recurring charges"), "recurring charge", Phrase("Newest first"), table=RECURRING_CHARGES
    ),
    "payments": ExportKind(
        Phrase("Payments"),
        "payment",
        Phrase("Newest first"),
        Phrase("Sum of the amounts, including reversed payments"),
        table=PAYMENTS,
    ),
    "allocations": ExportKind(
        Phrase("Allocations"),
        "allocation",
        Phrase("Newest payment first"),
        Phrase("Sum of the amounts, including withdrawn allocations"),
        table=PAYMENTS,
    ),
    "refunds": ExportKind(
        Phrase("Refunds"),
        "refund",
        Phrase("Newest first"),
        Phrase("Sum of the amounts, including reversed refunds"),
        table=REFUNDS,
    ),
    "open-items": ExportKind(
        Phrase("Open items"),
        "open item",
        Phrase("By currency, oldest due first"),
        Phrase("Sum of the open amounts"),
        table=OPEN_ITEMS,
    ),
    "customers": ExportKind(Phrase("Customers"), "customer", Phrase("By reference"), table=CUSTOMERS),
    "contacts": ExportKind(Phrase("Contacts"), "contact", Phrase("By reference of the customer"), table=CUSTOMERS),
    "services": ExportKind(Phrase("Services"), "service and price", Phrase("By code"), table=SERVICES),
    "bank-accounts": ExportKind(Phrase("Bank accounts"), "bank account", Phrase("By currency")),
    "exchange-rates": ExportKind(
        Phrase("Exchange rates"), "exchange rate", Phrase("Latest first"), table=EXCHANGE_RATES
    ),
    "messages": ExportKind(Phrase("Messages"), "recipient", Phrase("Newest message first"), table=MESSAGES),
    "audit-events": ExportKind(
        Phrase("Audit log"), "event", Phrase("Newest first"), needs=audit.READ, table=AUDIT_EVENTS
    ),
}


@pages.get("/invoices")
def invoice_files() -> ResponseReturnValue:
    """Offer the files of an invoice list."""
    filters = invoices.read_filters()
    state = build_chips(("status", Phrase("Status"), status_label(filters.status)))
    return _export_page(
        Phrase("Invoices"),
        "invoices.index",
        state + invoices.filter_chips(filters),
        ["invoices", "invoice-lines"],
        documents=count_issued(db.session(), resolve_customer(filters)),
    )


@pages.get("/charges")
def charge_files() -> ResponseReturnValue:
    """Offer the file of a charge list."""
    return _export_page(Phrase("Charges"), "charges.index", charges.filter_chips(charges.read_filters()), ["charges"])


@pages.get("/recurring-charges")
def recurring_files() -> ResponseReturnValue:
    """Offer the file of a list of recurring charges."""
    chips = recurring_charges.filter_chips(recurring_charges.read_filters())
    return _export_page(Phrase("Recurring charges"), "recurring_charges.index", chips, ["recurring-charges"])


@pages.get("/payments")
def payment_files() -> ResponseReturnValue:
    """Offer the files of a payment list."""
    filters = payments.read_filters()
    state = build_chips(("status", Phrase("Status"), status_label(filters.status)))
    return _export_page(
        Phrase("Payments"), "payments.index", state + payments.filter_chips(filters), ["payments", "allocations"]
    )


@pages.get("/refunds")
def refund_files() -> ResponseReturnValue:
    """Offer the file of a refund list."""
    filters = refunds.read_filters()
    state = build_chips(("status", Phrase("Status"), status_label(filters.status)))
    return _export_page(Phrase("Refunds"), "refunds.index", state + refunds.filter_chips(filters), ["refunds"])


@pages.get("/open-items")
def open_item_files() -> ResponseReturnValue:
    """Offer the file of the open items of a day."""
    return _export_page(
        Phrase("Open items"),
        "receivables.open_items",
        receivables.filter_chips(receivables.read_filters()),
        ["open-items"],
    )


@pages.get("/customers")
def customer_files() -> ResponseReturnValue:
    """Offer the files of a customer list."""
    filters = customers.read_filters()
    return _export_page(
        Phrase("Customers"), "customers.index", customers.filter_chips(filters), ["customers", "contacts"]
    )


@pages.get("/services")
def service_files() -> ResponseReturnValue:
    """Offer the file of the services."""
    return _export_page(
        Phrase("Services"), "services.index", services.filter_chips(services.read_filters()), ["services"]
    )


@pages.get("/bank-accounts")
def bank_account_files() -> ResponseReturnValue:
    """Offer the file of the bank accounts."""
    return _export_page(Phrase("Bank accounts"), "bank_accounts.index", [], ["bank-accounts"])


@pages.get("/exchange-rates")
def exchange_rate_files() -> ResponseReturnValue:
    """Offer the file of the exchange rates."""
    chips = exchange_rates.filter_chips(exchange_rates.read_filters())
    return _export_page(Phrase("Exchange rates"), "exchange_rates.index", chips, ["exchange-rates"])


@pages.get("/messages")
def message_files() -> ResponseReturnValue:
    """Offer the file of the messages in the outbox."""
    filters = messages.read_filters()
    state = build_chips(("state", Phrase("Status"), messages.STATE_LABELS[filters.state] if filters.state else ""))
    return _export_page(Phrase("Messages"), "messages.index", state + messages.filter_chips(filters), ["messages"])


@pages.get("/audit-events")
def audit_files() -> ResponseReturnValue:
    """Offer the file of the audit log."""
    return _export_page(Phrase("Audit log"), "audit.index", audit.filter_chips(audit.read_filters()), ["audit-events"])


def _export_page(
    title: str, list_endpoint: str, filter_chips: list[Any], kinds: list[str], documents: int | None = None
) -> ResponseReturnValue:
    """Offer the files of a list.

    `documents` is the number of its PDFs, if it has any.
    """
    requests = [_read_export_request(kind, "csv") for kind in kinds]
    files = [
        {
            "kind": EXPORT_KINDS[export_request.kind],
            "order": EXPORT_KINDS[export_request.kind].describe_order(export_request.sort),
            "totals": _control_totals(export_request),
            "urls": _file_urls(export_request.kind),
        }
        for export_request in requests
    ]
    return render_template(
        "exports/list.html",
        max_summed=MAX_SUMMED_CHARGES,
        title=title,
        subtitle=_subtitle(requests[0].filters, bool(filter_chips)),
        list_url=filtered_url(list_endpoint),
        chips=filter_chips,
        clear_url=unfiltered_url(),
        files=files,
        documents=documents,
        documents_url=filtered_url("exports.prepare_documents"),
        moment=now(),
        large_workbook_rows=export.LARGE_WORKBOOK_ROWS,
    )


def _control_totals(export_request: ExportRequest) -> export.ControlTotals | None:
    """Return the control totals of a file, or None for too many rows.

    Only a small file has a checksum here, as the whole file is written to hash it.
    """
    filters = export_request.filters
    if isinstance(filters, ChargeFilter) and is_large(db.session(), filters, MAX_SUMMED_CHARGES):
        return None
    rows_and_sums = totals(db.session(), export_request.kind, export_request.filters)
    if rows_and_sums.rows > MAX_HASHED_ROWS:
        return export.ControlTotals(rows_and_sums.rows, rows_and_sums.sums, "")
    return export.control_totals(db.session(), export_request)


def _subtitle(filters: Filters, is_filtered: bool) -> str:
    if is_filtered:
        return Phrase("All pages of the filtered list.")
    if isinstance(filters, CustomerFilter | ServiceFilter):
        return Phrase("The whole list, without archived rows.")
    return Phrase("The whole list, without filters.")


def _file_urls(kind: str) -> dict[str, str]:
    return {
        "csv": filtered_url("exports.download", kind=kind, format="csv"),
        "excel": filtered_url("exports.download", kind=kind, format="csv", excel=1),
        "xlsx": filtered_url("exports.download", kind=kind, format="xlsx"),
        "csv_zip": filtered_url("exports.bundle", kind=kind, format="csv"),
        "xlsx_zip": filtered_url("exports.bundle", kind=kind, format="xlsx"),
        "meta": filtered_url("exports.meta", kind=kind, format="csv"),
        "later": filtered_url("exports.prepare", kind=kind, format="csv"),
        "later_xlsx": filtered_url("exports.prepare", kind=kind, format="xlsx"),
    }


def _read_export_request(kind: str, format: str) -> ExportRequest:
    """Return kind, format and filters of the file that the URL names.

    Raises:
        Denied: if the person lacks the permission that the kind needs.
        NotFound: if the filter names a customer that does not exist.
    """
    actor().require(EXPORT_KINDS[kind].needs)
    return ExportRequest(
        kind,
        _READ_FILTERS[kind](),
        format,
        excel=format == "csv" and flag_param("excel"),
        sort=sort_param(sorts_of(kind)),
    )


_READ_FILTERS: Mapping[str, Callable[[], Filters]] = {
    "invoices": lambda: resolve_customer(invoices.read_filters()),
    "invoice-lines": lambda: resolve_customer(invoices.read_filters()),
    "charges": lambda: resolve_customer(charges.read_filters()),
    "recurring-charges": lambda: resolve_customer(recurring_charges.read_filters()),
    "payments": lambda: resolve_customer(payments.read_filters()),
    "allocations": lambda: resolve_customer(payments.read_filters()),
    "refunds": lambda: resolve_customer(refunds.read_filters()),
    "open-items": lambda: resolve_customer(receivables.read_filters()),
    "customers": customers.read_filters,
    "contacts": customers.read_filters,
    "services": services.read_filters,
    "bank-accounts": bank_accounts.read_filters,
    "exchange-rates": exchange_rates.read_filters,
    "messages": lambda: resolve_customer(messages.read_filters()),
    "audit-events": audit.read_filters,
}


_RULE = f"/<any({', '.join(map(repr, EXPORT_KINDS))}):kind>.<any({', '.join(FORMATS)}):format>"


@pages.get(_RULE)
def download(kind: str, format: str) -> ResponseReturnValue:
    """Stream the file."""
    export_request = _read_export_request(kind, format)
    export.check_export(db.session(), export_request)  # raises before the response begins
    export.check_workbook_size(db.session(), export_request)
    file = Download(export_request.name(today()), FORMATS[format], export_request.details)
    return send_export(file, lambda session: export.export_parts(session, export_request))


@pages.get(f"{_RULE}.zip")
def bundle(kind: str, format: str) -> ResponseReturnValue:
    """Stream the file and its control totals as ZIP, made in one pass over the data."""
    export_request, day = _read_export_request(kind, format), today()
    export.check_export(db.session(), export_request)
    export.check_workbook_size(db.session(), export_request)
    at, by = now(), actor().name
    file = Download(f"{export_request.name(day)}.zip", "application/zip", export_request.details)
    return send_export(file, lambda session: export.zip_bundle(lambda: session, export_request, at, by, day))


@pages.get(f"{_RULE}{META_SUFFIX}")
def meta(kind: str, format: str) -> ResponseReturnValue:
    """Send the control totals that the file has now."""
    session, export_request = db.session(), _read_export_request(kind, format)
    control_totals, name = export.control_totals(session, export_request), export_request.name(today())
    about = export.describe_export(export_request, name, control_totals, now(), actor().name)
    return unrecorded_attachment(export.meta_json(about), name + META_SUFFIX, "application/json")


@pages.post(f"{_RULE}/prepare")
def prepare(kind: str, format: str) -> ResponseReturnValue:
    """Queue a job that writes the file and its control totals.

    The file can be downloaded for thirty days.
    """
    export_request = _read_export_request(kind, format)
    export.check_export(db.session(), export_request)
    parameters = {
        "kind": kind,
        "format": format,
        "filters": filters_as_json(export_request.filters),
        **export_request.sorting,
    }
    job = transaction(enqueue, JOB_KIND, new_id(now()), READ, actor(), now(), parameters)
    wake_worker()
    return redirect(url_for("jobs.show", id=job), 303)


@pages.post("/documents/prepare")
def prepare_documents() -> ResponseReturnValue:
    """Queue a job that writes the PDFs of an invoice list into a ZIP file.

    The file can be downloaded for thirty days.
    """
    filters = resolve_customer(invoices.read_filters())
    count = count_issued(db.session(), filters)
    if not 0 < count <= MAX_DOCUMENTS:
        message = (
            Phrase("No issued document matches. Choose other filters.")
            if not count
            else plural(
                "A ZIP file can hold {count} document, but {documents} match. Choose a shorter period or other "
                "filters.",
                "A ZIP file can hold {count} documents, but {documents} match. Choose a shorter period or other "
                "filters.",
                MAX_DOCUMENTS,
                documents=pluralise(count, "document"),
            )
        )
        raise Conflict("too_many_documents" if count else "no_documents", message)
    parameters = {"filters": filters_as_json(filters)}
    job = transaction(enqueue, DOCUMENTS_JOB, new_id(now()), READ, actor(), now(), parameters)
    wake_worker()
    return redirect(url_for("jobs.show", id=job), 303)


@pages.get("/made/<uuid:id>")
def download_prepared(id: UUID) -> ResponseReturnValue:
    """Send the file that an export job, or a job for PDFs, wrote."""
    job = latest_job(db.session(), id)
    if job is None or job.kind not in {JOB_KIND, DOCUMENTS_JOB} or not job.result:
        raise NotFound("not_made", Phrase("This job has no file to download. Export the list again."))
    if job.kind == JOB_KIND:
        actor().require(EXPORT_KINDS[job.asked["kind"]].needs)
    exported = stored_file(db.session(), UUID(job.result["file"]))
    file_id, size = exported.id, exported.size or 0
    file = Download(exported.name, exported.media_type, job.asked, object_id=job.id)
    response = send_recorded(file, lambda session: file_chunks(session, file_id))
    response.content_length = size  # lets the client detect a broken download
    return response
