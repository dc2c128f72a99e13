"""Exports: what a list shows, all pages of it, as a file, with what the file must add up to."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from billing_admin.background import wake_worker
from billing_admin.background.exports import JOB_KIND
from billing_admin.db.engine import db
from billing_admin.db.ids import new_id
from billing_admin.db.transactions import Stream, transaction
from billing_admin.domain.errors import NotFound
from billing_admin.formats import export
from billing_admin.formats.export import FORMATS, META_SUFFIX, ExportRequest
from billing_admin.formats.meta_filters import filters_as_json
from billing_admin.operations.jobs import enqueue
from billing_admin.queries.exports import Filters, totals
from billing_admin.queries.files import file_chunks, stored_file
from billing_admin.queries.jobs import latest_job
from billing_admin.queries.master_data.customers import CustomerFilter
from billing_admin.queries.master_data.services import ServiceFilter
from billing_admin.web.charges import charges
from billing_admin.web.frame.guard import page_blueprint
from billing_admin.web.frame.list_params import build_chips, filtered_url, has_permission, text_param, unfiltered_url
from billing_admin.web.frame.signed_in import actor, now, today
from billing_admin.web.invoices import invoices
from billing_admin.web.master_data import customers, services
from billing_admin.web.payments import payments
from billing_admin.web.system import audit

pages = page_blueprint("exports", __name__, "/exports", write="billing:write")


@dataclass(frozen=True, slots=True)
class ExportKind:
    """What a file is called, what one row of it is, what its sum is of if it has one, and the permission to see it."""

    title: str
    row: str
    sum_of: str = ""
    needs: str = "read"


EXPORT_KINDS = {
    "invoices": ExportKind("Invoices", "invoice", "Sum of the totals"),
    "invoice-lines": ExportKind("Invoice lines", "invoice line", "Sum of the net amounts"),
    "charges": ExportKind("Charges", "charge", "Exact sum of the amounts"),
    "payments": ExportKind("Payments", "payment", "Sum of the amounts, reversed payments included"),
    "allocations": ExportKind("Allocations", "allocation", "Sum of the amounts, withdrawn allocations included"),
    "customers": ExportKind("Customers", "customer"),
    "services": ExportKind("Services", "service and price"),
    "audit-events": ExportKind("Audit log", "event", needs=audit.READ),
}


@pages.get("/invoices")
def invoice_files() -> ResponseReturnValue:
    """The files of an invoice list."""
    filters = invoices.read_filters()
    state = build_chips(("status", "Status", filters.status.capitalize()))
    return _page("Invoices", "invoices.index", state + invoices.filter_chips(filters), ["invoices", "invoice-lines"])


@pages.get("/charges")
def charge_files() -> ResponseReturnValue:
    """The file of a charge list."""
    return _page("Charges", "charges.index", charges.filter_chips(charges.read_filters()), ["charges"])


@pages.get("/payments")
def payment_files() -> ResponseReturnValue:
    """The files of a payment list."""
    filters = payments.read_filters()
    state = build_chips(("status", "Status", filters.status.capitalize()))
    return _page("Payments", "payments.index", state + payments.filter_chips(filters), ["payments", "allocations"])


@pages.get("/customers")
def customer_files() -> ResponseReturnValue:
    """The file of a customer list."""
    return _page("Customers", "customers.index", customers.filter_chips(customers.read_filters()), ["customers"])


@pages.get("/services")
def service_files() -> ResponseReturnValue:
    """The file of the catalogue."""
    return _page("Services", "services.index", services.filter_chips(services.read_filters()), ["services"])


@pages.get("/audit-events")
def audit_files() -> ResponseReturnValue:
    """The file of the audit log."""
    return _page("Audit log", "audit.index", audit.filter_chips(audit.read_filters()), ["audit-events"])


def _page(title: str, back: str, in_force: Any, kinds: list[str]) -> ResponseReturnValue:
    wanted = [_wanted(kind, "csv") for kind in kinds]
    files = [
        {
            "kind": EXPORT_KINDS[one.kind],
            "totals": _totals(one),
            "urls": _urls(one.kind),
        }
        for one in wanted
    ]
    return render_template(
        "exports/list.html",
        title=title,
        subtitle=_subtitle(wanted[0].filters, bool(in_force)),
        back_url=filtered_url(back),
        chips=in_force,
        clear_url=unfiltered_url(),
        files=files,
        moment=now(),
        may_write=has_permission("billing:write"),
    )


def _totals(wanted: ExportRequest) -> export.ControlTotals:
    """What the file must show; to hash a large one would take longer than anybody waits for a page."""
    added = totals(db.session(), wanted.kind, wanted.filters)
    if added.rows > export.LARGE_EXPORT_ROWS:
        return export.ControlTotals(added.rows, added.sums, "")
    return export.control_totals(db.session(), wanted)


def _subtitle(filters: Filters, is_filtered: bool) -> str:
    if is_filtered:
        return "Exactly what the list shows, all pages of it."
    if isinstance(filters, CustomerFilter | ServiceFilter):
        return "Everything that is in use: the list has no other filter."
    return "Everything: the list has no filter."


def _urls(kind: str) -> dict[str, str]:
    return {
        "csv": filtered_url("exports.download", kind=kind, format="csv"),
        "excel": filtered_url("exports.download", kind=kind, format="csv", excel=1),
        "xlsx": filtered_url("exports.download", kind=kind, format="xlsx"),
        "csv_zip": filtered_url("exports.bundle", kind=kind, format="csv"),
        "xlsx_zip": filtered_url("exports.bundle", kind=kind, format="xlsx"),
        "meta": filtered_url("exports.meta", kind=kind, format="csv"),
        "later": filtered_url("exports.prepare", kind=kind, format="csv"),
    }


def _wanted(kind: str, format: str) -> ExportRequest:
    """Exactly what the list is filtered by. Raises NotFound for what does not exist, Denied for what the person may not see."""
    actor().require(EXPORT_KINDS[kind].needs)
    return ExportRequest(kind, _filters(kind), format, excel=format == "csv" and text_param("excel") == "1")


def _filters(kind: str) -> Filters:
    match kind:
        case "charges":
            return charges.resolve_customer(charges.read_filters())
        case "payments" | "allocations":
            return payments.resolve_customer(payments.read_filters())
        case "customers":
            return customers.read_filters()
        case "services":
            return services.read_filters()
        case "audit-events":
            return audit.read_filters()
        case _:
            return invoices.resolve_customer(invoices.read_filters())


_RULE = f"/<any({', '.join(map(repr, EXPORT_KINDS))}):kind>.<any({', '.join(FORMATS)}):format>"


@pages.get(_RULE)
def download(kind: str, format: str) -> ResponseReturnValue:
    """The file itself, written while it is sent."""
    wanted = _wanted(kind, format)
    export.check_export(db.session(), wanted)  # what is refused is refused before anything is sent
    name = wanted.name(today())
    return _attached(Stream(lambda session: export.export_parts(session, wanted)), name, FORMATS[format])


@pages.get(f"{_RULE}.zip")
def bundle(kind: str, format: str) -> ResponseReturnValue:
    """The file together with its control totals, both made in one pass."""
    wanted, day = _wanted(kind, format), today()
    export.check_export(db.session(), wanted)
    at, by = now(), actor().name
    parts = Stream(lambda session: export.zip_bundle(lambda: session, wanted, at, by, day))
    return _attached(parts, f"{wanted.name(day)}.zip", "application/zip")


@pages.get(f"{_RULE}{META_SUFFIX}")
def meta(kind: str, format: str) -> ResponseReturnValue:
    """The control totals of the file as it would be written now."""
    session, wanted = db.session(), _wanted(kind, format)
    made, name = export.control_totals(session, wanted), wanted.name(today())
    about = export.describe_export(wanted, name, made, now(), actor().name)
    return _attached(export.meta_json(about), name + META_SUFFIX, "application/json")


@pages.post(f"{_RULE}/prepare")
def prepare(kind: str, format: str) -> ResponseReturnValue:
    """Have a worker write the file with its control totals; it can be fetched for thirty days."""
    wanted = _wanted(kind, format)
    export.check_export(db.session(), wanted)
    asked = {"kind": kind, "format": format, "filters": filters_as_json(wanted.filters)}
    job = transaction(enqueue, JOB_KIND, new_id(now()), "billing:write", actor(), now(), asked)
    wake_worker()
    return redirect(url_for("jobs.show", id=job), 303)


@pages.get("/made/<uuid:id>")
def download_prepared(id: UUID) -> ResponseReturnValue:
    """The file of an export that a worker made."""
    job = latest_job(db.session(), id)
    if job is None or job.kind != JOB_KIND or not job.result:
        raise NotFound("not_made", "This job has made no file.")
    actor().require(EXPORT_KINDS[job.asked["kind"]].needs)
    found = stored_file(db.session(), UUID(job.result["file"]))
    content = Stream(lambda session: file_chunks(session, found.id))
    response = _attached(content, found.name, found.media_type)
    response.content_length = found.size or 0  # so that whoever fetches it sees when it breaks off
    return response


def _attached(content: Any, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, content_type=media_type, headers=headers)
