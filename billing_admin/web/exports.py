"""Exports: what a list shows, all pages of it, as CSV, with what the file must add up to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Response, render_template, stream_with_context
from flask.typing import ResponseReturnValue

from billing_admin.database import db
from billing_admin.documents import csv
from billing_admin.web import charges, invoices, payments
from billing_admin.web.guard import subject
from billing_admin.web.lists import address, bare, chips, given
from billing_admin.web.people import today

pages = subject("exports", __name__, "/exports", write="billing:write")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is called, what one row of it is, and what its sum is of."""

    title: str
    row: str
    sum_of: str


KINDS = {
    "invoices": Kind("Invoices", "invoice", "Sum of the totals"),
    "invoice-lines": Kind("Invoice lines", "invoice line", "Sum of the net amounts"),
    "charges": Kind("Charges", "charge", "Exact sum of the amounts"),
    "payments": Kind("Payments", "payment", "Sum of the amounts, reversed payments included"),
}


@pages.get("/invoices")
def invoice_files() -> ResponseReturnValue:
    """The files of an invoice list."""
    filters = invoices.filters_given()
    state = chips(("status", "Status", filters.status.capitalize()))
    return _page("Invoices", "invoices.index", state + invoices.chips_of(filters), ["invoices", "invoice-lines"])


@pages.get("/charges")
def charge_files() -> ResponseReturnValue:
    """The file of a charge list."""
    return _page("Charges", "charges.index", charges.chips_of(charges.filters_given()), ["charges"])


@pages.get("/payments")
def payment_files() -> ResponseReturnValue:
    """The file of a payment list."""
    filters = payments.filters_given()
    state = chips(("status", "Status", filters.status.capitalize()))
    return _page("Payments", "payments.index", state + payments.chips_of(filters), ["payments"])


def _page(title: str, back: str, in_force: Any, kinds: list[str]) -> ResponseReturnValue:
    files = [
        {
            "kind": KINDS[kind],
            "totals": csv.control_totals(db.session(), kind, _filters(kind)),
            "url": address("exports.download", kind=kind),
            "excel_url": address("exports.download", kind=kind, excel=1),
        }
        for kind in kinds
    ]
    return render_template(
        "exports/list.html", title=title, back_url=address(back), chips=in_force, clear_url=bare(), files=files
    )


def _filters(kind: str) -> Any:
    """Exactly what the list is filtered by. Raises NotFound for what does not exist."""
    if kind == "charges":
        return charges.filters_known(charges.filters_given())
    if kind == "payments":
        return payments.filters_known(payments.filters_given())
    return invoices.filters_known(invoices.filters_given())


@pages.get("/<any('invoices', 'invoice-lines', 'charges', 'payments'):kind>.csv")
def download(kind: str) -> ResponseReturnValue:
    """The file itself, written while it is sent."""
    excel, filters = given("excel") == "1", _filters(kind)
    next(csv.export(db.session(), kind, filters))  # what is refused is refused before anything is sent
    name = f"{kind}-{today().isoformat()}{'-excel' if excel else ''}.csv"
    return Response(
        stream_with_context(_parts(kind, filters, excel)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _parts(kind: str, filters: Any, excel: bool) -> Iterator[bytes]:
    """The request's session ended with the view; this one ends with the stream."""
    yield from csv.export(db.session(), kind, filters, excel=excel)
